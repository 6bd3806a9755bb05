#include "measurement/boot.h"

#include "measurement/boot_disk.h"
#include "measurement/pe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STUB_OLDEST 252u
#define STUB_NEWEST 255u /* 256 measures what it hands on into the registers of a TD, too */

static void add(struct boot_events *b, int rtmr, enum event_type type,
		const uint8_t digest[DIGEST_SIZE], const char *words)
{
	struct event *e = &b->event[b->n++];

	*e = (struct event){.rtmr = rtmr, .type = (uint32_t)type, .words = words};
	memcpy(e->digest, digest, DIGEST_SIZE);
}

static void add_bytes(struct boot_events *b, int rtmr, enum event_type type, struct span hashed,
		      const char *words)
{
	uint8_t digest[DIGEST_SIZE];

	digest_of(digest, hashed);
	add(b, rtmr, type, digest, words);
}

/* EV_EFI_ACTION: the text itself is hashed, without a NUL. */
static void add_action(struct boot_events *b, const char *text, const char *words)
{
	add_bytes(b, 1, EVENT_EFI_ACTION, span_of(text, strlen(text)), words);
}

/* Whether the code asks firmware for the registers of a TD: EFI_CC_MEASUREMENT_PROTOCOL_GUID is in
 * it, at once or in the pieces that its instructions hold. */
static bool measures_itself(struct span image, const char *const *but)
{
	static const uint8_t guid[16] = {0x3d, 0x1a, 0x75, 0x96, 0xf4, 0x72, 0xa6, 0x41,
					 0xa7, 0x94, 0xed, 0x5d, 0x0e, 0x67, 0xae, 0x6b};
	size_t i;

	for (i = 0; i < sizeof guid; i += 4)
		if (!pe_holds(image, but, guid + i, 4))
			return false;
	return true;
}

/* "#### LoaderInfo: systemd-stub 252.38-1 ####", in section .sdmagic */
static bool check_stub(struct span image, struct why *why)
{
	static const char name[] = "systemd-stub ";
	static const char *const payload[] = {".linux", ".initrd", NULL};
	unsigned version = 0;
	struct span magic;
	size_t i;

	if (!pe_section(&magic, image, ".sdmagic", why)) {
		why_wrap(why, "no systemd-stub");
		return false;
	}
	for (i = 0; i + sizeof name - 1 <= magic.n; i++)
		if (memcmp(magic.p + i, name, sizeof name - 1) == 0)
			break;
	for (i += sizeof name - 1;
	     i < magic.n && magic.p[i] >= '0' && magic.p[i] <= '9' && version < 100000; i++)
		version = 10 * version + (unsigned)(magic.p[i] - '0');
	if (version < STUB_OLDEST || version > STUB_NEWEST) {
		why_set(why, "the stub is systemd-stub %u; what %u to %u measure is known", version,
			STUB_OLDEST, STUB_NEWEST);
		return false;
	}
	if (!measures_itself(image, payload))
		return true;
	why_set(why,
		"the stub, systemd-stub %u, was changed to measure into a TD's registers itself: "
		"what it measures is not known",
		version);
	return false;
}

/* Before Linux 6.9 its stub knew a TPM alone. */
static bool check_kernel(struct span kernel, struct why *why)
{
	static const char *const none[] = {NULL};

	if (measures_itself(kernel, none))
		return true;
	why_set(why, "it does not measure into a TD's registers (Linux does since 6.9): neither "
		     "command line nor initial RAM disk would be in RTMR2");
	return false;
}

/* From these a stub makes more of the initial RAM disk than .initrd holds. */
static bool check_sections(struct span image, struct why *why)
{
	static const char *const more[] = {".pcrsig", ".pcrpkey", ".ucode", ".profile"};
	size_t i;

	for (i = 0; i < sizeof more / sizeof *more; i++)
		if (pe_has_section(image, more[i])) {
			why_set(why,
				"the executable has a section %s, which the stub hands to the "
				"kernel in "
				"the initial RAM disk: what is measured of it is not known",
				more[i]);
			return false;
		}
	return true;
}

