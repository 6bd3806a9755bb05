#include "tls/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <string.h>

#define ALERT_REASONS 1000 /* reasons from here on are an alert of the other side */

static const char not_tls[] = "the other side does not speak TLS";
static const char too_old[] = "the other side does not speak TLS 1.3";
static const char ended[] = "the other side closed the connection";

static const struct {
	int reason;
	const char *words;
} reasons[] = {
    {SSL_R_WRONG_VERSION_NUMBER, not_tls},
    {SSL_R_HTTP_REQUEST, not_tls},
    {SSL_R_HTTPS_PROXY_REQUEST, not_tls},
    {SSL_R_PACKET_LENGTH_TOO_LONG, not_tls},
    {SSL_R_RECORD_LENGTH_MISMATCH, not_tls},
    {SSL_R_UNSUPPORTED_PROTOCOL, too_old},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, too_old},
    {SSL_R_NO_SHARED_CIPHER, "no cipher in common"},
    {SSL_R_UNEXPECTED_EOF_WHILE_READING, ended},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the other side shows no certificate"},
};

void tls_failure(struct why *why, const SSL *ssl, int rc)
{
	const int saved = errno, kind = SSL_get_error(ssl, rc);
	const unsigned long error = ERR_get_error();
	const int reason = ERR_GET_REASON(error);
	const bool ours = error && ERR_GET_LIB(error) == ERR_LIB_SSL;
	const char *text = ERR_reason_error_string(error);
	size_t i;

	ERR_clear_error();
	if (kind == SSL_ERROR_ZERO_RETURN || (kind == SSL_ERROR_SYSCALL && !error && !saved)) {
		why_set(why, "%s", ended);
		return;
	}
	if (kind == SSL_ERROR_SYSCALL && !error) {
		why_set(why, "%s (os error %d)", strerror(saved), saved);
		return;
	}
	for (i = 0; ours && i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].reason == reason) {
			why_set(why, "%s", reasons[i].words);
			return;
		}
	if (ours && reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		tls_certificate_refused(why, SSL_get0_peer_certificate(ssl),
					SSL_get_verify_result(ssl));
	else if (ours && reason > ALERT_REASONS)
		why_set(why, "the other side refuses: %s",
			SSL_alert_desc_string_long(reason - ALERT_REASONS));
	else
		why_set(why, "%s", text ? text : "out of memory");
}

/* "Nov 29 08:31:15 2026 GMT" */
static void time_text(char out[64], const ASN1_TIME *t)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int n = bio && ASN1_TIME_print(bio, t) == 1 ? BIO_read(bio, out, 63) : 0;

	out[n > 0 ? n : 0] = '\0';
	BIO_free(bio);
}

void tls_certificate_refused(struct why *why, const X509 *certificate, long result)
{
	char when[64] = "";

	switch (result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		if (certificate)
			time_text(when, X509_get0_notAfter(certificate));
		why_set(why,
			"the certificate, or one that signed it, has expired (its own end: %s)",
			when);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		if (certificate)
			time_text(when, X509_get0_notBefore(certificate));
		why_set(why,
			"the certificate, or one that signed it, is not valid yet (its own begin: "
			"%s)",
			when);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		why_set(why, "the certificate is signed by an authority that is not trusted here");
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		why_set(why, "the certificate is for another host");
		break;
	case X509_V_ERR_INVALID_PURPOSE:
		why_set(why, "the certificate is not meant for this end of a connection "
			     "(extendedKeyUsage)");
		break;
	default:
		why_set(why, "the certificate is refused: %s",
			X509_verify_cert_error_string(result));
		break;
	}
}
