/*
 * quote_text.h -- a quote written as text, as people and logs write it.
 */
#ifndef VERIFIER_QUOTE_TEXT_H
#define VERIFIER_QUOTE_TEXT_H

#include "encoding/bytes.h"

/* Whether the first bytes are none that a text begins with, or there are none. */
bool quote_is_binary(struct span bytes);
/* Replaces text by the bytes that it stands for: hex, base64, base64url or [4,0,2,...], alone or in
 * a log, there after the last "Sending quote". False, and b is empty, when there are none. */
bool decode_quote_text(struct buf *b);

#endif
