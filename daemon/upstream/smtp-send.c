/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One message: MAIL, RCPT and DATA.
 *
 * DATA is not pipelined with the recipients: a server that took it after refusing all of them would
 * have to be sent an empty message (RFC 2920, 3.1). And the final dot goes alone, after all else
 * has gone out and the server has said nothing: so the moment in which a broken connection leaves
 * the outcome unknown is as short as it can be.
 */
#include "daemon/proto/smtp/data.h"
#include "daemon/upstream/smtp-private.h"

/* Seconds for the answer to a message's end, however much its connection is doubted: to give up is to
 * send it again without knowing. */
#define END_PATIENCE 60

#define TIMEOUT_WORDS 2 /* seconds, for what a server may have said before it closed */

/* Recipients asked before their answers are read: both directions have buffers. */
#define WINDOW 50

typedef struct {
    SmtpClient *client;
    SmtpClientMessage *message;
    SmtpSendAnswer *answer;
    guint answered;        /* recipients */
    gboolean mail_pending; /* MAIL's answer was not read yet */
    guint accepted;
} Transaction;

static gboolean has(Transaction *t, SmtpCapability capability)
{
    return (t->client->ehlo.capabilities & capability) != 0;
}

static SmtpSendResult broken(Transaction *t)
{
    t->client->failed = TRUE;
    return SMTP_SEND_BROKEN;
}

static void keep_answer(Transaction *t, const SmtpReply *reply)
{
    t->answer->code = reply->code;
    t->answer->reply = smtp_reply_text(reply);
}

/* ---- what the server lacks ------------------------------------------------------------------- */

static gboolean server_can(Transaction *t)
{
    const char *host = t->client->endpoint->host;
    const guint64 size = t->message->size, limit = t->client->ehlo.size;

    if (t->message->smtputf8 && !has(t, SMTP_SMTPUTF8))
        t->answer->reply = g_strdup_printf(
            "%s doesn't take mail with addresses or headers beyond ASCII (SMTPUTF8)", host);
    else if (limit > 0 && size > limit)
        t->answer->reply = g_strdup_printf("%s takes at most %.1f MB, and this message has %.1f MB",
                                           host, (double)limit / 1e6, (double)size / 1e6);
    return !t->answer->reply;
}

/* ---- MAIL and RCPT --------------------------------------------------------------------------- */

static char *mail_command(Transaction *t)
{
    const SmtpClientMessage *message = t->message;
    GString *line = g_string_new(NULL);

    g_string_printf(line, "MAIL FROM:<%s>", message->sender);
    if (has(t, SMTP_SIZE))
        g_string_append_printf(line, " SIZE=%" G_GUINT64_FORMAT, message->size);
    if (has(t, SMTP_8BITMIME) && message->eightbit)
        g_string_append(line, " BODY=8BITMIME");
    if (message->smtputf8)
        g_string_append(line, " SMTPUTF8");
    if (has(t, SMTP_DSN) && message->ret)
        g_string_append_printf(line, " RET=%s", message->ret);
    if (has(t, SMTP_DSN) && message->envid)
        g_string_append_printf(line, " ENVID=%s", message->envid);
    g_string_append(line, "\r\n");
    return g_string_free(line, FALSE);
}

static char *rcpt_command(Transaction *t, const SmtpClientRecipient *recipient)
{
    GString *line = g_string_new(NULL);

    g_string_printf(line, "RCPT TO:<%s>", recipient->address);
    if (has(t, SMTP_DSN) && recipient->notify)
        g_string_append_printf(line, " NOTIFY=%s", recipient->notify);
    if (has(t, SMTP_DSN) && recipient->orcpt)
        g_string_append_printf(line, " ORCPT=%s", recipient->orcpt);
    g_string_append(line, "\r\n");
    return g_string_free(line, FALSE);
}

