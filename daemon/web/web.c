/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One request by libsoup. Its asynchronous calls run in a main context of their own, so that a deadline
 * and a cancellation end them at any moment.
 */
#include "daemon/web/web.h"

#include <libsoup/soup.h>
#include <string.h>

#define MAX_REDIRECTS 5
#define SECONDS       10
#define FORM          "application/x-www-form-urlencoded"
#define WAIT_LIMIT    86400 /* seconds that a server may send us away for */

typedef struct {
    const WebNetwork *network;
    const WebRequest *request;
    GMainContext *context;
    SoupSession *session;
    GCancellable *inner; /* what libsoup is given */
    GSocket *socket;     /* the connection's, as soon as there is one */
    gboolean shaking;    /* the TLS handshake has begun */
    gboolean late, stopped;
    GAsyncResult *result; /* of the call that is awaited */
} Web;

void web_answer_clear(WebAnswer *answer)
{
    g_clear_pointer(&answer->body, g_bytes_unref);
    *answer = (WebAnswer){0};
}

/* ---- ending it ----------------------------------------------------------------------------- */

/*
 * libsoup loses count of its objects when a handshake is cancelled, so from then on a connection ends by
 * having its socket shut: to libsoup the server has hung up. Before, GnuTLS's code would miss the peer.
 */
static void stop(Web *web)
{
    if (web->shaking)
        g_socket_shutdown(web->socket, TRUE, TRUE, NULL);
    else
        g_cancellable_cancel(web->inner);
}

static gboolean on_late(gpointer data)
{
    Web *web = data;
    web->late = TRUE;
    stop(web);
    return G_SOURCE_REMOVE;
}

static gboolean on_stopped(gpointer data)
{
    Web *web = data;
    web->stopped = TRUE;
    stop(web);
    return G_SOURCE_REMOVE;
}

/* In the thread that cancels. GLib's own source for this is lost now and then, when it is destroyed in
 * the moment of the cancellation. */
static void on_cancelled(GCancellable *cancellable, gpointer data)
{
    Web *web = data;
    g_autoptr(GSource) source = g_idle_source_new();

    g_source_set_priority(source, G_PRIORITY_HIGH);
    g_source_set_callback(source, on_stopped, web, NULL);
    g_source_attach(source, web->context);
}

static void on_network_event(SoupMessage *message, GSocketClientEvent event, GIOStream *connection,
                             gpointer data)
{
    Web *web = data;

    if (event == G_SOCKET_CLIENT_CONNECTED && G_IS_SOCKET_CONNECTION(connection))
        g_set_object(&web->socket, g_socket_connection_get_socket(G_SOCKET_CONNECTION(connection)));
    if (event == G_SOCKET_CLIENT_TLS_HANDSHAKING)
        web->shaking = web->socket != NULL;
}

static void on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Web *web = data;
    web->result = g_object_ref(result);
}

/* Runs the context until the call that was begun is done; its result, which the caller frees. */
static GAsyncResult *await(Web *web)
{
    while (!web->result)
        g_main_context_iteration(web->context, TRUE);
    return g_steal_pointer(&web->result);
}

/* Says why it ended, where that was we. */
static void explain(const Web *web, GError **error)
{
    if (!web->late && !web->stopped)
        return;
    g_clear_error(error);
    if (web->stopped)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the request was stopped");
    else
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "it doesn't answer in time");
}

/* ---- one question -------------------------------------------------------------------------- */

static void set_login(SoupMessage *message, const char *header, const char *user,
                      const char *password)
{
    g_autofree char *plain = g_strdup_printf("%s:%s", user, password ? password : "");
    g_autofree char *encoded = g_base64_encode((const guchar *)plain, strlen(plain));
    g_autofree char *value = g_strconcat("Basic ", encoded, NULL);
    soup_message_headers_replace(soup_message_get_request_headers(message), header, value);
}

