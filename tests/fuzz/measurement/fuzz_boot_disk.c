/* Disk images and firmware files: whatever is in them, a prediction or a sentence. */
#include "measurement/boot.h"
#include "measurement/firmware.h"
#include "measurement/pe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t digest[DIGEST_SIZE];
	struct boot_events boot;
	struct firmware firmware;
	struct span section;

	if (n < 1)
		return 0;
	switch (data[0] % 3) {
	case 0: boot_events_predict(&boot, span_of(data + 1, n - 1), NULL); break;
	case 1:
		pe_authenticode(digest, span_of(data + 1, n - 1), NULL);
		pe_section(&section, span_of(data + 1, n - 1), ".linux", NULL);
		break;
	default:
		if (!firmware_parse(&firmware, span_of(data + 1, n - 1), NULL))
			break;
		firmware_hob(digest, &firmware, 2ull << 30, NULL);
		firmware_cfv(digest, &firmware, NULL);
	}
	return 0;
}
