/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a host name to a connection that is logged in: greeting, STARTTLS, login, and the few
 * things that are said once per connection.
 */
#include "daemon/upstream/imap-private.h"
#include "daemon/upstream/refusal.h"
#include "daemon/upstream/sign-in.h"

#include <string.h>

#define CLIENT_NAME    "Postern"
#define CLIENT_VERSION "0.1.0"

/* Before login nothing large has any business here. */
#define GREETING_LIMIT 65536

/* So many times as long as it may be silent, a server may take until somebody is logged in. */
#define LOGIN_TIMEOUTS 5

/* Some servers send an empty line ahead. */
#define GREETING_LINES 4

static gboolean fail(GError **error, ImapClientError code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean fail(GError **error, ImapClientError code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, IMAP_CLIENT_ERROR, code, text);
    return FALSE;
}

static gboolean is_loopback(const char *host)
{
    return g_str_equal(host, "localhost") || g_str_has_prefix(host, "127.") ||
           g_str_equal(host, "::1");
}

/* ---- greeting and TLS ------------------------------------------------------------------------ */

static gboolean read_imap_greeting(ImapClient *client, GError **error)
{
    for (guint i = 0; i < GREETING_LINES && client->cond == IMAP_COND_NONE && !client->bye; i++)
        if (!imap_client_read(client, error))
            return FALSE;
    client->greeted = TRUE;
    if (client->bye)
        return fail(error, IMAP_CLIENT_ERROR_UNAVAILABLE, "%s takes no connection now: %s",
                    client->endpoint->host, client->bye);
    client->greeted_preauth = client->cond == IMAP_COND_PREAUTH;
    if (!client->greeted_preauth && client->cond != IMAP_COND_OK)
        return fail(error, IMAP_CLIENT_ERROR_PROTOCOL, "%s is not an IMAP server",
                    net_stream_name(client->stream));
    return TRUE;
}

/* One that doesn't say what it can has none of what isn't needed. */
static gboolean ask_imap_capabilities(ImapClient *client, GError **error)
{
    g_auto(ImapReply) reply = {0};

    return imap_client_run(client, &reply, error, "CAPABILITY");
}

static gboolean start_imap_tls(ImapClient *client, NetTlsClient *tls, GError **error)
{
    if (client->greeted_preauth)
        return fail(error, IMAP_CLIENT_ERROR_SECURITY,
                    "%s skips STARTTLS by greeting with PREAUTH; use imaps:// for it",
                    client->endpoint->host);
    if (!client->capabilities && !ask_imap_capabilities(client, error))
        return FALSE;
    if (!imap_client_has(client, IMAP_CAP_STARTTLS))
        return fail(error, IMAP_CLIENT_ERROR_SECURITY,
                    "%s offers no STARTTLS; nothing was sent. Try imaps://%s",
                    client->endpoint->host, client->endpoint->host);
    if (!imap_client_run(client, NULL, error, "STARTTLS"))
        return FALSE;
    /* What was said in the clear counts for nothing (RFC 9051, 6.2.1). */
    imap_client_forget(client);
    return net_stream_start_tls(client->stream, tls, client->endpoint->host, error);
}

/* ---- login ----------------------------------------------------------------------------------- */

/* Codes that say "not now" (RFC 5530, and what providers say in their place), and codes that say
 * "never": all others mean what the words say. */
static const char *const later_codes[] = {"UNAVAILABLE", "INUSE",        "LIMIT",     "SERVERBUG",
                                          "OVERQUOTA",   "CONTACTADMIN", "THROTTLED", NULL};
static const char *const never_codes[] = {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED",
                                          "PRIVACYREQUIRED", NULL};
/* Whether a refused login says nothing about the password. A server that can't read LOGIN, or
 * isn't ready for it, hasn't looked at the password either: BAD. */
static gboolean is_temporary(const ImapReply *reply)
{
    if (reply->cond == IMAP_COND_BAD)
        return TRUE;
    if (reply->code && g_strv_contains(later_codes, reply->code))
        return TRUE;
    if (reply->code && g_strv_contains(never_codes, reply->code))
        return FALSE;
    return upstream_words_say_later(reply->text ? reply->text : "");
}

