#include "guest/init/settings.h"

#include "encoding/bytes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_number(uint64_t *out, const char *text, uint64_t min, uint64_t max)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *out >= min && *out <= max;
}

/* 32 bytes in hex, kept as lower-case text: that is how the kernel wants them. */
static bool read_hash(char out[65], const char *text)
{
	uint8_t bytes[32];

	if (strlen(text) != 64 || !hex_decode(bytes, sizeof bytes, text, 64))
		return false;
	hex_encode(out, bytes, sizeof bytes);
	return true;
}

static bool read_root_hash(struct guest_settings *s, char *value)
{
	return read_hash(s->root_hash, value);
}

static bool read_verity(struct guest_settings *s, char *value)
{
	char *comma = strchr(value, ',');

	if (!comma)
		return false;
	*comma = '\0';
	return read_number(&s->blocks, value, 1, UINT64_MAX / VERITY_BLOCK) &&
	       read_hash(s->salt, comma + 1);
}

static bool read_net(struct guest_settings *s, char *value)
{
	char *slash = strchr(value, '/'), *comma = strchr(value, ',');
	uint64_t prefix;

	s->dhcp = strcmp(value, "dhcp") == 0;
	if (s->dhcp)
		return true;
	if (!slash || !comma || comma < slash)
		return false;
	*slash = *comma = '\0';
	if (!read_number(&prefix, slash + 1, 1, 32))
		return false;
	s->prefix = (unsigned)prefix;
	return inet_pton(AF_INET, value, &s->address) == 1 &&
	       inet_pton(AF_INET, comma + 1, &s->gateway) == 1;
}

static bool read_init(struct guest_settings *s, char *value)
{
	if (*value != '/' || strlen(value) >= sizeof s->init)
		return false;
	strcpy(s->init, value);
	return true;
}

static bool read_events(struct guest_settings *s, char *value)
{
	s->print_events = strcmp(value, "serial") == 0;
	return s->print_events;
}

static const struct setting {
	const char *name;
	bool (*read)(struct guest_settings *s, char *value); /* may change value */
	bool needed;
	const char *form;
} settings[] = {
    {"roothash", read_root_hash, true, "32 bytes in hex"},
    {"guest.verity", read_verity, true, "BLOCKS,SALT with a salt of 32 bytes in hex"},
    {"guest.net", read_net, true, "ADDRESS/PREFIX,GATEWAY or dhcp"},
    {"guest.init", read_init, false, "an absolute path of at most 127 characters"},
    {"guest.events", read_events, false, "serial"},
};
#define SETTINGS (sizeof settings / sizeof *settings)

static bool has_flag(const struct guest_settings *s, const char *flag)
{
	size_t i;

	for (i = 0; i < s->flags; i++)
		if (strcmp(s->flag[i], flag) == 0)
			return true;
	return false;
}

static bool add_flag(struct guest_settings *s, const char *name, const char *value, struct why *why)
{
	char flag[64];

	if (!*name || strlen(name) + 3 > sizeof flag || strlen(value) >= sizeof *s->value) {
		why_set(why, "the command line's quote-gen.%.60s is longer than 255 characters",
			name);
		return false;
	}
	snprintf(flag, sizeof flag, "--%s", name);
	if (has_flag(s, flag)) {
		why_set(why, "the command line has quote-gen.%s twice", name);
		return false;
	}
	if (!guest_settings_add_flag(s, flag, value)) {
		why_set(why, "the command line has more than %d settings of quote-gen", FLAGS_MAX);
		return false;
	}
	return true;
}

static bool read_word(struct guest_settings *s, bool seen[SETTINGS], char *word, struct why *why)
{
	char *value = strchr(word, '='), shown[128];
	size_t i;

	if (value)
		*value++ = '\0';
	if (value && strncmp(word, "quote-gen.", 10) == 0)
		return add_flag(s, word + 10, value, why);
	for (i = 0; i < SETTINGS; i++) {
		if (strcmp(word, settings[i].name) != 0)
			continue;
		if (seen[i]) {
			why_set(why, "the command line has %s twice", word);
			return false;
		}
		seen[i] = true;
		snprintf(shown, sizeof shown, "%s", value ? value : "");
		if (value && settings[i].read(s, value))
			return true;
		why_set(why, "the command line's %s=%s is not %s", word, shown, settings[i].form);
		return false;
	}
	if (strncmp(word, "guest.", 6) == 0 || strncmp(word, "quote-gen.", 10) == 0) {
		why_set(why, "the command line's %.80s is no setting of the guest", word);
		return false;
	}
	return true;
}

bool guest_settings_read(struct guest_settings *out, const char *command_line, struct why *why)
{
	char text[COMMAND_LINE_MAX], *word, *rest = text;
	bool seen[SETTINGS] = {false};
	size_t i;

	memset(out, 0, sizeof *out);
	if (strlen(command_line) >= sizeof text) {
		why_set(why, "the command line is longer than %d characters", COMMAND_LINE_MAX - 1);
		return false;
	}
	strcpy(text, command_line);
	while ((word = strsep(&rest, " \t\n")) != NULL)
		if (*word && !read_word(out, seen, word, why))
			return false;
	for (i = 0; i < SETTINGS; i++)
		if (settings[i].needed && !seen[i]) {
			why_set(why, "the command line has no %s", settings[i].name);
			return false;
		}
	return true;
}

bool guest_settings_add_flag(struct guest_settings *s, const char *flag, const char *value)
{
	if (has_flag(s, flag))
		return true;
	if (s->flags == FLAGS_MAX || strlen(flag) >= sizeof *s->flag ||
	    strlen(value) >= sizeof *s->value)
		return false;
	strcpy(s->flag[s->flags], flag);
	strcpy(s->value[s->flags++], value);
	return true;
}
