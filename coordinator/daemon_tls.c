/* The TLS listener: from the settings to the server's options. */
#include "coordinator/base/log.h"
#include "coordinator/config/config_tls.h"
#include "coordinator/daemon_internal.h"

static void warn_of_key(const struct daemon *d)
{
	const char *warning = certificates_warning(d->certificates);

	if (warning[0])
		log_event(LOG_WARN, "tls_key_readable", log_str("reason", warning));
}

bool daemon_make_tls(struct daemon *d, struct why *why)
{
	const struct certificates_options options = config_certificates(d->config);

	if (!d->config->tls_listen[0])
		return true;
	if (!certificates_new(&d->certificates, &options, why))
		return false;
	warn_of_key(d);
	return true;
}

void daemon_take_tls(struct daemon *d, FILE *notes)
{
	const struct certificates_options options = config_certificates(d->config);
	struct why why = {""};

	if (!d->certificates)
		return;
	if (certificates_reload(d->certificates, &options, &why))
		warn_of_key(d);
	else
		fprintf(notes, "%s: the former certificates stay\n", why.text);
}

struct server_tls_options daemon_tls_options(const struct daemon *d)
{
	return (struct server_tls_options){.certificates = d->certificates,
					   .address = d->config->tls_address,
					   .port = (uint16_t)d->config->tls_port,
					   .handshake_timeout_ms = CONFIG_TLS_HANDSHAKE_MS,
					   .max_handshakes = CONFIG_TLS_HANDSHAKES,
					   .max_handshakes_per_source =
					       CONFIG_TLS_HANDSHAKES_PER_SOURCE,
					   .attested = session_attested};
}
