#include "ethereum/key.h"

#include "encoding/bytes.h"
#include "ethereum/keccak.h"

#include <pthread.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Made once, then only read: libsecp256k1 lets any number of threads use a const context. */
static secp256k1_context *shared_context;
static pthread_once_t shared_context_once = PTHREAD_ONCE_INIT;

static void make_context(void)
{
	unsigned char seed[32];
	secp256k1_context *context = NULL;
	bool blinded = false;

	/* The flags share a bit: the library's way. NOLINTNEXTLINE(misc-redundant-expression) */
	context = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
	/* Without blinding a signature's timing could tell about the key: no seed, no context. */
	if (getentropy(seed, sizeof seed) == 0)
		blinded = secp256k1_context_randomize(context, seed) == 1;
	secret_wipe(seed, sizeof seed);
	if (blinded)
		shared_context = context;
	else
		secp256k1_context_destroy(context);
}

/* NULL when the system has no entropy to give. */
static const secp256k1_context *context_get(void)
{
	pthread_once(&shared_context_once, make_context);
	return shared_context;
}

static void address_of(struct eth_address *out, const secp256k1_context *context,
		       const secp256k1_pubkey *point)
{
	unsigned char bytes[65];
	size_t n = sizeof bytes;

	secp256k1_ec_pubkey_serialize(context, bytes, &n, point, SECP256K1_EC_UNCOMPRESSED);
	eth_public_key_address(out, bytes + 1);
}

bool eth_key_parse(struct eth_key *key, const char *hex, struct why *why)
{
	size_t n = strlen(hex);

	if (!hex_decode(key->secret, sizeof key->secret, hex, n)) {
		why_set(why, "not a private key: 64 hex digits are expected, %zu characters came",
			n);
		goto refuse;
	}
	if (!eth_key_generate(key, key->secret)) {
		why_set(why, "not a private key: zero, or not below the order of secp256k1");
		goto refuse;
	}
	return true;
refuse:
	eth_key_wipe(key);
	return false;
}

bool eth_key_generate(struct eth_key *key, const uint8_t random[32])
{
	const secp256k1_context *context = context_get();

	if (!context || !secp256k1_ec_seckey_verify(context, random)) {
		eth_key_wipe(key);
		return false;
	}
	memmove(key->secret, random, sizeof key->secret);
	return true;
}

void eth_key_wipe(struct eth_key *key)
{
	secret_wipe(key, sizeof *key);
}

bool eth_key_address(struct eth_address *out, const struct eth_key *key)
{
	const secp256k1_context *context = context_get();
	secp256k1_pubkey point;

	if (!context || !secp256k1_ec_pubkey_create(context, &point, key->secret))
		return false;
	address_of(out, context, &point);
	return true;
}

bool eth_public_key_parse(uint8_t point[ETH_POINT_SIZE], const char *hex, struct why *why)
{
	const secp256k1_context *context = context_get();
	const size_t n = strlen(hex);
	unsigned char bytes[65] = {4};
	secp256k1_pubkey parsed;
	size_t size = sizeof bytes;

	if (hex_decode(bytes, 33, hex, n))
		size = 33;
	else if (!hex_decode(bytes, 65, hex, n) && !hex_decode(bytes + 1, 64, hex, n)) {
		why_set(why,
			"not a public key: 33, 64 or 65 bytes in hex are expected, %zu characters "
			"came",
			n);
		return false;
	}
	/* The library also takes the hybrid form, which nobody writes. */
	if (bytes[0] > 4 || !context || !secp256k1_ec_pubkey_parse(context, &parsed, bytes, size)) {
		why_set(why, "not a public key: no point of secp256k1");
		return false;
	}
	size = sizeof bytes;
	secp256k1_ec_pubkey_serialize(context, bytes, &size, &parsed, SECP256K1_EC_UNCOMPRESSED);
	memcpy(point, bytes + 1, ETH_POINT_SIZE);
	return true;
}

void eth_public_key_address(struct eth_address *out, const uint8_t point[ETH_POINT_SIZE])
{
	uint8_t hash[32];

	keccak256(hash, point, ETH_POINT_SIZE);
	memcpy(out->b, hash + 12, sizeof out->b);
}