/* libsoup 3.2 sends the proxy's own address when it asks a second time, with the login that the proxy wants. What
 * isn't https goes through the proxy as it is, so the login may go along at once. */
static void add_proxy_login(SoupMessage *message, GProxyResolver *resolver)
{
    GUri *uri = soup_message_get_uri(message);
    g_autofree char *url = g_uri_to_string(uri);
    g_auto(GStrv) found = resolver && strcmp(g_uri_get_scheme(uri), "http") == 0
                              ? g_proxy_resolver_lookup(resolver, url, NULL, NULL)
                              : NULL;
    g_autoptr(GUri) proxy =
        found && *found ? g_uri_parse(*found, G_URI_FLAGS_HAS_PASSWORD, NULL) : NULL;

    if (proxy && strcmp(g_uri_get_scheme(proxy), "http") == 0 && g_uri_get_user(proxy))
        set_login(message, "Proxy-Authorization", g_uri_get_user(proxy), g_uri_get_password(proxy));
}

static SoupMessage *message_new(const WebRequest *request, GError **error)
{
    SoupMessage *message = soup_message_new(request->body ? "POST" : "GET", request->url);

    if (!message) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "its address can't be read");
        return NULL;
    }
    if (request->body) {
        g_autoptr(GBytes) body = g_bytes_new(request->body, strlen(request->body));
        soup_message_set_request_body_from_bytes(message, request->type ? request->type : FORM,
                                                 body);
        soup_message_headers_replace(soup_message_get_request_headers(message), "Accept",
                                     "application/json");
    }
    if (request->user)
        set_login(message, "Authorization", request->user, request->password);
    return message;
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

/* All of the stream, in pieces, so that a body without end costs no more than the limit. */
static GBytes *read_all(Web *web, GInputStream *stream, GError **error)
{
    gsize limit = web->request->limit;
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    for (;;) {
        g_input_stream_read_bytes_async(stream, 16384, G_PRIORITY_DEFAULT, web->inner, on_done,
                                        web);
        g_autoptr(GAsyncResult) result = await(web);
        g_autoptr(GBytes) piece = g_input_stream_read_bytes_finish(stream, result, error);
        if (!piece)
            return NULL;
        gsize length;
        const guint8 *data = g_bytes_get_data(piece, &length);
        if (length == 0)
            return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
        if (length > limit - bytes->len) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE, "the answer is too large");
            return NULL;
        }
        g_byte_array_append(bytes, data, (guint)length);
    }
}

/* A number of seconds or a date (RFC 9110, 10.2.3). */
static gint64 seconds_until(const char *when)
{
    gint64 seconds;

    if (!when)
        return 0;
    if (!g_ascii_string_to_signed(when, 10, 0, G_MAXINT64, &seconds, NULL)) {
        g_autoptr(GDateTime) date = soup_date_time_new_from_http_string(when);
        seconds = date ? g_date_time_to_unix(date) - g_get_real_time() / G_USEC_PER_SEC : 0;
    }
    return CLAMP(seconds, 0, WAIT_LIMIT);
}

static void note_headers(SoupMessage *message, WebAnswer *answer)
{
    SoupMessageHeaders *headers = soup_message_get_response_headers(message);
    const char *date = soup_message_headers_get_one(headers, "Date");
    g_autoptr(GDateTime) when = date ? soup_date_time_new_from_http_string(date) : NULL;

    answer->status = soup_message_get_status(message);
    answer->retry_after = seconds_until(soup_message_headers_get_one(headers, "Retry-After"));
    answer->date = when ? g_date_time_to_unix(when) : 0;
}

