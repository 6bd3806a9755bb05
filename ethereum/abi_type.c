#include "ethereum/abi_type.h"

#include <string.h>

/* No head may be larger: keeps all arithmetic on sizes far from overflow. */
#define HEAD_MAX ((size_t)1 << 24)

struct parser {
	struct abi_type_table *table;
	const char *text; /* the whole */
	const char *at;
	struct why *why;
};

static struct abi_type *refuse(const struct parser *ps, const char *what)
{
	why_set(ps->why, "\"%.200s\" is no ABI type: %s at character %zu", ps->text, what,
		(size_t)(ps->at - ps->text));
	return NULL;
}

static struct abi_type *node_new(const struct parser *ps)
{
	struct abi_type *t;

	if (ps->table->used == ABI_TYPE_NODES_MAX)
		return refuse(ps, "too many parts");
	t = &ps->table->node[ps->table->used++];
	*t = (struct abi_type){.slot = 32};
	return t;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A decimal number without leading zeros, at most max; 0 when there is none. */
static size_t parse_number(struct parser *ps, size_t max)
{
	size_t n = 0;

	if (*ps->at == '0')
		return 0;
	while (is_digit(*ps->at) && n <= max)
		n = n * 10 + (size_t)(*ps->at++ - '0');
	return n <= max ? n : 0;
}

static bool parse_word(struct parser *ps, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(ps->at, word, n) != 0)
		return false;
	ps->at += n;
	return true;
}

static struct abi_type *parse_scalar(struct parser *ps)
{
	struct abi_type *t = node_new(ps);

	if (!t)
		return NULL;
	if (parse_word(ps, "uint")) {
		t->kind = ABI_UINT;
		t->size = (unsigned)parse_number(ps, 256);
		if (t->size == 0 || t->size % 8 != 0)
			return refuse(ps, "uint with no width of 8 to 256 bits");
	} else if (parse_word(ps, "address")) {
		t->kind = ABI_ADDRESS;
	} else if (parse_word(ps, "bool")) {
		t->kind = ABI_BOOL;
	} else if (parse_word(ps, "string")) {
		t->kind = ABI_STRING;
		t->dynamic = true;
	} else if (parse_word(ps, "bytes")) {
		if (is_digit(*ps->at)) {
			t->kind = ABI_FIXED_BYTES;
			t->size = (unsigned)parse_number(ps, 32);
			if (t->size == 0)
				return refuse(ps, "bytes with a width that is not 1 to 32");
		} else {
			t->kind = ABI_BYTES;
			t->dynamic = true;
		}
	} else {
		return refuse(ps, "an unknown word");
	}
	return t;
}

static struct abi_type *parse_type(struct parser *ps);

static struct abi_type *parse_tuple(struct parser *ps)
{
	/* Taken before the members: the table's size bounds the recursion. */
	struct abi_type *t = node_new(ps), *member, *last = NULL;

	if (!t)
		return NULL;
	t->kind = ABI_LIST;
	t->shape = ABI_TUPLE;
	ps->at++;
	if (*ps->at == ')') {
		ps->at++;
		return t;
	}
	for (;;) {
		member = parse_type(ps);
		if (!member)
			return NULL;
		if (member->shape == ABI_TUPLE && member->count == 0)
			return refuse(ps, "an empty tuple");
		if (last)
			last->next = member;
		else
			t->first = member;
		last = member;
		t->count++;
		t->head += member->slot;
		t->dynamic = t->dynamic || member->dynamic;
		if (member->height >= t->height)
			t->height = member->height + 1;
		if (*ps->at == ')')
			break;
		if (*ps->at != ',')
			return refuse(ps, "no comma or closing parenthesis");
		ps->at++;
	}
	ps->at++;
	if (t->head > HEAD_MAX)
		return refuse(ps, "too large a tuple");
	t->slot = t->dynamic ? 32 : t->head;
	return t;
}

static struct abi_type *parse_array(struct parser *ps, const struct abi_type *element)
{
	struct abi_type *t = node_new(ps);

	if (!t)
		return NULL;
	if (element->shape == ABI_TUPLE && element->count == 0)
		return refuse(ps, "an array of empty tuples");
	t->kind = ABI_LIST;
	t->first = element;
	t->height = element->height + 1;
	ps->at++;
	if (*ps->at == ']') {
		t->shape = ABI_ARRAY;
		t->dynamic = true;
	} else {
		t->shape = ABI_FIXED_ARRAY;
		t->count = parse_number(ps, ABI_VALUES_MAX);
		if (t->count == 0 || *ps->at != ']')
			return refuse(ps, "no array length");
		if (t->count > HEAD_MAX / element->slot)
			return refuse(ps, "too large an array");
		t->dynamic = element->dynamic;
		t->head = t->count * element->slot;
		t->slot = t->dynamic ? 32 : t->head;
	}
	ps->at++;
	return t;
}

static struct abi_type *parse_type(struct parser *ps)
{
	struct abi_type *t = *ps->at == '(' ? parse_tuple(ps) : parse_scalar(ps);

	while (t && *ps->at == '[')
		t = parse_array(ps, t);
	if (t && t->height > ABI_DEPTH_MAX)
		return refuse(ps, "too many lists inside each other");
	return t;
}

const struct abi_type *abi_type_parse(struct abi_type_table *table, const char *text,
				      struct why *why)
{
	struct parser ps = {.table = table, .text = text, .at = text, .why = why};
	const struct abi_type *t;

	table->used = 0;
	if (*text != '(')
		return refuse(&ps, "no tuple");
	t = parse_type(&ps);
	if (t && (*ps.at != '\0' || t->shape != ABI_TUPLE))
		return refuse(&ps, "something behind the tuple");
	return t;
}

const struct abi_type *abi_type_after(const struct abi_type *list, const struct abi_type *member)
{
	return list->shape == ABI_TUPLE ? member->next : member;
}
