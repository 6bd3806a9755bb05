/*
 * p256_tables -- writes the C of p256_tables.c: multiples of P-256's generator and of Intel's keys,
 * worked out by OpenSSL. Part of the build; run on the machine that builds.
 */
#include "verifier/tools/p256_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_table(const struct p256_table *t)
{
	const uint64_t *limb = &t->multiple[0][0].x[0];
	size_t n = sizeof *t / sizeof *limb, i;

	printf("{{");
	for (i = 0; i < n; i++) {
		if (i % (8 * P256_MULTIPLES) == 0)
			printf("%s{", i ? "}, " : "");
		if (i % 8 == 0)
			printf("%s{{", i % (8 * P256_MULTIPLES) ? ", " : "");
		printf("0x%llxu%s", (unsigned long long)limb[i],
		       i % 8 == 7   ? "}}\n"
		       : i % 8 == 3 ? "}, {"
				    : ", ");
	}
	printf("}}}");
}

static bool write_key(const char *xy)
{
	static struct p256_table table;
	uint8_t point[64];

	if (xy && !hex_decode(point, sizeof point, xy, strlen(xy)))
		return false;
	if (!p256_table_make(&table, xy ? point : NULL))
		return false;
	write_table(&table);
	return true;
}

int main(void)
{
	size_t k, i;

	puts("/* Written by verifier/tools/p256_tables.c. */\n"
	     "#include \"verifier/p256.h\"\n\n"
	     "#include <string.h>\n\n"
	     "_Alignas(64) const struct p256_table tdxv__p256_generator =");
	if (!write_key(NULL))
		return 1;
	puts(";\n\nstatic const struct {\n\t_Alignas(64) struct p256_table table;\n"
	     "\tuint8_t xy[64];\n} keys[] = {");
	for (k = 0; k < P256_INTEL_KEYS; k++) {
		printf("/* %s */\n{", p256_intel_keys[k].name);
		if (!write_key(p256_intel_keys[k].xy))
			return 1;
		printf(", {");
		for (i = 0; i < 64; i++)
			printf("0x%.2s%s", p256_intel_keys[k].xy + 2 * i, i < 63 ? "," : "}},\n");
	}
	puts("};\n\nconst struct p256_table *tdxv__p256_table(const uint8_t xy[64])\n{\n"
	     "\tsize_t i;\n\n\tfor (i = 0; i < sizeof keys / sizeof keys[0]; i++)\n"
	     "\t\tif (memcmp(keys[i].xy, xy, 64) == 0)\n\t\t\treturn &keys[i].table;\n"
	     "\treturn NULL;\n}");
	return fflush(stdout) == 0 ? 0 : 1;
}
