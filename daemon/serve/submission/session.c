/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Message submission for local clients (RFC 6409 over RFC 5321): the session, its table of commands
 * and those that fit in a line.
 *
 * Messages are stored as they come, but for a Date and a Message-ID that are missing (spool.h): no
 * Received is added, what a client signed stays as it was signed, and Bcc isn't taken out: whoever
 * writes it into a message wants it there.
 */
#include "daemon/serve/submission/session.h"

#include <stdarg.h>
#include <string.h>

#include "daemon/serve/line.h"

#define TIMEOUT_LOGIN 60  /* seconds */
#define TIMEOUT       300 /* RFC 5321, 4.5.3.2.7 */
#define MISTAKES_MAX  20
#define STRANGERS_MAX 3 /* before login, of what is no command: whoever says that is no client */

gboolean submission_reply(Submission *session, GError **error, guint code, const char *status,
                          const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    /* A text of ours may quote something that isn't. */
    for (char *c = text; *c; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    return net_stream_printf(session->stream, error, "%u %s%s%s\r\n", code, status ? status : "",
                             status ? " " : "", text);
}

void submission_reset(Submission *session)
{
    g_clear_pointer(&session->entry, queue_entry_free);
    g_clear_pointer(&session->spool, spool_free);
    session->reader = (SmtpDataReader){0};
}

/* ---- EHLO ------------------------------------------------------------------------------------ */

static gboolean offers_tls(Submission *session)
{
    return session->daemon->tls && !net_stream_is_tls(session->stream);
}

static gboolean offers_auth(Submission *session)
{
    return !session->account;
}

typedef struct {
    const char *keyword;
    gboolean (*offered)(Submission *session); /* NULL: always */
} Extension;

static const Extension EXTENSIONS[] = {
    {"PIPELINING"},
    {"8BITMIME"},
    {"SMTPUTF8"},
    {"DSN"},
    {"ENHANCEDSTATUSCODES"},
    {"CHUNKING"},
    {"STARTTLS", offers_tls},
};

static gboolean greet(Submission *session, const char *arguments)
{
    submission_reset(session);
    session->greeted = *arguments != 0;
    return session->greeted;
}

/* RFC 4865, 4: how far ahead, in seconds and as a date. */
static void append_future_release(GString *answer)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autoptr(GDateTime) latest = g_date_time_add_seconds(now, SUBMISSION_HOLD_MAX);
    g_autofree char *date = g_date_time_format(latest, "%Y-%m-%dT%H:%M:%SZ");

    g_string_append_printf(answer, "250-FUTURERELEASE %d %s\r\n", SUBMISSION_HOLD_MAX, date);
}

static gboolean ehlo(Submission *session, const char *arguments, GError **error)
{
    if (!greet(session, arguments))
        return submission_reply(session, error, 501, "5.5.4", "EHLO wants a name");
    GString *answer = g_string_new("250-localhost\r\n");
    for (guint i = 0; i < G_N_ELEMENTS(EXTENSIONS); i++)
        if (!EXTENSIONS[i].offered || EXTENSIONS[i].offered(session))
            g_string_append_printf(answer, "250-%s\r\n", EXTENSIONS[i].keyword);
    if (offers_auth(session))
        g_string_append_printf(answer, "250-AUTH %s\r\n", serve_sasl_mechanisms(session->stream));
    append_future_release(answer);
    g_string_append_printf(answer, "250 SIZE %u\r\n", SUBMISSION_SIZE_MAX);
    gboolean ok = net_stream_write(session->stream, answer->str, answer->len, error);
    g_string_free(answer, TRUE);
    return ok;
}

static gboolean helo(Submission *session, const char *arguments, GError **error)
{
    return greet(session, arguments)
               ? submission_reply(session, error, 250, NULL, "localhost")
               : submission_reply(session, error, 501, "5.5.4", "HELO wants a name");
}

/* ---- small commands -------------------------------------------------------------------------- */

static gboolean rset(Submission *session, const char *arguments, GError **error)
{
    submission_reset(session);
    return submission_reply(session, error, 250, "2.0.0", "Forgotten");
}

static gboolean noop(Submission *session, const char *arguments, GError **error)
{
    return submission_reply(session, error, 250, "2.0.0", "Still here");
}

static gboolean quit(Submission *session, const char *arguments, GError **error)
{
    session->ended = TRUE;
    return submission_reply(session, error, 221, "2.0.0", "Goodbye");
}

static gboolean vrfy(Submission *session, const char *arguments, GError **error)
{
    return submission_reply(session, error, 252, "2.5.2", "Only the provider knows; try sending");
}

static gboolean help(Submission *session, const char *arguments, GError **error)
{
    return submission_reply(session, error, 214, "2.0.0",
                            "Postern queues mail for your provider; see posternctl queue");
}

/* ---- dispatch -------------------------------------------------------------------------------- */

enum {
    GREETED = 1,   /* only after EHLO or HELO */
    LOGGED_IN = 2, /* only after AUTH, or on the account's own socket */
    BARE = 4,      /* takes no arguments */
};

