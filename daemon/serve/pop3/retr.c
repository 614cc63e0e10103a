/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RETR and TOP: a message's bytes, fetched first where they aren't here. */
#include <string.h>

#include "daemon/proto/smtp/data.h"
#include "daemon/serve/pop3/session.h"

#define PIECE (256 * 1024)

/* No transaction is open while the client takes its time. */
static GBytes *read_piece(Pop3 *session, gint64 message, guint64 offset, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(session->maildrop->account->cache, CACHE_READ, error);
    return txn ? cache_content_read(txn, message, offset, PIECE, error) : NULL;
}

static GBytes *read_header(Pop3 *session, gint64 message, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(session->maildrop->account->cache, CACHE_READ, error);
    return txn ? cache_content_header(txn, message, error) : NULL;
}

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct {
    Pop3 *session;
    SmtpDataWriter writer;
    gboolean limited; /* TOP: */
    guint64 lines;    /* lines of the body to write yet */
    guint64 header;   /* bytes of the header block to write yet */
} Output;

/* How much of `text` is to be written. */
static gsize take(Output *output, const char *text, gsize length)
{
    if (!output->limited)
        return length;
    gsize at = MIN(output->header, length);
    output->header -= at;
    while (at < length && output->lines > 0) {
        const char *lf = memchr(text + at, '\n', length - at);
        at = lf ? (gsize)(lf - text) + 1 : length;
        output->lines -= lf != NULL;
    }
    return at;
}

static gboolean write_piece(Output *output, const char *text, gsize length, GError **error)
{
    g_autoptr(GByteArray) wire = g_byte_array_sized_new((guint)length + 64);

    smtp_data_write(&output->writer, text, take(output, text, length), wire);
    return net_stream_write(output->session->stream, wire->data, wire->len, error);
}

static gboolean write_end(Output *output, GError **error)
{
    g_autoptr(GByteArray) wire = g_byte_array_new();

    smtp_data_finish(&output->writer, wire);
    g_byte_array_append(wire, (const guint8 *)SMTP_DATA_END, strlen(SMTP_DATA_END));
    return net_stream_write(output->session->stream, wire->data, wire->len, error);
}

/* What fails here can't be said any more, only shown, by ending the connection. */
static gboolean write_message(Output *output, const MaildropMessage *message, GError **error)
{
    gboolean more = !output->limited || output->header > 0 || output->lines > 0;

    for (guint64 at = 0; more && at < message->size;) {
        g_autoptr(GBytes) piece = read_piece(output->session, message->message, at, error);
        gsize length = 0;
        const char *text = piece ? g_bytes_get_data(piece, &length) : NULL;
        if (!piece || !write_piece(output, text, length, error))
            return FALSE;
        at = length > 0 ? at + length : message->size;
        more = !output->limited || output->header > 0 || output->lines > 0;
    }
    return write_end(output, error);
}

/* ---- commands -------------------------------------------------------------------------------- */

static gboolean need(Pop3 *session, MaildropMessage *message, CacheContentState state,
                     gboolean *replied, GError **error)
{
    g_autoptr(GError) failure = NULL;

    *replied = TRUE;
    if (maildrop_need(session->maildrop, message, state, net_stream_cancel(session->stream),
                      &failure))
        return TRUE;
    *replied = pop3_err(session, error, "[SYS/TEMP]", "%s", failure->message);
    return FALSE;
}

gboolean pop3_retr(Pop3 *session, const char *arguments, GError **error)
{
    Output output = {.session = session};
    guint number;
    gboolean replied;
    MaildropMessage *message = pop3_find(session, arguments, NULL, &number, &replied, error);

    if (!message || !need(session, message, CACHE_CONTENT_FULL, &replied, error))
        return replied;
    return pop3_ok(session, error, "%" G_GUINT64_FORMAT " octets", message->size) &&
           write_message(&output, message, error);
}

/* The header alone may be here long before the rest. */
static gboolean top_header(Pop3 *session, MaildropMessage *message, GError **error)
{
    Output output = {.session = session};
    gboolean replied;

    if (!need(session, message, CACHE_CONTENT_HEADER, &replied, error))
        return replied;
    g_autoptr(GError) failure = NULL;
    g_autoptr(GBytes) header = read_header(session, message->message, &failure);
    if (!header)
        return pop3_err(session, error, "[SYS/TEMP]", "%s", failure->message);
    gsize length;
    const char *text = g_bytes_get_data(header, &length);
    return pop3_ok(session, error, "the header follows") &&
           write_piece(&output, text, length, error) && write_end(&output, error);
}

static gboolean top_lines(Pop3 *session, MaildropMessage *message, guint64 lines, GError **error)
{
    Output output = {.session = session, .limited = TRUE, .lines = lines};
    gboolean replied;

    if (!need(session, message, CACHE_CONTENT_FULL, &replied, error))
        return replied;
    g_autoptr(GError) failure = NULL;
    g_autoptr(GBytes) header = read_header(session, message->message, &failure);
    if (!header)
        return pop3_err(session, error, "[SYS/TEMP]", "%s", failure->message);
    output.header = g_bytes_get_size(header);
    return pop3_ok(session, error, "the top follows") && write_message(&output, message, error);
}

gboolean pop3_top(Pop3 *session, const char *arguments, GError **error)
{
    guint number;
    gboolean replied;
    const char *rest;
    MaildropMessage *message = pop3_find(session, arguments, &rest, &number, &replied, error);

    if (!message)
        return replied;
    char *end;
    guint64 lines = g_ascii_strtoull(rest, &end, 10);
    if (!g_ascii_isdigit(*rest) || *end)
        return pop3_err(session, error, NULL, "TOP wants a message and a number of lines");
    return lines > 0 ? top_lines(session, message, lines, error)
                     : top_header(session, message, error);
}
