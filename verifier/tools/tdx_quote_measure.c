#include "measurement/boot.h"
#include "measurement/firmware.h"
#include "verifier/tools/measurements_file.h"
#include "verifier/tools/tdx_quote.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (64ull << 30)

/* ---- the files ---- */

/* A whole file, not copied; release with munmap(). */
static bool map_file(struct span *out, const char *path, struct why *why)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) != 0) {
		why_set(why, "%s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size > FILE_BYTES_MAX) {
		why_set(why, "not a file of 1 byte to 64 GiB");
		close(fd);
		return false;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED) {
		why_set(why, "%s", strerror(errno));
		return false;
	}
	*out = span_of(p, (size_t)st.st_size);
	return true;
}

static void unmap(struct span s)
{
	if (s.n)
		munmap((void *)(uintptr_t)s.p, s.n);
}

static bool sha256_hex(char out[65], struct span bytes)
{
	uint8_t sum[32];

	if (EVP_Digest(bytes.p, bytes.n, sum, NULL, EVP_sha256(), NULL) != 1)
		return false;
	hex_encode(out, sum, sizeof sum);
	return true;
}

/* "2G", "512M" or bytes. */
static bool parse_memory(uint64_t *out, const char *text)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || text[0] < '0' || text[0] > '9' || n == 0 || n > 1ull << 44)
		goto wrong;
	if (strcmp(end, "G") == 0 && n < 1ull << 20)
		n <<= 30;
	else if (strcmp(end, "M") == 0 && n < 1ull << 30)
		n <<= 20;
	else if (*end)
		goto wrong;
	if (n % 4096) {
		complain("--memory '%s' is not a whole number of pages (4096 bytes)", text);
		return false;
	}
	*out = n;
	return true;
wrong:
	complain("--memory '%s' is not bytes, nor a number with M or G behind it (2G)", text);
	return false;
}

/* ---- the values ---- */

static void set_value(struct measured_value *v, const uint8_t value[DIGEST_SIZE], bool confirmed,
		      const char *how)
{
	memcpy(v->value, value, DIGEST_SIZE);
	v->known = true;
	v->confirmed = confirmed;
	snprintf(v->how, sizeof v->how, "%s", how);
}

static void add_event(struct measurements *m, int rtmr, const uint8_t digest[DIGEST_SIZE],
		      const char *words)
{
	struct event *e = &m->events.events[m->events.n];

	e->rtmr = rtmr;
	memcpy(e->digest, digest, DIGEST_SIZE);
	snprintf(m->words[m->events.n], EVENT_WORDS_SIZE, "%s", words);
	e->words = m->words[m->events.n++];
}

static bool from_firmware(struct measurements *m, const char *path, struct why *why)
{
	uint8_t digest[DIGEST_SIZE];
	struct firmware f;
	struct span file;
	bool ok;

	if (!map_file(&file, path, why)) {
		why_wrap(why, "%s", path);
		return false;
	}
	ok = firmware_parse(&f, file, why) && sha256_hex(m->firmware_sha256, file);
	if (ok) {
		firmware_mrtd(m->mrtd_one_pass, &f, PAGES_ONE_PASS);
		firmware_mrtd(m->mrtd_two_pass, &f, PAGES_TWO_PASS);
		m->has_mrtd_orders = true;
	}
	if (ok && m->memory) {
		ok = firmware_hob(digest, &f, m->memory, why);
		if (ok)
			add_event(m, 0, digest,
				  "the hand-off block (TD HOB): the machine's memory map");
		if (ok && firmware_cfv(digest, &f, NULL))
			add_event(m, 0, digest, "the firmware's configuration volume (CFV)");
	}
	if (!ok)
		why_wrap(why, "%s", path);
	unmap(file);
	return ok;
}

static bool from_image(struct measurements *m, const char *path, struct why *why)
{
	uint8_t rtmr[RTMR_COUNT][DIGEST_SIZE];
	struct boot_events boot;
	struct event_log log;
	char words[EVENT_WORDS_SIZE];
	struct span file;
	size_t i;
	bool ok;

	if (!map_file(&file, path, why)) {
		why_wrap(why, "%s", path);
		return false;
	}
	ok = boot_events_predict(&boot, file, why) && sha256_hex(m->image_sha256, file);
	if (ok) {
		log = boot_events_log(&boot);
		event_log_replay(&log, rtmr);
		set_value(&m->reg[REG_RTMR1], rtmr[1], false, "computed from the image");
		set_value(&m->reg[REG_RTMR2], rtmr[2], false, "computed from the image");
		for (i = 0; i < log.n; i++) {
			event_words(words, sizeof words, &log.events[i]);
			add_event(m, log.events[i].rtmr, log.events[i].digest, words);
		}
	} else {
		why_wrap(why, "%s", path);
	}
	unmap(file);
	return ok;
}

