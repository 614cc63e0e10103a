/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a connection to one that mail can be sent over: greeting, EHLO, STARTTLS, AUTH. */
#include <string.h>

#include "daemon/upstream/smtp-private.h"

/* What we call ourselves, the same for everyone: where we are is nobody's business. Some servers
 * don't like address literals, or these, or names that the DNS doesn't know; the account's domain
 * comes last. */
static const char *const HELLOS[] = {"EHLO [127.0.0.1]", "EHLO [IPv6:::1]",
                                     "EHLO localhost.localdomain", "EHLO localhost"};

/* What a reply that isn't 2xx means, when it comes before there is a message. */
static gboolean refuse(SmtpClient *client, const SmtpReply *reply, SmtpClientError permanent,
                       const char *what, GError **error)
{
    g_autofree char *text = smtp_reply_text(reply);

    if (reply->code / 100 == 4)
        g_set_error(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_UNAVAILABLE,
                    "%s can't take mail now: %s", client->endpoint->host, text);
    else
        g_set_error(error, SMTP_CLIENT_ERROR, permanent, "%s %s: %s", client->endpoint->host, what,
                    text);
    return FALSE;
}

static gboolean greeting(SmtpClient *client, GError **error)
{
    g_auto(SmtpReply) reply = {0};

    if (!smtp_client_read(client, &reply, error))
        return FALSE;
    return reply.code == 220 ||
           refuse(client, &reply, SMTP_CLIENT_ERROR_REFUSED, "refuses the connection", error);
}

/* The n-th way to say hello; NULL: there are no more. HELO (RFC 5321, 4.1.4) leads nowhere but where
 * neither TLS nor a login is needed. */
static char *hello_line(const SmtpClientOptions *options, guint n)
{
    guint named = options->domain && g_str_is_ascii(options->domain) ? 1 : 0;

    if (n < G_N_ELEMENTS(HELLOS))
        return g_strdup(HELLOS[n]);
    n -= G_N_ELEMENTS(HELLOS);
    if (n < named)
        return g_strconcat("EHLO ", options->domain, NULL);
    gboolean simple = options->endpoint->security == NET_SECURITY_NONE;
    return simple && n == named ? g_strdup("HELO localhost.localdomain") : NULL;
}

/* Begins with what this server has taken before. A server that refuses and closes is asked with the
 * next name on the next connection. */
static gboolean ehlo(SmtpClient *client, const SmtpClientOptions *options, GError **error)
{
    g_auto(SmtpReply) refusal = {0};
    guint first = 0, *hello = options->hello ? options->hello : &first;

    for (;; ++*hello) {
        g_auto(SmtpReply) reply = {0};
        g_autoptr(GError) failure = NULL;
        g_autofree char *line = hello_line(options, *hello);
        if (line && smtp_client_ask(client, line, &reply, &failure) && reply.code == 250) {
            client->ehlo = smtp_ehlo_read(&reply);
            return TRUE;
        }
        if (failure && !refusal.lines) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        if (!line)
            *hello = 0;
        if (!line || failure)
            return refuse(client, &refusal, SMTP_CLIENT_ERROR_REFUSED, "refuses EHLO", error);
        smtp_reply_clear(&refusal);
        refusal = reply;
        reply = (SmtpReply){0};
    }
}

/* What was said in the clear counts for nothing afterwards (RFC 3207, 4.2). */
static gboolean start_smtp_tls(SmtpClient *client, const SmtpClientOptions *options, GError **error)
{
    g_auto(SmtpReply) reply = {0};
    const char *host = client->endpoint->host;

    if (!(client->ehlo.capabilities & SMTP_STARTTLS)) {
        g_set_error(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_SECURITY,
                    "%s offers no STARTTLS; nothing was sent. Try submissions://%s", host, host);
        return FALSE;
    }
    if (!smtp_client_ask(client, "STARTTLS", &reply, error))
        return FALSE;
    if (reply.code != 220)
        return refuse(client, &reply, SMTP_CLIENT_ERROR_SECURITY, "refuses STARTTLS", error);
    client->ehlo = (SmtpEhlo){0};
    return net_stream_start_tls(client->stream, options->tls, host, error) &&
           ehlo(client, options, error);
}

/* ---- AUTH (RFC 4954) ------------------------------------------------------------------------- */

/* Base64 of what holds a secret; wipes it. */
static char *encode_secret(GString *plain)
{
    char *encoded = g_base64_encode((const guint8 *)plain->str, plain->len);
    explicit_bzero(plain->str, plain->len);
    g_string_free(plain, TRUE);
    return encoded;
}

static char *plain_message(const SmtpClientOptions *options)
{
    GString *plain = g_string_sized_new(strlen(options->user) + strlen(options->secret) + 3);
    g_string_append_len(plain, "", 1);
    g_string_append_len(plain, options->user, (gssize)strlen(options->user) + 1);
    g_string_append(plain, options->secret);
    return encode_secret(plain);
}

