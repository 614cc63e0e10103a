/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Speaking to proxies. */
#include "daemon/net/proxy.h"

#include "daemon/net/dial.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <string.h>

#define HTTP_LINE  8192
#define HTTP_LINES 100

/* A string in SOCKS has its length in one octet. */
#define SOCKS_STRING 255

static gboolean proxy_fails(GError **error, NetStream *stream, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
static gboolean proxy_fails(GError **error, NetStream *stream, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, NET_ERROR, NET_ERROR_CONNECT, "the proxy for %s %s", net_stream_name(stream),
                text);
    return FALSE;
}

/* ---- its URL --------------------------------------------------------------------------------- */

static const struct {
    const char *scheme;
    NetProxyKind kind;
    guint16 port;
} schemes[] = {
    {"socks5", NET_PROXY_SOCKS5, 1080},
    {"socks5h", NET_PROXY_SOCKS5, 1080},
    {"socks", NET_PROXY_SOCKS5, 1080},
    {"http", NET_PROXY_HTTP, 3128},
};

static gboolean is_bad_url(GError **error)
{
    g_set_error_literal(
        error, NET_ERROR, NET_ERROR_CONNECT,
        "is no proxy; write socks5://HOST:PORT, http://HOST:PORT, or direct for none");
    return FALSE;
}

static gboolean take_scheme(NetProxy *proxy, GUri *uri, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(schemes); i++) {
        if (g_ascii_strcasecmp(g_uri_get_scheme(uri), schemes[i].scheme) != 0)
            continue;
        proxy->kind = schemes[i].kind;
        proxy->port = g_uri_get_port(uri) > 0 ? (guint16)g_uri_get_port(uri) : schemes[i].port;
        return TRUE;
    }
    return is_bad_url(error);
}

/* What the protocols have no room for. */
static gboolean check_login(const NetProxy *proxy, GError **error)
{
    gsize longest =
        MAX(strlen(proxy->user ? proxy->user : ""), strlen(proxy->password ? proxy->password : ""));

    return longest <= SOCKS_STRING || is_bad_url(error);
}

NetProxy *net_proxy_parse(const char *url, GError **error)
{
    g_autoptr(NetProxy) proxy = g_new0(NetProxy, 1);
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_HAS_PASSWORD, NULL);
    const char *path = uri ? g_uri_get_path(uri) : "";

    if (!uri || !g_uri_get_host(uri) || !*g_uri_get_host(uri) || g_uri_get_port(uri) == 0 ||
        g_uri_get_query(uri) || (*path && strcmp(path, "/") != 0)) {
        is_bad_url(error);
        return NULL;
    }
    proxy->host = g_strdup(g_uri_get_host(uri));
    proxy->user = g_strdup(g_uri_get_user(uri));
    proxy->password = g_strdup(g_uri_get_password(uri));
    if (!take_scheme(proxy, uri, error) || !check_login(proxy, error))
        return NULL;
    return g_steal_pointer(&proxy);
}

void net_proxy_free(NetProxy *proxy)
{
    if (!proxy)
        return;
    g_free(proxy->host);
    g_free(proxy->user);
    if (proxy->password)
        explicit_bzero(proxy->password, strlen(proxy->password));
    g_free(proxy->password);
    g_free(proxy);
}

/* The URL in GIO's words, or NULL; the caller frees. */
static char *url_for_gio(const char *url)
{
    g_autoptr(NetProxy) proxy = url ? net_proxy_parse(url, NULL) : NULL;

    if (!proxy)
        return url ? g_strdup("direct://") : NULL;
    return g_uri_join_with_user(G_URI_FLAGS_NONE, proxy->kind == NET_PROXY_HTTP ? "http" : "socks5",
                                proxy->user, proxy->password, NULL, proxy->host, proxy->port, "",
                                NULL, NULL);
}

GProxyResolver *net_proxy_resolver(const char *url)
{
    g_autofree char *text = url_for_gio(url);

    return text ? g_simple_proxy_resolver_new(text, NULL) : NULL;
}

char *net_proxy_without_password(const char *url)
{
    const char *start = strstr(url, "://");
    const char *at = start ? strrchr(start, '@') : NULL;
    const char *colon = at ? memchr(start + 3, ':', (gsize)(at - start - 3)) : NULL;

    return colon ? g_strdup_printf("%.*s%s", (int)(colon - url), url, at) : g_strdup(url);
}

/* ---- SOCKS 5 --------------------------------------------------------------------------------- */

