/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The clients that are connected: one thread each. Starting belongs to the main thread; a session
 * may look up accounts from its own.
 */
#pragma once

#include "daemon/serve/serve.h"

/* So many are logged in at most; and so many besides that aren't, or not yet. */
#define SESSIONS_LIMIT     500
#define SESSIONS_STRANGERS 100

typedef struct Sessions Sessions;

/* `daemon` gives what every session shares; its find_account() is called with daemon->data.
 * `changed` is called in the main loop after sessions came or went; bursts are one call. */
Sessions *sessions_new(const ServeDaemon *daemon, void (*changed)(gpointer data), gpointer data);

/* Ends all sessions and waits for them. */
void sessions_free(Sessions *sessions);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sessions, sessions_free)

typedef struct {
    ServeProtocol protocol;
    gboolean tls;            /* TLS from the first byte */
    const char *listener;    /* static: the key of [listen], or "socket" */
    ServeThrottle *throttle; /* the listener's */
    const char *account;     /* the ID of the Unix socket's account, or NULL */
} SessionKind;

/* Takes the connected socket over. Over the limit, or without memory for a thread, it is closed,
 * with a line in the log; one more that has to log in takes the place of the oldest such. */
void sessions_start(Sessions *sessions, int fd, const SessionKind *kind);

/* The TLS settings of sessions to come; NULL: none. */
void sessions_set_tls(Sessions *sessions, NetTlsServer *tls);

/* Something has changed about who can log in: wakes those who wait for an account. Any thread. */
void sessions_accounts_changed(Sessions *sessions);

/* Nobody can log in any more, and who waits for an account needn't any longer: the daemon is about
 * to end. */
void sessions_stop(Sessions *sessions);

/* Ends the sessions that are logged in to `account` and waits until they are gone; nobody else can
 * log in to it. Others may still have a reference, but not for long. Not in the main thread. */
void sessions_end_account(Sessions *sessions, ServeAccount *account);

/* The D-Bus property: aa{sv}. */
GVariant *sessions_describe(Sessions *sessions);
