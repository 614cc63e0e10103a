/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * TLS settings, shared by the streams that use them (any thread).
 */
#pragma once

#include <glib.h>

typedef struct NetTlsClient NetTlsClient;
typedef struct NetTlsServer NetTlsServer;

/* Trusts the system's roots and, where `ca_file` is not NULL, the certificates in it too. TLS 1.2
 * at least. */
NetTlsClient *net_tls_client_new(const char *ca_file, GError **error);
/* Shows servers that ask for one the certificate (chain) in this PEM file, which holds its key too. */
gboolean net_tls_client_identify(NetTlsClient *tls, const char *file, GError **error);
NetTlsClient *net_tls_client_ref(NetTlsClient *tls);
void net_tls_client_unref(NetTlsClient *tls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetTlsClient, net_tls_client_unref)

/* Serves with the certificate (chain) and key in these PEM files. */
NetTlsServer *net_tls_server_new(const char *certificate_file, const char *key_file,
                                 GError **error);
NetTlsServer *net_tls_server_ref(NetTlsServer *tls);
void net_tls_server_unref(NetTlsServer *tls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetTlsServer, net_tls_server_unref)

/*
 * The local server's credentials in directory DIR (0700): authority.pem, certificate.pem, key.pem
 * (0600). Made when missing or within 30 days of their end: an authority with critical name
 * constraints (localhost, 127.0.0.1, ::1) signs one certificate for these, and its key is
 * destroyed: it never touches the disk. Gives a server ready for use.
 */
NetTlsServer *net_tls_local(const char *dir, GError **error);
