/* Encrypted key files: the definition's own two, and all that is refused. */
#include "coordinator/signing/keystore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The test vectors of the Web3 Secret Storage Definition. */
#define SECRET   "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
#define PASSWORD "testpassword"
#define PBKDF2                                                                                     \
	"{\"crypto\":{\"cipher\":\"aes-128-ctr\",\"cipherparams\":"                                \
	"{\"iv\":\"6087dab2f9fdbbfaddc31a909735c1e6\"},\"ciphertext\":"                            \
	"\"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46\","                    \
	"\"kdf\":\"pbkdf2\",\"kdfparams\":{\"c\":262144,\"dklen\":32,\"prf\":\"hmac-sha256\","     \
	"\"salt\":\"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd\"},"          \
	"\"mac\":\"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2\"},"           \
	"\"id\":\"3198bc9c-6672-5ab3-d995-4942343ae5b6\",\"version\":3}"
/* The second of them, whose n and r scrypt's own standard does not allow. */
#define SCRYPT_BEYOND                                                                              \
	"{\"crypto\":{\"cipher\":\"aes-128-ctr\",\"cipherparams\":"                                \
	"{\"iv\":\"83dbcc02d8ccb40e466191a123791e0e\"},\"ciphertext\":"                            \
	"\"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c\","                    \
	"\"kdf\":\"scrypt\",\"kdfparams\":{\"dklen\":32,\"n\":262144,\"p\":8,\"r\":1,"             \
	"\"salt\":\"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19\"},"          \
	"\"mac\":\"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097\"},"           \
	"\"id\":\"3198bc9c-6672-5ab3-d995-4942343ae5b6\",\"version\":3}"
/* What cast made of the same secret and password. */
#define SCRYPT                                                                                     \
	"{\"crypto\":{\"cipher\":\"aes-128-ctr\",\"cipherparams\":"                                \
	"{\"iv\":\"67a2e8f8677a65a3e5add00f45ca90a4\"},\"ciphertext\":"                            \
	"\"8c937b13dde5f580abaff49671c2ea1e188fd73fb6bd655138d85d00afb21395\","                    \
	"\"kdf\":\"scrypt\",\"kdfparams\":{\"dklen\":32,\"n\":8192,\"p\":1,\"r\":8,"               \
	"\"salt\":\"10d7371fbc1b71afd3496df6f834ae6c34de67593c28c5aa19f4d3d84181a9ab\"},"          \
	"\"mac\":\"e2eaf10585d4e41bb8429c5ba2e4de49bf35e22d94e66eaae836c975a523f86a\"},"           \
	"\"id\":\"9eb3b0d4-74ea-49b4-8b3a-97dd15a5f7e4\",\"version\":3}"

static struct eth_key key;
static struct why why;

static enum keystore_rc decrypt(const char *json, const char *password)
{
	why.text[0] = '\0';
	return keystore_decrypt(&key, span_of(json, strlen(json)), password, &why);
}

static void expect_secret(void)
{
	uint8_t secret[32];

	assert_true(hex_decode(secret, 32, SECRET, 64));
	assert_memory_equal(key.secret, secret, 32);
}

/* The pbkdf2 vector with one thing changed. */
static void expect(const char *from, const char *to, enum keystore_rc rc, const char *words)
{
	static const struct eth_key none;
	const char *at = strstr(PBKDF2, from);
	char json[2048];

	assert_non_null(at);
	snprintf(json, sizeof json, "%.*s%s%s", (int)(at - PBKDF2), PBKDF2, to, at + strlen(from));
	assert_int_equal(decrypt(json, PASSWORD), rc);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
	assert_memory_equal(&key, &none, sizeof key);
}

static void test_the_definitions_vectors(void **state)
{
	(void)state;
	assert_int_equal(decrypt(PBKDF2, PASSWORD), KEYSTORE_OK);
	expect_secret();
	assert_int_equal(decrypt(SCRYPT, PASSWORD), KEYSTORE_OK);
	expect_secret();
}

static void test_a_wrong_password(void **state)
{
	static const struct eth_key none;

	(void)state;
	assert_int_equal(decrypt(PBKDF2, "testpassword "), KEYSTORE_WRONG_PASSWORD);
	assert_non_null(strstr(why.text, "the password is wrong"));
	assert_null(strstr(why.text, "testpassword"));
	assert_memory_equal(&key, &none, sizeof key);
	expect("5318b4d5", "5318b4d6", KEYSTORE_WRONG_PASSWORD, "its MAC does not fit");
}