/* The quote tells which page order it was, or that the firmware is another. */
static void learn_mrtd(struct measurements *m, const uint8_t mrtd[DIGEST_SIZE], const char *path)
{
	const char *how = "learnt from a quote";

	if (m->has_mrtd_orders && memcmp(mrtd, m->mrtd_one_pass, DIGEST_SIZE) == 0) {
		how = "a quote's, and the firmware's: each page added and measured (one pass)";
	} else if (m->has_mrtd_orders && memcmp(mrtd, m->mrtd_two_pass, DIGEST_SIZE) == 0) {
		how = "a quote's, and the firmware's: pages added, then measured (two passes)";
	} else if (m->has_mrtd_orders) {
		how = "learnt from a quote; NOT what this firmware file leads to";
		complain(
		    "%s: its MRTD is not what the firmware file leads to, in neither page order: "
		    "another firmware?",
		    path);
	}
	set_value(&m->reg[REG_MRTD], mrtd, true, how);
}

/* What a TD of this firmware and machine has shown: MRTD and RTMR0 are taken from it, the rest is
 * confirmed where it is what was computed. */
static bool from_quote(struct measurements *m, const char *path)
{
	struct input q;
	const uint8_t *value;
	size_t i;

	if (!read_input(&q, path, true))
		return false;
	if (q.body_type == TDXV_BODY_SGX) {
		complain("%s: an SGX quote has no MRTD and no RTMRs", path);
		buf_free(&q.bytes);
		return false;
	}
	learn_mrtd(m, body_field(&q, "mrtd").p, path);
	set_value(&m->reg[REG_RTMR0], body_field(&q, "rtmr0").p, true, "learnt from a quote");
	for (i = REG_RTMR1; i <= REG_RTMR2; i++) {
		value = body_field(&q, measured_names[i]).p;
		if (memcmp(value, m->reg[i].value, DIGEST_SIZE) != 0)
			continue;
		m->reg[i].confirmed = true;
		snprintf(m->reg[i].how, sizeof m->reg[i].how,
			 "computed from the image, and a quote's");
	}
	buf_free(&q.bytes);
	return true;
}

/* What was learnt for an earlier image holds while firmware and machine are the same. */
static bool from_learnt(struct measurements *m, const char *path)
{
	struct measurements old;
	struct why why = {""};
	struct buf bytes;
	bool ok = false;
	size_t i;

	if (!read_file(&bytes, path))
		return false;
	if (!measurements_parse(&old, buf_span(&bytes), &why)) {
		complain("%s: %s", path, why.text);
		buf_free(&bytes);
		return false;
	}
	if (!*m->firmware_sha256 || strcmp(old.firmware_sha256, m->firmware_sha256) != 0)
		complain("%s is for another firmware (SHA-256 %s, here %s)", path,
			 *old.firmware_sha256 ? old.firmware_sha256 : "not said",
			 *m->firmware_sha256 ? m->firmware_sha256 : "not said: --firmware");
	else if (old.memory != m->memory)
		complain("%s is for a machine with %llu bytes of memory, here %llu", path,
			 (unsigned long long)old.memory, (unsigned long long)m->memory);
	else
		ok = true;
	for (i = REG_MRTD; ok && i <= REG_RTMR0; i++)
		m->reg[i] = old.reg[i];
	for (i = REG_RTMR1; ok && i <= REG_RTMR2; i++)
		if (old.reg[i].confirmed &&
		    memcmp(old.reg[i].value, m->reg[i].value, DIGEST_SIZE) == 0)
			m->reg[i] = old.reg[i];
	measurements_free(&old);
	buf_free(&bytes);
	return ok;
}

/* ---- what is printed ---- */

