#include "protocol/fields.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *quote(char out[QUOTE_SIZE], struct span text)
{
	size_t i, n = 0;

	for (i = 0; i < text.n && n < QUOTE_SIZE - 4; i++)
		out[n++] = text.p[i] >= 0x20 && text.p[i] < 0x7f ? (char)text.p[i] : '?';
	if (i < text.n) {
		memcpy(out + n, "...", 3);
		n += 3;
	}
	out[n] = '\0';
	return out;
}

enum proto_err refuse(struct reading *rd, enum proto_err err, const char *fmt, ...)
{
	char text[sizeof rd->why->text];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	why_set(rd->why, "%s", text);
	return err;
}

enum proto_err refuse_type(struct reading *rd, const char *wanted)
{
	enum json_type found = json_read_peek(&rd->at);

	return refuse(rd, PROTO_WRONG_TYPE, "expected %s, found %s at byte %zu", wanted,
		      json_read_type_name(found), json_read_offset(&rd->at));
}

/* ---- enums ---- */

enum proto_err variant_open(struct reading *rd, struct variant *v)
{
	enum json_type type = json_read_peek(&rd->at);

	*v = (struct variant){.bare = type == JSON_STRING};
	if (type == JSON_OBJECT) {
		json_read_enter(&rd->at);
		if (!json_read_more(&rd->at))
			return refuse(rd, PROTO_WRONG_LENGTH,
				      "expected one variant name, found {} before byte %zu",
				      json_read_offset(&rd->at));
	} else if (type != JSON_STRING) {
		return refuse_type(rd, "a variant's name or an object with one");
	}
	v->offset = json_read_offset(&rd->at);
	v->name = v->bare ? json_read_string(&rd->at) : json_read_key(&rd->at);
	return check_string(rd, v->name, v->offset);
}

enum proto_err variant_close(struct reading *rd, const struct variant *v)
{
	struct variant second;

	if (v->bare || !json_read_more(&rd->at))
		return PROTO_OK;
	second.offset = json_read_offset(&rd->at);
	return refuse(rd, PROTO_WRONG_LENGTH,
		      "expected one variant name, found a second key at byte %zu", second.offset);
}

enum proto_err variant_unit(struct reading *rd, const struct variant *v)
{
	if (!v->bare && !read_null(rd))
		return refuse_type(rd, "null, for this variant has no content");
	return PROTO_OK;
}

enum proto_err variant_find(struct reading *rd, const struct variant *v, const char *const *names,
			    size_t n, size_t *index)
{
	char list[sizeof rd->why->text] = "", name[QUOTE_SIZE];
	size_t i, len = 0;

	for (i = 0; i < n; i++) {
		if (json_read_string_is(v->name, names[i])) {
			*index = i;
			return PROTO_OK;
		}
	}
	for (i = 0; i < n && len < sizeof list; i++)
		len += (size_t)snprintf(list + len, sizeof list - len, "%s`%s`", i ? ", " : "",
					names[i]);
	return refuse(rd, PROTO_UNKNOWN_VARIANT,
		      "unknown variant `%s` at byte %zu, expected one of %s", quote(name, v->name),
		      v->offset, list);
}

/* ---- structs ---- */

/* The first shape, in their order, whose marker the object has; else the first without one, or the
 * last. One walk, no longer than it must be. */
static const struct shape *shape_of_object(struct json_read at, const struct shape *first)
{
	const struct shape *found, *s;
	struct span key;

	while (first->next && (!first->fields || first->array_only))
		first = first->next;
	for (found = first; found->next && (!found->fields || found->array_only || found->marker);)
		found = found->next;
	json_read_enter(&at);
	while (found != first && json_read_more(&at)) {
		key = json_read_key(&at);
		for (s = first; s != found; s = s->next) {
			if (!s->fields || s->array_only || !json_read_string_is(key, s->marker))
				continue;
			found = s;
			break;
		}
		if (found != first)
			json_read_value(&at);
	}
	return found;
}

static size_t count_elements(struct json_read at)
{
	size_t n = 0;

	json_read_enter(&at);
	while (json_read_more(&at)) {
		json_read_value(&at);
		n++;
	}
	return n;
}

const struct shape *shape_of(const struct reading *rd, const struct variant *v,
			     const struct shape *first)
{
	struct json_read at = rd->at;
	enum json_type type = v->bare ? JSON_NULL : json_read_peek(&at);
	size_t elements = type == JSON_ARRAY ? count_elements(at) : 0;
	const struct shape *s;
	bool fits = false;

	if (type == JSON_OBJECT)
		return shape_of_object(at, first);
	for (s = first; s->next; s = s->next) {
		if (!s->fields)
			fits = type == JSON_NULL;
		else if (type == JSON_ARRAY)
			fits = elements == s->n;
		if (fits)
			break;
	}
	return s;
}

static enum proto_err read_field(struct reading *rd, struct proofdata *out, const struct field *f)
{
	enum proto_err err = f->read(rd, out);

	if (err)
		why_wrap(rd->why, "%s", f->name);
	return err;
}