typedef struct {
    const char *verb;
    guint rules;
    SubmissionCommand run;
} Command;

static const Command COMMANDS[] = {
    {"EHLO", 0, ehlo},
    {"HELO", 0, helo},
    {"MAIL", GREETED | LOGGED_IN, submission_mail},
    {"RCPT", GREETED | LOGGED_IN, submission_rcpt},
    {"DATA", GREETED | LOGGED_IN | BARE, submission_data},
    {"BDAT", 0, submission_bdat}, /* its chunk has to be read whatever the state */
    {"RSET", BARE, rset},
    {"NOOP", 0, noop},
    {"QUIT", BARE, quit},
    {"VRFY", 0, vrfy},
    {"HELP", 0, help},
    {"STARTTLS", GREETED | BARE, submission_starttls},
    {"AUTH", GREETED, submission_auth},
};

static gboolean mistake(Submission *session, GError **error, guint code, const char *status,
                        const char *text)
{
    if (++session->mistakes < MISTAKES_MAX)
        return submission_reply(session, error, code, status, "%s", text);
    session->ended = TRUE;
    return submission_reply(session, error, 421, "4.7.0", "Too many mistakes, goodbye");
}

static gboolean no_command(Submission *session, GError **error, const char *status,
                           const char *text)
{
    if (++session->unknown >= STRANGERS_MAX && !session->account)
        session->mistakes = MISTAKES_MAX;
    return mistake(session, error, 500, status, text);
}

gboolean submission_refuse_state(Submission *session, gboolean *refused, GError **error)
{
    *refused = TRUE;
    if (!session->greeted)
        return mistake(session, error, 503, "5.5.1", "Say EHLO first");
    if (!session->account)
        return mistake(session, error, 530, "5.7.0", "Log in first (AUTH)");
    *refused = FALSE;
    return TRUE;
}

static gboolean run_command(Submission *session, const Command *command, const char *arguments,
                            GError **error)
{
    gboolean refused = FALSE;

    if ((command->rules & BARE) && *arguments)
        return mistake(session, error, 501, "5.5.4", "This command takes no arguments");
    if ((command->rules & GREETED) && !session->greeted)
        return mistake(session, error, 503, "5.5.1", "Say EHLO first");
    if ((command->rules & LOGGED_IN) &&
        (!submission_refuse_state(session, &refused, error) || refused))
        return refused;
    return command->run(session, arguments, error);
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

static gboolean dispatch(Submission *session, const char *line, gsize length, GError **error)
{
    if (serve_is_http(line)) {
        session->ended = TRUE;
        return TRUE;
    }
    if (strlen(line) != length || !g_utf8_validate(line, (gssize)length, NULL))
        return no_command(session, error, "5.5.2", "That is no SMTP command");
    const Command *command = find_command(line);
    if (!command)
        return no_command(session, error, "5.5.1", "That is no SMTP command");
    /* A copy: what the command reads takes the line's place. */
    g_autofree char *arguments = g_strdup(line + strlen(command->verb));
    gboolean ok = run_command(session, command, g_strstrip(arguments), error);
    explicit_bzero(arguments, strlen(arguments)); /* it may be a password */
    return ok;
}

/* ---- the session ----------------------------------------------------------------------------- */

static gboolean step(Submission *session, GError **error)
{
    g_autoptr(GError) failure = NULL;
    gsize length;
    const char *line =
        serve_read_line(session->stream, SUBMISSION_LINE_MAX,
                        session->account ? TIMEOUT : TIMEOUT_LOGIN, &length, &failure);

    if (line)
        return dispatch(session, line, length, error);
    if (g_error_matches(failure, NET_ERROR, NET_ERROR_TOO_LONG))
        return no_command(session, error, "5.5.6", "That line is too long");
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static void say_why(Submission *session, const GError *error)
{
    if (g_error_matches(error, NET_ERROR, NET_ERROR_CANCELLED))
        submission_reply(session, NULL, 421, "4.3.2", "Postern is stopping");
    else if (g_error_matches(error, NET_ERROR, NET_ERROR_TIMEOUT))
        submission_reply(session, NULL, 421, "4.4.2", "You have been silent for too long");
    else
        g_debug("submission: %s", error->message);
}

void serve_submission(NetStream *stream, const ServeDaemon *daemon, ServeAccount *preauth)
{
    Submission session = {.stream = stream, .daemon = daemon};
    g_autoptr(GError) error = NULL;

    session.account = preauth ? serve_account_ref(preauth) : NULL;
    if (!preauth)
        serve_await_login(stream, daemon);
    else
        serve_end_login(stream);
    if (submission_reply(&session, &error, 220, NULL, "localhost ESMTP Postern"))
        while (!session.ended && step(&session, &error))
            ;
    if (error)
        say_why(&session, error);
    net_stream_close(stream);
    submission_reset(&session);
    serve_account_unref(session.account);
}
