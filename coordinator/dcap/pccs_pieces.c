/*
 * From the pieces as they are served to what the DAO contracts take and hash: DER, the exact signed
 * JSON and its 64 signature bytes. JSON is hashed with SHA-256, certificates and CRLs with
 * Keccak-256 over the part that is signed.
 */
#include "coordinator/dcap/internal.h"

#include "ethereum/abi.h"
#include "ethereum/keccak.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CERT_ROOM 2048u

static const char *ca_word(enum pccs_ca ca)
{
	return ca == PCCS_PLATFORM ? "Platform" : "Processor";
}

static void name_items(struct pccs *p)
{
	char fmspc[13];

	hex_encode(fmspc, p->fmspc, sizeof p->fmspc);
	snprintf(p->item[ITEM_ROOT].name, PCCS_NAME_MAX, "root CA certificate");
	snprintf(p->item[ITEM_ROOT_CRL].name, PCCS_NAME_MAX, "root CA CRL");
	snprintf(p->item[ITEM_PCK_CA].name, PCCS_NAME_MAX, "PCK %s CA certificate", ca_word(p->ca));
	snprintf(p->item[ITEM_SIGNING].name, PCCS_NAME_MAX, "TCB signing certificate");
	snprintf(p->item[ITEM_PCK_CRL].name, PCCS_NAME_MAX, "PCK CRL of the %s CA", ca_word(p->ca));
	snprintf(p->item[ITEM_NUMBERS].name, PCCS_NAME_MAX, "list of TCB evaluation numbers");
	snprintf(p->item[ITEM_IDENTITY].name, PCCS_NAME_MAX, "TD_QE identity");
	snprintf(p->item[ITEM_TCB].name, PCCS_NAME_MAX, "TCB info of FMSPC %s", fmspc);
}

/* False: the job is over. */
static bool keep(struct pccs *p, enum item_id id, const struct tdxv_piece *piece)
{
	struct item *item = &p->item[id];

	if (!buf_add(&item->exact, piece->exact.p, piece->exact.n)) {
		pccs_end(p, PCCS_WAIT, "memory is short for a %s of %zu bytes", item->name,
			 piece->exact.n);
		return false;
	}
	if (id >= ITEM_NUMBERS)
		SHA256(piece->tbs.p, piece->tbs.n, item->hash);
	else
		keccak256(item->hash, piece->tbs.p, piece->tbs.n);
	memcpy(item->signature, piece->signature, sizeof item->signature);
	item->from = piece->valid_from;
	item->to = piece->valid_to;
	item->number = piece->evaluation_number;
	item->ours = true;
	return true;
}

static bool refuse(struct pccs *p, enum item_id id, const char *what)
{
	pccs_end(p, PCCS_REFUSED, "the %s cannot be used: %s", p->item[id].name, what);
	return false;
}

static bool is(struct tdxv_bytes b, const char *text)
{
	return b.n == strlen(text) && memcmp(b.p, text, b.n) == 0;
}

/* Text that came with a piece, fit for a log. */
static void say_name(char *out, size_t size, struct tdxv_bytes name)
{
	size_t n = name.n < size - 1 ? name.n : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = name.p[i] >= 0x20 && name.p[i] < 0x7f ? (char)name.p[i] : '?';
	out[n] = '\0';
}

static bool named(struct pccs *p, enum item_id id, const struct tdxv_piece *piece,
		  const char *wanted)
{
	char got[64], text[160];

	if (is(piece->name, wanted))
		return true;
	say_name(got, sizeof got, piece->name);
	snprintf(text, sizeof text, "it is \"%s\", not \"%s\"", got, wanted);
	return refuse(p, id, text);
}

static bool take_certificate(struct pccs *p, enum item_id id, struct tdxv_bytes chain,
			     unsigned index, const char *name)
{
	uint8_t room[CERT_ROOM];
	struct tdxv_piece piece;
	struct tdxv_why why;

	if (chain.n == 0)
		return true;
	if (tdxv_piece_certificate(&piece, room, sizeof room, chain, index, &why) != TDXV_OK)
		return refuse(p, id, why.text);
	return named(p, id, &piece, name) && keep(p, id, &piece);
}

static EVP_PKEY *key_in(const void *der, size_t n)
{
	const unsigned char *p = der;
	X509 *certificate = d2i_X509(NULL, &p, (long)n);
	EVP_PKEY *key = certificate ? X509_get_pubkey(certificate) : NULL;

	X509_free(certificate);
	return key;
}

static bool same_key(const struct tdxv_bytes *a, const struct buf *b)
{
	EVP_PKEY *one = key_in(a->p, a->n), *other = key_in(b->p, b->len);
	const bool same = one && other && EVP_PKEY_eq(one, other) == 1;

	EVP_PKEY_free(one);
	EVP_PKEY_free(other);
	return same;
}

/* The PCCS has one place for a signing certificate; of two for one key, either will do. */
static bool one_signer(struct pccs *p, struct tdxv_bytes chain)
{
	const struct buf *kept = &p->item[ITEM_SIGNING].exact;
	uint8_t room[CERT_ROOM];
	struct tdxv_piece piece;
	struct tdxv_why why;

	if (chain.n == 0 || kept->len == 0)
		return true;
	if (tdxv_piece_certificate(&piece, room, sizeof room, chain, 0, &why) != TDXV_OK)
		return refuse(p, ITEM_SIGNING, why.text);
	if (same_key(&piece.exact, kept))
		return true;
	return refuse(p, ITEM_SIGNING,
		      "the TCB info and the QE identity are signed with different keys, and the "
		      "on-chain PCCS has one place for their certificate");
}