/* Reads the answers to MAIL and to the recipients before `until`. */
static gboolean read_answers(Transaction *t, guint until, GError **error)
{
    g_auto(SmtpReply) reply = {0};

    if (t->mail_pending) {
        if (!smtp_client_read(t->client, &reply, error))
            return FALSE;
        t->mail_pending = FALSE;
        if (reply.code / 100 != 2)
            keep_answer(t, &reply);
    }
    for (; t->answered < until; t->answered++) {
        SmtpClientRecipient *recipient = &t->message->recipients[t->answered];
        if (!smtp_client_read(t->client, &reply, error))
            return FALSE;
        recipient->code = reply.code;
        recipient->reply = smtp_reply_text(&reply);
        t->accepted += reply.code / 100 == 2;
    }
    return TRUE;
}

/* Without PIPELINING the window is one command (RFC 2920). */
static gboolean send_envelope(Transaction *t, GError **error)
{
    guint window = has(t, SMTP_PIPELINING) ? WINDOW : 0;
    g_autofree char *mail = mail_command(t);

    t->mail_pending = TRUE;
    if (!smtp_client_check_silent(t->client, error) ||
        !net_stream_puts(t->client->stream, mail, error) ||
        (window == 0 && !read_answers(t, 0, error)))
        return FALSE;
    for (guint i = 0; i < t->message->recipients_count && !t->answer->reply; i++) {
        g_autofree char *rcpt = rcpt_command(t, &t->message->recipients[i]);
        if (!net_stream_puts(t->client->stream, rcpt, error))
            return FALSE;
        gboolean last = i + 1 == t->message->recipients_count;
        if ((last || i + 1 - t->answered >= window) && !read_answers(t, i + 1, error))
            return FALSE;
    }
    return TRUE;
}

/* A transaction that comes to nothing. RSET is said before the next message, so that what became of
 * this one doesn't wait for the answer. */
static SmtpSendResult abandon(Transaction *t, SmtpSendResult result)
{
    t->client->dirty = TRUE;
    return result;
}

static gboolean reset(SmtpClient *client, GError **error)
{
    g_auto(SmtpReply) reply = {0};

    if (!client->dirty)
        return TRUE;
    if (!smtp_client_ask(client, "RSET", &reply, error))
        return FALSE;
    client->dirty = FALSE;
    if (reply.code / 100 == 2)
        return TRUE;
    g_autofree char *text = smtp_reply_text(&reply);
    g_set_error(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_UNAVAILABLE,
                "%s doesn't want another message over this connection: %s", client->endpoint->host,
                text);
    return FALSE;
}

/* ---- DATA ------------------------------------------------------------------------------------ */

static gboolean send_text(Transaction *t, GError **error)
{
    SmtpDataWriter writer = {0};
    g_autoptr(GByteArray) out = g_byte_array_new();
    NetStream *stream = t->client->stream;

    for (guint64 offset = 0;;) {
        g_autoptr(GBytes) piece = t->message->read(offset, t->message->data, error);
        gsize length = 0;
        const char *text = piece ? g_bytes_get_data(piece, &length) : NULL;
        if (!piece)
            return FALSE;
        g_byte_array_set_size(out, 0);
        if (length > 0)
            smtp_data_write(&writer, text, length, out);
        else
            smtp_data_finish(&writer, out);
        if (!net_stream_write(stream, out->data, out->len, error))
            return FALSE;
        if (length == 0)
            return net_stream_flush(stream, error);
        offset += length;
    }
}

/* A server that doesn't want the message any more may say so while it is being sent, and close. */
static gboolean spoke_early(Transaction *t)
{
    g_auto(SmtpReply) reply = {0};

    smtp_client_set_timeout(t->client, TIMEOUT_WORDS);
    gboolean spoke = smtp_client_read(t->client, &reply, NULL) && reply.code >= 400;
    t->client->failed = TRUE;
    if (spoke)
        keep_answer(t, &reply);
    return spoke;
}