#define SOCKS_VERSION  5
#define SOCKS_NO_LOGIN 0
#define SOCKS_LOGIN    2
#define SOCKS_CONNECT  1
#define SOCKS_IPV4     1
#define SOCKS_NAME     3
#define SOCKS_IPV6     4

/* RFC 1928, 6. */
static const char *const socks_reasons[] = {
    NULL,
    "failed",
    "doesn't allow that",
    "can't reach its network",
    "can't reach the host",
    "was refused the connection by the host",
    "got no answer from the host",
    "doesn't know how to connect",
    "doesn't know this kind of address",
};

/* RFC 1929: a string that net_proxy_parse() has found to be short enough. */
static void append_string(GByteArray *bytes, const char *text)
{
    guint8 length = (guint8)strlen(text);

    g_byte_array_append(bytes, &length, 1);
    g_byte_array_append(bytes, (const guint8 *)text, length);
}

static gboolean send_socks(NetStream *stream, const GByteArray *bytes, GError **error)
{
    return net_stream_write(stream, bytes->data, bytes->len, error) &&
           net_stream_flush(stream, error);
}

static gboolean log_in_to_socks(const NetProxy *proxy, NetStream *stream, GError **error)
{
    g_autoptr(GByteArray) login = g_byte_array_new();
    const guint8 version = 1;
    guint8 answer[2];

    if (!proxy->user)
        return proxy_fails(error, stream, "wants a user name and password: write them in proxy=");
    g_byte_array_append(login, &version, 1);
    append_string(login, proxy->user);
    append_string(login, proxy->password ? proxy->password : "");
    gboolean ok = send_socks(stream, login, error);
    explicit_bzero(login->data, login->len);
    return ok && net_stream_read_exact(stream, answer, sizeof answer, error) &&
           (answer[1] == 0 ||
            proxy_fails(error, stream, "refuses the user name or password that proxy= has"));
}

/* RFC 1928, 3. */
static gboolean greet_socks(const NetProxy *proxy, NetStream *stream, GError **error)
{
    const guint8 hello[] = {SOCKS_VERSION, proxy->user ? 2 : 1, SOCKS_NO_LOGIN, SOCKS_LOGIN};
    guint8 answer[2];

    if (!net_stream_write(stream, hello, proxy->user ? 4 : 3, error) ||
        !net_stream_flush(stream, error) ||
        !net_stream_read_exact(stream, answer, sizeof answer, error))
        return FALSE;
    if (answer[0] != SOCKS_VERSION)
        return proxy_fails(error, stream, "does not speak SOCKS 5");
    if (answer[1] == SOCKS_LOGIN)
        return log_in_to_socks(proxy, stream, error);
    return answer[1] == SOCKS_NO_LOGIN ||
           proxy_fails(error, stream,
                       proxy->user ? "takes no user name and password"
                                   : "wants a login; write it as socks5://USER:PASSWORD@HOST");
}

/* RFC 1928, 4: an address as octets where it is one, else the name, for the proxy to resolve. */
static gboolean ask_socks(NetStream *stream, const char *host, guint16 port, GError **error)
{
    g_autoptr(GByteArray) request = g_byte_array_new();
    const guint8 ports[] = {(guint8)(port >> 8), (guint8)port};
    guint8 head[] = {SOCKS_VERSION, SOCKS_CONNECT, 0, SOCKS_NAME};
    guint8 address[16];

    if (strlen(host) > SOCKS_STRING)
        return proxy_fails(error, stream, "takes no name as long as this");
    if (inet_pton(AF_INET, host, address) == 1)
        head[3] = SOCKS_IPV4;
    else if (inet_pton(AF_INET6, host, address) == 1)
        head[3] = SOCKS_IPV6;
    g_byte_array_append(request, head, sizeof head);
    if (head[3] == SOCKS_NAME)
        append_string(request, host);
    else
        g_byte_array_append(request, address, head[3] == SOCKS_IPV4 ? 4 : 16);
    g_byte_array_append(request, ports, sizeof ports);
    return send_socks(stream, request, error);
}

/* RFC 1928, 6: the address that is answered means nothing to us. */
static gboolean read_socks(NetStream *stream, GError **error)
{
    guint8 head[5], rest[SOCKS_STRING + 2];

    if (!net_stream_read_exact(stream, head, sizeof head, error))
        return FALSE;
    if (head[0] != SOCKS_VERSION)
        return proxy_fails(error, stream, "does not speak SOCKS 5");
    if (head[1] != 0)
        return proxy_fails(error, stream, "%s",
                           head[1] < G_N_ELEMENTS(socks_reasons)
                               ? socks_reasons[head[1]]
                               : "refuses, for a reason of its own");
    gsize left = head[3] == SOCKS_IPV4   ? 3 + 2
                 : head[3] == SOCKS_IPV6 ? 15 + 2
                 : head[3] == SOCKS_NAME ? head[4] + 2u
                                         : 0;
    if (left == 0)
        return proxy_fails(error, stream, "answers with no address");
    return net_stream_read_exact(stream, rest, left, error);
}