/* The answer to one request; FALSE and `*next` where it leads elsewhere. */
static gboolean ask(Web *web, SoupMessage *message, WebAnswer *answer, SoupMessage **next,
                    GError **error)
{
    g_clear_object(&web->socket);
    web->shaking = FALSE;
    soup_message_add_flags(message, SOUP_MESSAGE_NO_REDIRECT);
    add_proxy_login(message, web->network->proxy);
    g_signal_connect(message, "network-event", G_CALLBACK(on_network_event), web);
    soup_session_send_async(web->session, message, G_PRIORITY_DEFAULT, web->inner, on_done, web);
    g_autoptr(GAsyncResult) result = await(web);
    g_autoptr(GInputStream) stream = soup_session_send_finish(web->session, result, error);

    g_signal_handlers_disconnect_by_data(message, web);
    if (!stream)
        return FALSE;
    if (!web->request->body && SOUP_STATUS_IS_REDIRECTION(soup_message_get_status(message))) {
        *next = redirected(message, error);
        return FALSE;
    }
    note_headers(message, answer);
    answer->body = read_all(web, stream, error);
    return answer->body != NULL;
}

static gboolean ask_along(Web *web, WebAnswer *answer, GError **error)
{
    g_autoptr(SoupMessage) message = message_new(web->request, error);

    if (!message)
        return FALSE;
    for (int hop = 0; hop <= MAX_REDIRECTS; hop++) {
        SoupMessage *next = NULL;
        gboolean ok = ask(web, message, answer, &next, error);
        if (!next)
            return ok;
        g_object_unref(message);
        message = next;
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "it redirects in circles");
    return FALSE;
}

/* ---- the session --------------------------------------------------------------------------- */

static SoupSession *session_new(const WebNetwork *network)
{
    SoupSession *session =
        soup_session_new_with_options("user-agent", "Postern", "max-conns", 2, NULL);

    if (network->proxy)
        soup_session_set_proxy_resolver(session, network->proxy);
    if (network->roots)
        soup_session_set_tls_database(session, network->roots);
    return session;
}

static GSource *start_timer(Web *web)
{
    guint wanted = web->request->seconds ? web->request->seconds : web->network->seconds;
    guint seconds = wanted ? wanted : SECONDS;
    GSource *timer = g_timeout_source_new_seconds(seconds);

    g_source_set_callback(timer, on_late, web, NULL);
    g_source_attach(timer, web->context);
    return timer;
}

gboolean web_ask(const WebNetwork *network, const WebRequest *request, WebAnswer *answer,
                 GCancellable *cancellable, GError **error)
{
    Web web = {.network = network, .request = request, .context = g_main_context_new()};
    g_autoptr(GError) failure = NULL;

    *answer = (WebAnswer){0};
    g_main_context_push_thread_default(web.context);
    web.inner = g_cancellable_new();
    web.session = session_new(network);
    g_autoptr(GSource) timer = start_timer(&web);
    gulong cancelling =
        cancellable ? g_cancellable_connect(cancellable, G_CALLBACK(on_cancelled), &web, NULL) : 0;
    gboolean ok = ask_along(&web, answer, &failure);
    if (!ok) {
        web_answer_clear(answer);
        explain(&web, &failure);
        g_propagate_error(error, g_steal_pointer(&failure));
    }
    g_source_destroy(timer);
    g_cancellable_disconnect(cancellable, cancelling);
    soup_session_abort(web.session);
    g_object_unref(web.session);
    /* What libsoup still closes is closed before its context goes. */
    while (g_main_context_iteration(web.context, FALSE))
        continue;
    g_clear_object(&web.socket);
    g_object_unref(web.inner);
    g_main_context_pop_thread_default(web.context);
    g_main_context_unref(web.context);
    return ok;
}

GBytes *web_get(const WebNetwork *network, const char *url, gsize limit, GCancellable *cancellable,
                GError **error)
{
    WebRequest request = {.url = url, .limit = limit};
    g_auto(WebAnswer) answer = {0};

    if (!web_ask(network, &request, &answer, cancellable, error))
        return NULL;
    if (answer.status == SOUP_STATUS_OK)
        return g_steal_pointer(&answer.body);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "it answers %u %s", answer.status,
                soup_status_get_phrase(answer.status));
    return NULL;
}
