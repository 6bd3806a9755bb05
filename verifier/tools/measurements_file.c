#include "verifier/tools/measurements_file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const measured_names[MEASURED_REGISTERS] = {"mrtd", "rtmr0", "rtmr1", "rtmr2"};

static json_t *hex_or_null(const uint8_t value[DIGEST_SIZE], bool known)
{
	char hex[2 * DIGEST_SIZE + 1];

	if (!known)
		return json_null();
	hex_encode(hex, value, DIGEST_SIZE);
	return json_string(hex);
}

static json_t *events_json(const struct event_log *log)
{
	json_t *list = json_array();
	char words[EVENT_WORDS_SIZE];
	size_t i;

	for (i = 0; i < log->n; i++) {
		event_words(words, sizeof words, &log->events[i]);
		json_array_append_new(
		    list, json_pack("{s:i, s:o, s:s}", "rtmr", log->events[i].rtmr, "digest",
				    hex_or_null(log->events[i].digest, true), "what", words));
	}
	return list;
}

void measurements_print(const struct measurements *m)
{
	json_t *o = json_object();
	size_t i;

	if (*m->image_sha256)
		json_object_set_new(o, "image", json_pack("{s:s}", "sha256", m->image_sha256));
	if (*m->firmware_sha256)
		json_object_set_new(o, "firmware",
				    json_pack("{s:s}", "sha256", m->firmware_sha256));
	if (m->memory)
		json_object_set_new(o, "memory", json_integer((json_int_t)m->memory));
	for (i = 0; i < MEASURED_REGISTERS; i++) {
		const struct measured_value *v = &m->reg[i];

		json_object_set_new(o, measured_names[i],
				    json_pack("{s:o, s:b, s:s}", "value",
					      hex_or_null(v->value, v->known), "confirmed",
					      v->confirmed, "how", v->how));
	}
	if (m->has_mrtd_orders)
		json_object_set_new(o, "mrtd_computed",
				    json_pack("{s:o, s:o}", "one_pass",
					      hex_or_null(m->mrtd_one_pass, true), "two_pass",
					      hex_or_null(m->mrtd_two_pass, true)));
	json_object_set_new(o, "events", events_json(&m->events));
	json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(o);
}

static bool is_hex(uint8_t out[DIGEST_SIZE], const json_t *j)
{
	return json_is_string(j) &&
	       hex_decode(out, DIGEST_SIZE, json_string_value(j), json_string_length(j));
}

static void copy_sum(char out[65], const json_t *object)
{
	const char *s = json_string_value(json_object_get(object, "sha256"));

	snprintf(out, 65, "%s", s && strlen(s) == 64 ? s : "");
}

static bool read_value(struct measured_value *out, const json_t *o, const char *name,
		       struct why *why)
{
	const json_t *v = json_object_get(o, "value");
	const char *how = json_string_value(json_object_get(o, "how"));

	out->known = is_hex(out->value, v);
	out->confirmed = out->known && json_is_true(json_object_get(o, "confirmed"));
	snprintf(out->how, sizeof out->how, "%s", how ? how : "");
	if (out->known || json_is_null(v))
		return true;
	why_set(why, "%s has no value of %u bytes in hex, nor null", name, DIGEST_SIZE);
	return false;
}

static bool read_events(struct measurements *m, const json_t *list, struct why *why)
{
	const size_t n = json_array_size(list);
	size_t i;

	if (n > EVENT_LOG_MAX) {
		why_set(why, "%zu events; at most %u are read", n, EVENT_LOG_MAX);
		return false;
	}
	m->events.events = calloc(n + !n, sizeof *m->events.events);
	m->words = calloc(n + !n, sizeof *m->words);
	if (!m->events.events || !m->words) {
		why_set(why, "no memory for %zu events", n);
		return false;
	}
	for (i = 0; i < n; i++) {
		const json_t *j = json_array_get(list, i), *rtmr = json_object_get(j, "rtmr");
		const char *what = json_string_value(json_object_get(j, "what"));
		struct event *e = &m->events.events[i];

		if (!json_is_integer(rtmr) || json_integer_value(rtmr) < 0 ||
		    json_integer_value(rtmr) >= (int)RTMR_COUNT ||
		    !is_hex(e->digest, json_object_get(j, "digest")) || !what) {
			why_set(why, "event %zu has not an rtmr of 0 to 3, a digest and what it is",
				i + 1);
			return false;
		}
		e->rtmr = (int)json_integer_value(rtmr);
		snprintf(m->words[i], sizeof m->words[i], "%s", what);
		e->words = m->words[i];
		m->events.n++;
	}
	return true;
}

/* A value that was changed and events that were not, or the reverse, are no prediction. */
static bool check_events(const struct measurements *m, struct why *why)
{
	uint8_t rtmr[RTMR_COUNT][DIGEST_SIZE];
	size_t i, n[RTMR_COUNT] = {0};
	char hex[2 * DIGEST_SIZE + 1];

	event_log_replay(&m->events, rtmr);
	for (i = 0; i < m->events.n; i++)
		n[m->events.events[i].rtmr]++;
	for (i = 1; i <= 2; i++) {
		const struct measured_value *v = &m->reg[REG_RTMR0 + i];

		if (!v->known || n[i] == 0 || memcmp(v->value, rtmr[i], DIGEST_SIZE) == 0)
			continue;
		hex_encode(hex, v->value, DIGEST_SIZE);
		why_set(why, "rtmr%zu is %s, which is not what its %zu events lead to", i, hex,
			n[i]);
		return false;
	}
	return true;
}

bool measurements_parse(struct measurements *out, struct span json, struct why *why)
{
	json_error_t at = {.line = 0};
	json_t *o = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, &at);
	bool ok = json_is_object(o);
	size_t i;

	memset(out, 0, sizeof *out);
	if (!o)
		why_set(why, "no JSON: %s, line %d", at.text, at.line);
	else if (!ok)
		why_set(why, "not a JSON object");
	for (i = 0; ok && i < MEASURED_REGISTERS; i++)
		ok = read_value(&out->reg[i], json_object_get(o, measured_names[i]),
				measured_names[i], why);
	if (ok) {
		copy_sum(out->image_sha256, json_object_get(o, "image"));
		copy_sum(out->firmware_sha256, json_object_get(o, "firmware"));
		out->memory = (uint64_t)json_integer_value(json_object_get(o, "memory"));
		ok = read_events(out, json_object_get(o, "events"), why) && check_events(out, why);
	}
	json_decref(o);
	if (!ok) {
		why_wrap(why, "not a measurements.json");
		measurements_free(out);
	}
	return ok;
}

void measurements_free(struct measurements *m)
{
	free(m->events.events);
	free(m->words);
	m->events = (struct event_log){.events = NULL};
	m->words = NULL;
}