static enum proto_err read_object(struct reading *rd, struct proofdata *out,
				  const struct field *fields, size_t n)
{
	size_t begin = json_read_offset(&rd->at), offset, i;
	enum proto_err err;
	unsigned seen = 0;
	struct span key;

	json_read_enter(&rd->at);
	while (json_read_more(&rd->at)) {
		offset = json_read_offset(&rd->at);
		key = json_read_key(&rd->at);
		err = check_string(rd, key, offset);
		if (err)
			return err;
		for (i = 0; i < n && !json_read_string_is(key, fields[i].name); i++)
			;
		if (i == n) {
			json_read_value(&rd->at);
			continue;
		}
		if (seen >> i & 1)
			return refuse(rd, PROTO_DUPLICATE_FIELD, "duplicate field `%s` at byte %zu",
				      fields[i].name, offset);
		seen |= 1u << i;
		err = read_field(rd, out, &fields[i]);
		if (err)
			return err;
	}
	for (i = 0; i < n; i++) {
		if (fields[i].presence == REQUIRED && !(seen >> i & 1))
			return refuse(rd, PROTO_MISSING_FIELD,
				      "missing field `%s` in the object at byte %zu",
				      fields[i].name, begin);
	}
	return PROTO_OK;
}

static enum proto_err read_array(struct reading *rd, struct proofdata *out,
				 const struct field *fields, size_t n)
{
	size_t begin = json_read_offset(&rd->at), i;
	enum proto_err err;

	json_read_enter(&rd->at);
	for (i = 0; json_read_more(&rd->at); i++) {
		if (i == n)
			return refuse(rd, PROTO_WRONG_LENGTH,
				      "expected %zu elements, found more at byte %zu", n,
				      json_read_offset(&rd->at));
		err = read_field(rd, out, &fields[i]);
		if (err)
			return err;
	}
	if (i < n && fields[i].presence != DEFAULTED)
		return refuse(rd, PROTO_WRONG_LENGTH,
			      "expected %zu elements, found %zu in the array at byte %zu: no `%s`",
			      n, i, begin, fields[i].name);
	return PROTO_OK;
}

enum proto_err read_struct(struct reading *rd, struct proofdata *out, const struct field *fields,
			   size_t n)
{
	switch (json_read_peek(&rd->at)) {
	case JSON_OBJECT: return read_object(rd, out, fields, n);
	case JSON_ARRAY: return read_array(rd, out, fields, n);
	case JSON_NULL:
	case JSON_BOOL:
	case JSON_NUMBER:
	case JSON_STRING: break;
	}
	return refuse_type(rd, "an object with fields, or an array of them");
}

/* ---- scalars ---- */

bool read_null(struct reading *rd)
{
	if (json_read_peek(&rd->at) != JSON_NULL)
		return false;
	json_read_value(&rd->at);
	return true;
}

enum proto_err read_u64(struct reading *rd, uint64_t *out)
{
	char shown[QUOTE_SIZE];
	struct span digits;
	uint64_t value = 0;
	size_t offset, i;

	if (json_read_peek(&rd->at) != JSON_NUMBER)
		return refuse_type(rd, "an unsigned integer");
	offset = json_read_offset(&rd->at);
	digits = json_read_value(&rd->at);
	for (i = 0; i < digits.n; i++) {
		unsigned d = digits.p[i] - '0';

		if (d > 9)
			return refuse(rd, PROTO_WRONG_TYPE,
				      "expected an unsigned integer, found %s at byte %zu",
				      quote(shown, digits), offset);
		if (value > (UINT64_MAX - d) / 10)
			return refuse(rd, PROTO_OUT_OF_RANGE,
				      "%s at byte %zu is more than %" PRIu64, quote(shown, digits),
				      offset, UINT64_MAX);
		value = value * 10 + d;
	}
	*out = value;
	return PROTO_OK;
}

static enum proto_err refuse_string(struct reading *rd, size_t offset)
{
	return refuse(rd, PROTO_BAD_STRING,
		      "the string at byte %zu is not UTF-8 or has half a surrogate pair", offset);
}

enum proto_err check_string(struct reading *rd, struct span raw, size_t offset)
{
	enum json_char got;
	uint8_t c[4];
	size_t n;

	while ((got = json_read_next_char(&raw, c, &n)) == JSON_CHAR)
		;
	return got == JSON_CHAR_END ? PROTO_OK : refuse_string(rd, offset);
}

enum proto_err read_string(struct reading *rd, char *out, size_t max)
{
	size_t offset, len = 0, n;
	enum json_char got;
	struct span raw;
	uint8_t c[4];

	if (json_read_peek(&rd->at) != JSON_STRING)
		return refuse_type(rd, "a string");
	offset = json_read_offset(&rd->at);
	raw = json_read_string(&rd->at);
	while ((got = json_read_next_char(&raw, c, &n)) == JSON_CHAR) {
		if (n == 1 && c[0] == '\0')
			return refuse(rd, PROTO_BAD_STRING,
				      "the string at byte %zu has a NUL in it", offset);
		if (len + n <= max)
			memcpy(out + len, c, n);
		len += n;
	}
	if (got != JSON_CHAR_END)
		return refuse_string(rd, offset);
	if (len > max)
		return refuse(rd, PROTO_TOO_LONG,
			      "the string at byte %zu is %zu bytes long, at most %zu are allowed",
			      offset, len, max);
	out[len] = '\0';
	return PROTO_OK;
}

