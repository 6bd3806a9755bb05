#include "tests/software-qe/software_qe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FILE_MAX  (256u * 1024u)
#define TIME_TEXT 32

/* -- Files -- */

static void path_in(char *out, size_t cap, const char *dir, const char *name)
{
	snprintf(out, cap, "%s/%s", dir, name);
}

/* Whole or not at all: a server may read the file at any moment. */
static bool write_file(const char *dir, const char *name, struct span bytes, struct why *why)
{
	char path[1200], fresh[1200];
	FILE *f;
	bool ok;

	path_in(path, sizeof path, dir, name);
	snprintf(fresh, sizeof fresh, "%s/.%s.tmp", dir, name);
	f = fopen(fresh, "wb");
	ok = f && fwrite(bytes.p, 1, bytes.n, f) == bytes.n;
	ok = f && fclose(f) == 0 && ok;
	ok = ok && rename(fresh, path) == 0;
	if (!ok)
		why_set(why, "cannot write %s: %s", path, strerror(errno));
	return ok;
}

static bool read_file(struct buf *out, const char *dir, const char *name, struct why *why)
{
	char path[1200], chunk[4096];
	FILE *f;
	size_t n;
	bool ok = true;

	path_in(path, sizeof path, dir, name);
	f = fopen(path, "rb");
	if (!f) {
		why_set(why, "cannot read %s: %s", path, strerror(errno));
		return false;
	}
	while (ok && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
		ok = buf_add(out, chunk, n);
	ok = ok && !ferror(f);
	fclose(f);
	if (!ok)
		why_set(why, "cannot read %s, or it is longer than %u bytes", path, FILE_MAX);
	return ok;
}

/* -- What was asked for -- */

struct platform {
	char fmspc[13], ca[16];
};

/* FMSPC and CA are in the certificates: a directory keeps the ones that it was made with. */
static bool settle_platform(struct platform *p, bool *fresh, const struct pki_wish *wish,
			    struct why *why)
{
	struct buf text;
	struct why absent;
	bool ok;

	*p = (struct platform){"90c06f000000", "platform"};
	buf_init(&text, FILE_MAX);
	*fresh = !read_file(&text, wish->dir, "platform", &absent);
	ok = *fresh || (buf_add(&text, "", 1) &&
			sscanf((const char *)text.p, "%12s %15s", p->fmspc, p->ca) == 2);
	buf_free(&text);
	if (!ok) {
		why_set(why, "%s/platform does not name an FMSPC and a CA", wish->dir);
		return false;
	}
	if (*fresh) {
		if (wish->fmspc)
			snprintf(p->fmspc, sizeof p->fmspc, "%s", wish->fmspc);
		if (wish->ca)
			snprintf(p->ca, sizeof p->ca, "%s", wish->ca);
		return true;
	}
	if ((wish->fmspc && strcmp(wish->fmspc, p->fmspc) != 0) ||
	    (wish->ca && strcmp(wish->ca, p->ca) != 0)) {
		why_set(
		    why,
		    "%s is a platform of FMSPC %s and the %s CA: another needs another directory",
		    wish->dir, p->fmspc, p->ca);
		return false;
	}
	return true;
}

struct dates {
	char issued[TIME_TEXT], next[TIME_TEXT], ended[TIME_TEXT];
};

/* A TCB recovery: a newer level is the good one, the platform's own is no longer. */
static void recover(struct forge *f, const char *status)
{
	f->n_levels = 3;
	f->level[2] = f->level[1];
	f->level[1] = f->level[0];
	f->level[1].status = status;
	f->level[1].advisory = "INTEL-SA-00004";
	f->level[0].sgx = f->level[0].tdx = 7;
	f->level[0].pcesvn = 13;
	f->level[0].date = "2025-03-12T00:00:00Z";
}

static void set_ca(struct forge *f, const char *ca)
{
	if (strcmp(ca, "processor") == 0)
		f->ca.name = f->pck.issuer = f->pck_crl.issuer = "Intel SGX PCK Processor CA";
}

static bool set_expired(struct forge *f, const struct dates *d, int64_t ended, const char *piece,
			struct why *why)
{
	if (strcmp(piece, "tcb_info") == 0) {
		f->tcb_next = d->ended;
	} else if (strcmp(piece, "qe_identity") == 0) {
		f->qe_next = d->ended;
	} else if (strcmp(piece, "pck_crl") == 0) {
		f->pck_crl.to = ended;
	} else if (strcmp(piece, "root_ca_crl") == 0) {
		f->root_crl.to = ended;
	} else {
		why_set(why,
			"--expired: \"%.40s\" is not tcb_info, qe_identity, pck_crl or root_ca_crl",
			piece);
		return false;
	}
	return true;
}

static bool set_revoked(struct forge *f, const char *what, struct why *why)
{
	if (strcmp(what, "pck") == 0) {
		f->pck_crl.revoked = f->pck.serial;
	} else if (strcmp(what, "ca") == 0) {
		f->root_crl.revoked = f->ca.serial;
	} else if (strcmp(what, "tcb-signing") == 0) {
		f->root_crl.revoked = f->tcb.serial;
	} else {
		why_set(why, "--revoked: \"%.40s\" is not pck, ca or tcb-signing", what);
		return false;
	}
	return true;
}

static bool shape(struct forge *f, struct dates *d, const struct platform *p,
		  const struct pki_wish *w, struct why *why)
{
	const int64_t now = time(NULL), issued = now - w->age, next = now + w->valid;
	struct forge_cert *certs[] = {&f->root, &f->ca, &f->pck, &f->tcb};
	enum tdxv_tcb_status status = TDXV_TCB_UP_TO_DATE;
	size_t i;

	forge_init(f);
	for (i = 0; i < sizeof certs / sizeof *certs; i++) {
		certs[i]->from = now - FORGE_DAY;
		certs[i]->to = now + 10ll * FORGE_YEAR;
	}
	tdxv_time_text(d->issued, sizeof d->issued, issued);
	tdxv_time_text(d->next, sizeof d->next, next);
	tdxv_time_text(d->ended, sizeof d->ended, now - 1);
	f->tcb_issued = f->qe_issued = d->issued;
	f->tcb_next = f->qe_next = d->next;
	f->pck_crl.from = f->root_crl.from = issued;
	f->pck_crl.to = f->root_crl.to = next;
	f->tcb_number = w->evaluation;
	f->tcb_fmspc = p->fmspc;
	if (!hex_decode(f->fmspc, 6, p->fmspc, strlen(p->fmspc))) {
		why_set(why, "--fmspc: \"%.40s\" is not 12 hex digits", p->fmspc);
		return false;
	}
	if (strcmp(p->ca, "platform") != 0 && strcmp(p->ca, "processor") != 0) {
		why_set(why, "--ca: \"%.40s\" is neither platform nor processor", p->ca);
		return false;
	}
	set_ca(f, p->ca);
	if (w->tcb_status &&
	    (!tdxv_tcb_status_parse(&status, w->tcb_status, strlen(w->tcb_status)) ||
	     status > TDXV_TCB_REVOKED)) {
		why_set(why, "--tcb-status: \"%.40s\" is no status of a TCB level", w->tcb_status);
		return false;
	}
	if (status != TDXV_TCB_UP_TO_DATE)
		recover(f, tdxv_tcb_status_name(status));
	return (!w->expired || set_expired(f, d, now - 1, w->expired, why)) &&
	       (!w->revoked || set_revoked(f, w->revoked, why));
}

/* -- Making and reading -- */

static bool write_certificates(const char *dir, const struct forged *x, const struct platform *p,
			       struct why *why)
{
	struct tdxv_quote q;
	uint8_t point[64];
	char hex[129], platform[32];

	forge_root_key(point);
	hex_encode(hex, point, sizeof point);
	snprintf(platform, sizeof platform, "%s %s", p->fmspc, p->ca);
	if (tdxv_quote_parse(&q, x->quote.p, x->quote.len, NULL) != TDXV_OK) {
		why_set(why, "the quote that was just made is none");
		return false;
	}
	/* The platform's name comes last: with it the rest is there. */
	return write_file(dir, "pck_chain.pem", span_of(q.cert_data.p, q.cert_data.n - 1), why) &&
	       write_file(dir, "root_ca.pem", buf_span(&x->root), why) &&
	       write_file(dir, "root_ca_key.hex", span_of(hex, 128), why) &&
	       write_file(dir, "tcb_signing_chain.pem", buf_span(&x->tcb_chain), why) &&
	       write_file(dir, "pck_crl_issuer_chain.pem", buf_span(&x->pck_crl_chain), why) &&
	       write_file(dir, "platform", span_of(platform, strlen(platform)), why);
}

static void add_number(struct buf *list, unsigned number, int64_t recovery)
{
	char date[TIME_TEXT];

	tdxv_time_text(date, sizeof date, recovery);
	buf_printf(list,
		   "{\"tcbEvaluationDataNumber\":%u,\"tcbRecoveryEventDate\":\"%s\","
		   "\"tcbDate\":\"%s\"}",
		   number, date, date);
}

static bool write_numbers(const struct pki_wish *w, const struct dates *d, struct why *why)
{
	const int64_t now = time(NULL);
	struct buf list, whole;
	uint8_t raw[64];
	char hex[129];
	bool ok;

	buf_init(&list, FILE_MAX);
	buf_init(&whole, FILE_MAX);
	buf_printf(&list,
		   "{\"id\":\"TDX\",\"version\":1,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
		   "\"tcbEvalNumbers\":[",
		   d->issued, d->next);
	if (w->early) {
		add_number(&list, w->early, now - 100ll * FORGE_DAY);
		buf_add_str(&list, ",");
	}
	add_number(&list, w->evaluation, now - 400ll * FORGE_DAY);
	buf_add_str(&list, "]}");
	forge_sign(raw, KEY_TCB, list.p, list.len);
	hex_encode(hex, raw, sizeof raw);
	buf_add_str(&whole, "{\"tcbEvaluationDataNumbers\":");
	buf_add(&whole, list.p, list.len);
	buf_printf(&whole, ",\"signature\":\"%s\"}", hex);
	ok = write_file(w->dir, "tcb_evaluation_numbers.json", buf_span(&whole), why);
	buf_free(&list);
	buf_free(&whole);
	return ok;
}

bool pki_make(const struct pki_wish *wish, struct why *why)
{
	struct platform platform;
	struct dates dates;
	struct forge f;
	struct forged x;
	bool ok, fresh;

	if (wish->fmspc && strlen(wish->fmspc) != 12) {
		why_set(why, "--fmspc: \"%.40s\" is not 12 hex digits", wish->fmspc);
		return false;
	}
	if (mkdir(wish->dir, 0755) != 0 && errno != EEXIST) {
		why_set(why, "cannot make %s: %s", wish->dir, strerror(errno));
		return false;
	}
	if (!settle_platform(&platform, &fresh, wish, why) ||
	    !shape(&f, &dates, &platform, wish, why))
		return false;
	forge_build(&x, &f);
	ok = (!fresh || write_certificates(wish->dir, &x, &platform, why)) &&
	     write_file(wish->dir, "root_ca_crl.der", buf_span(&x.root_crl), why) &&
	     write_file(wish->dir, "pck_crl.der", buf_span(&x.pck_crl), why) &&
	     write_numbers(wish, &dates, why) &&
	     write_file(wish->dir, "qe_identity.json", buf_span(&x.qe_identity), why) &&
	     write_file(wish->dir, "tcb_info.json", buf_span(&x.tcb_info), why);
	forged_free(&x);
	return ok;
}

bool pki_open(struct qe *qe, const char *dir, struct why *why)
{
	buf_init(&qe->chain, FILE_MAX);
	return read_file(&qe->chain, dir, "pck_chain.pem", why) &&
	       buf_add(&qe->chain, "", 1); /* the NUL that real ones end in */
}

void pki_close(struct qe *qe)
{
	buf_free(&qe->chain);
}

void qe_quote(struct buf *out, const struct qe *qe, const uint8_t report_data[REPORT_DATA_SIZE])
{
	struct forge f = qe->forge;
	struct forged x;

	memcpy(f.body + TDXV_TD_REPORTDATA, report_data, REPORT_DATA_SIZE);
	f.pck_chain = (struct tdxv_bytes){qe->chain.p, qe->chain.len};
	switch (qe->flaw) {
	case FLAW_SIGNATURE: f.quote_signer = KEY_EVIL; break;
	case FLAW_QE_SIGNATURE: f.qe_report_signer = KEY_EVIL; break;
	case FLAW_BINDING: f.keep_report_data = true; break;
	case FLAW_CHAIN:
		f.pck_chain.n = 0;
		f.pck.signer = KEY_EVIL;
		break;
	case FLAW_REPORT_DATA: f.body[TDXV_TD_REPORTDATA] ^= 1; break;
	case FLAW_NONE:
	case FLAW_CUT:
	case FLAW_PROVIDER:
	case FLAW_GENERATION: break;
	}
	forge_build(&x, &f);
	buf_add(out, x.quote.p, qe->flaw == FLAW_CUT ? x.quote.len / 2 : x.quote.len);
	forged_free(&x);
}