static void print_text(const struct measurements *m)
{
	size_t i;

	for (i = 0; i < m->events.n; i++) {
		printf("RTMR%d  ", m->events.events[i].rtmr);
		print_hex((struct tdxv_bytes){m->events.events[i].digest, 8});
		printf("...  %s\n", m->words[i]);
	}
	if (m->has_mrtd_orders) {
		fputs("mrtd   ", stdout);
		print_hex((struct tdxv_bytes){m->mrtd_one_pass, DIGEST_SIZE});
		fputs("  computed, each page added and measured (one pass)\nmrtd   ", stdout);
		print_hex((struct tdxv_bytes){m->mrtd_two_pass, DIGEST_SIZE});
		puts("  computed, pages added, then measured (two passes)");
	}
	for (i = 0; i < MEASURED_REGISTERS; i++) {
		const struct measured_value *v = &m->reg[i];

		printf("%-6s ", measured_names[i]);
		if (v->known)
			print_hex((struct tdxv_bytes){v->value, DIGEST_SIZE});
		else
			fputs("?", stdout);
		printf("  %s%s\n", v->confirmed || !v->known ? "" : "UNCONFIRMED: ", v->how);
	}
}

/* A contract or a policy holds all four values, and each has been seen. */
static bool complete(const struct measurements *m, bool accept_unconfirmed)
{
	bool ok = true;
	size_t i;

	for (i = 0; i < MEASURED_REGISTERS; i++) {
		if (!m->reg[i].known) {
			complain("%s is not known: %s", measured_names[i], m->reg[i].how);
			ok = false;
		} else if (!m->reg[i].confirmed && !accept_unconfirmed) {
			complain("%s is not confirmed by a TD's quote (%s): --from-quote QUOTE, or "
				 "--accept-unconfirmed",
				 measured_names[i], m->reg[i].how);
			ok = false;
		}
	}
	return ok;
}

static void print_for(const struct measurements *m, bool solidity, const char *name)
{
	size_t i;

	if (!solidity)
		printf("{\n  \"accepted_tcb_statuses\": [\"UpToDate\"],\n  \"images\": [\n    {\n  "
		       "    \"name\": \"%s\"",
		       name);
	for (i = 0; i < MEASURED_REGISTERS; i++) {
		if (solidity)
			fputs(i ? ",\nhex\"" : "hex\"", stdout);
		else
			printf(",\n      \"%s\": \"", measured_names[i]);
		print_hex((struct tdxv_bytes){m->reg[i].value, DIGEST_SIZE});
		putchar('"');
	}
	puts(solidity ? "" : "\n    }\n  ]\n}");
}

static bool gather(struct measurements *m, const struct options *o)
{
	static const uint8_t nothing[DIGEST_SIZE];
	struct why why = {""};

	m->events.events = calloc(BOOT_EVENTS_MAX + 2, sizeof *m->events.events);
	m->words = calloc(BOOT_EVENTS_MAX + 2, sizeof *m->words);
	if (!m->events.events || !m->words) {
		complain("no memory");
		return false;
	}
	set_value(&m->reg[REG_MRTD], nothing, false,
		  "the page order is known from a TD's quote alone (--from-quote)");
	set_value(&m->reg[REG_RTMR0], nothing, false,
		  "the ACPI tables are known from a TD's quote alone (--from-quote)");
	m->reg[REG_MRTD].known = m->reg[REG_RTMR0].known = false;
	if (o->memory && !parse_memory(&m->memory, o->memory))
		return false;
	if ((o->firmware && !from_firmware(m, o->firmware, &why)) ||
	    !from_image(m, o->file[0], &why)) {
		complain("%s", why.text);
		return false;
	}
	if (o->learnt && !from_learnt(m, o->learnt))
		return false;
	return !o->from_quote || from_quote(m, o->from_quote);
}

int verb_measure(const struct options *o)
{
	struct measurements m = {.memory = 0};
	int status = EXIT_TROUBLE;

	if (o->name && !is_image_name(o->name)) {
		complain("image name '%s' is not 1 to %u printable characters without quotes",
			 o->name, TDXV_NAME_MAX - 1);
		return EXIT_TROUBLE;
	}
	if (!gather(&m, o))
		goto out;
	status = EXIT_ACCEPTED;
	if (!o->solidity && !o->policy_json) {
		if (o->json)
			measurements_print(&m);
		else
			print_text(&m);
	} else if (complete(&m, o->accept_unconfirmed)) {
		print_for(&m, o->solidity, o->name ? o->name : "image");
	} else {
		status = EXIT_REFUSED;
	}
out:
	measurements_free(&m);
	return status;
}
