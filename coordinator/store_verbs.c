#include "coordinator/store_verbs.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/version.h"
#include "coordinator/base/file.h"
#include "coordinator/daemon.h"
#include "coordinator/postgres/postgres.h"
#include "coordinator/store/input_file.h"
#include "coordinator/store_copy.h"

bool store_verb_of(enum store_verb *out, const char *word)
{
	static const char *const words[] = {[STORE_STATUS] = "status",
					    [STORE_MIGRATE] = "migrate",
					    [STORE_IMPORT] = "import",
					    [STORE_EXPORT] = "export"};
	size_t i;

	for (i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(words[i], word) == 0) {
			*out = (enum store_verb)i;
			return true;
		}
	return false;
}

/* ---- the two ends ---- */

/* of a directory: open, and locked against a coordinator */
struct end {
	struct engine *engine;
	int lock;
};

static void end_close(struct end *e)
{
	if (e->engine)
		e->engine->ops->close(e->engine);
	if (e->lock >= 0)
		close(e->lock);
}

/* For a new store: nothing else is put among what is there. */
static bool is_empty_dir(const char *dir, struct why *why)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	bool empty = true;

	if (!d && errno == ENOENT)
		return true;
	if (!d) {
		why_set(why, "cannot read %.300s: %s", dir, strerror(errno));
		return false;
	}
	while (empty && (entry = readdir(d)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(d);
	if (!empty)
		why_set(why, "%.300s is not empty: a new directory is needed", dir);
	return empty;
}

static bool open_dir(struct end *e, const char *dir, bool fresh, struct why *why)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof path, "%s/store.db", dir) >= (int)sizeof path) {
		why_set(why, "the path %.80s... is too long", dir);
		return false;
	}
	if (!fresh && stat(path, &st)) {
		why_set(why, "%.300s is not there: no store to read", path);
		return false;
	}
	if (!fresh && !st.st_size) {
		why_set(why, "%.300s is an empty file: no store to read", path);
		return false;
	}
	if (fresh && !is_empty_dir(dir, why))
		return false;
	if (fresh && !file_dir_make(dir, why))
		return false;
	if (file_dir_lock(dir, &e->lock, why) != FILE_DIR_LOCKED) {
		e->lock = -1;
		return false;
	}
	return sqlite_open(&e->engine, dir, 1000, why) == STORE_OK &&
	       input_files_prepare(dir, why) == INPUT_OK;
}

static bool open_database(struct engine **out, const struct config *c, bool observe,
			  struct why *why)
{
	const struct postgres_options options = {.url = c->store_conninfo,
						 .password = c->store_password,
						 .instance = c->instance,
						 .version = program_version,
						 .listen = "",
						 .observe = observe};

	*out = NULL;
	if (!c->store_url[0]) {
		why_set(why, "there is no shared store: give ETHREX_PROOF_COORDINATOR_STORE");
		return false;
	}
	return postgres_open(out, &options, why) == STORE_OK;
}

static bool is_quiet(struct engine *e, unsigned but_this, struct why *why)
{
	struct postgres_facts facts;

	if (postgres_facts(e, &facts, why) != STORE_OK)
		return false;
	if (facts.running <= but_this)
		return true;
	why_set(why, "on the database coordinators run (%u): stop them first",
		facts.running - but_this);
	return false;
}

/* What it would not copy, it does not know. */
static bool knows_all(struct engine *e, struct why *why)
{
	struct postgres_facts facts;

	if (postgres_facts(e, &facts, why) != STORE_OK)
		return false;
	if (facts.schema <= facts.known)
		return true;
	why_set(why,
		"its schema has version %d, and this program knows %d: what is new in it would "
		"stay behind: use the newer one",
		facts.schema, facts.known);
	return false;
}

static bool copy(const struct store_end *from, const struct store_end *to, struct why *why)
{
	struct store_copied copied;
	size_t i;

	if (store_copy(&copied, from, to, why) != STORE_OK)
		return false;
	for (i = 0; i < STORE_TABLES; i++)
		printf("%-8s %10" PRIu64 " -> %" PRIu64 "\n", store_table_names[i], copied.from[i],
		       copied.to[i]);
	printf("%" PRIu64 " input files, %" PRIu64 " bytes", copied.files, copied.bytes);
	if (copied.missing)
		printf("; of %" PRIu64
		       " the source has no file, or not these bytes: put them again",
		       copied.missing);
	putchar('\n');
	return true;
}

/* ---- the verbs ---- */

static bool import(const struct config *c, const char *dir, struct why *why)
{
	struct end directory = {.lock = -1}, database = {.lock = -1};
	const bool ok = open_dir(&directory, dir, false, why) &&
			store_copy_whole(directory.engine, why) == STORE_OK &&
			open_database(&database.engine, c, false, why) &&
			is_quiet(database.engine, 1, why) &&
			copy(&(struct store_end){directory.engine, dir},
			     &(struct store_end){database.engine, c->data_dir}, why);

	end_close(&database);
	end_close(&directory);
	if (ok)
		printf("%s is as it was: start no coordinator on it without a STORE any more, or "
		       "two sign with one key\n",
		       dir);
	return ok;
}

