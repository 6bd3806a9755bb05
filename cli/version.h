/* version.h -- which version the programs are: by the nearest tag, as the build found it. */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

/* "0.2.0" at that tag, "0.2.0+3.g1234567" three commits later, "0.2.0~g1234567" before there is
 * one; from a source tree without git what the file VERSION says. */
extern const char program_version[];

#endif
