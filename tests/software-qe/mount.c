/* A file system that plays /sys/kernel/config/tsm/report (drivers/virt/coco/guest/report.c): a
 * directory has its attributes when mkdir() returns, a quote is made when outblob is read. It
 * speaks to the kernel as Linux' fuse.h says, and needs the right to mount: root, or a user and
 * mount namespace of its own. */
#include "tests/software-qe/software_qe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_MAX 256
#define NAME_SIZE    256
#define TURN_MS      100
#define QUOTE_MAX    (32u * 1024u) /* what the kernel gives at most */
#define MESSAGE_MAX  (FUSE_MIN_READ_BUFFER + 4096u)

enum attribute { DIRECTORY, PROVIDER, GENERATION, INBLOB, OUTBLOB, ATTRIBUTES };
static const char *const names[] = {"", "provider", "generation", "inblob", "outblob"};

struct request {
	uint64_t number; /* 0: free; no two have the same */
	char name[NAME_SIZE];
	unsigned generation, answered; /* of inblob, of outblob */
	uint8_t written[REPORT_DATA_SIZE + 1], asked[REPORT_DATA_SIZE + 1];
	size_t written_n, asked_n; /* inblob counts once it is closed, as a whole */
	struct buf quote;
};

struct fs {
	const struct qe *qe;
	int fd;
	uint64_t last;
	struct request request[REQUESTS_MAX];
};

/* A node's id: the request's number and which of its files; the root has 1. */
static uint64_t node_of(const struct request *r, enum attribute a)
{
	return r->number * ATTRIBUTES + a + FUSE_ROOT_ID;
}

static enum attribute attribute_of(uint64_t node)
{
	return (enum attribute)((node - FUSE_ROOT_ID) % ATTRIBUTES);
}

static struct request *request_of(struct fs *fs, uint64_t node)
{
	const uint64_t number = (node - FUSE_ROOT_ID) / ATTRIBUTES;
	size_t i;

	for (i = 0; number && i < REQUESTS_MAX; i++)
		if (fs->request[i].number == number)
			return &fs->request[i];
	return NULL;
}

static void reply(const struct fs *fs, uint64_t unique, int error, const void *p, size_t n)
{
	uint8_t out[sizeof(struct fuse_out_header) + QUOTE_MAX];
	struct fuse_out_header h = {(uint32_t)(sizeof h + n), -error, unique};

	memcpy(out, &h, sizeof h);
	if (n)
		memcpy(out + sizeof h, p, n);
	/* ENOENT: whoever asked was interrupted. */
	if (write(fs->fd, out, sizeof h + n) < 0 && errno != ENOENT)
		printf("no reply to the kernel: %s\n", strerror(errno));
}

static struct fuse_attr attr_of(uint64_t node)
{
	const enum attribute a = attribute_of(node);
	struct fuse_attr attr = {.ino = node, .nlink = 1, .mode = S_IFREG | 0444, .blksize = 4096};

	if (a == DIRECTORY)
		attr.mode = S_IFDIR | 0755, attr.nlink = 2;
	else if (a == INBLOB)
		attr.mode = S_IFREG | 0200;
	attr.uid = getuid();
	attr.gid = getgid();
	return attr;
}

static void reply_entry(const struct fs *fs, uint64_t unique, uint64_t node)
{
	struct fuse_entry_out out = {.nodeid = node, .attr = attr_of(node)};

	reply(fs, unique, 0, &out, sizeof out);
}

static void lookup(struct fs *fs, const struct fuse_in_header *in, const char *name)
{
	struct request *r = request_of(fs, in->nodeid);
	size_t i;

	for (i = 1; r && i < ATTRIBUTES; i++)
		if (strcmp(names[i], name) == 0) {
			reply_entry(fs, in->unique, node_of(r, (enum attribute)i));
			return;
		}
	for (i = 0; in->nodeid == FUSE_ROOT_ID && i < REQUESTS_MAX; i++)
		if (fs->request[i].number && strcmp(fs->request[i].name, name) == 0) {
			reply_entry(fs, in->unique, node_of(&fs->request[i], DIRECTORY));
			return;
		}
	reply(fs, in->unique, ENOENT, NULL, 0);
}

static void make(struct fs *fs, const struct fuse_in_header *in, const char *name)
{
	struct request *r = fs->request;

	while (r < fs->request + REQUESTS_MAX && r->number)
		r++;
	if (in->nodeid != FUSE_ROOT_ID || strlen(name) >= NAME_SIZE) {
		reply(fs, in->unique, EPERM, NULL, 0);
	} else if (r == fs->request + REQUESTS_MAX) {
		reply(fs, in->unique, ENOSPC, NULL, 0);
	} else {
		*r = (struct request){.number = ++fs->last};
		snprintf(r->name, sizeof r->name, "%s", name);
		buf_init(&r->quote, QUOTE_MAX);
		reply_entry(fs, in->unique, node_of(r, DIRECTORY));
	}
}

