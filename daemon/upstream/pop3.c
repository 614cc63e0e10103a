/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The POP3 client's connection: commands and their answers. */
#include "daemon/upstream/pop3-private.h"

#include "daemon/proto/pop3/text.h"

#include <stdarg.h>
#include <string.h>

#define LINE_LIMIT   8192 /* of an answer that isn't mail; RFC 2449, 4 says 512 */
#define MESSAGES_MAX 2000000
#define MESSAGE_MAX  (G_GUINT64_CONSTANT(256) * 1024 * 1024) /* octets, as with IMAP */
#define SIZE_SLACK   (1024 * 1024) /* listed sizes are estimates in places */
#define DEPTH        16

/* A large maildrop takes a server long to list. */
#define LIST_TIMEOUT 300
#define QUIT_TIMEOUT 120 /* while it deletes */

/* Without the static of G_DEFINE_QUARK, which threads would share unguarded. */
GQuark pop3_client_error_quark(void)
{
    return g_quark_from_static_string("pop3-client-error");
}

gboolean pop3_client_fail(GError **error, Pop3ClientError code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, POP3_CLIENT_ERROR, code, text);
    return FALSE;
}

void pop3_client_free(Pop3Client *client)
{
    if (!client)
        return;
    net_stream_free(client->stream);
    net_endpoint_free(client->endpoint);
    g_free(client);
}

const Pop3Capabilities *pop3_client_capabilities(const Pop3Client *client)
{
    return &client->capabilities;
}

/* ---- answers ------------------------------------------------------------------------------- */

gboolean pop3_client_read(Pop3Client *client, Pop3Status *status, GError **error)
{
    gsize length;
    const char *line = net_stream_flush(client->stream, error)
                           ? net_stream_read_line(client->stream, LINE_LIMIT, &length, error)
                           : NULL;

    if (!line)
        return FALSE;
    client->under_way -= client->under_way > 0;
    return pop3_status_parse(line, length, status) ||
           pop3_client_fail(error, POP3_CLIENT_ERROR_PROTOCOL,
                            "%s doesn't answer as a POP3 server does",
                            net_stream_name(client->stream));
}

/* An answer to nothing would be taken for that to what is said next, and so on. */
static gboolean ask(Pop3Client *client, const char *line, GError **error)
{
    if (client->under_way == 0 && net_stream_pending(client->stream))
        return pop3_client_fail(
            error, POP3_CLIENT_ERROR_PROTOCOL,
            "%s says more than it was asked, so its answers can't be told apart",
            net_stream_name(client->stream));
    client->under_way++;
    return net_stream_puts(client->stream, line, error) &&
           net_stream_puts(client->stream, "\r\n", error);
}

gboolean pop3_client_run(Pop3Client *client, const char *line, Pop3Status *status, GError **error)
{
    return ask(client, line, error) && pop3_client_read(client, status, error);
}

/* REFUSED with the server's words, unless it said +OK. */
static gboolean check(Pop3Client *client, const Pop3Status *status, GError **error)
{
    return status->ok ||
           pop3_client_fail(error, POP3_CLIENT_ERROR_REFUSED, "%s says: %s", client->endpoint->host,
                            *status->text ? status->text : "no, without a reason");
}

gboolean pop3_client_read_status(Pop3Client *client, GError **error)
{
    g_auto(Pop3Status) status = {0};

    return pop3_client_read(client, &status, error) && check(client, &status, error);
}

gboolean pop3_client_read_lines(Pop3Client *client, guint limit, Pop3Lines take, gpointer data,
                                GError **error)
{
    for (guint i = 0; i <= limit; i++) {
        gsize length;
        const char *line = net_stream_read_line(client->stream, LINE_LIMIT, &length, error);
        if (!line)
            return FALSE;
        if (length == 1 && line[0] == '.')
            return TRUE;
        gsize dot = length > 0 && line[0] == '.';
        take(line + dot, length - dot, data);
    }
    return pop3_client_fail(error, POP3_CLIENT_ERROR_PROTOCOL, "%s never ends an answer",
                            client->endpoint->host);
}

/* ---- the listing --------------------------------------------------------------------------- */

static void message_clear(gpointer data)
{
    g_free(((Pop3Message *)data)->uidl);
}

static void add_message(const char *line, gsize length, gpointer data)
{
    Pop3Message message = {0};

    if (pop3_listing_parse(line, length, &message.number, &message.size))
        g_array_append_val((GArray *)data, message);
}

typedef struct {
    GArray *messages;
    guint next; /* listings come in the same order, as a rule */
} Naming;

/* Where the message is in the listing; NULL: it isn't. */
static Pop3Message *find_message(Naming *naming, guint32 number)
{
    const guint count = naming->messages->len;

    for (guint i = 0; i < count; i++) {
        guint at = (naming->next + i) % count;
        Pop3Message *message = &g_array_index(naming->messages, Pop3Message, at);
        if (message->number == number) {
            naming->next = at + 1;
            return message;
        }
        /* Numbers ascend, so that one that isn't there is soon known. */
        if (message->number > number && at > 0 &&
            g_array_index(naming->messages, Pop3Message, at - 1).number < number)
            return NULL;
    }
    return NULL;
}

