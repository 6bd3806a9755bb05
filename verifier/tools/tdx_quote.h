/*
 * tdx_quote.h -- what the verbs of the program tdx-quote share.
 */
#ifndef VERIFIER_TOOLS_TDX_QUOTE_H
#define VERIFIER_TOOLS_TDX_QUOTE_H

#include "encoding/bytes.h"
#include "verifier/include/tdxverify.h"
#include "verifier/tools/quote_text.h"

#define EXIT_ACCEPTED 0
#define EXIT_REFUSED  1 /* a verdict against the quote, or a difference found */
#define EXIT_TROUBLE  2 /* unreadable input: nothing was judged */
#define EXIT_USAGE    64

struct options {
	bool json, solidity, policy_json, raw, tpm, accept_unconfirmed;
	const char *collateral, *policy, *root, *status, *time, *layout, *fmspc, *name;
	const char *quote, *expect, *firmware, *memory, *from_quote, *learnt;
	const char *file[2];
	int n_files;
};

/* A quote or a report in memory; free with buf_free(&i->bytes). */
struct input {
	struct buf bytes;
	bool is_report;
	struct tdxv_quote quote; /* unless is_report */
	struct tdxv_report report;
	enum tdxv_body body_type;
	struct tdxv_bytes body;
};

/* Reads a whole file, or stdin for "-" or NULL. Says what is wrong on stderr. */
bool read_file(struct buf *out, const char *path);
/* Reads a file and finds the quote or report in it, binary or as text. */
bool read_input(struct input *in, const char *path, bool allow_report);

struct tdxv_bytes body_field(const struct input *in, const char *name);
void print_hex(struct tdxv_bytes b);
/* As a JSON string, quotes and all. */
void print_json_string(const char *s);
/* Whether a policy takes it as an image's name: its reader takes no escapes. */
bool is_image_name(const char *name);
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int verb_inspect(const struct options *o);
int verb_verify(const struct options *o);
int verb_measurements(const struct options *o);
int verb_report(const struct options *o);
int verb_diff(const struct options *o);
int verb_measure(const struct options *o);
int verb_replay(const struct options *o);

/* Loads the pieces from a directory, or from one JSON file; see tdx-quote --help for the names.
 * NULL when nothing can be judged with them; stderr says why. */
struct tdxv_collateral *load_collateral(const char *path, const char *root);
/* The time asked for, or the clock's. */
bool chosen_time(int64_t *t, const char *text);

#endif