static gboolean check_imap_login(ImapClient *client, const ImapReply *reply, GError **error)
{
    if (reply->cond == IMAP_COND_OK)
        return TRUE;
    const char *text = *reply->text ? reply->text : "no reason given";
    if (is_temporary(reply))
        return fail(error, IMAP_CLIENT_ERROR_UNAVAILABLE, "%s can't log in now: %s",
                    client->endpoint->host, text);
    return fail(error, IMAP_CLIENT_ERROR_AUTH, "%s refuses the user name or password: %s",
                client->endpoint->host, text);
}

static gboolean write_line(ImapClient *client, const char *line, GError **error)
{
    return net_stream_puts(client->stream, line, error) &&
           net_stream_puts(client->stream, "\r\n", error);
}

/* What a command's answer means for the mechanism (RFC 5530: CANNOT). */
static SignInAnswer meaning_of_answer(const ImapReply *reply)
{
    if (reply->cond == IMAP_COND_OK)
        return SIGN_IN_YES;
    if (reply->cond == IMAP_COND_BAD)
        return SIGN_IN_GARBLED;
    if (g_strcmp0(reply->code, "CANNOT") == 0)
        return SIGN_IN_UNKNOWN;
    return is_temporary(reply) ? SIGN_IN_LATER : SIGN_IN_NO;
}

/* A challenge, or the command's answer. */
static gboolean read_step(ImapClient *client, SignInReply *step, GError **error)
{
    g_auto(ImapReply) reply = {0};
    gboolean answered;

    if (!imap_client_await_continuation(client, client->signing_in, &answered, error))
        return FALSE;
    if (!answered) {
        step->answer = SIGN_IN_CHALLENGE;
        step->text = g_strstrip(g_strdup(client->continuation ? client->continuation : ""));
        return TRUE;
    }
    if (!imap_client_finish(client, client->signing_in, &reply, error))
        return FALSE;
    step->answer = meaning_of_answer(&reply);
    check_imap_login(client, &reply, &step->refusal);
    return TRUE;
}

/* AUTHENTICATE; what we have to say first goes with it where the server takes that (RFC 4959). */
static gboolean begin_authenticate(gpointer data, const char *mechanism, const char *initial,
                                   SignInReply *step, GError **error)
{
    ImapClient *client = data;
    ImapClientCommand *command = imap_client_command(client, "AUTHENTICATE");

    /* No printf() of secrets: it grows its buffer, and leaves copies. */
    imap_client_command_printf(command, initial ? " %s " : " %s", mechanism);
    if (initial)
        imap_client_command_text(command, *initial ? initial : "=");
    client->signing_in = imap_client_send(client, command, error);
    return client->signing_in != 0 && read_step(client, step, error);
}

static gboolean respond_to_challenge(gpointer client, const char *line, SignInReply *step,
                                     GError **error)
{
    return write_line(client, line, error) && read_step(client, step, error);
}

static void fail_insecure(const char *text, GError **error)
{
    fail(error, IMAP_CLIENT_ERROR_SECURITY, "%s", text);
}

static gboolean login(ImapClient *client, const UpstreamLogin *options, GError **error)
{
    g_auto(ImapReply) reply = {0};
    ImapClientCommand *command = imap_client_command(client, "LOGIN");

    sign_in_note(options, SASL_LOGIN);
    imap_client_command_astring(command, options->user, strlen(options->user));
    imap_client_command_astring(command, options->secret, strlen(options->secret));
    guint number = imap_client_send(client, command, error);
    return number != 0 && imap_client_finish(client, number, &reply, error) &&
           check_imap_login(client, &reply, error);
}

/* The command comes last, where no mechanism could be used. */
static gboolean may_use_login(const ImapClient *client, const UpstreamLogin *options)
{
    return !options->oauth2 && !imap_client_has(client, IMAP_CAP_LOGINDISABLED) &&
           (!options->mechanisms || (options->mechanisms & SASL_LOGIN));
}

