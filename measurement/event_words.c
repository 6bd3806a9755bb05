#include "measurement/event_log.h"
#include "measurement/slice.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 2048u /* a kernel's command line on x86 */

/* Linux, drivers/firmware/efi/libstub: tags of what its EFI stub measures. */
#define TAG_LINUX_INITRD  0x8f3b22ecu
#define TAG_LINUX_OPTIONS 0x8f3b22edu

/* Text of one or, with wide, two bytes a character, up to its end or a NUL. */
static void text_of(char out[TEXT_MAX + 1], struct span data, bool wide)
{
	const size_t step = wide ? 2 : 1;
	size_t i, n = 0;

	for (i = 0; i + step <= data.n && n < TEXT_MAX; i += step) {
		const unsigned c = wide ? le16(data.p + i) : data.p[i];

		if (c == 0)
			break;
		out[n++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	out[n] = '\0';
}

static bool looks_wide(struct span data)
{
	return data.n >= 4 && data.n % 2 == 0 && data.p[0] != 0 && data.p[1] == 0;
}

/* EFI_VARIABLE: a GUID, the lengths of name and value, the name in UTF-16. */
static void variable_words(char *out, size_t size, const char *what, struct span data)
{
	char name[TEXT_MAX + 1] = "?";
	struct span wide;

	if (data.n >= 32 &&
	    slice(&wide, data, 32,
		  2 * (le64(data.p + 16) < TEXT_MAX ? le64(data.p + 16) : TEXT_MAX)))
		text_of(name, wide, true);
	snprintf(out, size, "%s \"%s\"", what, name);
}

static void tag_words(char *out, size_t size, struct span data)
{
	const uint32_t tag = data.n >= 8 ? le32(data.p) : 0;

	if (tag == TAG_LINUX_OPTIONS)
		snprintf(out, size, "the command line (the kernel's load options)");
	else if (tag == TAG_LINUX_INITRD)
		snprintf(out, size, "the initial RAM disk");
	else if (data.n >= 12 && memcmp(data.p, "LOADED_IMAGE", 12) == 0)
		snprintf(out, size, "the command line (the kernel's load options)");
	else
		snprintf(out, size, "a tagged event 0x%08x", tag);
}

static void ipl_words(char *out, size_t size, struct span data)
{
	char text[TEXT_MAX + 1];
	const bool wide = looks_wide(data);

	text_of(text, data, wide);
	if (wide && text[0] == '.')
		snprintf(out, size, "the stub's section \"%s\"", text);
	else if (wide || strncmp(text, "kernel_cmdline: ", 16) == 0)
		snprintf(out, size, "the command line \"%s\"", wide ? text : text + 16);
	else
		snprintf(out, size, "the boot loader's \"%s\"", text);
}

static void action_words(char *out, size_t size, const char *what, struct span data)
{
	char text[TEXT_MAX + 1];

	text_of(text, data, looks_wide(data));
	snprintf(out, size, "%s \"%s\"", what, text);
}

void event_words(char *out, size_t size, const struct event *e)
{
	if (e->words) {
		snprintf(out, size, "%s", e->words);
		return;
	}
	switch ((enum event_type)e->type) {
	case EVENT_POST_CODE: action_words(out, size, "firmware code", e->data); return;
	case EVENT_NO_ACTION: snprintf(out, size, "a remark"); return;
	case EVENT_SEPARATOR: snprintf(out, size, "the separator"); return;
	case EVENT_TAG: tag_words(out, size, e->data); return;
	case EVENT_PLATFORM_CONFIG_FLAGS:
		action_words(out, size, "the platform's configuration", e->data);
		return;
	case EVENT_IPL: ipl_words(out, size, e->data); return;
	case EVENT_EFI_VARIABLE_DRIVER_CONFIG:
		variable_words(out, size, "the firmware variable", e->data);
		return;
	case EVENT_EFI_VARIABLE_BOOT:
		variable_words(out, size, "the boot variable", e->data);
		return;
	case EVENT_EFI_BOOT_APPLICATION:
		snprintf(out, size,
			 "a boot application (boot loader, unified kernel image or kernel)");
		return;
	case EVENT_EFI_GPT: snprintf(out, size, "the disk's partition table"); return;
	case EVENT_EFI_ACTION: action_words(out, size, "the step", e->data); return;
	case EVENT_EFI_FIRMWARE_BLOB:
		snprintf(out, size, "the firmware's configuration volume (CFV)");
		return;
	case EVENT_EFI_HANDOFF_TABLES:
		snprintf(out, size, "the hand-off block (TD HOB): the machine's memory map");
		return;
	case EVENT_EFI_VARIABLE_AUTHORITY:
		variable_words(out, size, "the key that a signature was checked with, from",
			       e->data);
		return;
	}
	snprintf(out, size, "an event of type 0x%08x", e->type);
}
