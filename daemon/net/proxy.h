/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reaching a server through a proxy: SOCKS 5 (RFC 1928, 1929) and HTTP's CONNECT (RFC 9110, 9.3.6). The proxy
 * resolves the name; TLS is with the server itself.
 */
#pragma once

#include "daemon/net/stream.h"

#include <gio/gio.h>

typedef enum { NET_PROXY_SOCKS5, NET_PROXY_HTTP } NetProxyKind;

typedef struct {
    NetProxyKind kind;
    char *host;
    guint16 port;
    char *user, *password; /* NULL: none */
} NetProxy;

/* Reads "socks5://[USER[:PASSWORD]@]HOST[:PORT]" or "http://…"; ports are 1080 and 3128 where none is given,
 * and what is special in user and password is %-encoded. */
NetProxy *net_proxy_parse(const char *url, GError **error);
void net_proxy_free(NetProxy *proxy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetProxy, net_proxy_free)

/* A `proxy` of an endpoint as a resolver that GIO's clients take, which has the proxy resolve names; NULL: nothing was
 * said. The caller unrefs. */
GProxyResolver *net_proxy_resolver(const char *url);

/* In a URL the password, which nobody else has to see, is left out; the caller frees. */
char *net_proxy_without_password(const char *url);

/*
 * Has the proxy at the other end of `stream` connect to host and port: what comes after that is the
 * server's. FALSE: NET_ERROR_CONNECT with the proxy's reason, or as the stream fails. What the proxy says is
 * bounded, and so is the time, by the stream's timeout and deadline.
 */
gboolean net_proxy_connect(const NetProxy *proxy, NetStream *stream, const char *host, guint16 port,
                           GError **error);
