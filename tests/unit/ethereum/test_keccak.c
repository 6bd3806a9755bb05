#include "test.h"

#include "ethereum/keccak.h"

struct vector {
	const char *text;
	const char *hash;
};

static void known_hashes(void **state)
{
	static const struct vector vectors[] = {
	    {"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"},
	    {"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"},
	    {"The quick brown fox jumps over the lazy dog",
	     "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15"},
	    {"transfer(address,uint256)",
	     "a9059cbb2ab09eb219583f4a59a5d0623ade346d962bcd4e46b11da047c9049b"},
	};
	uint8_t hash[32];

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		keccak256(hash, vectors[i].text, strlen(vectors[i].text));
		assert_hex(hash, 32, vectors[i].hash);
	}
}

/* Expectations by Foundry's cast keccak, for n bytes of 0x61 around the block's size. */
static void around_the_block(void **state)
{
	static const struct {
		size_t n;
		const char *hash;
	} vectors[] = {
	    {1, "3ac225168df54212a25c1c01fd35bebfea408fdac2e31ddd6f80a4bbf9a5f1cb"},
	    {135, "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446"},
	    {136, "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e"},
	    {137, "d869f639c7046b4929fc92a4d988a8b22c55fbadb802c0c66ebcd484f1915f39"},
	    {271, "132f47effd6c8b1b299efa53fe68aece77ec8ae4eb2e294f668eec94f76001e1"},
	    {272, "cf7fcd4f705ee749930d19ca84561a9bf62516bd90a471545fa2f49fdc7e63c8"},
	    {273, "5a7b8187d2778e614097fac3097573de1fee4d972304d3360796a857029bb176"},
	};
	uint8_t hash[32], text[300];

	(void)state;
	memset(text, 'a', sizeof text);
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		keccak256(hash, text, vectors[i].n);
		assert_hex(hash, 32, vectors[i].hash);
	}
}

static void pieces_do_not_matter(void **state)
{
	uint8_t text[700], whole[32], pieced[32];
	struct keccak k;

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * 7);
	keccak256(whole, text, sizeof text);
	for (size_t piece = 1; piece <= 280; piece++) {
		keccak_init(&k);
		for (size_t at = 0; at < sizeof text; at += piece) {
			size_t left = sizeof text - at;

			keccak_update(&k, text + at, left < piece ? left : piece);
		}
		keccak_update(&k, NULL, 0);
		keccak_final(&k, pieced);
		assert_memory_equal(pieced, whole, 32);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_hashes),
	    cmocka_unit_test(around_the_block),
	    cmocka_unit_test(pieces_do_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