static void add_name(const char *line, gsize length, gpointer data)
{
    guint32 number;
    char *uidl;

    if (!pop3_uidl_parse(line, length, &number, &uidl))
        return;
    Pop3Message *message = find_message(data, number);
    if (message && !message->uidl)
        message->uidl = g_steal_pointer(&uidl);
    g_free(uidl);
}

static int compare_numbers(gconstpointer a, gconstpointer b)
{
    guint32 x = ((const Pop3Message *)a)->number, y = ((const Pop3Message *)b)->number;
    return x < y ? -1 : x > y;
}

/* One number is one message: what comes a second time is passed over. */
static void drop_repeated(GArray *messages)
{
    for (guint i = messages->len; i > 1; i--)
        if (g_array_index(messages, Pop3Message, i - 1).number ==
            g_array_index(messages, Pop3Message, i - 2).number)
            g_array_remove_index(messages, i - 1);
}

static gboolean list_sizes(Pop3Client *client, GArray *messages, GError **error)
{
    g_auto(Pop3Status) status = {0};

    if (!pop3_client_run(client, "LIST", &status, error) || !check(client, &status, error) ||
        !pop3_client_read_lines(client, MESSAGES_MAX, add_message, messages, error))
        return FALSE;
    g_array_sort(messages, compare_numbers);
    drop_repeated(messages);
    return TRUE;
}

/* A server without UIDL says -ERR, or nothing of its messages. */
static gboolean list_names(Pop3Client *client, GArray *messages, GError **error)
{
    g_auto(Pop3Status) status = {0};
    Naming naming = {messages, 0};

    if (!pop3_client_run(client, "UIDL", &status, error))
        return FALSE;
    return !status.ok || pop3_client_read_lines(client, MESSAGES_MAX, add_name, &naming, error);
}

GArray *pop3_client_list(Pop3Client *client, GError **error)
{
    g_autoptr(GArray) messages = g_array_new(FALSE, FALSE, sizeof(Pop3Message));
    g_auto(Pop3Status) status = {0};
    guint32 count = 0;
    guint64 size;

    g_array_set_clear_func(messages, message_clear);
    net_stream_set_timeout(client->stream, LIST_TIMEOUT);
    if (!pop3_client_run(client, "STAT", &status, error) || !check(client, &status, error))
        return NULL;
    /* Where nothing is there, some answer LIST with -ERR. */
    gboolean empty =
        pop3_listing_parse(status.text, strlen(status.text), &count, &size) && count == 0;
    if (!empty && (!list_sizes(client, messages, error) || !list_names(client, messages, error)))
        return NULL;
    return g_steal_pointer(&messages);
}

/* ---- messages ------------------------------------------------------------------------------ */

guint pop3_client_depth(const Pop3Client *client)
{
    return client->capabilities.bits & POP3_CAP_PIPELINING ? DEPTH : 1;
}

static gboolean ask_about(Pop3Client *client, const char *verb, guint32 number, GError **error)
{
    g_autofree char *line = g_strdup_printf("%s %u", verb, number);
    return ask(client, line, error);
}

gboolean pop3_client_ask_retr(Pop3Client *client, guint32 number, GError **error)
{
    return ask_about(client, "RETR", number, error);
}

gboolean pop3_client_ask_dele(Pop3Client *client, guint32 number, GError **error)
{
    return ask_about(client, "DELE", number, error);
}

gboolean pop3_client_ask_top(Pop3Client *client, guint32 number, guint lines, GError **error)
{
    g_autofree char *line = g_strdup_printf("TOP %u %u", number, lines);
    return ask(client, line, error);
}

static gboolean read_text(Pop3Client *client, guint64 limit, GByteArray *out, GError **error)
{
    Pop3Text text = {0};

    while (!text.done) {
        gsize length;
        const char *data = net_stream_peek(client->stream, &length, error);
        if (!data)
            return FALSE;
        net_stream_consume(client->stream, pop3_text_feed(&text, data, length, out));
        if (out->len > limit)
            return pop3_client_fail(error, POP3_CLIENT_ERROR_PROTOCOL,
                                    "%s sends a message that is much larger than it said",
                                    client->endpoint->host);
    }
    return TRUE;
}

GByteArray *pop3_client_read_text(Pop3Client *client, guint64 size, GError **error)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    guint64 limit = MIN(size, MESSAGE_MAX) * 2 + SIZE_SLACK;

    if (!pop3_client_read_status(client, error) ||
        !read_text(client, MIN(limit, MESSAGE_MAX), out, error))
        return NULL;
    return g_steal_pointer(&out);
}

gboolean pop3_client_quit(Pop3Client *client, GError **error)
{
    g_auto(Pop3Status) status = {0};

    net_stream_set_timeout(client->stream, QUIT_TIMEOUT);
    gboolean done =
        pop3_client_run(client, "QUIT", &status, error) && check(client, &status, error);
    net_stream_close(client->stream);
    return done;
}
