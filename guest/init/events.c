#include "guest/init/events.h"

#include "encoding/bytes.h"
#include "guest/init/say.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define SECURITY_FS "/sys/kernel/security"
#define LINE_BYTES  64
#define LOG_MAX     (1u << 20)
#define PCRS        24

static const char *const logs[] = {
    "/sys/firmware/acpi/tables/data/CCEL",
    SECURITY_FS "/tpm0/binary_bios_measurements",
};

static bool print_log(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t line[LINE_BYTES];
	char hex[2 * LINE_BYTES + 1];
	size_t n, all = 0;

	if (!f)
		return false;
	say("event log: %s", path);
	while (all < LOG_MAX && (n = fread(line, 1, sizeof line, f)) > 0) {
		hex_encode(hex, line, n);
		dprintf(STDOUT_FILENO, "%s\n", hex);
		all += n;
	}
	fclose(f);
	say("event log ends after %zu bytes", all);
	return true;
}

static void print_pcrs(void)
{
	char path[80], value[100];
	int i;

	for (i = 0; i < PCRS; i++) {
		FILE *f;

		snprintf(path, sizeof path, "/sys/class/tpm/tpm0/pcr-sha384/%d", i);
		f = fopen(path, "re");
		if (f && fgets(value, sizeof value, f)) {
			value[strcspn(value, "\n")] = '\0';
			say("pcr-sha384 %d %s", i, value);
		}
		if (f)
			fclose(f);
	}
}

void events_print(void)
{
	size_t i;

	mount("securityfs", SECURITY_FS, "securityfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	for (i = 0; i < sizeof logs / sizeof *logs; i++)
		if (print_log(logs[i])) {
			print_pcrs();
			return;
		}
	say("event log: this machine has neither a CCEL nor a TPM");
}
