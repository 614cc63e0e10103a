/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tries the usual names of servers, all at the same time.
 */
#include "daemon/discover/guess.h"

#include <gio/gio.h>
#include <pthread.h>
#include <string.h>

/* For one try. */
#define TRY_SECONDS 5
#define LINE_LIMIT  2048
#define MAX_LINES   64

/* Best first. Without TLS nothing is tried. */
static const struct {
    const char *prefix; /* before the domain */
    const char *protocol;
    NetSecurity security;
    guint16 port;
} tries[] = {
    {"imap.", "imap", NET_SECURITY_TLS, 993},
    {"mail.", "imap", NET_SECURITY_TLS, 993},
    {"", "imap", NET_SECURITY_TLS, 993},
    {"imap.", "imap", NET_SECURITY_STARTTLS, 143},
    {"mail.", "imap", NET_SECURITY_STARTTLS, 143},
    {"", "imap", NET_SECURITY_STARTTLS, 143},
    {"pop.", "pop3", NET_SECURITY_TLS, 995},
    {"pop3.", "pop3", NET_SECURITY_TLS, 995},
    {"mail.", "pop3", NET_SECURITY_TLS, 995},
    {"", "pop3", NET_SECURITY_TLS, 995},
    {"pop.", "pop3", NET_SECURITY_STARTTLS, 110},
    {"pop3.", "pop3", NET_SECURITY_STARTTLS, 110},
    {"mail.", "pop3", NET_SECURITY_STARTTLS, 110},
    {"", "pop3", NET_SECURITY_STARTTLS, 110},
    {"smtp.", "submission", NET_SECURITY_TLS, 465},
    {"mail.", "submission", NET_SECURITY_TLS, 465},
    {"", "submission", NET_SECURITY_TLS, 465},
    {"smtp.", "submission", NET_SECURITY_STARTTLS, 587},
    {"mail.", "submission", NET_SECURITY_STARTTLS, 587},
    {"", "submission", NET_SECURITY_STARTTLS, 587},
    {"smtp.", "submission", NET_SECURITY_STARTTLS, 25},
    {"mail.", "submission", NET_SECURITY_STARTTLS, 25},
    {"", "submission", NET_SECURITY_STARTTLS, 25},
};

/* How each protocol greets, and goes over to TLS. */
static const struct {
    const char *protocol;
    const char *greeting;
    const char *hello; /* before STARTTLS is asked for, or NULL */
    const char *starttls, *go_ahead;
} protocols[] = {
    {"imap", "* OK", NULL, "a STARTTLS\r\n", "a OK"},
    {"pop3", "+OK", NULL, "STLS\r\n", "+OK"},
    {"submission", "220", "EHLO [127.0.0.1]\r\n", "STARTTLS\r\n", "220"},
};

/* Whether the next answer begins with `start`. Lines that lead to it (untagged ones, all of an SMTP
 * reply but the last) are read over. */
static gboolean expect(NetStream *stream, const char *start)
{
    for (guint i = 0; i < MAX_LINES; i++) {
        const char *line = net_stream_read_line(stream, LINE_LIMIT, NULL, NULL);
        if (!line)
            return FALSE;
        if (g_str_has_prefix(line, start) && line[strlen(start)] != '-')
            return TRUE;
        gboolean leads = g_str_has_prefix(line, "* ") || g_str_has_prefix(line, "220-") ||
                         g_str_has_prefix(line, "250-");
        if (!leads)
            return FALSE;
    }
    return FALSE;
}

static gboolean speaks(NetStream *stream, const NetEndpoint *endpoint, NetTlsClient *tls)
{
    guint i = 0;
    while (strcmp(protocols[i].protocol, endpoint->protocol) != 0)
        i++;
    if (!expect(stream, protocols[i].greeting))
        return FALSE;
    if (endpoint->security == NET_SECURITY_TLS)
        return TRUE;
    if (protocols[i].hello && !(net_stream_puts(stream, protocols[i].hello, NULL) &&
                                net_stream_flush(stream, NULL) && expect(stream, "250")))
        return FALSE;
    return net_stream_puts(stream, protocols[i].starttls, NULL) && net_stream_flush(stream, NULL) &&
           expect(stream, protocols[i].go_ahead) &&
           net_stream_start_tls(stream, tls, endpoint->host, NULL);
}

/* ---- all at the same time ------------------------------------------------------------------ */

typedef struct {
    NetEndpoint *endpoint;
    const GuessRoute *route;
    gboolean answered;
    GError *why; /* it can't be reached; or NULL */
    pthread_t thread;
} Try;

static void *try_thread(void *data)
{
    Try *try = data;
    const GuessRoute *route = try->route;
    g_autoptr(NetStream) stream =
        net_dial(try->endpoint, route->tls, TRY_SECONDS, route->cancel, &try->why);

    if (stream) {
        net_stream_set_timeout(stream, TRY_SECONDS);
        try->answered = speaks(stream, try->endpoint, route->tls);
    }
    return NULL;
}

static NetEndpoint *endpoint_of_try(guint i, const DiscoverAddress *address, const char *proxy)
{
    NetEndpoint *endpoint = g_new0(NetEndpoint, 1);

    endpoint->protocol = g_strdup(tries[i].protocol);
    endpoint->security = tries[i].security;
    endpoint->host = g_strconcat(tries[i].prefix, address->domain, NULL);
    endpoint->port = tries[i].port;
    endpoint->proxy = g_strdup(proxy);
    return endpoint;
}

DiscoverOffer *guess_servers(const DiscoverAddress *address, const GuessRoute *route,
                             GError **error)
{
    g_autoptr(DiscoverOffer) offer =
        discover_offer_new(DISCOVER_GUESS, "servers that answer under the usual names", FALSE);
    g_autoptr(GError) why = NULL;
    Try running[G_N_ELEMENTS(tries)];

    for (guint i = 0; i < G_N_ELEMENTS(tries); i++) {
        running[i] = (Try){.endpoint = endpoint_of_try(i, address, route->proxy), .route = route};
        pthread_create(&running[i].thread, NULL, try_thread, &running[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(tries); i++) {
        pthread_join(running[i].thread, NULL);
        GPtrArray *servers =
            strcmp(tries[i].protocol, "submission") == 0 ? offer->outgoing : offer->incoming;
        if (running[i].answered)
            g_ptr_array_add(servers,
                            discover_server_at(g_steal_pointer(&running[i].endpoint), address));
        g_clear_pointer(&running[i].endpoint, net_endpoint_free);
        if (!why)
            why = g_steal_pointer(&running[i].why);
        g_clear_error(&running[i].why);
    }
    if (offer->incoming->len)
        return g_steal_pointer(&offer);
    if (!why)
        g_set_error(&why, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "nothing answers as a mail server does");
    g_propagate_error(error, g_steal_pointer(&why));
    return NULL;
}
