/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The SMTP client's connection: commands and replies. */
#include "daemon/upstream/smtp-private.h"

#define LINE_MAX_REPLY 4096 /* RFC 5321, 4.5.3.1.5 says 512; not everyone counts */
#define QUIT_TIMEOUT   5    /* seconds */

/* Without the static of G_DEFINE_QUARK, which threads would share unguarded. */
GQuark smtp_client_error_quark(void)
{
    return g_quark_from_static_string("smtp-client-error");
}

static guint either(guint given, guint usual)
{
    return given ? given : usual;
}

/* RFC 5321, 4.5.3.2 */
static SmtpTimeouts timeouts_of(const SmtpClientOptions *options)
{
    const SmtpTimeouts *given = &options->timeouts;

    return (SmtpTimeouts){either(given->connect, 60), either(given->command, 300),
                          either(given->data, 120), either(given->block, 180),
                          either(given->end, 600)};
}

SmtpClient *smtp_client_start(NetStream *stream, const SmtpClientOptions *options, GError **error)
{
    g_autoptr(SmtpClient) client = g_new0(SmtpClient, 1);

    client->stream = stream;
    client->endpoint = net_endpoint_copy(options->login.endpoint);
    client->timeouts = timeouts_of(options);
    smtp_client_set_timeout(client, client->timeouts.command);
    return smtp_client_log_in(client, options, error) ? g_steal_pointer(&client) : NULL;
}

SmtpClient *smtp_client_connect(const SmtpClientOptions *options, GError **error)
{
    NetStream *stream = net_dial(options->login.endpoint, options->login.tls,
                                 timeouts_of(options).connect, options->login.cancel, error);
    return stream ? smtp_client_start(stream, options, error) : NULL;
}

void smtp_client_free(SmtpClient *client)
{
    if (!client)
        return;
    net_stream_free(client->stream);
    net_endpoint_free(client->endpoint);
    g_free(client);
}

void smtp_client_close(SmtpClient *client)
{
    g_auto(SmtpReply) reply = {0};

    if (client && smtp_client_is_good(client)) {
        smtp_client_set_timeout(client, QUIT_TIMEOUT);
        smtp_client_ask(client, "QUIT", &reply, NULL);
        net_stream_close(client->stream);
    }
    smtp_client_free(client);
}

gboolean smtp_client_is_good(SmtpClient *client)
{
    return !client->failed && net_stream_wait(client->stream, -1, 0, NULL) == NET_TIMED_OUT;
}

const char *smtp_client_host(SmtpClient *client)
{
    return client->endpoint->host;
}

/* ---- replies --------------------------------------------------------------------------------- */

static gboolean read_reply(SmtpClient *client, SmtpReply *reply, GError **error)
{
    for (;;) {
        gsize length;
        const char *line = net_stream_read_line(client->stream, LINE_MAX_REPLY, &length, error);
        if (!line)
            return FALSE;
        switch (smtp_reply_add(reply, line, length)) {
        case SMTP_REPLY_DONE:
            return TRUE;
        case SMTP_REPLY_MORE:
            break;
        default:
            g_set_error(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_PROTOCOL,
                        "%s doesn't answer as a mail server does; check outgoing= in postern.conf",
                        net_stream_name(client->stream));
            return FALSE;
        }
    }
}

void smtp_client_set_timeout(SmtpClient *client, guint seconds)
{
    client->timeout = seconds;
    net_stream_set_timeout(client->stream, seconds);
}

/* What comes in drops is no answer either: it is there in twice the time that silence may last. */
static gboolean await_reply(SmtpClient *client, SmtpReply *reply, GError **error)
{
    gint64 time = (gint64)client->timeout * 2 * G_USEC_PER_SEC;

    net_stream_set_deadline(client->stream, g_get_monotonic_time() + time);
    gboolean ok = read_reply(client, reply, error);
    net_stream_set_deadline(client->stream, 0);
    return ok;
}

gboolean smtp_client_read(SmtpClient *client, SmtpReply *reply, GError **error)
{
    smtp_reply_clear(reply);
    if (!net_stream_flush(client->stream, error) || !await_reply(client, reply, error)) {
        client->failed = TRUE;
        return FALSE;
    }
    client->failed |= reply->code == 421; /* it closes the connection (RFC 5321, 3.8) */
    return TRUE;
}

/* An answer to nothing would be taken for that to what is said next, and so on. */
gboolean smtp_client_check_silent(SmtpClient *client, GError **error)
{
    if (!net_stream_pending(client->stream))
        return TRUE;
    client->failed = TRUE;
    g_set_error(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_PROTOCOL,
                "%s says more than it was asked, so its answers can't be told apart",
                net_stream_name(client->stream));
    return FALSE;
}

gboolean smtp_client_ask(SmtpClient *client, const char *line, SmtpReply *reply, GError **error)
{
    if (!smtp_client_check_silent(client, error))
        return FALSE;
    if (net_stream_puts(client->stream, line, error) &&
        net_stream_puts(client->stream, "\r\n", error))
        return smtp_client_read(client, reply, error);
    client->failed = TRUE;
    return FALSE;
}