bool eth_sign_digest(uint8_t sig[ETH_SIGNATURE_SIZE], const struct eth_key *key,
		     const uint8_t digest[32])
{
	const secp256k1_context *context = context_get();
	secp256k1_ecdsa_recoverable_signature made;
	int recid;

	/* libsecp256k1 always makes s low; ids 2 and 3 need an r above the field's prime. */
	if (!context ||
	    !secp256k1_ecdsa_sign_recoverable(context, &made, digest, key->secret, NULL, NULL))
		return false;
	secp256k1_ecdsa_recoverable_signature_serialize_compact(context, sig, &recid, &made);
	if (recid > 1)
		return false;
	sig[64] = (uint8_t)recid;
	return true;
}

bool eth_signature_normalise(uint8_t sig[ETH_SIGNATURE_SIZE], struct why *why)
{
	const secp256k1_context *context = context_get();
	const unsigned v = sig[64] >= 27 ? sig[64] - 27u : sig[64];
	secp256k1_ecdsa_signature plain;
	int was_high;

	if (v > 1) {
		why_set(why, "the signature's last byte is %u: 0, 1, 27 or 28 is expected",
			sig[64]);
		return false;
	}
	if (!context || !secp256k1_ecdsa_signature_parse_compact(context, &plain, sig)) {
		why_set(why, "the signature's r or s is not below the order of secp256k1");
		return false;
	}
	was_high = secp256k1_ecdsa_signature_normalize(context, &plain, &plain);
	secp256k1_ecdsa_signature_serialize_compact(context, sig, &plain);
	sig[64] = (uint8_t)(was_high ? v ^ 1 : v);
	return true;
}

bool eth_recover(struct eth_address *out, const uint8_t digest[32],
		 const uint8_t sig[ETH_SIGNATURE_SIZE], enum eth_recover_rules rules,
		 struct why *why)
{
	const secp256k1_context *context = context_get();
	secp256k1_ecdsa_recoverable_signature parsed;
	secp256k1_ecdsa_signature plain;
	secp256k1_pubkey point;
	unsigned v = sig[64];
	bool strict = rules == ETH_RECOVER_OPENZEPPELIN;

	if (!context) {
		why_set(why, "cannot recover a signer: the system gives no entropy");
		return false;
	}
	if (!(v == 27 || v == 28 || (!strict && v <= 1))) {
		why_set(why, "the signature's last byte is %u: %s is expected", v,
			strict ? "27 or 28" : "0, 1, 27 or 28");
		return false;
	}
	if (!secp256k1_ecdsa_recoverable_signature_parse_compact(context, &parsed, sig,
								 (int)(v >= 27 ? v - 27 : v))) {
		why_set(why, "the signature's r or s is not below the order of secp256k1");
		return false;
	}
	secp256k1_ecdsa_recoverable_signature_convert(context, &plain, &parsed);
	if (strict && secp256k1_ecdsa_signature_normalize(context, NULL, &plain)) {
		why_set(why, "the signature's s is in the upper half: OpenZeppelin's ECDSA refuses "
			     "it with ECDSAInvalidSignatureS");
		return false;
	}
	if (!secp256k1_ecdsa_recover(context, &point, &parsed, digest)) {
		why_set(why, "no key can have made this signature: its r is no point of secp256k1, "
			     "or r or s is zero");
		return false;
	}
	address_of(out, context, &point);
	return true;
}

void eip191_digest(uint8_t out[32], const void *message, size_t n)
{
	struct keccak k;
	char prefix[64];
	int len = snprintf(prefix, sizeof prefix,
			   "\x19"
			   "Ethereum Signed Message:\n%zu",
			   n);

	keccak_init(&k);
	keccak_update(&k, prefix, (size_t)len);
	keccak_update(&k, message, n);
	keccak_final(&k, out);
}

bool eip191_sign(uint8_t sig[ETH_SIGNATURE_SIZE], const struct eth_key *key, const void *message,
		 size_t n)
{
	uint8_t digest[32];

	eip191_digest(digest, message, n);
	if (!eth_sign_digest(sig, key, digest))
		return false;
	sig[64] = (uint8_t)(sig[64] + 27);
	return true;
}