/* The answer to the final dot. */
static SmtpSendResult await_answer(Transaction *t, GError **error)
{
    g_auto(SmtpReply) reply = {0};

    smtp_client_set_timeout(t->client, t->client->timeouts.end);
    net_stream_set_patience(t->client->stream, END_PATIENCE);
    gboolean answered = smtp_client_read(t->client, &reply, error);
    net_stream_set_patience(t->client->stream, 0);
    if (!answered)
        return SMTP_SEND_UNKNOWN;
    keep_answer(t, &reply);
    if (reply.code / 100 == 2)
        return SMTP_SEND_ACCEPTED;
    if (reply.code / 100 >= 4)
        return SMTP_SEND_REFUSED;
    g_set_error(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_PROTOCOL,
                "%s neither took nor refused the message: %s", t->client->endpoint->host,
                t->answer->reply);
    t->client->failed = TRUE;
    return SMTP_SEND_UNKNOWN;
}

static SmtpSendResult send_end(Transaction *t, GError **error)
{
    NetStream *stream = t->client->stream;

    if (net_stream_wait(stream, -1, 0, NULL) != NET_TIMED_OUT) {
        if (spoke_early(t))
            return SMTP_SEND_REFUSED;
        g_set_error(error, NET_ERROR, NET_ERROR_CLOSED, "%s closed the connection",
                    net_stream_name(stream));
        return broken(t);
    }
    if (!t->message->commit(t->message->data, error))
        return broken(t);
    /* Fails only where the kernel didn't take all of it, so the server can't have the end. */
    if (!net_stream_puts(stream, SMTP_DATA_END, error) || !net_stream_flush(stream, error))
        return broken(t);
    return await_answer(t, error);
}

static SmtpSendResult send_data(Transaction *t, GError **error)
{
    g_auto(SmtpReply) reply = {0};
    g_autoptr(GError) failure = NULL;

    smtp_client_set_timeout(t->client, t->client->timeouts.data);
    if (!smtp_client_ask(t->client, "DATA", &reply, error))
        return broken(t);
    if (reply.code != 354) {
        keep_answer(t, &reply);
        if (reply.code / 100 >= 4)
            return abandon(t, SMTP_SEND_REFUSED);
        g_set_error(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_PROTOCOL,
                    "%s neither takes nor refuses the message: %s", t->client->endpoint->host,
                    t->answer->reply);
        return broken(t);
    }
    smtp_client_set_timeout(t->client, t->client->timeouts.block);
    if (!send_text(t, &failure)) {
        gboolean net = failure->domain == NET_ERROR && failure->code != NET_ERROR_CANCELLED;
        if (net && spoke_early(t))
            return SMTP_SEND_REFUSED;
        g_propagate_error(error, g_steal_pointer(&failure));
        return broken(t);
    }
    return send_end(t, error);
}

SmtpSendResult smtp_client_send(SmtpClient *client, SmtpClientMessage *message,
                                SmtpSendAnswer *answer, GError **error)
{
    Transaction t = {.client = client, .message = message, .answer = answer};
    g_autoptr(GError) failure = NULL;

    *answer = (SmtpSendAnswer){0};
    if (!server_can(&t))
        return SMTP_SEND_REFUSED;
    smtp_client_set_timeout(client, client->timeouts.command);
    gboolean asked = reset(client, &failure) && send_envelope(&t, &failure);
    if (!answer->reply && !asked) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return broken(&t);
    }
    /* MAIL was refused; what came for the recipients follows from that, also where it is an end. */
    if (answer->reply) {
        client->failed |= !asked;
        for (guint i = 0; i < message->recipients_count; i++)
            message->recipients[i].code = 0;
        return abandon(&t, SMTP_SEND_REFUSED);
    }
    if (t.accepted == 0)
        return abandon(&t, SMTP_SEND_NOBODY);
    return send_data(&t, error);
}
