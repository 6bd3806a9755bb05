/* A look at the beginning of a message that may be long. Whatever is not as the provers write it is
 * left to the decoder. */
#include "protocol/message.h"

#define LEVELS_MAX 4 /* proof, ProofWithPublicValues, proof_bytes */

/* Into the object at the cursor, behind its next key. */
static bool next_key(struct json_read *at, struct span *key)
{
	if (!json_read_more(at))
		return false;
	*key = json_read_key(at);
	return true;
}

static bool enter_object(struct json_read *at, struct span *key)
{
	if (json_read_peek(at) != JSON_OBJECT)
		return false;
	json_read_enter(at);
	return next_key(at, key);
}

static bool take_id(struct json_read *at, uint64_t *id)
{
	const struct proto_limits none = {0};
	struct reading rd = {.at = *at, .limits = &none};

	if (read_u64(&rd, id) != PROTO_OK)
		return false;
	*at = rd.at;
	/* A digit more may follow where the text ends. */
	return at->p < at->end;
}

/* What may stand around the prover type; whatever is in another key is not the proof. */
static bool is_wrapper(struct span key)
{
	static const char *const names[] = {"Proof", "ProofWithPublicValues", "proof_bytes",
					    "ProofBytes", "ProofCalldata"};
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		if (json_read_string_is(key, names[i]))
			return true;
	return false;
}

bool proofdata_peek_submit(struct span beginning, uint64_t *id, enum prover_type *type)
{
	struct json_read at;
	struct span key;
	unsigned level;

	json_read_init(&at, beginning);
	if (!enter_object(&at, &key) || !json_read_string_is(key, message_proof_submit.name) ||
	    !enter_object(&at, &key) ||
	    !(json_read_string_is(key, "id") || json_read_string_is(key, "batch_number")) ||
	    !take_id(&at, id) || !next_key(&at, &key) ||
	    !(json_read_string_is(key, "proof") || json_read_string_is(key, "batch_proof") ||
	      json_read_string_is(key, "calldata")))
		return false;
	for (level = 0; level < LEVELS_MAX; level++) {
		if (!enter_object(&at, &key))
			return false;
		if (is_wrapper(key))
			continue;
		if (!json_read_string_is(key, "prover_type"))
			return false;
		if (json_read_peek(&at) != JSON_STRING)
			return false;
		key = json_read_string(&at);
		/* Its end is seen when something follows. */
		return at.p < at.end && prover_type_parse(type, (const char *)key.p, key.n);
	}
	return false;
}

bool proofdata_peek_input(struct span beginning, size_t *input_at)
{
	struct json_read at;
	struct span key;
	uint64_t id;
	bool p7, more, has_id = false;

	json_read_init(&at, beginning);
	if (!enter_object(&at, &key))
		return false;
	p7 = json_read_string_is(key, message_input_response.name);
	if (!p7 && !json_read_string_is(key, message_batch_response.name))
		return false;
	for (more = enter_object(&at, &key); more; more = next_key(&at, &key)) {
		if (has_id && json_read_string_is(key, "input"))
			break;
		if (json_read_string_is(key, p7 ? "id" : "batch_number"))
			has_id = more = take_id(&at, &id);
		else /* of a version that is ahead */
			json_read_value(&at);
		if (!more || at.p >= at.end)
			return false;
	}
	if (!more || json_read_peek(&at) != JSON_OBJECT)
		return false;
	*input_at = json_read_offset(&at);
	return true;
}
