/*
 * revocations.h -- what the operator trusts no more: a key, a platform, a kind of platform, a
 * measurement.
 *
 * Each is written as the operator names it: an ADDRESS, or ppid:HEX (one platform, by Intel's name
 * for it in the PCK certificate), fmspc:HEX (a kind of platform), mrtd:HEX, rtmr0:HEX to rtmr3:HEX
 * (an image). Their own set: nothing that provers do adds to it, or takes anything from it. Pure.
 */
#ifndef COORDINATOR_REGISTRAR_REVOCATIONS_H
#define COORDINATOR_REGISTRAR_REVOCATIONS_H

#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/address.h"

#define REVOCATIONS_MAX      4096
#define REVOCATION_VALUE     48
#define REVOCATION_TEXT_SIZE (sizeof "rtmr0:" + 2 * REVOCATION_VALUE)

enum revocation_kind {
	REVOCATION_KEY,
	REVOCATION_PPID,
	REVOCATION_FMSPC,
	REVOCATION_MRTD,
	REVOCATION_RTMR0,
	REVOCATION_RTMR1,
	REVOCATION_RTMR2,
	REVOCATION_RTMR3,
	REVOCATION_KINDS,
};

struct revocation {
	enum revocation_kind kind;
	uint8_t value[REVOCATION_VALUE]; /* zeros behind what the kind needs */
	uint64_t at_ms;                  /* when; 0: not known */
};

struct revocation revocation_of_key(const struct eth_address *signer);
/* False with the sentence, which names the forms. at_ms is 0. */
bool revocation_parse(struct revocation *out, const char *text, struct why *why);
void revocation_print(char out[REVOCATION_TEXT_SIZE], const struct revocation *what);

/* What a prover can be revoked by. */
struct traits {
	bool has[REVOCATION_KINDS];
	uint8_t value[REVOCATION_KINDS][REVOCATION_VALUE];
};
/* The key, and what its quote says; a payload that is no quote says nothing. */
void traits_of(struct traits *out, const struct eth_address *signer, struct span payload);
/* False: there is none of that kind. */
bool traits_at(const struct traits *t, enum revocation_kind kind, struct revocation *out);

/* Zeroed at first; sorted. */
struct revocations {
	struct revocation *at;
	size_t n;
};
void revocations_free(struct revocations *s);
bool revocations_has(const struct revocations *s, const struct revocation *what);
/* True also where it is there. False with the sentence: REVOCATIONS_MAX are, or memory is out. */
bool revocations_add(struct revocations *s, const struct revocation *what, struct why *why);
/* False: it is not there. */
bool revocations_remove(struct revocations *s, const struct revocation *what);
/* NULL: none of these is revoked. Valid until the set changes. */
const struct revocation *revocations_find(const struct revocations *s, const struct traits *t);

#endif
