/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a connection to a maildrop that is open: greeting, CAPA, STLS, login. */
#include "daemon/upstream/pop3-private.h"

#include "daemon/upstream/refusal.h"
#include "daemon/upstream/sign-in.h"

#include <string.h>

#define CAPABILITIES_MAX 200 /* lines */

static void add_capability(const char *line, gsize length, gpointer data)
{
    pop3_capabilities_add(data, line, length);
}

/* Servers from before RFC 2449 know no CAPA: they are asked for what they may have. */
static gboolean ask_pop3_capabilities(Pop3Client *client, GError **error)
{
    g_auto(Pop3Status) status = {0};

    client->capabilities = (Pop3Capabilities){0};
    if (!pop3_client_run(client, "CAPA", &status, error))
        return FALSE;
    return !status.ok || pop3_client_read_lines(client, CAPABILITIES_MAX, add_capability,
                                                &client->capabilities, error);
}

/* ---- what a refusal means ------------------------------------------------------------------ */

/* RFC 2449, 8.1; RFC 3206. */
static const struct {
    const char *code;
    Pop3ClientError meaning;
} meanings[] = {
    {"AUTH", POP3_CLIENT_ERROR_AUTH},
    {"IN-USE", POP3_CLIENT_ERROR_UNAVAILABLE},
    {"LOGIN-DELAY", POP3_CLIENT_ERROR_UNAVAILABLE},
    {"SYS/TEMP", POP3_CLIENT_ERROR_UNAVAILABLE},
    {"SYS/PERM", POP3_CLIENT_ERROR_PROTOCOL},
};

/* A server that says [AUTH] where it means it (RFC 3206, 4) has another reason where it doesn't. */
static Pop3ClientError meaning_of(const Pop3Client *client, const Pop3Status *status)
{
    for (guint i = 0; status->code && i < G_N_ELEMENTS(meanings); i++)
        if (g_str_equal(status->code, meanings[i].code))
            return meanings[i].meaning;
    gboolean other = (client->capabilities.bits & POP3_CAP_AUTH_RESP_CODE) != 0;
    return other || upstream_words_say_later(status->text) ? POP3_CLIENT_ERROR_UNAVAILABLE
                                                           : POP3_CLIENT_ERROR_AUTH;
}

static gboolean check_pop3_login(const Pop3Client *client, const Pop3Status *status, GError **error)
{
    const char *host = client->endpoint->host;
    const char *text = *status->text ? status->text : "no reason given";
    Pop3ClientError meaning = meaning_of(client, status);

    if (status->ok)
        return TRUE;
    if (meaning == POP3_CLIENT_ERROR_UNAVAILABLE)
        return pop3_client_fail(error, meaning, "%s can't open the mailbox now: %s", host, text);
    if (meaning == POP3_CLIENT_ERROR_AUTH)
        return pop3_client_fail(error, meaning, "%s refuses the user name or password: %s", host,
                                text);
    return pop3_client_fail(error, meaning, "%s has a fault that its owner has to mend: %s", host,
                            text);
}

/* ---- logging in ---------------------------------------------------------------------------- */

static void wipe(GString *text)
{
    explicit_bzero(text->str, text->allocated_len);
    g_string_free(text, TRUE);
}

/* Sends `verb` and a secret that must not stay in memory. */
static gboolean run_secret(Pop3Client *client, const char *verb, const char *secret,
                           Pop3Status *status, GError **error)
{
    GString *line = g_string_sized_new(strlen(verb) + strlen(secret) + 1);

    g_string_append(line, verb);
    g_string_append(line, secret);
    gboolean ok = pop3_client_run(client, line->str, status, error);
    wipe(line);
    return ok;
}

/* A challenge, or the answer to AUTH. */
static SignInAnswer meaning_of_status(const Pop3Client *client, const Pop3Status *status)
{
    if (status->goes_on)
        return SIGN_IN_CHALLENGE;
    if (status->ok)
        return SIGN_IN_YES;
    return meaning_of(client, status) == POP3_CLIENT_ERROR_AUTH ? SIGN_IN_NO : SIGN_IN_LATER;
}

static void note_step(const Pop3Client *client, Pop3Status *status, SignInReply *step)
{
    step->answer = meaning_of_status(client, status);
    if (status->goes_on)
        step->text = g_steal_pointer(&status->text);
    else
        check_pop3_login(client, status, &step->refusal);
}

/* AUTH (RFC 5034), always alone: Microsoft wants that, and commands may have 255 octets only. A refusal of
 * it is one of the mechanism. */
