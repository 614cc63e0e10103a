/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What only the streams need of tls.c. */
#pragma once

#include <openssl/ssl.h>

#include "daemon/net/tls.h"

SSL_CTX *net_tls_client_context(NetTlsClient *tls);
SSL_CTX *net_tls_server_context(NetTlsServer *tls);

/* Asks for `host` by SNI, and that the certificate is for it (a name or an IP address). */
void net_tls_expect_host(SSL *ssl, const char *host);

/* Says why a handshake failed, in words about the certificate where it was that. `host` NULL: we
 * are the server. */
void net_tls_handshake_error(SSL *ssl, const char *name, const char *host, GError **error);

GBytes *net_tls_channel_binding(SSL *ssl, const char *type);
