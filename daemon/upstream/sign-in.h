/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signing in with SASL over a connection, the same for IMAP, POP3 and SMTP: one mechanism, or the next one
 * where a server doesn't know what it offers. After a refusal there is no other: that locks accounts.
 */
#pragma once

#include "daemon/upstream/sasl.h"

/* What a server says to a step of ours. */
typedef enum {
    SIGN_IN_CHALLENGE, /* it goes on: `text` */
    SIGN_IN_YES,
    SIGN_IN_NO,      /* it refuses user or password */
    SIGN_IN_LATER,   /* it can't now */
    SIGN_IN_GARBLED, /* it can't read what it is sent: BAD, 501 */
    SIGN_IN_UNKNOWN, /* it doesn't have this mechanism */
} SignInAnswer;

typedef struct {
    SignInAnswer answer;
    char *text;      /* the challenge, in Base64 */
    GError *refusal; /* all but CHALLENGE and YES: as the protocol's client fails with it */
} SignInReply;

/* A protocol's side. Both send and wait for what the server says; FALSE: the connection is of no more use.
 * What they are given is wiped afterwards. */
typedef struct {
    /* The command that begins `mechanism`; `initial` (Base64) goes with it, NULL: nothing does. */
    gboolean (*begin)(gpointer client, const char *mechanism, const char *initial,
                      SignInReply *reply, GError **error);
    /* A line on its own. */
    gboolean (*respond)(gpointer client, const char *line, SignInReply *reply, GError **error);
    /* Sets `error` to one of the protocol's client: nothing that could be used to sign in (what was sent is
     * no secret), or a server that isn't to be trusted. */
    void (*fail)(const char *text, GError **error);
    gsize
        initial_max; /* what goes with the command at most; more waits for the server's first word */
} SignInDoor;

/* Notes in login->tried that `mechanism` is used now; 0: none is needed. */
void sign_in_note(const UpstreamLogin *login, guint mechanism);

/*
 * Signs in by one of `offered` (SaslMechanism bits). FALSE and `error` (the protocol's, or
 * ACCOUNT_SECRET_LOCKED where a Kerberos ticket is missing) otherwise; and `*none` set to TRUE where no
 * mechanism could be used, so that the protocol's own command may come next.
 */
gboolean sign_in(const SignInDoor *door, gpointer client, const SaslContext *context, guint offered,
                 gboolean *none, GError **error);