enum proto_err read_prover_type(struct reading *rd, enum prover_type *out)
{
	const char *names[PROVER_TYPES];
	enum proto_err err;
	struct variant v;
	size_t i;

	for (i = 0; i < PROVER_TYPES; i++)
		names[i] = prover_type_name((enum prover_type)i);
	err = variant_open(rd, &v);
	if (!err)
		err = variant_find(rd, &v, names, PROVER_TYPES, &i);
	if (!err)
		err = variant_unit(rd, &v);
	if (!err)
		err = variant_close(rd, &v);
	if (!err)
		*out = (enum prover_type)i;
	return err;
}

/* Collects bytes in front of a buf that grows in steps. */
struct sink {
	struct buf *out; /* may be NULL */
	size_t total, max, n;
	uint8_t chunk[4096];
};

static enum proto_err sink_flush(struct reading *rd, struct sink *s)
{
	if (s->total > s->max)
		return refuse(rd, PROTO_TOO_LONG, "longer than the limit of %zu bytes at byte %zu",
			      s->max, json_read_offset(&rd->at));
	if (s->out && !buf_add(s->out, s->chunk, s->n))
		return refuse(rd, PROTO_NO_MEMORY, "no memory for %zu bytes", s->total);
	s->n = 0;
	return PROTO_OK;
}

static enum proto_err sink_put(struct reading *rd, struct sink *s, const uint8_t *p, size_t n)
{
	memcpy(s->chunk + s->n, p, n);
	s->n += n;
	s->total += n;
	return s->n > sizeof s->chunk - 4 ? sink_flush(rd, s) : PROTO_OK;
}

/* Elements as serde_json writes them, until something else comes or the chunk is full. */
static enum proto_err sink_run(struct reading *rd, struct sink *s)
{
	size_t n = json_read_plain_bytes(&rd->at, s->chunk + s->n, sizeof s->chunk - s->n);

	s->n += n;
	s->total += n;
	return s->n > sizeof s->chunk - 4 ? sink_flush(rd, s) : PROTO_OK;
}

static enum proto_err read_byte_array(struct reading *rd, struct sink *s)
{
	enum proto_err err;
	uint64_t number;
	size_t offset;
	uint8_t byte;

	json_read_enter(&rd->at);
	while (json_read_more(&rd->at)) {
		err = sink_run(rd, s);
		if (err)
			return err;
		json_read_peek(&rd->at);
		offset = json_read_offset(&rd->at);
		err = read_u64(rd, &number);
		if (err)
			return err;
		if (number > UINT8_MAX)
			return refuse(rd, PROTO_OUT_OF_RANGE,
				      "%" PRIu64 " at byte %zu does not fit a byte (0..255)",
				      number, offset);
		byte = (uint8_t)number;
		err = sink_put(rd, s, &byte, 1);
		if (err)
			return err;
	}
	return PROTO_OK;
}

static enum proto_err read_byte_string(struct reading *rd, struct sink *s)
{
	size_t offset = json_read_offset(&rd->at), n;
	struct span raw = json_read_string(&rd->at);
	enum json_char got;
	enum proto_err err;
	uint8_t c[4];

	while ((got = json_read_next_char(&raw, c, &n)) == JSON_CHAR) {
		err = sink_put(rd, s, c, n);
		if (err)
			return err;
	}
	return got == JSON_CHAR_END ? PROTO_OK : refuse_string(rd, offset);
}

enum proto_err read_bytes(struct reading *rd, struct buf *out, size_t max, bool text_too)
{
	enum json_type type = json_read_peek(&rd->at);
	struct sink s = {.out = out, .max = max};
	enum proto_err err;

	if (out)
		buf_init(out, max);
	if (type == JSON_ARRAY)
		err = read_byte_array(rd, &s);
	else if (type == JSON_STRING && text_too)
		err = read_byte_string(rd, &s);
	else
		return refuse_type(rd, text_too ? "an array of bytes or a string"
						: "an array of bytes");
	return err ? err : sink_flush(rd, &s);
}

/* ---- fields of several messages ---- */

enum proto_err field_id(struct reading *rd, struct proofdata *out)
{
	out->has_id = true;
	return read_u64(rd, &out->id);
}

enum proto_err field_optional_id(struct reading *rd, struct proofdata *out)
{
	return read_null(rd) ? PROTO_OK : field_id(rd, out);
}

enum proto_err field_commit_hash(struct reading *rd, struct proofdata *out)
{
	return read_string(rd, out->commit_hash, COMMIT_HASH_MAX);
}

enum proto_err field_prover_type(struct reading *rd, struct proofdata *out)
{
	out->has_prover_type = true;
	return read_prover_type(rd, &out->prover_type);
}
