#include "coordinator/collateral/internal.h"

#include "coordinator/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ABOUT     "about.json"
#define NUMBERS   "tcb_evaluation_numbers.json"
#define ABOUT_MAX 4096
#define PATH_SIZE 1280

static const char *const member[COLLATERAL_PARTS] = {
    [COLLATERAL_TCB_INFO] = "tcb_info",
    [COLLATERAL_QE_IDENTITY] = "qe_identity",
    [COLLATERAL_PCK_CRL] = "pck_crl",
    [COLLATERAL_ROOT_CRL] = "root_ca_crl",
    [COLLATERAL_NUMBERS] = "tcb_evaluation_numbers",
};

static const struct {
	enum collateral_file body, chain; /* COLLATERAL_FILES: none */
} files[COLLATERAL_PARTS] = {
    [COLLATERAL_TCB_INFO] = {FILE_TCB_INFO, FILE_TCB_SIGNING_CHAIN},
    [COLLATERAL_QE_IDENTITY] = {FILE_QE_IDENTITY, FILE_QE_IDENTITY_SIGNING_CHAIN},
    [COLLATERAL_PCK_CRL] = {FILE_PCK_CRL, FILE_PCK_CRL_ISSUER_CHAIN},
    [COLLATERAL_ROOT_CRL] = {FILE_ROOT_CA_CRL, COLLATERAL_FILES},
};

/* ---- reading ---- */

static enum collateral_outcome read_one(struct buf *out, const char *dir, enum collateral_file file,
					size_t max, struct why *why)
{
	buf_init(out, max);
	switch (collateral_file_read(out, dir, file, why)) {
	case COLLATERAL_READ:
		if (out->len)
			return COLLATERAL_OK;
		why_set(why, "%s is empty", collateral_file_name(file));
		return COLLATERAL_MALFORMED;
	case COLLATERAL_ABSENT:
		why_set(why, "no %s in %s", collateral_file_name(file), dir);
		return COLLATERAL_NOT_FOUND;
	case COLLATERAL_UNREADABLE: break;
	}
	return COLLATERAL_UNREACHABLE;
}

/* No file of the library's. */
static enum collateral_outcome read_numbers(struct buf *out, const char *dir, size_t max,
					    struct why *why)
{
	char path[PATH_SIZE + 64];
	enum collateral_outcome outcome = COLLATERAL_UNREACHABLE;

	buf_init(out, max);
	snprintf(path, sizeof path, "%s/" NUMBERS, dir);
	if (access(path, F_OK) != 0) {
		outcome = COLLATERAL_NOT_FOUND;
		why_set(why, "no " NUMBERS " in %s", dir);
	} else if (file_read(out, path, why)) {
		outcome = COLLATERAL_OK;
	}
	return outcome;
}

static enum collateral_outcome read_part(struct collateral_part *p, enum collateral_part_id id,
					 const char *dir, size_t max, struct why *why)
{
	enum collateral_file chain = files[id].chain;
	enum collateral_outcome o;

	if (id == COLLATERAL_NUMBERS)
		return read_numbers(&p->body, dir, max, why);
	o = read_one(&p->body, dir, files[id].body, max, why);
	if (o != COLLATERAL_OK || chain == COLLATERAL_FILES)
		return o;
	o = read_one(&p->chain, dir, chain, max, why);
	if (o == COLLATERAL_NOT_FOUND && chain == FILE_QE_IDENTITY_SIGNING_CHAIN)
		o = read_one(&p->chain, dir, FILE_TCB_SIGNING_CHAIN, max, why);
	return o;
}

void collateral_dir_parts(struct collateral_part part[COLLATERAL_PARTS], unsigned mask,
			  const char *dir, size_t piece_max,
			  enum collateral_outcome outcome[COLLATERAL_PARTS],
			  struct why why[COLLATERAL_PARTS])
{
	int i;

	for (i = 0; i < COLLATERAL_PARTS; i++) {
		if (!(mask & 1u << i))
			continue;
		why[i].text[0] = '\0';
		outcome[i] =
		    read_part(&part[i], (enum collateral_part_id)i, dir, piece_max, &why[i]);
		if (outcome[i] != COLLATERAL_OK)
			collateral_part_free(&part[i]);
	}
}

bool collateral_about_read(struct collateral_about *about, const char *dir)
{
	char path[PATH_SIZE], text[ABOUT_MAX];
	json_t *root, *sources;
	const char *update;
	ssize_t n;
	int fd, i;

	snprintf(path, sizeof path, "%s/" ABOUT, dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text);
	if (fd >= 0)
		close(fd);
	root = n < 0 || (size_t)n == sizeof text ? NULL : json_loadb(text, (size_t)n, 0, NULL);
	update = json_string_value(json_object_get(root, "update"));
	if (!update) {
		json_decref(root);
		return false;
	}
	memset(about, 0, sizeof *about);
	about->update = strcmp(update, "early") == 0 ? COLLATERAL_EARLY : COLLATERAL_STANDARD;
	about->fetched_at = json_integer_value(json_object_get(root, "fetched_at"));
	about->number =
	    (uint32_t)json_integer_value(json_object_get(root, "tcb_evaluation_number"));
	about->want.number = (uint32_t)json_integer_value(json_object_get(root, "wanted_number"));
	about->want.numbers = json_is_true(json_object_get(root, "wanted_numbers"));
	sources = json_object_get(root, "sources");
	for (i = 0; i < COLLATERAL_PARTS; i++) {
		const char *s = json_string_value(json_object_get(sources, member[i]));

		snprintf(about->source[i], COLLATERAL_NAME_SIZE, "%s", s ? s : "disk");
	}
	json_decref(root);
	return true;
}

