/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Getting a small document by HTTP, by libsoup.
 */
#include "daemon/web/web.h"

#include <libsoup/soup.h>
#include <string.h>

#define MAX_REDIRECTS   5
#define TIMEOUT_SECONDS 5

static SoupSession *session_new(const WebNetwork *network)
{
    SoupSession *session = soup_session_new_with_options("timeout", TIMEOUT_SECONDS, "user-agent",
                                                         "Postern", "max-conns", 2, NULL);

    if (network->proxy)
        soup_session_set_proxy_resolver(session, network->proxy);
    if (network->roots)
        soup_session_set_tls_database(session, network->roots);
    return session;
}

/* A TLS handshake doesn't know the session's timeout, so its socket is told. */
static void on_network_event(SoupMessage *message, GSocketClientEvent event, GIOStream *connection,
                             gpointer data)
{
    if (event == G_SOCKET_CLIENT_CONNECTED && G_IS_SOCKET_CONNECTION(connection))
        g_socket_set_timeout(g_socket_connection_get_socket(G_SOCKET_CONNECTION(connection)),
                             TIMEOUT_SECONDS);
}

/* Where the answer points to, if it does and we may go there. */
static SoupMessage *redirected(SoupMessage *message, GError **error)
{
    const char *location =
        soup_message_headers_get_one(soup_message_get_response_headers(message), "Location");
    GUri *from = soup_message_get_uri(message);
    g_autoptr(GUri) to =
        location ? g_uri_parse_relative(from, location, SOUP_HTTP_URI_FLAGS, error) : NULL;

    if (!to) {
        if (!location)
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "it redirects to nowhere");
        return NULL;
    }
    gboolean secure = strcmp(g_uri_get_scheme(to), "https") == 0;
    gboolean plain = strcmp(g_uri_get_scheme(to), "http") == 0;
    if (!secure && (!plain || strcmp(g_uri_get_scheme(from), "https") == 0)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "it redirects to what isn't safe");
        return NULL;
    }
    return soup_message_new_from_uri("GET", to);
}

static GBytes *read_all(GInputStream *stream, gsize limit, GError **error)
{
    g_autofree char *buffer = g_malloc(limit + 1);
    gsize length;

    if (!g_input_stream_read_all(stream, buffer, limit + 1, &length, NULL, error))
        return NULL;
    if (length > limit) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the answer is too large");
        return NULL;
    }
    return g_bytes_new(buffer, length);
}

/* The answer to one request; NULL and `*next` where it leads elsewhere. */
static GBytes *ask(SoupSession *session, SoupMessage *message, gsize limit, SoupMessage **next,
                   GError **error)
{
    soup_message_add_flags(message, SOUP_MESSAGE_NO_REDIRECT);
    g_signal_connect(message, "network-event", G_CALLBACK(on_network_event), NULL);
    g_autoptr(GInputStream) stream = soup_session_send(session, message, NULL, error);
    guint status = soup_message_get_status(message);

    if (!stream)
        return NULL;
    if (status == SOUP_STATUS_OK)
        return read_all(stream, limit, error);
    if (SOUP_STATUS_IS_REDIRECTION(status))
        *next = redirected(message, error);
    else
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "it answers %u %s", status,
                    soup_message_get_reason_phrase(message));
    return NULL;
}

GBytes *web_get(const WebNetwork *network, const char *url, gsize limit, GError **error)
{
    g_autoptr(SoupSession) session = session_new(network);
    g_autoptr(SoupMessage) message = soup_message_new("GET", url);

    if (!message) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "its address can't be read");
        return NULL;
    }
    for (int hop = 0; hop <= MAX_REDIRECTS; hop++) {
        SoupMessage *next = NULL;
        GBytes *bytes = ask(session, message, limit, &next, error);
        if (!next)
            return bytes;
        g_object_unref(message);
        message = next;
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "it redirects in circles");
    return NULL;
}