static char *user_message(const SmtpClientOptions *options)
{
    return encode_secret(g_string_new(options->user));
}

static char *secret_message(const SmtpClientOptions *options)
{
    return encode_secret(g_string_new(options->secret));
}

static char *xoauth2_message(const SmtpClientOptions *options)
{
    GString *text = g_string_sized_new(strlen(options->user) + strlen(options->secret) + 64);
    g_string_append_printf(text, "user=%s\001auth=Bearer ", options->user);
    g_string_append(text, options->secret);
    g_string_append(text, "\001\001");
    return encode_secret(text);
}

static char *oauthbearer_message(const SmtpClientOptions *options)
{
    GString *text = g_string_sized_new(strlen(options->user) + strlen(options->secret) + 64);
    g_string_append_printf(text, "n,a=%s,\001auth=Bearer ", options->user);
    g_string_append(text, options->secret);
    g_string_append(text, "\001\001");
    return encode_secret(text);
}

/* Each message of ours is the answer to a 334; the first where the name says so comes with AUTH. */
typedef struct {
    SmtpCapability capability;
    gboolean oauth2;
    const char *name;
    gboolean initial;
    char *(*messages[2])(const SmtpClientOptions *options);
} Mechanism;

static const Mechanism MECHANISMS[] = {
    {SMTP_AUTH_PLAIN, FALSE, "PLAIN", TRUE, {plain_message}},
    {SMTP_AUTH_LOGIN, FALSE, "LOGIN", FALSE, {user_message, secret_message}},
    {SMTP_AUTH_OAUTHBEARER, TRUE, "OAUTHBEARER", TRUE, {oauthbearer_message}},
    {SMTP_AUTH_XOAUTH2, TRUE, "XOAUTH2", TRUE, {xoauth2_message}},
};

static gboolean ask_secret(SmtpClient *client, const char *before, char *secret, SmtpReply *reply,
                           GError **error)
{
    g_autofree char *line = g_strconcat(before, secret, NULL);
    gboolean ok = smtp_client_ask(client, line, reply, error);

    explicit_bzero(line, strlen(line));
    explicit_bzero(secret, strlen(secret));
    g_free(secret);
    return ok;
}

/* A 334 beyond our messages is OAuth's way to explain a failure; it is answered with nothing. */
static gboolean smtp_exchange(SmtpClient *client, const Mechanism *mechanism,
                              const SmtpClientOptions *options, SmtpReply *reply, GError **error)
{
    g_autofree char *command = g_strconcat("AUTH ", mechanism->name, NULL);
    guint next = 0;

    if (mechanism->initial) {
        g_autofree char *with = g_strconcat(command, " ", NULL);
        if (!ask_secret(client, with, mechanism->messages[next++](options), reply, error))
            return FALSE;
    } else if (!smtp_client_ask(client, command, reply, error)) {
        return FALSE;
    }
    for (guint round = 0; reply->code == 334 && round < 4; round++) {
        gboolean more = next < G_N_ELEMENTS(mechanism->messages) && mechanism->messages[next];
        char *message = more ? mechanism->messages[next++](options) : g_strdup("");
        if (!ask_secret(client, "", message, reply, error))
            return FALSE;
    }
    return TRUE;
}

static const Mechanism *choose(SmtpClient *client, gboolean oauth2)
{
    for (guint i = 0; i < G_N_ELEMENTS(MECHANISMS); i++)
        if (MECHANISMS[i].oauth2 == oauth2 &&
            (client->ehlo.capabilities & MECHANISMS[i].capability))
            return &MECHANISMS[i];
    return NULL;
}

static gboolean smtp_authenticate(SmtpClient *client, const SmtpClientOptions *options,
                                  GError **error)
{
    g_auto(SmtpReply) reply = {0};
    const Mechanism *mechanism = choose(client, options->oauth2);

    if (!mechanism) {
        /* A server on this machine may know us already. */
        if (client->endpoint->security == NET_SECURITY_NONE)
            return TRUE;
        g_set_error(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_SECURITY,
                    "%s offers no login that Postern knows (%s)", client->endpoint->host,
                    options->oauth2 ? "OAUTHBEARER, XOAUTH2" : "PLAIN, LOGIN");
        return FALSE;
    }
    if (!smtp_exchange(client, mechanism, options, &reply, error))
        return FALSE;
    return reply.code == 235 || refuse(client, &reply, SMTP_CLIENT_ERROR_AUTH,
                                       "refuses the user name or password", error);
}

gboolean smtp_client_log_in(SmtpClient *client, const SmtpClientOptions *options, GError **error)
{
    if (!greeting(client, error) || !ehlo(client, options, error))
        return FALSE;
    if (client->endpoint->security == NET_SECURITY_STARTTLS &&
        !start_smtp_tls(client, options, error))
        return FALSE;
    return smtp_authenticate(client, options, error);
}