size_t collateral_disk_keys(struct collateral_key *keys, size_t max, const char *cache)
{
	DIR *d = opendir(cache);
	struct dirent *e;
	size_t n = 0;

	while (d && n < max && (e = readdir(d)))
		n += collateral_key_parse(&keys[n], e->d_name);
	if (d)
		closedir(d);
	return n;
}

/* ---- writing ---- */

static bool write_file(const char *dir, const char *name, const void *p, size_t n, struct why *why)
{
	char path[PATH_SIZE + 64];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return file_write_whole(path, span_of(p, n), 0600, why);
}

static bool write_numbers(const char *dir, const struct collateral_set *set, struct why *why)
{
	const struct tdxv_bytes list = set->numbers_response;
	char path[PATH_SIZE + 64];

	if (list.n)
		return write_file(dir, NUMBERS, list.p, list.n, why);
	snprintf(path, sizeof path, "%s/" NUMBERS, dir);
	unlink(path);
	return true;
}

static bool write_about(const char *dir, const struct collateral_set *set,
			enum collateral_update update, uint32_t number, struct why *why)
{
	json_t *sources = json_object(), *root;
	char *text;
	bool ok;
	int i;

	for (i = 0; i < COLLATERAL_PARTS; i++)
		json_object_set_new(sources, member[i], json_string(set->source[i]));
	root = json_pack("{s:I,s:s,s:I,s:I,s:b,s:o}", "fetched_at", (json_int_t)set->fetched_at,
			 "update", update == COLLATERAL_EARLY ? "early" : "standard",
			 "tcb_evaluation_number", (json_int_t)number, "wanted_number",
			 (json_int_t)set->want.number, "wanted_numbers", set->want.numbers,
			 "sources", sources);
	text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	ok = text && write_file(dir, ABOUT, text, strlen(text), why);
	if (!text)
		why_set(why, "out of memory for %s/" ABOUT, dir);
	free(text);
	json_decref(root);
	return ok;
}

static void remove_key(const char *cache, const char *name)
{
	char dir[PATH_SIZE], path[PATH_SIZE + 300];
	struct dirent *e;
	DIR *d;

	snprintf(dir, sizeof dir, "%s/%s", cache, name);
	d = opendir(dir);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

/* One pass a write is enough: each adds one directory at most. */
static void remove_oldest(const char *cache, const char *keep, unsigned max_keys)
{
	char path[PATH_SIZE], oldest[COLLATERAL_KEY_SIZE] = "";
	struct timespec least = {0};
	struct collateral_key key;
	struct dirent *e;
	struct stat st;
	unsigned n = 0;
	DIR *d = opendir(cache);

	while (d && (e = readdir(d))) {
		if (!collateral_key_parse(&key, e->d_name))
			continue;
		n++;
		snprintf(path, sizeof path, "%s/%.32s", cache, e->d_name);
		if (strcmp(e->d_name, keep) == 0 || stat(path, &st))
			continue;
		if (!oldest[0] || st.st_mtim.tv_sec < least.tv_sec ||
		    (st.st_mtim.tv_sec == least.tv_sec && st.st_mtim.tv_nsec < least.tv_nsec)) {
			least = st.st_mtim;
			snprintf(oldest, sizeof oldest, "%.23s", e->d_name);
		}
	}
	if (d)
		closedir(d);
	if (n > max_keys && oldest[0])
		remove_key(cache, oldest);
}

bool collateral_disk_write(const char *cache, const struct collateral_set *set,
			   enum collateral_update update, uint32_t number, unsigned max_keys,
			   struct why *why)
{
	struct tdxv_collateral_input in = set->pieces;
	char dir[PATH_SIZE], name[COLLATERAL_KEY_SIZE];
	int i;

	collateral_key_text(name, &set->key);
	snprintf(dir, sizeof dir, "%s/%s", cache, name);
	if (!file_dir_make(cache, why) || !file_dir_make(dir, why))
		return false;
	for (i = 0; i < COLLATERAL_FILES; i++) {
		enum collateral_file file = (enum collateral_file)i;
		struct tdxv_bytes b = *collateral_file_piece(&in, file);

		if (!write_file(dir, collateral_file_name(file), b.p, b.n, why))
			return false;
	}
	if (!write_numbers(dir, set, why) || !write_about(dir, set, update, number, why) ||
	    !file_dir_sync(dir, why))
		return false;
	remove_oldest(cache, name, max_keys);
	return true;
}
