#include "coordinator/cli/client.h"

#include "coordinator/base/listen_at.h"
#include "coordinator/cli/columns.h"
#include "coordinator/cli/where.h"

#include <ctype.h>
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define REPLY_BYTES_MAX (16u << 20)

/* From the first step to the last byte of the answer. */
#define HEALTH_MS   4000L /* within the 5 s that a container's health check has */
#define ANSWER_MS   15000L
#define UPLOAD_MS   60000L /* and a second more for each MiB */
#define UPLOAD_RATE (1 << 20)
#define HASH_MAX    64 /* characters of a commit hash */

enum { DONE = 0, REFUSED = 1, UNREACHABLE = 2 };

struct exchange {
	CURL *curl;
	struct curl_slist *headers;
	struct buf reply;
	char error[CURL_ERROR_SIZE];
	int token_error; /* errno of reading the daemon's own token; 0: it was read, or is given */
};

static size_t on_bytes(char *p, size_t one, size_t n, void *arg)
{
	struct buf *b = arg;

	return buf_add(b, p, one * n) ? n : 0;
}

static void token_path(char out[CONFIG_TEXT_MAX + 32], const struct config *c)
{
	snprintf(out, CONFIG_TEXT_MAX + 32, "%s/admin.token", c->data_dir);
}

/* The daemon's own token where none is given: reading the file is the permission. */
static bool find_token(const struct config *c, char out[CONFIG_TEXT_MAX], int *error)
{
	char path[CONFIG_TEXT_MAX + 32];
	size_t n;
	FILE *f;

	*error = 0;
	if (c->admin_token[0]) {
		memcpy(out, c->admin_token, CONFIG_TEXT_MAX);
		return true;
	}
	token_path(path, c);
	f = fopen(path, "re");
	if (!f) {
		*error = errno;
		return false;
	}
	n = fread(out, 1, CONFIG_TEXT_MAX - 1, f);
	fclose(f);
	while (n && isspace((unsigned char)out[n - 1]))
		n--;
	out[n] = '\0';
	return n > 0;
}