/* The load options as the kernel gets them: UTF-16, and a NUL. */
static bool add_command_line(struct boot_events *b, struct span cmdline, struct why *why)
{
	struct buf wide;
	size_t i, n = cmdline.n;
	bool ok = true;

	while (n > 0 && cmdline.p[n - 1] == '\0')
		n--;
	for (i = 0; i < n; i++) {
		if (cmdline.p[i] >= 0x20 && cmdline.p[i] < 0x7f)
			continue;
		why_set(why,
			"byte %zu of the command line is 0x%02x; printable ASCII alone is measured "
			"the same by every stub",
			i, cmdline.p[i]);
		return false;
	}
	if (n == 0 || cmdline.p[0] == ' ' || cmdline.p[n - 1] == ' ') {
		why_set(
		    why,
		    n ? "the command line starts or ends in a blank, which not every stub passes on"
		      : "the command line is empty: the stub would take another");
		return false;
	}
	buf_init(&wide, 2 * (COMMAND_LINE_MAX + 1));
	for (i = 0; ok && i <= n; i++) {
		const uint8_t c[2] = {i < n ? cmdline.p[i] : 0, 0};

		ok = buf_add(&wide, c, 2);
	}
	if (ok) {
		snprintf(b->command_line, sizeof b->command_line, "the command line \"%.*s\"",
			 (int)n, (const char *)cmdline.p);
		add_bytes(b, 2, EVENT_TAG, buf_span(&wide), b->command_line);
	} else {
		why_set(why, "the command line has %zu bytes; at most %u are read", n,
			COMMAND_LINE_MAX);
	}
	buf_free(&wide);
	return ok;
}

static bool add_image(struct boot_events *b, struct span image, struct why *why)
{
	uint8_t digest[DIGEST_SIZE];
	struct span part;

	if (!check_stub(image, why) || !check_sections(image, why) ||
	    !pe_authenticode(digest, image, why))
		return false;
	add(b, 1, EVENT_EFI_BOOT_APPLICATION, digest, "the unified kernel image");
	if (!pe_section(&part, image, ".linux", why) || !pe_authenticode(digest, part, why) ||
	    !check_kernel(part, why)) {
		why_wrap(why, "the kernel");
		return false;
	}
	add(b, 1, EVENT_EFI_BOOT_APPLICATION, digest, "the kernel in it (.linux)");
	if (!pe_section(&part, image, ".cmdline", why) || !add_command_line(b, part, why))
		return false;
	if (!pe_section(&part, image, ".initrd", why))
		return false;
	add_bytes(b, 2, EVENT_TAG, part, "the initial RAM disk");
	return true;
}

bool boot_events_predict(struct boot_events *out, struct span disk, struct why *why)
{
	struct boot_disk boot;
	bool ok;

	memset(out, 0, sizeof *out);
	if (!boot_disk_read(&boot, disk, why))
		return false;
	add_action(out, "Calling EFI Application from Boot Option",
		   "the step \"Calling EFI Application from Boot Option\"");
	add_bytes(out, 1, EVENT_SEPARATOR, span_of("\0\0\0\0", 4), "the separator");
	add_bytes(out, 1, EVENT_EFI_GPT, buf_span(&boot.gpt_event), "the disk's partition table");
	ok = add_image(out, buf_span(&boot.application), why);
	if (!ok)
		why_wrap(why, "\\EFI\\BOOT\\BOOTX64.EFI");
	add_action(out, "Exit Boot Services Invocation",
		   "the step \"Exit Boot Services Invocation\"");
	add_action(out, "Exit Boot Services Returned with Success",
		   "the step \"Exit Boot Services Returned with Success\"");
	boot_disk_free(&boot);
	return ok;
}

struct event_log boot_events_log(struct boot_events *b)
{
	return (struct event_log){EVENT_LOG_TD, b->event, b->n};
}
