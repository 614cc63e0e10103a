/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a connection to one that mail can be sent over: greeting, EHLO, STARTTLS, AUTH. */
#include <string.h>

#include "daemon/upstream/sign-in.h"
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
    gboolean simple = options->login.endpoint->security == NET_SECURITY_NONE;
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
    return net_stream_start_tls(client->stream, options->login.tls, host, error) &&
           ehlo(client, options, error);
}

/* ---- AUTH (RFC 4954) ------------------------------------------------------------------------- */

/* What goes with AUTH: more than a line of old servers holds (RFC 5321, 4.5.3.1.4) waits for their 334. */
#define INITIAL_MAX 450

/* RFC 4954, 4 and 6: 504 and 534 are about the mechanism. */
static SignInAnswer meaning_of_code(guint code)
{
    if (code == 334)
        return SIGN_IN_CHALLENGE;
    if (code / 100 == 2)
        return SIGN_IN_YES;
    if (code == 504 || code == 534)
        return SIGN_IN_UNKNOWN;
    if (code / 100 == 4)
        return SIGN_IN_LATER;
    return code == 500 || code == 501 || code == 502 ? SIGN_IN_GARBLED : SIGN_IN_NO;
}

static void note_reply(SmtpClient *client, const SmtpReply *reply, SignInReply *step)
{
    step->answer = meaning_of_code(reply->code);
    if (step->answer == SIGN_IN_CHALLENGE)
        step->text = g_strdup(reply->lines->len ? g_ptr_array_index(reply->lines, 0) : "");
    else if (step->answer == SIGN_IN_UNKNOWN)
        refuse(client, reply, SMTP_CLIENT_ERROR_SECURITY, "doesn't know the login that it offers",
               &step->refusal);
    else if (step->answer != SIGN_IN_YES)
        refuse(client, reply, SMTP_CLIENT_ERROR_AUTH, "refuses the user name or password",
               &step->refusal);
}

/* Sends a line that may hold a secret. */
static gboolean ask_step(gpointer client, const char *line, SignInReply *step, GError **error)
{
    g_auto(SmtpReply) reply = {0};

    if (!smtp_client_ask(client, line, &reply, error))
        return FALSE;
    note_reply(client, &reply, step);
    return TRUE;
}

static gboolean begin_smtp_auth(gpointer client, const char *mechanism, const char *initial,
                                SignInReply *step, GError **error)
{
    const char *empty = initial && !*initial ? "=" : "";
    g_autofree char *line =
        g_strconcat("AUTH ", mechanism, initial ? " " : "", initial ? initial : "", empty, NULL);
    gboolean ok = ask_step(client, line, step, error);

    explicit_bzero(line, strlen(line));
    return ok;
}

static void fail_login(const char *text, GError **error)
{
    g_set_error_literal(error, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_SECURITY, text);
}

static gboolean smtp_authenticate(SmtpClient *client, const UpstreamLogin *login, GError **error)
{
    static const SignInDoor door = {.begin = begin_smtp_auth,
                                    .respond = ask_step,
                                    .fail = fail_login,
                                    .initial_max = INITIAL_MAX};
    const SaslContext context = {.login = login, .stream = client->stream, .service = "smtp"};
    g_autoptr(GError) failure = NULL;
    gboolean none;

    if (sign_in(&door, client, &context, client->ehlo.mechanisms, &none, &failure))
        return TRUE;
    /* A server on this machine may know us already. */
    if (none && client->endpoint->security == NET_SECURITY_NONE &&
        g_error_matches(failure, SMTP_CLIENT_ERROR, SMTP_CLIENT_ERROR_SECURITY)) {
        sign_in_note(login, 0);
        return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

gboolean smtp_client_log_in(SmtpClient *client, const SmtpClientOptions *options, GError **error)
{
    if (!greeting(client, error) || !ehlo(client, options, error))
        return FALSE;
    if (client->endpoint->security == NET_SECURITY_STARTTLS &&
        !start_smtp_tls(client, options, error))
        return FALSE;
    return smtp_authenticate(client, &options->login, error);
}
