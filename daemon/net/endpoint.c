/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NetEndpoint: reading and writing the URLs of interface.md. */
#include <arpa/inet.h>
#include <string.h>

#include "daemon/net/dial.h"

static const struct {
    const char *scheme;
    const char *protocol;
    NetSecurity security;
    guint16 port; /* as registered: RFC 8314, 7; RFC 6186 */
} schemes[] = {
    {"imaps", "imap", NET_SECURITY_TLS, 993},
    {"imap", "imap", NET_SECURITY_STARTTLS, 143},
    {"imap+insecure", "imap", NET_SECURITY_NONE, 143},
    {"pop3s", "pop3", NET_SECURITY_TLS, 995},
    {"pop3", "pop3", NET_SECURITY_STARTTLS, 110},
    {"pop3+insecure", "pop3", NET_SECURITY_NONE, 110},
    {"submissions", "submission", NET_SECURITY_TLS, 465},
    {"submission", "submission", NET_SECURITY_STARTTLS, 587},
    {"submission+insecure", "submission", NET_SECURITY_NONE, 587},
};

static gboolean is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return g_ascii_strcasecmp(host, "localhost") == 0;
}

static gboolean refuse(const char *url, const char *why, GError **error)
{
    g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, "“%s” is not a server: %s",
                url, why);
    return FALSE;
}

/* Splits "host[:port]" or "[v6][:port]". */
static gboolean parse_authority(const char *url, const char *text, NetEndpoint *endpoint,
                                GError **error)
{
    const char *colon;
    if (*text == '[') {
        const char *end = strchr(text, ']');
        struct in6_addr address;
        endpoint->host = end != NULL ? g_strndup(text + 1, (gsize)(end - text) - 1) : NULL;
        if (endpoint->host == NULL || inet_pton(AF_INET6, endpoint->host, &address) != 1)
            return refuse(url, "the IPv6 address in brackets is not one", error);
        colon = end + 1;
    } else {
        colon = text + strcspn(text, ":");
        endpoint->host = g_strndup(text, (gsize)(colon - text));
    }
    if (*endpoint->host == '\0' || strlen(endpoint->host) > 253)
        return refuse(url, "the host name is missing or too long", error);
    for (const char *c = endpoint->host; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c) || strchr(" /?#@%\\\"<>", *c) != NULL)
            return refuse(
                url, "the host name has characters no host name has (write user= for the user)",
                error);
    if (*colon == '\0')
        return TRUE;
    guint64 port = 0;
    if (*colon != ':' || !g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &port, NULL))
        return refuse(url, "after the host comes a port from 1 to 65535, or nothing", error);
    endpoint->port = (guint16)port;
    return TRUE;
}

NetEndpoint *net_endpoint_parse(const char *url, GError **error)
{
    g_autoptr(NetEndpoint) endpoint = g_new0(NetEndpoint, 1);
    const char *separator = strstr(url, "://");
    g_autofree char *scheme =
        separator != NULL ? g_ascii_strdown(url, separator - url) : g_strdup("");
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++) {
        if (strcmp(scheme, schemes[i].scheme) != 0)
            continue;
        endpoint->protocol = g_strdup(schemes[i].protocol);
        endpoint->security = schemes[i].security;
        endpoint->port = schemes[i].port;
    }
    if (endpoint->protocol == NULL) {
        refuse(url,
               "write imaps://HOST, imap://HOST (STARTTLS), pop3s://, pop3://, submissions:// or "
               "submission://",
               error);
        return NULL;
    }
    g_autofree char *authority = g_strdup(separator + 3);
    gsize length = strlen(authority);
    if (length > 0 && authority[length - 1] == '/')
        authority[length - 1] = '\0';
    if (!parse_authority(url, authority, endpoint, error))
        return NULL;
    if (endpoint->security == NET_SECURITY_NONE && !is_loopback(endpoint->host)) {
        refuse(url,
               "without TLS only a server on this computer (localhost) is accepted; leave out "
               "“+insecure”",
               error);
        return NULL;
    }
    return g_steal_pointer(&endpoint);
}

char *net_address_text(const char *host, guint16 port)
{
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

char *net_endpoint_to_string(const NetEndpoint *endpoint)
{
    gboolean bracket = strchr(endpoint->host, ':') != NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++) {
        if (strcmp(schemes[i].protocol, endpoint->protocol) != 0 ||
            schemes[i].security != endpoint->security)
            continue;
        g_autofree char *port = schemes[i].port != endpoint->port
                                    ? g_strdup_printf(":%u", endpoint->port)
                                    : g_strdup("");
        return g_strdup_printf("%s://%s%s%s%s", schemes[i].scheme, bracket ? "[" : "",
                               endpoint->host, bracket ? "]" : "", port);
    }
    g_assert_not_reached();
}

NetEndpoint *net_endpoint_copy(const NetEndpoint *endpoint)
{
    NetEndpoint *copy = g_memdup2(endpoint, sizeof *endpoint);
    copy->protocol = g_strdup(endpoint->protocol);
    copy->host = g_strdup(endpoint->host);
    copy->proxy = g_strdup(endpoint->proxy);
    return copy;
}

gboolean net_endpoint_equal(const NetEndpoint *a, const NetEndpoint *b)
{
    return strcmp(a->protocol, b->protocol) == 0 && a->security == b->security &&
           g_ascii_strcasecmp(a->host, b->host) == 0 && a->port == b->port;
}

void net_endpoint_free(NetEndpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    g_free(endpoint->protocol);
    g_free(endpoint->host);
    g_free(endpoint->proxy);
    g_free(endpoint);
}