static bool exchange_open(struct exchange *x, const struct config *c, const char *path,
			  long deadline_ms)
{
	char url[2 * CONFIG_TEXT_MAX], header[CONFIG_TEXT_MAX + 32], token[CONFIG_TEXT_MAX];
	bool is_unix = strncmp(c->admin_listen, "unix:", 5) == 0;

	memset(x, 0, sizeof *x);
	buf_init(&x->reply, REPLY_BYTES_MAX);
	x->curl = curl_easy_init();
	if (!x->curl)
		return false;
	snprintf(url, sizeof url, "http://%s%s", is_unix ? "localhost" : c->admin_listen, path);
	curl_easy_setopt(x->curl, CURLOPT_URL, url);
	if (is_unix)
		curl_easy_setopt(x->curl, CURLOPT_UNIX_SOCKET_PATH, c->admin_listen + 5);
	curl_easy_setopt(x->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(x->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(x->curl, CURLOPT_TIMEOUT_MS, deadline_ms);
	curl_easy_setopt(x->curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
	curl_easy_setopt(x->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(x->curl, CURLOPT_LOW_SPEED_TIME, 60L);
	curl_easy_setopt(x->curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(x->curl, CURLOPT_WRITEDATA, &x->reply);
	curl_easy_setopt(x->curl, CURLOPT_ERRORBUFFER, x->error);
	if (find_token(c, token, &x->token_error)) {
		snprintf(header, sizeof header, "Authorization: Bearer %s", token);
		x->headers = curl_slist_append(NULL, header);
		secret_wipe(header, sizeof header);
		secret_wipe(token, sizeof token);
		curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, x->headers);
	}
	return true;
}

/* What curl would say of "localhost port 80" for a socket. */
static void print_unreachable(const struct exchange *x, const struct config *c, CURLcode rc)
{
	const char *path = listen_at_path(c->admin_listen);
	const char *at = path ? path : c->admin_listen;
	long error = 0;

	curl_easy_getinfo(x->curl, CURLINFO_OS_ERRNO, &error);
	fputs("proof-coordinator: ", stderr);
	/* Of a connection that was closed at once the number says nothing. */
	if (rc != CURLE_COULDNT_CONNECT)
		fprintf(stderr, "no answer from %s: %s", c->admin_listen,
			x->error[0] ? x->error : curl_easy_strerror(rc));
	else if (error == ENOENT || error == ENOTDIR)
		fprintf(stderr, "no answer: there is no socket %s%s", at,
			c->place_by_default ? " nor " WHERE_SERVICE_DIR "/admin.sock" : "");
	else if (error == EACCES)
		fprintf(stderr,
			"no answer from the socket %s: permission denied: be root, or the user "
			"that the daemon runs as",
			at);
	else
		fprintf(stderr, "no answer from %s: nobody listens there", c->admin_listen);
	fputs(c->place_by_default && rc == CURLE_COULDNT_CONNECT && error != EACCES
		  ? "; where is the daemon? --env-file FILE or --proof-coordinator.data-dir DIR "
		    "says it\n"
		  : "\n",
	      stderr);
}

/* Whose token it was that the daemon does not take, and where the right one may be. */
static void print_whose_token(const struct exchange *x, const struct config *c)
{
	char path[CONFIG_TEXT_MAX + 32];

	token_path(path, c);
	if (c->admin_token[0])
		fputs("proof-coordinator: ETHREX_PROOF_COORDINATOR_ADMIN_TOKEN was sent, and the "
		      "daemon has another token\n",
		      stderr);
	else if (x->token_error)
		fprintf(stderr,
			"proof-coordinator: no token was sent: cannot read \"%s\": %s; %s, or give "
			"ETHREX_PROOF_COORDINATOR_ADMIN_TOKEN_FILE\n",
			path, strerror(x->token_error),
			x->token_error == EACCES ? "be root, or the user that the daemon runs as"
						 : "name the daemon's data directory");
	else
		fprintf(stderr,
			"proof-coordinator: the token of \"%s\" was sent, and the daemon has "
			"another: is that its data directory?\n",
			path);
}

static void print_raw(const struct buf *reply, FILE *to)
{
	if (reply->len)
		fwrite(reply->p, 1, reply->len, to);
}

/* The sentence of an answer that is {"code","message"}, else all of it. */
static void print_sentence(const struct buf *reply, FILE *to)
{
	json_t *j = columns_plain(json_loadb((const char *)reply->p, reply->len, 0, NULL));
	const char *sentence = json_string_value(json_object_get(j, "message"));

	if (sentence)
		fprintf(to, "%s\n", sentence);
	else
		print_raw(reply, to);
	json_decref(j);
}

static void print_shown(const struct buf *reply, void (*show)(const json_t *))
{
	json_t *j = columns_plain(json_loadb((const char *)reply->p, reply->len, 0, NULL));

	if (j)
		show(j);
	else
		print_raw(reply, stdout);
	json_decref(j);
}

enum output { QUIET, RAW, SENTENCE, SHOWN, TAKEN };

static int exchange_end(struct exchange *x, const struct config *c, enum output output,
			void (*show)(const json_t *))
{
	long status = 0;
	CURLcode rc = curl_easy_perform(x->curl);
	int code = DONE;

	if (rc != CURLE_OK) {
		print_unreachable(x, c, rc);
		code = UNREACHABLE;
	} else {
		curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
		code = status < 300 ? DONE : REFUSED;
		if (code != DONE && (output == QUIET || output == RAW || output == TAKEN))
			print_raw(&x->reply, stderr);
		else if (code != DONE || output == SENTENCE)
			print_sentence(&x->reply, code == DONE ? stdout : stderr);
		else if (output == SHOWN)
			print_shown(&x->reply, show);
		else if (output == RAW)
			print_raw(&x->reply, stdout);
		if (status == 401)
			print_whose_token(x, c);
	}
	curl_slist_free_all(x->headers);
	curl_easy_cleanup(x->curl);
	return code;
}

static int exchange_run(struct exchange *x, const struct config *c, enum output output,
			void (*show)(const json_t *))
{
	const int code = exchange_end(x, c, output, show);

	buf_free(&x->reply);
	return code;
}

/* The answer's bytes are the caller's. */
static int exchange_take(struct exchange *x, const struct config *c, struct buf *answer)
{
	const int code = exchange_end(x, c, TAKEN, NULL);

	*answer = x->reply;
	return code;
}

int client_get(const struct config *c, const char *path, void (*show)(const json_t *))
{
	struct exchange x;

	if (!exchange_open(&x, c, path, ANSWER_MS))
		return UNREACHABLE;
	return exchange_run(&x, c, show ? SHOWN : RAW, show);
}

/* The directory's own, up to and with this number, in no order. */
static void list_checkpoints(DIR *dir, const char *directory, unsigned long long through)
{
	static const char prefix[] = "checkpoint_batch_";
	const struct dirent *e;
	unsigned long long n;
	char *end;

	while ((e = readdir(dir))) {
		const char *digits = e->d_name + strlen(prefix);

		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 ||
		    !isdigit((unsigned char)*digits))
			continue;
		errno = 0;
		n = strtoull(digits, &end, 10);
		if (!*end && !errno && n <= through)
			printf("%s/%s\n", directory, e->d_name);
	}
}

/* dir: NULL without a directory. */
static void tell_checkpoints(const json_t *answer, DIR *dir, const char *directory)
{
	const long long through = json_integer_value(json_object_get(answer, "through"));

	if (dir && through > 0)
		list_checkpoints(dir, directory, (unsigned long long)through);
	else if (dir)
		return;
	else if (through > 0)
		printf("checkpoint_batch_0 to checkpoint_batch_%lld: their batches are verified "
		       "and confirmed\n",
		       through);
	else
		puts("none yet: no batch is confirmed as verified in this run");
}

static int ask_checkpoints(const struct config *c, DIR *dir, const char *directory)
{
	struct exchange x;
	struct buf answer;
	json_t *j;
	int code;

	if (!exchange_open(&x, c, "/api/v1/checkpoints", ANSWER_MS))
		return UNREACHABLE;
	code = exchange_take(&x, c, &answer);
	j = code == DONE ? json_loadb((const char *)answer.p, answer.len, 0, NULL) : NULL;
	if (j)
		tell_checkpoints(j, dir, directory);
	else if (code == DONE)
		code = REFUSED;
	json_decref(j);
	buf_free(&answer);
	return code;
}

int client_checkpoints(const struct config *c, const char *directory)
{
	/* First: a wrong path is to be noticed also where nothing may go yet. */
	DIR *dir = directory ? opendir(directory) : NULL;
	int code;

	if (directory && !dir) {
		fprintf(stderr, "proof-coordinator: cannot read the directory \"%s\": %s\n",
			directory, strerror(errno));
		return REFUSED;
	}
	code = ask_checkpoints(c, dir, directory);
	if (dir)
		closedir(dir);
	return code;
}

int client_post(const struct config *c, const char *path, bool raw)
{
	struct exchange x;

	if (!exchange_open(&x, c, path, ANSWER_MS))
		return UNREACHABLE;
	curl_easy_setopt(x.curl, CURLOPT_POST, 1L);
	curl_easy_setopt(x.curl, CURLOPT_POSTFIELDSIZE, 0L);
	return exchange_run(&x, c, raw ? RAW : SENTENCE, NULL);
}

int client_healthcheck(const struct config *c)
{
	struct exchange x;

	if (!exchange_open(&x, c, "/readyz", HEALTH_MS))
		return UNREACHABLE;
	return exchange_run(&x, c, QUIET, NULL);
}

bool client_batch_ok(const char *batch, const char *commit_hash, struct why *why)
{
	if (!*batch || strspn(batch, "0123456789") != strlen(batch) || strlen(batch) > 20)
		why_set(why, "\"%.40s\" is not a batch number", batch);
	else if (!*commit_hash || strlen(commit_hash) > HASH_MAX)
		why_set(why, "a commit hash has 1 to %d characters, not %zu", HASH_MAX,
			strlen(commit_hash));
	else
		return true;
	return false;
}

/* The path of an input; false: no memory. */
static bool input_path(char *out, size_t size, const char *batch, const char *commit_hash)
{
	char *hash = curl_easy_escape(NULL, commit_hash, 0);

	if (hash)
		snprintf(out, size, "/api/v1/batches/%s?commit_hash=%s", batch, hash);
	curl_free(hash);
	return hash != NULL;
}

int client_delete(const struct config *c, const char *path)
{
	struct exchange x;

	if (!exchange_open(&x, c, path, ANSWER_MS))
		return UNREACHABLE;
	curl_easy_setopt(x.curl, CURLOPT_CUSTOMREQUEST, "DELETE");
	return exchange_run(&x, c, SENTENCE, NULL);
}

int client_drop_input(const struct config *c, const char *batch, const char *commit_hash)
{
	char path[512];

	if (!input_path(path, sizeof path, batch, commit_hash))
		return REFUSED;
	return client_delete(c, path);
}

int client_put_input(const struct config *c, const char *batch, const char *commit_hash,
		     const char *file, bool raw)
{
	char path[512];
	struct exchange x;
	struct stat st;
	curl_off_t size;
	FILE *f = NULL;
	int code;

	errno = 0;
	/* A pipe would have us wait for its writer. */
	if (stat(file, &st) == 0 && S_ISREG(st.st_mode))
		f = fopen(file, "re");
	else if (!errno)
		errno = S_ISDIR(st.st_mode) ? EISDIR : ESPIPE;
	if (!f || fseeko(f, 0, SEEK_END) != 0 || (size = ftello(f)) < 0) {
		fprintf(stderr, "proof-coordinator: cannot read the file \"%s\": %s\n", file,
			strerror(errno));
		if (f)
			fclose(f);
		return REFUSED;
	}
	rewind(f);
	if (!input_path(path, sizeof path, batch, commit_hash)) {
		fclose(f);
		return REFUSED;
	}
	if (!exchange_open(&x, c, path, UPLOAD_MS + 1000L * (long)(size / UPLOAD_RATE))) {
		fclose(f);
		return UNREACHABLE;
	}
	curl_easy_setopt(x.curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(x.curl, CURLOPT_READDATA, f);
	curl_easy_setopt(x.curl, CURLOPT_INFILESIZE_LARGE, size);
	code = exchange_run(&x, c, raw ? RAW : SENTENCE, NULL);
	fclose(f);
	return code;
}