static bool take_crl(struct pccs *p, enum item_id id, struct tdxv_bytes raw)
{
	struct tdxv_piece piece;
	struct tdxv_why why;
	uint8_t *room;
	bool ok;

	if (raw.n == 0)
		return true;
	room = raw.n <= TDXV_COLLATERAL_PIECE_MAX ? malloc(raw.n) : NULL;
	if (!room) {
		pccs_end(p, PCCS_WAIT, "memory is short for a %s of %zu bytes", p->item[id].name,
			 raw.n);
		return false;
	}
	if (tdxv_piece_crl(&piece, room, raw, &why) == TDXV_OK)
		ok = keep(p, id, &piece);
	else
		ok = refuse(p, id, why.text);
	free(room);
	return ok;
}

static bool take_json(struct pccs *p, enum item_id id, struct tdxv_bytes response,
		      const char *member, const char *name)
{
	struct tdxv_piece piece;
	struct tdxv_why why;
	char text[96], got[13], wanted[13];

	if (response.n == 0)
		return true;
	if (tdxv_piece_json(&piece, member, response, &why) != TDXV_OK)
		return refuse(p, id, why.text);
	if (!named(p, id, &piece, name))
		return false;
	if (id == ITEM_TCB &&
	    !(piece.has_fmspc && memcmp(piece.fmspc, p->fmspc, sizeof p->fmspc) == 0)) {
		hex_encode(got, piece.fmspc, 6);
		hex_encode(wanted, p->fmspc, 6);
		snprintf(text, sizeof text, "it is for FMSPC %s, the quote's is %s",
			 piece.has_fmspc ? got : "none", wanted);
		return refuse(p, id, text);
	}
	return keep(p, id, &piece);
}

bool pccs_take_pieces(struct pccs *p, const struct pccs_job *job)
{
	const struct tdxv_collateral_input *in = &job->pieces;
	struct tdxv_bytes root_chain =
	    in->tcb_signing_chain.n ? in->tcb_signing_chain : in->pck_crl_issuer_chain;
	const char *ca =
	    p->ca == PCCS_PLATFORM ? "Intel SGX PCK Platform CA" : "Intel SGX PCK Processor CA";

	name_items(p);
	return take_certificate(p, ITEM_ROOT, root_chain, 1, "Intel SGX Root CA") &&
	       take_crl(p, ITEM_ROOT_CRL, in->root_ca_crl) &&
	       take_certificate(p, ITEM_PCK_CA, in->pck_crl_issuer_chain, 0, ca) &&
	       take_certificate(p, ITEM_SIGNING, in->tcb_signing_chain, 0,
				"Intel SGX TCB Signing") &&
	       one_signer(p, in->qe_identity_signing_chain) &&
	       take_crl(p, ITEM_PCK_CRL, in->pck_crl) &&
	       take_json(p, ITEM_NUMBERS, job->evaluation_numbers, "tcbEvaluationDataNumbers",
			 "TDX") &&
	       take_json(p, ITEM_IDENTITY, in->qe_identity, "enclaveIdentity", "TD_QE") &&
	       take_json(p, ITEM_TCB, in->tcb_info, "tcbInfo", "TDX");
}

bool pccs_upload_calldata(struct buf *out, const struct pccs *p, const struct item *item,
			  struct why *why)
{
	struct abi_value der = abi_bytes(buf_span(&item->exact)), document[2], args[3];
	const char *signature = NULL;
	size_t n = 0;

	document[0] = der;
	document[0].kind = ABI_STRING;
	document[1] = abi_bytes(span_of(item->signature, sizeof item->signature));
	switch ((enum item_id)(item - p->item)) {
	case ITEM_ROOT:
		signature = "upsertPcsCertificates(uint8,bytes)";
		args[n++] = abi_u64(0);
		args[n++] = der;
		break;
	case ITEM_PCK_CA:
		signature = "upsertPcsCertificates(uint8,bytes)";
		args[n++] = abi_u64((uint64_t)p->ca);
		args[n++] = der;
		break;
	case ITEM_SIGNING:
		signature = "upsertPcsCertificates(uint8,bytes)";
		args[n++] = abi_u64(3);
		args[n++] = der;
		break;
	case ITEM_ROOT_CRL:
		signature = "upsertRootCACrl(bytes)";
		args[n++] = der;
		break;
	case ITEM_PCK_CRL:
		signature = "upsertPckCrl(uint8,bytes)";
		args[n++] = abi_u64((uint64_t)p->ca);
		args[n++] = der;
		break;
	case ITEM_NUMBERS:
		signature = "upsertTcbEvaluationData((string,bytes))";
		args[n++] = abi_list(document, 2);
		break;
	case ITEM_IDENTITY:
		signature = "upsertEnclaveIdentity(uint256,uint256,(string,bytes))";
		args[n++] = abi_u64(IDENTITY_TD_QE);
		args[n++] = abi_u64(IDENTITY_VERSION);
		args[n++] = abi_list(document, 2);
		break;
	case ITEM_TCB:
		signature = "upsertFmspcTcb((string,bytes))";
		args[n++] = abi_list(document, 2);
		break;
	case ITEMS: break;
	}
	return abi_encode_call(out, signature, args, n, why) == ETH_OK;
}
