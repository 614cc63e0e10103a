/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Connecting to a provider.
 */
#pragma once

#include "daemon/net/stream.h"

/* What a URL's scheme fixes (interface.md). */
typedef enum {
    NET_SECURITY_TLS,      /* from the first byte: imaps, pop3s, submissions */
    NET_SECURITY_STARTTLS, /* STARTTLS or fail: imap, pop3, submission */
    NET_SECURITY_NONE,     /* imap+insecure, …: loopback hosts only */
} NetSecurity;

typedef struct {
    char *protocol; /* "imap", "pop3", "submission" */
    NetSecurity security;
    char *host;
    guint16 port;
    char *proxy; /* see proxy.h; "direct": none; NULL: as the desktop says. Not a part of the URL */
} NetEndpoint;

/* Reads "imaps://host[:port][/]" (IPv6 hosts in brackets); the scheme's registered port is the
 * default. User names, paths, and +insecure schemes with hosts that aren't loopback are refused
 * with a sentence that says what to write instead. */
NetEndpoint *net_endpoint_parse(const char *url, GError **error);
char *net_endpoint_to_string(const NetEndpoint *endpoint);
NetEndpoint *net_endpoint_copy(const NetEndpoint *endpoint);
gboolean net_endpoint_equal(const NetEndpoint *a, const NetEndpoint *b);
void net_endpoint_free(NetEndpoint *endpoint);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetEndpoint, net_endpoint_free)

/* A host and its port as people and protocols write them: an address of IPv6 in brackets. The caller frees. */
char *net_address_text(const char *host, guint16 port);

/*
 * Resolves the host (on a helper thread of its own, so that cancelling works) and tries its
 * addresses in turn, IPv6 and IPv4 interleaved, `timeout` seconds in all; NET_SECURITY_TLS
 * handshakes too. Where there is a proxy, it resolves the host and is connected to instead. STARTTLS is the caller's, who speaks the protocol.
 */
NetStream *net_dial(const NetEndpoint *endpoint, NetTlsClient *tls, guint timeout,
                    NetCancel *cancel, GError **error);
