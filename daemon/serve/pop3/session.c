/* SPDX-License-Identifier: GPL-3.0-or-later */
/* POP3 for local clients over the account's INBOX: the session and its table of commands. */
#include "daemon/serve/pop3/session.h"

#include <stdarg.h>
#include <string.h>

#include "daemon/serve/line.h"

#define LINE_MAX_COMMAND 4096 /* RFC 2449, 4 says 255 */
#define TIMEOUT_LOGIN    60   /* seconds */
#define TIMEOUT          600  /* RFC 1939, 3: at least ten minutes */
#define MISTAKES_MAX     20
#define STRANGERS_MAX    3 /* before login, of what is no command: whoever says that is no client */

/* ---- answers --------------------------------------------------------------------------------- */

static gboolean answer(Pop3 *session, GError **error, const char *before, const char *format,
                       va_list arguments)
{
    g_autofree char *text = g_strdup_vprintf(format, arguments);

    /* A text of ours may quote something that isn't. */
    for (char *c = text; *c; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    return net_stream_printf(session->stream, error, "%s%s\r\n", before, text);
}

gboolean pop3_ok(Pop3 *session, GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    gboolean ok = answer(session, error, "+OK ", format, arguments);
    va_end(arguments);
    return ok;
}

gboolean pop3_err(Pop3 *session, GError **error, const char *code, const char *format, ...)
{
    g_autofree char *before = g_strdup_printf("-ERR %s%s", code ? code : "", code ? " " : "");
    va_list arguments;

    va_start(arguments, format);
    gboolean ok = answer(session, error, before, format, arguments);
    va_end(arguments);
    return ok;
}

/* ---- small commands -------------------------------------------------------------------------- */

static gboolean noop(Pop3 *session, const char *arguments, GError **error)
{
    return pop3_ok(session, error, "still here");
}

/* UPDATE state (RFC 1939, 6). */
static gboolean quit(Pop3 *session, const char *arguments, GError **error)
{
    g_autoptr(GError) failure = NULL;

    session->ended = TRUE;
    if (!session->maildrop || maildrop_commit(session->maildrop, &failure))
        return pop3_ok(session, error, "goodbye");
    g_warning("pop3: deleted messages stay: %s", failure->message);
    return pop3_err(session, error, "[SYS/TEMP]", "some deleted messages were not removed: %s",
                    failure->message);
}

static gboolean offers_stls(Pop3 *session)
{
    return session->daemon->tls && !net_stream_is_tls(session->stream);
}

static gboolean offers_login(Pop3 *session)
{
    return !session->maildrop;
}

typedef struct {
    const char *name;
    gboolean (*offered)(Pop3 *session); /* NULL: always */
} Capability;

static const Capability CAPABILITIES[] = {
    {"TOP"},        {"UIDL"},         {"RESP-CODES"},        {"AUTH-RESP-CODE"},
    {"PIPELINING"}, {"EXPIRE NEVER"}, {"STLS", offers_stls}, {"USER", offers_login},
};

/* RFC 2449 */
static gboolean capa(Pop3 *session, const char *arguments, GError **error)
{
    g_autoptr(GString) text = g_string_new("+OK what there is:\r\n");

    for (guint i = 0; i < G_N_ELEMENTS(CAPABILITIES); i++)
        if (!CAPABILITIES[i].offered || CAPABILITIES[i].offered(session))
            g_string_append_printf(text, "%s\r\n", CAPABILITIES[i].name);
    if (offers_login(session))
        g_string_append_printf(text, "SASL %s\r\n", serve_sasl_mechanisms(session->stream));
    g_string_append(text, "IMPLEMENTATION Postern\r\n.\r\n");
    return net_stream_write(session->stream, text->str, text->len, error);
}

/* ---- dispatch -------------------------------------------------------------------------------- */

enum { ANY, AUTHORIZATION, TRANSACTION };

typedef struct {
    const char *verb;
    int state; /* that it may be said in */
    Pop3Command run;
} Command;

static const Command COMMANDS[] = {
    {"CAPA", ANY, capa},
    {"QUIT", ANY, quit},
    {"NOOP", TRANSACTION, noop},
    {"USER", AUTHORIZATION, pop3_user},
    {"PASS", AUTHORIZATION, pop3_pass},
    {"AUTH", AUTHORIZATION, pop3_auth},
    {"STLS", AUTHORIZATION, pop3_stls},
    {"STAT", TRANSACTION, pop3_stat},
    {"LIST", TRANSACTION, pop3_list},
    {"UIDL", TRANSACTION, pop3_uidl},
    {"RETR", TRANSACTION, pop3_retr},
    {"TOP", TRANSACTION, pop3_top},
    {"DELE", TRANSACTION, pop3_dele},
    {"RSET", TRANSACTION, pop3_rset},
};

static gboolean mistake(Pop3 *session, GError **error, const char *text)
{
    session->ended = ++session->mistakes >= MISTAKES_MAX;
    return pop3_err(session, error, NULL, "%s",
                    session->ended ? "too many mistakes, goodbye" : text);
}

static gboolean no_command(Pop3 *session, GError **error, const char *text)
{
    if (++session->unknown >= STRANGERS_MAX && !session->maildrop)
        session->mistakes = MISTAKES_MAX;
    return mistake(session, error, text);
}

/* On the account's own socket clients that must log in can, and the others needn't. */
static gboolean allowed(Pop3 *session, int state)
{
    if (state == AUTHORIZATION)
        return !session->maildrop || session->preauth;
    return state == ANY || session->maildrop;
}

static const Command *find_command(const char *line)
{
    for (guint i = 0; i < G_N_ELEMENTS(COMMANDS); i++) {
        gsize verb = strlen(COMMANDS[i].verb);
        if (g_ascii_strncasecmp(line, COMMANDS[i].verb, verb) == 0 &&
            (!line[verb] || line[verb] == ' '))
            return &COMMANDS[i];
    }
    return NULL;
}

static gboolean dispatch(Pop3 *session, const char *line, gsize length, GError **error)
{
    if (serve_is_http(line)) {
        session->ended = TRUE;
        return TRUE;
    }
    const Command *command = strlen(line) == length ? find_command(line) : NULL;
    if (!command)
        return no_command(session, error, "that is no POP3 command");
    if (!allowed(session, command->state))
        return mistake(session, error,
                       session->maildrop ? "you are logged in already" : "log in first");
    /* A copy: what the command reads takes the line's place. */
    gsize verb = strlen(command->verb);
    g_autofree char *arguments = g_strdup(line[verb] ? line + verb + 1 : "");
    gboolean ok = command->run(session, arguments, error);
    explicit_bzero(arguments, strlen(arguments)); /* it may be a password */
    return ok;
}

/* ---- the session ----------------------------------------------------------------------------- */

static gboolean step(Pop3 *session, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gsize length;
    const char *line =
        serve_read_line(session->stream, LINE_MAX_COMMAND,
                        session->maildrop ? TIMEOUT : TIMEOUT_LOGIN, &length, &failure);

    if (line)
        return dispatch(session, line, length, error);
    if (g_error_matches(failure, NET_ERROR, NET_ERROR_TOO_LONG))
        return no_command(session, error, "that line is too long");
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static gboolean greet(Pop3 *session, ServeAccount *preauth, GError **error)
{
    g_autoptr(GError) failure = NULL;

    session->preauth = preauth != NULL;
    serve_await_login(session->stream, session->daemon);
    if (!preauth)
        return pop3_ok(session, error, "Postern");
    serve_end_login(session->stream);
    session->maildrop = maildrop_open(preauth, &failure);
    if (session->maildrop)
        return pop3_ok(session, error, "Postern, logged in");
    session->ended = TRUE;
    return pop3_err(session, error, "[SYS/TEMP]", "%s", failure->message);
}

void serve_pop3(NetStream *stream, const ServeDaemon *daemon, ServeAccount *preauth)
{
    Pop3 session = {.stream = stream, .daemon = daemon};
    g_autoptr(GError) error = NULL;

    if (greet(&session, preauth, &error))
        while (!session.ended && step(&session, &error))
            ;
    if (g_error_matches(error, NET_ERROR, NET_ERROR_CANCELLED))
        pop3_err(&session, NULL, "[SYS/TEMP]", "Postern is stopping");
    else if (error)
        g_debug("pop3: %s", error->message);
    net_stream_close(stream);
    maildrop_free(session.maildrop);
    g_free(session.user);
}