static gboolean connect_by_socks(const NetProxy *proxy, NetStream *stream, const char *host,
                                 guint16 port, GError **error)
{
    return greet_socks(proxy, stream, error) && ask_socks(stream, host, port, error) &&
           read_socks(stream, error);
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static gboolean ask_http(const NetProxy *proxy, NetStream *stream, const char *host, guint16 port,
                         GError **error)
{
    g_autofree char *target = net_address_text(host, port);
    g_autoptr(GString) request = g_string_new(NULL);

    g_string_printf(request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", target, target);
    if (proxy->user) {
        g_autofree char *login =
            g_strdup_printf("%s:%s", proxy->user, proxy->password ? proxy->password : "");
        g_autofree char *encoded = g_base64_encode((const guchar *)login, strlen(login));
        g_string_append_printf(request, "Proxy-Authorization: Basic %s\r\n", encoded);
        explicit_bzero(login, strlen(login));
        explicit_bzero(encoded, strlen(encoded));
    }
    g_string_append(request, "\r\n");
    gboolean ok = net_stream_puts(stream, request->str, error) && net_stream_flush(stream, error);
    explicit_bzero(request->str, request->len);
    return ok;
}

/* "HTTP/1.1 200 Connection established"; 0: it is no such line. */
static guint status_of(const char *line, gsize length)
{
    g_autofree char *text = g_strndup(line, length);
    const char *space = strchr(text, ' ');
    guint64 status = 0;

    if (!g_str_has_prefix(text, "HTTP/1.") || !space)
        return 0;
    g_autofree char *digits = g_strndup(space + 1, 3);
    return g_ascii_string_to_unsigned(digits, 10, 100, 599, &status, NULL) ? (guint)status : 0;
}

/* Fields mean nothing to us: they are read to the empty line behind them. */
static gboolean skip_fields(NetStream *stream, GError **error)
{
    for (guint i = 0; i < HTTP_LINES; i++) {
        gsize length;
        const char *line = net_stream_read_line(stream, HTTP_LINE, &length, error);
        if (!line)
            return FALSE;
        if (length == 0 || (length == 1 && *line == '\r'))
            return TRUE;
    }
    return proxy_fails(error, stream, "answers without end");
}

static gboolean check_status(const NetProxy *proxy, NetStream *stream, guint status, GError **error)
{
    if (status == 407)
        return proxy_fails(error, stream,
                           proxy->user ? "refuses the user name or password that proxy= has"
                                       : "wants a login; write it as http://USER:PASSWORD@HOST");
    if (status == 403 || status == 405)
        return proxy_fails(error, stream, "doesn't allow that (HTTP %u)", status);
    return (status >= 200 && status < 300) ||
           proxy_fails(error, stream, "can't connect (HTTP %u)", status);
}

static gboolean connect_by_http(const NetProxy *proxy, NetStream *stream, const char *host,
                                guint16 port, GError **error)
{
    gsize length;

    if (!ask_http(proxy, stream, host, port, error))
        return FALSE;
    const char *line = net_stream_read_line(stream, HTTP_LINE, &length, error);
    if (!line)
        return FALSE;
    guint status = status_of(line, length);
    if (status == 0)
        return proxy_fails(error, stream, "does not speak HTTP");
    return check_status(proxy, stream, status, error) && skip_fields(stream, error);
}

gboolean net_proxy_connect(const NetProxy *proxy, NetStream *stream, const char *host, guint16 port,
                           GError **error)
{
    g_autoptr(GError) reason = NULL;
    gboolean ok = proxy->kind == NET_PROXY_SOCKS5
                      ? connect_by_socks(proxy, stream, host, port, &reason)
                      : connect_by_http(proxy, stream, host, port, &reason);

    if (ok)
        return TRUE;
    /* Whose silence it is: the proxy's, not the server's. */
    if (!g_error_matches(reason, NET_ERROR, NET_ERROR_CONNECT) &&
        !g_error_matches(reason, NET_ERROR, NET_ERROR_CANCELLED)) {
        g_autofree char *name = net_address_text(proxy->host, proxy->port);
        g_prefix_error(&reason, "the proxy %s: ", name);
    }
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}