static gboolean log_in_somehow(ImapClient *client, const UpstreamLogin *options, GError **error)
{
    const SignInDoor door = {.begin = begin_authenticate,
                             .respond = respond_to_challenge,
                             .fail = fail_insecure,
                             .initial_max =
                                 imap_client_has(client, IMAP_CAP_SASL_IR) ? G_MAXSIZE : 0};
    const SaslContext context = {.login = options, .stream = client->stream, .service = "imap"};
    g_autoptr(GError) failure = NULL;
    gboolean none;

    if (sign_in(&door, client, &context, client->mechanisms, &none, &failure))
        return TRUE;
    if (none && may_use_login(client, options))
        return login(client, options, error);
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static gboolean imap_log_in(ImapClient *client, const UpstreamLogin *options, GError **error)
{
    if (client->greeted_preauth)
        return client->capabilities || ask_imap_capabilities(client, error);
    if (!client->capabilities && !ask_imap_capabilities(client, error))
        return FALSE;
    client->capabilities_fresh = FALSE;
    return log_in_somehow(client, options, error) &&
           (client->capabilities_fresh || ask_imap_capabilities(client, error));
}

/* ---- once per connection --------------------------------------------------------------------- */

static gboolean note_enabled(const ImapResponse *response, gpointer data, GError **error)
{
    guint *enabled = data;

    if (!response->name || !g_str_equal(response->name, "ENABLED"))
        return TRUE;
    g_auto(GStrv) words = imap_words_parse(response->args);
    if (words && imap_words_have((const char *const *)words, "QRESYNC"))
        *enabled |= IMAP_CAP_QRESYNC | IMAP_CAP_CONDSTORE;
    if (words && imap_words_have((const char *const *)words, "CONDSTORE"))
        *enabled |= IMAP_CAP_CONDSTORE;
    return TRUE;
}

/* QRESYNC counts only once the server says it is enabled (RFC 7162, 3.2.3); CONDSTORE needs no
 * ENABLE, SELECT (CONDSTORE) does. */
static gboolean enable(ImapClient *client, AccountHabits *habits, GError **error)
{
    guint enabled = 0;
    g_auto(ImapReply) reply = {0};

    if (!imap_client_has(client, IMAP_CAP_QRESYNC | IMAP_CAP_ENABLE))
        return TRUE;
    gboolean ok =
        imap_client_run_with(client, note_enabled, &enabled, &reply, error, "ENABLE QRESYNC");
    if (!(enabled & IMAP_CAP_QRESYNC))
        client->capabilities &= ~(guint)IMAP_CAP_QRESYNC;
    return ok;
}

static gboolean compress(ImapClient *client, AccountHabits *habits, GError **error)
{
    g_auto(ImapReply) reply = {0};

    if (!imap_client_has(client, IMAP_CAP_COMPRESS) || is_loopback(client->endpoint->host))
        return TRUE;
    if (!imap_client_run(client, &reply, error, "COMPRESS DEFLATE"))
        return FALSE;
    return reply.cond != IMAP_COND_OK || net_stream_start_deflate(client->stream, error);
}

/* ---- who it is ------------------------------------------------------------------------------- */

/* The value of "name" in a list of fields and values (RFC 2971, 3.3). */
static char *name_in(const ImapNode *list)
{
    if (!list || list->kind != IMAP_NODE_LIST)
        return NULL;
    for (const ImapNode *key = imap_node_first(list); key; key = imap_node_next(key)) {
        const ImapNode *value = imap_node_next(key);
        g_autofree char *field = g_strndup(key->text ? key->text : "", key->length);
        if (!value)
            return NULL;
        if (g_ascii_strcasecmp(field, "name") == 0 && value->text)
            return g_strndup(value->text, value->length);
        key = value;
    }
    return NULL;
}

static gboolean note_id(const ImapResponse *response, gpointer data, GError **error)
{
    char **name = data;

    if (response->name && g_str_equal(response->name, "ID") && !*name)
        *name = name_in(response->args);
    return TRUE;
}

static void use_habits(ImapClient *client, AccountHabits *habits, const char *id)
{
    const ServerTells tells = {client->greeting, (const char *const *)client->words, id};
    Quirks quirks;

    if (!habits)
        return;
    account_habits_tell(habits, &tells);
    account_habits_get(habits, &quirks);
    imap_client_use_quirks(client, &quirks);
}

/* Before any SELECT: NetEase refuses it else. */
static gboolean introduce(ImapClient *client, AccountHabits *habits, GError **error)
{
    g_auto(ImapReply) reply = {0};
    g_autofree char *id = NULL;

    if (!imap_client_has(client, IMAP_CAP_ID) && !quirks_have(&client->quirks, QUIRK_ID_FIRST))
        return TRUE;
    if (!imap_client_run_with(client, note_id, &id, &reply, error,
                              "ID (\"name\" \"" CLIENT_NAME "\" \"version\" \"" CLIENT_VERSION
                              "\")"))
        return FALSE;
    if (id)
        use_habits(client, habits, id);
    return TRUE;
}

/* What a connection can do without, in this order. */
static const struct {
    const char *name;
    guint capabilities; /* that there aren't without it */
    gboolean (*run)(ImapClient *client, AccountHabits *habits, GError **error);
} login_steps[] = {
    {"ID", 0, introduce},
    {"ENABLE", IMAP_CAP_QRESYNC, enable},
    {"COMPRESS", IMAP_CAP_COMPRESS, compress},
};

/* A server that ends the connection at one of them each time would never be read. */
static gboolean take_steps(ImapClient *client, AccountHabits *habits, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(login_steps); i++) {
        g_autoptr(GError) reason = NULL;
        if (account_habits_avoid(habits, login_steps[i].name)) {
            imap_client_lacks(client, login_steps[i].capabilities);
            continue;
        }
        gboolean ok = login_steps[i].run(client, habits, &reason);
        account_habits_note_end(habits, login_steps[i].name, !ok && imap_client_was_ended(reason));
        if (!ok) {
            g_propagate_error(error, g_steal_pointer(&reason));
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean set_up(ImapClient *client, const UpstreamLogin *options, GError **error)
{
    const NetEndpoint *endpoint = options->endpoint;

    if (!read_imap_greeting(client, error))
        return FALSE;
    if (endpoint->security == NET_SECURITY_STARTTLS && !start_imap_tls(client, options->tls, error))
        return FALSE;
    if (!imap_log_in(client, options, error))
        return FALSE;
    client->line_limit = client->later_limit;
    use_habits(client, options->habits, NULL);
    return take_steps(client, options->habits, error);
}

/* A server that hangs up in the middle of its greeting or login is one that can't now. */
static void explain_early_close(ImapClient *client, GError **error)
{
    if (!g_error_matches(*error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_CLOSED))
        return;
    g_clear_error(error);
    fail(error, IMAP_CLIENT_ERROR_UNAVAILABLE, "%s takes no connection now: %s",
         client->endpoint->host, client->bye);
}

ImapClient *imap_client_start(NetStream *stream, const UpstreamLogin *options,
                              const ImapResponseLimits *limits, GError **error)
{
    g_autoptr(ImapClient) client = g_new0(ImapClient, 1);
    g_autoptr(GError) reason = NULL;

    limits = limits ? limits : &imap_response_limits_default;
    client->stream = stream;
    client->endpoint = net_endpoint_copy(options->endpoint);
    client->parser = imap_response_parser_new(limits);
    client->later_limit = limits->line;
    client->line_limit = MIN(limits->line, GREETING_LIMIT);
    client->pending = g_array_new(FALSE, TRUE, sizeof(ImapPending));
    imap_client_allow_more(client);
    client->timeout = options->timeout ? options->timeout : 60;
    net_stream_set_timeout(stream, client->timeout);
    account_habits_get(options->habits, &client->quirks);

    /* Nobody says hello in drops: that would hold up all other logins of the account. */
    net_stream_set_deadline(stream, g_get_monotonic_time() +
                                        (gint64)client->timeout * LOGIN_TIMEOUTS * G_USEC_PER_SEC);
    gboolean ok = set_up(client, options, &reason);
    net_stream_set_deadline(stream, 0);
    if (ok)
        return g_steal_pointer(&client);
    explain_early_close(client, &reason);
    g_propagate_error(error, g_steal_pointer(&reason));
    return NULL;
}

ImapClient *imap_client_connect(const UpstreamLogin *options, GError **error)
{
    NetStream *stream = net_dial(options->endpoint, options->tls,
                                 options->timeout ? options->timeout : 60, options->cancel, error);

    return stream ? imap_client_start(stream, options, NULL, error) : NULL;
}