static bool export(const struct config *c, const char *dir, struct why *why)
{
	struct end directory = {.lock = -1}, database = {.lock = -1};
	const bool ok = open_database(&database.engine, c, true, why) &&
			knows_all(database.engine, why) && is_quiet(database.engine, 0, why) &&
			store_copy_whole(database.engine, why) == STORE_OK &&
			open_dir(&directory, dir, true, why) &&
			copy(&(struct store_end){database.engine, c->data_dir},
			     &(struct store_end){directory.engine, dir}, why);

	end_close(&directory);
	end_close(&database);
	if (ok)
		printf("the database is as it was: start no coordinator on it any more, or two "
		       "sign with one key\n");
	return ok;
}

static void print_instances(struct engine *e)
{
	struct store_instance seen[STORE_SLOTS];
	const size_t n = e->ops->instances(e, seen, STORE_SLOTS);
	size_t i;

	for (i = 0; i < n; i++)
		printf("coordinator %s: slot %u, version %s, schema %u, seen %" PRIu64
		       " s ago, clock %+" PRId64 " ms%s\n",
		       seen[i].name, seen[i].slot, seen[i].version, seen[i].schema,
		       seen[i].seen_before_ms / 1000, seen[i].skew_ms,
		       seen[i].leads ? ", leads" : "");
}

static void print_status(struct engine *e, const struct postgres_facts *f,
			 const uint64_t rows[STORE_TABLES])
{
	size_t i;

	printf("PostgreSQL %s\nschema %d, for programs that know %d or later; this one knows "
	       "%d\nrevision %" PRIu64 ", leaders so far %" PRIu64
	       ", coordinators that are connected %u\n",
	       f->server, f->schema, f->compatible_from, f->known, f->revision, f->fence,
	       f->running);
	print_instances(e);
	printf("%-8s %10s\n", "table", "rows");
	for (i = 0; i < STORE_TABLES; i++)
		printf("%-8s %10" PRIu64 "\n", store_table_names[i], rows[i]);
}

static void print_status_json(struct engine *e, const struct postgres_facts *f,
			      const uint64_t rows[STORE_TABLES])
{
	struct store_instance seen[STORE_SLOTS];
	const size_t n = e->ops->instances(e, seen, STORE_SLOTS);
	json_t *coordinators = json_array(), *tables = json_object(), *j;
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(
		    coordinators,
		    json_pack("{s:s, s:i, s:s, s:i, s:I, s:I, s:b}", "name", seen[i].name, "slot",
			      (int)seen[i].slot, "version", seen[i].version, "schema",
			      (int)seen[i].schema, "seen_s_ago",
			      (json_int_t)(seen[i].seen_before_ms / 1000), "clock_skew_ms",
			      (json_int_t)seen[i].skew_ms, "leads", seen[i].leads));
	for (i = 0; i < STORE_TABLES; i++)
		json_object_set_new(tables, store_table_names[i],
				    json_integer((json_int_t)rows[i]));
	j = json_pack("{s:s, s:i, s:i, s:i, s:I, s:I, s:i, s:o, s:o}", "server", f->server,
		      "schema", f->schema, "schema_compatible_from", f->compatible_from,
		      "schema_known", f->known, "revision", (json_int_t)f->revision,
		      "leaders_so_far", (json_int_t)f->fence, "connected", (int)f->running,
		      "coordinators", coordinators, "rows", tables);
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(j);
}

static bool status(const struct config *c, bool json, struct why *why)
{
	uint64_t rows[STORE_TABLES];
	struct postgres_facts facts;
	struct engine *e = NULL;
	bool ok;

	ok = open_database(&e, c, true, why) && postgres_facts(e, &facts, why) == STORE_OK &&
	     store_count(rows, e, why) == STORE_OK;
	if (ok) {
		(json ? print_status_json : print_status)(e, &facts, rows);
		ok = store_copy_whole(e, why) == STORE_OK;
	}
	if (e)
		e->ops->close(e);
	return ok;
}

int store_verb(const struct config *c, enum store_verb verb, const char *dir)
{
	struct why why = {""};
	bool ok = false;

	switch (verb) {
	case STORE_STATUS: ok = status(c, false, &why); break;
	case STORE_STATUS_JSON: ok = status(c, true, &why); break;
	case STORE_MIGRATE: ok = import(c, c->data_dir, &why); break;
	case STORE_IMPORT: ok = import(c, dir, &why); break;
	case STORE_EXPORT: ok = export(c, dir, &why); break;
	}
	if (!ok)
		fprintf(stderr, "proof-coordinator: %s\n", why.text);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