static void test_its_address(void **state)
{
	char address[41], json[2048];
	struct eth_address a;

	(void)state;
	assert_int_equal(decrypt(PBKDF2, PASSWORD), KEYSTORE_OK);
	assert_true(eth_key_address(&a, &key));
	expect("{\"crypto\"",
	       "{\"address\":\"00112233445566778899aabbccddeeff00112233\",\"Crypto\"",
	       KEYSTORE_NO_KEY, "not that of the \"address\"");
	hex_encode(address, a.b, 20);
	snprintf(json, sizeof json, "{\"address\":\"0x%s\",%s", address, &PBKDF2[1]);
	assert_int_equal(decrypt(json, PASSWORD), KEYSTORE_OK);
	expect_secret();
}

static void test_what_is_no_keystore(void **state)
{
	static const char *const texts[] = {"",
					    "nonsense",
					    "[]",
					    "{}",
					    "{\"version\":3}",
					    "{\"crypto\":3,\"version\":3}",
					    "{\"crypto\":{}, \"crypto\":{}, \"version\":3}"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_int_equal(decrypt(texts[i], PASSWORD), KEYSTORE_MALFORMED);
		assert_non_null(strstr(why.text, "no keystore"));
	}
	expect("\"version\":3", "\"version\":1", KEYSTORE_UNSUPPORTED,
	       "another version than 3: \"version\" is 1");
	expect("\"version\":3", "\"version\":\"3\"", KEYSTORE_UNSUPPORTED,
	       "another version than 3: \"version\" is \"3\"");
	expect("aes-128-ctr", "aes-128-cbc", KEYSTORE_UNSUPPORTED, "\"aes-128-cbc\", and only");
	expect("hmac-sha256", "hmac-sha1", KEYSTORE_UNSUPPORTED, "\"hmac-sha1\", and only");
	expect("\"pbkdf2\"", "\"argon2id\"", KEYSTORE_UNSUPPORTED, "neither scrypt nor pbkdf2");
	expect("\"6087dab2", "\"", KEYSTORE_MALFORMED, "\"iv\" is not 16 bytes");
	expect("\"517ead92", "\"zz7ead92", KEYSTORE_MALFORMED, "\"mac\" is not 32 bytes");
	expect("\"5318b4d5", "\"00005318b4d5", KEYSTORE_MALFORMED, "\"ciphertext\" is not 32");
	expect("ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd", "",
	       KEYSTORE_MALFORMED, "\"salt\" is not");
	expect("\"c\":262144", "\"c\":0", KEYSTORE_MALFORMED, "\"c\" is not a number above 0");
	expect("\"c\":262144", "\"c\":\"many\"", KEYSTORE_MALFORMED, "\"c\" is not a number");
	expect("\"dklen\":32", "\"dklen\":16", KEYSTORE_UNSUPPORTED, "\"dklen\" is 16");
}

#define AS_SCRYPT(n, r, p)                                                                         \
	expect("\"pbkdf2\",\"kdfparams\":{\"c\":262144",                                           \
	       "\"scrypt\",\"kdfparams\":{\"n\":" n ",\"r\":" r ",\"p\":" p, KEYSTORE_UNSUPPORTED,

static void test_ceilings(void **state)
{
	(void)state;
	AS_SCRYPT("1048576", "8", "1") "more memory than the 512 MiB");
	AS_SCRYPT("4611686018427387904", "8", "1") "more memory than the 512 MiB");
	AS_SCRYPT("1024", "4611686018427387904", "1") "more memory than the 512 MiB");
	AS_SCRYPT("1024", "8", "17") "p is 17, more than");
	assert_int_equal(decrypt(SCRYPT_BEYOND, PASSWORD), KEYSTORE_UNSUPPORTED);
	assert_non_null(strstr(why.text, "n 262144 and r 1 is outside RFC 7914"));
	AS_SCRYPT("1023", "8", "1") "no power of 2");
	AS_SCRYPT("1", "8", "1") "no power of 2");
	expect("\"c\":262144", "\"c\":10000001", KEYSTORE_UNSUPPORTED,
	       "10000001 rounds, more than");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_definitions_vectors),
	    cmocka_unit_test(test_a_wrong_password),
	    cmocka_unit_test(test_its_address),
	    cmocka_unit_test(test_what_is_no_keystore),
	    cmocka_unit_test(test_ceilings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