static void unmake(struct fs *fs, const struct fuse_in_header *in, const char *name)
{
	size_t i;

	for (i = 0; in->nodeid == FUSE_ROOT_ID && i < REQUESTS_MAX; i++)
		if (fs->request[i].number && strcmp(fs->request[i].name, name) == 0) {
			buf_free(&fs->request[i].quote);
			fs->request[i].number = 0;
			reply(fs, in->unique, 0, NULL, 0);
			return;
		}
	reply(fs, in->unique, in->nodeid == FUSE_ROOT_ID ? ENOENT : EPERM, NULL, 0);
}

static void open_file(const struct fs *fs, const struct fuse_in_header *in, unsigned flags)
{
	/* Read until its end, whatever its size is said to be. */
	const struct fuse_open_out out = {.open_flags = FOPEN_DIRECT_IO};
	const bool writes = (flags & O_ACCMODE) != O_RDONLY;

	if (attribute_of(in->nodeid) == DIRECTORY || writes == (attribute_of(in->nodeid) == INBLOB))
		reply(fs, in->unique, 0, &out, sizeof out);
	else
		reply(fs, in->unique, EACCES, NULL, 0);
}

/* 0, or the error that the kernel's driver has for it. */
static int answer(const struct fs *fs, struct request *r)
{
	const struct timespec delay = {fs->qe->delay_ms / 1000, fs->qe->delay_ms % 1000 * 1000000L};
	char hex[2 * REPORT_DATA_SIZE + 1];

	if (r->asked_n != REPORT_DATA_SIZE)
		return EINVAL;
	if (r->answered == r->generation)
		return 0;
	nanosleep(&delay, NULL);
	buf_free(&r->quote);
	buf_init(&r->quote, QUOTE_MAX);
	qe_quote(&r->quote, fs->qe, r->asked);
	r->answered = r->generation;
	hex_encode(hex, r->asked, REPORT_DATA_SIZE);
	printf("request %s: a quote of %zu bytes for report data %s\n", r->name, r->quote.len, hex);
	return 0;
}

static void read_file(struct fs *fs, const struct fuse_in_header *in, const struct fuse_read_in *at)
{
	const enum attribute a = attribute_of(in->nodeid);
	struct request *r = request_of(fs, in->nodeid);
	char text[16] = "tdx_guest\n";
	const void *p = text;
	size_t n, size = at->size < QUOTE_MAX ? at->size : QUOTE_MAX;
	int error = r ? 0 : ESTALE;

	if (r && a == OUTBLOB)
		error = answer(fs, r);
	if (error) {
		reply(fs, in->unique, error, NULL, 0);
		return;
	}
	if (a == GENERATION)
		snprintf(text, sizeof text, "%u\n", r->generation);
	else if (fs->qe->flaw == FLAW_PROVIDER)
		snprintf(text, sizeof text, "sev_guest\n");
	n = strlen(text);
	if (a == OUTBLOB)
		p = r->quote.p, n = r->quote.len;
	n = at->offset < n ? n - at->offset : 0;
	reply(fs, in->unique, 0, n ? (const uint8_t *)p + at->offset : NULL, n < size ? n : size);
}

static void write_file(struct fs *fs, const struct fuse_in_header *in,
		       const struct fuse_write_in *at)
{
	struct request *r = request_of(fs, in->nodeid);
	struct fuse_write_out out = {.size = at->size};

	if (!r || attribute_of(in->nodeid) != INBLOB) {
		reply(fs, in->unique, EACCES, NULL, 0);
	} else if (at->offset != r->written_n || r->written_n + at->size > REPORT_DATA_SIZE) {
		reply(fs, in->unique, EFBIG, NULL, 0);
	} else {
		memcpy(r->written + r->written_n, at + 1, at->size);
		r->written_n += at->size;
		reply(fs, in->unique, 0, &out, sizeof out);
	}
}

/* What was written counts when it is closed. */
static void flush(struct fs *fs, const struct fuse_in_header *in)
{
	struct request *r = request_of(fs, in->nodeid);

	if (r && attribute_of(in->nodeid) == INBLOB && r->written_n) {
		memcpy(r->asked, r->written, r->written_n);
		r->asked_n = r->written_n;
		r->written_n = 0;
		r->generation += fs->qe->flaw == FLAW_GENERATION ? 2 : 1;
	}
	reply(fs, in->unique, 0, NULL, 0);
}

static size_t put_entry(uint8_t *out, size_t at, uint64_t offset, uint64_t node, const char *name)
{
	const struct fuse_dirent e = {.ino = node,
				      .off = offset,
				      .namelen = (uint32_t)strlen(name),
				      .type = attr_of(node).mode >> 12};

	memset(out + at, 0, FUSE_DIRENT_SIZE(&e));
	memcpy(out + at, &e, FUSE_NAME_OFFSET);
	memcpy(out + at + FUSE_NAME_OFFSET, name, e.namelen);
	return at + FUSE_DIRENT_SIZE(&e);
}