static gboolean begin_auth(gpointer client, const char *mechanism, const char *initial,
                           SignInReply *step, GError **error)
{
    g_autofree char *command = g_strconcat("AUTH ", mechanism, NULL);
    g_auto(Pop3Status) status = {0};

    if (!pop3_client_run(client, command, &status, error))
        return FALSE;
    note_step(client, &status, step);
    gboolean bare = !status.ok && !status.goes_on && !status.code;
    if (bare && !upstream_words_say_later(status.text))
        step->answer = SIGN_IN_UNKNOWN;
    return TRUE;
}

static gboolean respond_in_auth(gpointer client, const char *line, SignInReply *step,
                                GError **error)
{
    g_auto(Pop3Status) status = {0};

    if (!run_secret(client, "", line, &status, error))
        return FALSE;
    note_step(client, &status, step);
    return TRUE;
}

static void fail_auth(const char *text, GError **error)
{
    pop3_client_fail(error, POP3_CLIENT_ERROR_SECURITY, "%s", text);
}

static gboolean log_in_by_user_and_pass(Pop3Client *client, const UpstreamLogin *options,
                                        GError **error)
{
    g_autofree char *user = g_strconcat("USER ", options->user, NULL);
    g_auto(Pop3Status) status = {0};

    if (strpbrk(options->user, "\r\n") || strpbrk(options->secret, "\r\n"))
        return pop3_client_fail(error, POP3_CLIENT_ERROR_AUTH,
                                "POP3 knows no user names and passwords with line ends in them");
    sign_in_note(options, SASL_LOGIN);
    if (!pop3_client_run(client, user, &status, error) || !check_pop3_login(client, &status, error))
        return FALSE;
    pop3_status_clear(&status);
    return run_secret(client, "PASS ", options->secret, &status, error) &&
           check_pop3_login(client, &status, error);
}

/* USER and PASS come last, where no mechanism could be used. A server without CAPA doesn't say what it has. */
static gboolean authorize(Pop3Client *client, const UpstreamLogin *options, GError **error)
{
    static const SignInDoor door = {
        .begin = begin_auth, .respond = respond_in_auth, .fail = fail_auth};
    const SaslContext context = {.login = options, .stream = client->stream, .service = "pop"};
    gboolean plain =
        !options->oauth2 && (!options->mechanisms || (options->mechanisms & SASL_LOGIN));
    guint offered = client->capabilities.mechanisms;
    g_autoptr(GError) failure = NULL;
    gboolean none;

    if (!client->capabilities.bits && !offered && !plain)
        offered = options->mechanisms ? options->mechanisms : (guint)SASL_XOAUTH2;
    if (sign_in(&door, client, &context, offered, &none, &failure))
        return TRUE;
    if (none && plain)
        return log_in_by_user_and_pass(client, options, error);
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static gboolean read_pop3_greeting(Pop3Client *client, GError **error)
{
    g_auto(Pop3Status) status = {0};

    if (!pop3_client_read(client, &status, error))
        return FALSE;
    return status.ok ||
           pop3_client_fail(error, POP3_CLIENT_ERROR_UNAVAILABLE, "%s takes no connection now: %s",
                            client->endpoint->host, status.text);
}

/* What was said in the clear counts for nothing afterwards (RFC 2595, 4). */
static gboolean start_pop3_tls(Pop3Client *client, NetTlsClient *tls, GError **error)
{
    g_auto(Pop3Status) status = {0};
    const char *host = client->endpoint->host;

    if (!pop3_client_run(client, "STLS", &status, error))
        return FALSE;
    if (!status.ok)
        return pop3_client_fail(error, POP3_CLIENT_ERROR_SECURITY,
                                "%s offers no STLS; nothing was sent. Try pop3s://%s", host, host);
    return net_stream_start_tls(client->stream, tls, host, error);
}

static gboolean pop3_log_in(Pop3Client *client, const UpstreamLogin *options, GError **error)
{
    if (!read_pop3_greeting(client, error))
        return FALSE;
    if (options->endpoint->security == NET_SECURITY_STARTTLS &&
        !start_pop3_tls(client, options->tls, error))
        return FALSE;
    return ask_pop3_capabilities(client, error) && authorize(client, options, error);
}

Pop3Client *pop3_client_start(NetStream *stream, const UpstreamLogin *options, GError **error)
{
    g_autoptr(Pop3Client) client = g_new0(Pop3Client, 1);

    client->stream = stream;
    client->endpoint = net_endpoint_copy(options->endpoint);
    net_stream_set_timeout(stream, options->timeout ? options->timeout : 60);
    return pop3_log_in(client, options, error) ? g_steal_pointer(&client) : NULL;
}

Pop3Client *pop3_client_connect(const UpstreamLogin *options, GError **error)
{
    NetStream *stream = net_dial(options->endpoint, options->tls,
                                 options->timeout ? options->timeout : 60, options->cancel, error);

    return stream ? pop3_client_start(stream, options, error) : NULL;
}
