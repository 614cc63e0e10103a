/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A POP3 session (RFC 1939) and what its commands share. Private to serve/pop3/. */
#pragma once

#include "daemon/serve/pop3/maildrop.h"

typedef struct {
    NetStream *stream;
    const ServeDaemon *daemon;
    gboolean preauth;   /* on the account's own socket: any login will do */
    char *user;         /* as USER gave it, or NULL */
    Maildrop *maildrop; /* from login on: the TRANSACTION state */
    guint mistakes;     /* commands out of order or unknown */
    guint unknown;      /* those that are no commands at all */
    gboolean ended;
} Pop3;

/* Each runs one command; FALSE: the connection failed. `arguments` is what follows the verb. */
typedef gboolean (*Pop3Command)(Pop3 *session, const char *arguments, GError **error);

gboolean pop3_auth(Pop3 *session, const char *arguments, GError **error);
gboolean pop3_dele(Pop3 *session, const char *arguments, GError **error);
gboolean pop3_list(Pop3 *session, const char *arguments, GError **error);
gboolean pop3_pass(Pop3 *session, const char *arguments, GError **error);
gboolean pop3_retr(Pop3 *session, const char *arguments, GError **error);
gboolean pop3_rset(Pop3 *session, const char *arguments, GError **error);
gboolean pop3_stat(Pop3 *session, const char *arguments, GError **error);
gboolean pop3_stls(Pop3 *session, const char *arguments, GError **error);
gboolean pop3_top(Pop3 *session, const char *arguments, GError **error);
gboolean pop3_uidl(Pop3 *session, const char *arguments, GError **error);
gboolean pop3_user(Pop3 *session, const char *arguments, GError **error);

/* One line: "+OK text", "-ERR [SYS/TEMP] text" (RFC 2449, 3206; `code` may be NULL). */
gboolean pop3_ok(Pop3 *session, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);
gboolean pop3_err(Pop3 *session, GError **error, const char *code, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* The message a command names; NULL with *replied FALSE where the -ERR couldn't be sent. `rest`
 * (may be NULL: nothing may follow) gets what stands behind the number. */
MaildropMessage *pop3_find(Pop3 *session, const char *arguments, const char **rest, guint *number,
                           gboolean *replied, GError **error);