static void read_directory(struct fs *fs, const struct fuse_in_header *in,
			   const struct fuse_read_in *from)
{
	struct request *r = request_of(fs, in->nodeid);
	const uint64_t end = r ? ATTRIBUTES : REQUESTS_MAX;
	size_t n = 0, size = from->size < QUOTE_MAX ? from->size : QUOTE_MAX;
	uint8_t out[QUOTE_MAX];
	uint64_t i;

	for (i = from->offset; i < end && n + FUSE_NAME_OFFSET + NAME_SIZE + 8 <= size; i++) {
		if (r && i > DIRECTORY)
			n = put_entry(out, n, i + 1, node_of(r, (enum attribute)i), names[i]);
		else if (!r && fs->request[i].number)
			n = put_entry(out, n, i + 1, node_of(&fs->request[i], DIRECTORY),
				      fs->request[i].name);
	}
	reply(fs, in->unique, 0, out, n);
}

static void take(struct fs *fs, const struct fuse_in_header *in, const void *body)
{
	const struct fuse_init_out init = {
	    .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096};
	const struct fuse_attr_out attr = {.attr = attr_of(in->nodeid)};
	const struct fuse_open_out opened = {0};

	switch (in->opcode) {
	case FUSE_INIT: reply(fs, in->unique, 0, &init, sizeof init); break;
	case FUSE_LOOKUP: lookup(fs, in, body); break;
	case FUSE_GETATTR:
	case FUSE_SETATTR: /* truncated, before it is written anew */
		reply(fs, in->unique, 0, &attr, sizeof attr);
		break;
	case FUSE_MKDIR: make(fs, in, (const char *)body + sizeof(struct fuse_mkdir_in)); break;
	case FUSE_RMDIR: unmake(fs, in, body); break;
	case FUSE_OPEN: open_file(fs, in, ((const struct fuse_open_in *)body)->flags); break;
	case FUSE_READ: read_file(fs, in, body); break;
	case FUSE_WRITE: write_file(fs, in, body); break;
	case FUSE_FLUSH: flush(fs, in); break;
	case FUSE_OPENDIR: reply(fs, in->unique, 0, &opened, sizeof opened); break;
	case FUSE_READDIR: read_directory(fs, in, body); break;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR: reply(fs, in->unique, 0, NULL, 0); break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: break; /* want no answer */
	case FUSE_CREATE:
	case FUSE_MKNOD:
	case FUSE_UNLINK:
	case FUSE_RENAME:
	case FUSE_RENAME2: reply(fs, in->unique, EPERM, NULL, 0); break;
	default: reply(fs, in->unique, ENOSYS, NULL, 0);
	}
}

static bool mount_it(struct fs *fs, const char *dir, struct why *why)
{
	char options[96];

	fs->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fs->fd < 0) {
		why_set(why, "cannot open /dev/fuse: %s", strerror(errno));
		return false;
	}
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other",
		 fs->fd, (unsigned)getuid(), (unsigned)getgid());
	if (mount("software-qe", dir, "fuse", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) == 0)
		return true;
	why_set(why,
		"cannot mount on %s: %s (it takes root, or namespaces of one's own: unshare -rm)",
		dir, strerror(errno));
	close(fs->fd);
	return false;
}

bool mount_serve(const char *dir, const struct qe *qe, const volatile sig_atomic_t *stop,
		 struct why *why)
{
	_Alignas(struct fuse_in_header) static uint8_t message[MESSAGE_MAX];
	struct fs *fs = calloc(1, sizeof *fs);
	bool ok = fs != NULL;
	struct pollfd ready;
	ssize_t n = 0;
	size_t i;

	if (!ok) {
		why_set(why, "no memory");
		return false;
	}
	fs->qe = qe;
	ok = mount_it(fs, dir, why);
	if (ok)
		printf("software-qe is mounted on %s; NOTHING IS ATTESTED\n", dir);
	ready = (struct pollfd){fs->fd, POLLIN, 0};
	while (ok && !*stop && (n >= 0 || errno != ENODEV)) { /* ENODEV: unmounted */
		if (poll(&ready, 1, TURN_MS) <= 0)
			continue;
		n = read(fs->fd, message, sizeof message);
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			take(fs, (const void *)message, message + sizeof(struct fuse_in_header));
	}
	if (ok) {
		umount2(dir, MNT_DETACH);
		close(fs->fd);
	}
	for (i = 0; i < REQUESTS_MAX; i++)
		if (fs->request[i].number)
			buf_free(&fs->request[i].quote);
	free(fs);
	return ok;
}
