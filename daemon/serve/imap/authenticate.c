/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Logging in and out again: LOGIN, AUTHENTICATE (RFC 3501, 6.2; SASL-IR, RFC 4959), LOGOUT,
 * UNAUTHENTICATE (RFC 8437), and what changes the stream below: STARTTLS, COMPRESS (RFC 4978).
 */
#include "daemon/serve/exchange.h"
#include "daemon/serve/imap/capability.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/notify.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

static void accept_login(ImapSession *session, ServeAccount *account)
{
    imap_session_login(session, account);
    /* RFC 3501, 7.1: what the client can do now, without asking. */
    g_autoptr(GString) code = g_string_new("CAPABILITY ");
    imap_capability_announce(session, code);
    imap_reply(session, IMAP_OK, code->str, "Logged in.");
}

static void reply_login(ImapSession *session, ServeLoginResult result, ServeAccount *account,
                        const GError *error)
{
    switch (result) {
    case SERVE_LOGIN_OK:
        accept_login(session, account);
        return;
    case SERVE_LOGIN_FAILED:
        imap_reply(session, IMAP_NO, "AUTHENTICATIONFAILED",
                   "The user is the account's ID or address, the password one that "
                   "\"posternctl client ID --new-password\" made");
        return;
    case SERVE_LOGIN_UNAVAILABLE:
        imap_reply(session, IMAP_NO, "UNAVAILABLE", error->message);
        return;
    case SERVE_LOGIN_UNAUTHORIZED:
        imap_reply(session, IMAP_NO, "AUTHORIZATIONFAILED", "Nobody may act for others here");
        return;
    case SERVE_LOGIN_CANCELLED:
        imap_reply(session, IMAP_BAD, NULL, "You have given up");
        return;
    case SERVE_LOGIN_GARBLED: /* RFC 9051, 6.2.2 */
        imap_reply(session, IMAP_BAD, NULL, "That is no base64");
        return;
    case SERVE_LOGIN_NO_MECHANISM:
        imap_reply_printf(session, IMAP_NO, "CANNOT", "Use one of these: %s",
                          serve_sasl_mechanisms(session->stream));
        return;
    case SERVE_LOGIN_BROKEN:
        imap_session_fail(session, error);
        return;
    }
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    g_free(secret);
}

void imap_cmd_login(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *user = NULL;
    ServeAccount *account = NULL;
    char *password = NULL;
    if (imap_lexer_space(lexer, &error) &&
        (user = imap_lexer_astring(lexer, "a user name", &error)) &&
        imap_lexer_space(lexer, &error) &&
        (password = imap_lexer_astring(lexer, "a password", &error)) &&
        imap_lexer_end(lexer, &error)) {
        ServeLoginResult result = serve_login_password(session->stream, session->daemon, user,
                                                       password, &account, &error);
        reply_login(session, result, account, error);
    } else {
        imap_reply_error(session, error);
    }
    wipe(password);
}

static gboolean parse_authenticate(ImapLexer *lexer, char **mechanism, char **initial,
                                   GError **error)
{
    if (!imap_lexer_space(lexer, error) ||
        !(*mechanism = imap_lexer_atom(lexer, "a mechanism", error)))
        return FALSE;
    /* An initial response (RFC 4959) is base64, or "=": atoms, both of them. */
    if (imap_lexer_more(lexer) && !(*initial = imap_lexer_atom(lexer, "base64", error)))
        return FALSE;
    return imap_lexer_end(lexer, error);
}

void imap_cmd_authenticate(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *mechanism = NULL;
    g_autofree char *initial = NULL;
    ServeAccount *account = NULL;
    if (!parse_authenticate(lexer, &mechanism, &initial, &error)) {
        imap_reply_error(session, error);
        return;
    }
    if (!imap_session_flush(session))
        return;
    ServeLoginResult result =
        serve_login(session->stream, session->daemon, mechanism, initial, "+ ", &account, &error);
    net_stream_set_timeout(session->stream, 0); /* the exchange has its own; what counts is the
                                                   deadline, or what login sets */
    if (initial)
        explicit_bzero(initial, strlen(initial));
    reply_login(session, result, account, error);
}

void imap_cmd_logout(ImapSession *session, ImapLexer *lexer)
{
    if (!imap_reply_end(session, lexer))
        return;
    imap_untagged(session, "BYE", NULL, "Goodbye.");
    session->ended = TRUE;
}

/* As if nobody had logged in yet. */
void imap_cmd_unauthenticate(ImapSession *session, ImapLexer *lexer)
{
    if (!imap_reply_end(session, lexer))
        return;
    g_clear_pointer(&session->view, imap_view_free);
    g_clear_pointer(&session->notify, imap_notify_free);
    imap_session_logout(session);
    session->enabled = session->mode = 0;
    imap_assembler_set_mode(session->assembler, 0);
    imap_session_await_login(session);
}

/* ---- TLS, DEFLATE ---------------------------------------------------------------------------- */

void imap_cmd_starttls(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    if (!imap_reply_end(session, lexer))
        return;
    if (!imap_session_can_start_tls(session)) {
        imap_reply(session, IMAP_BAD, NULL,
                   net_stream_is_tls(session->stream) ? "TLS is on" : "There is no TLS here");
        return;
    }
    /* The answer is the last thing in the clear, so it can't wait for the loop to send it. */
    g_string_append_printf(session->out, "%s OK Begin TLS now.\r\n", session->command->tag);
    session->answered = TRUE;
    if (imap_session_flush(session) &&
        !net_stream_accept_tls(session->stream, session->daemon->tls, "imap", &error)) {
        g_message("imap: TLS with a client failed: %s", error->message);
        session->ended = session->broken = TRUE;
    }
}

void imap_cmd_compress(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *mechanism = NULL;
    if (!imap_lexer_space(lexer, &error) ||
        !(mechanism = imap_lexer_atom(lexer, "a mechanism", &error)) ||
        !imap_lexer_end(lexer, &error)) {
        imap_reply_error(session, error);
        return;
    }
    if (g_ascii_strcasecmp(mechanism, "DEFLATE") != 0) {
        imap_reply(session, IMAP_NO, "CANNOT", "There is only DEFLATE");
        return;
    }
    if (session->compressed) {
        imap_reply(session, IMAP_NO, "COMPRESSIONACTIVE", "It is on");
        return;
    }
    g_string_append_printf(session->out, "%s OK DEFLATE from here on.\r\n", session->command->tag);
    session->answered = session->compressed = TRUE;
    if (imap_session_flush(session) && !net_stream_start_deflate(session->stream, &error)) {
        g_warning("imap: can't compress: %s", error->message);
        session->ended = session->broken = TRUE;
    }
}
