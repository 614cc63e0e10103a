/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the relay's files share: its state, and the ways to report and to wait (state.c). */
#pragma once

#include <pthread.h>

#include "daemon/relay/relay.h"
#include "daemon/upstream/smtp.h"

struct Relay {
    AccountAccess access;
    Queue *queue;
    AccountReport report;
    gpointer report_data;
    RelayFiling *filing; /* or NULL */
    RelayTold failed;
    gpointer failed_data;

    pthread_t thread;
    QueueWatch *watch; /* there is something new to send: writes to wake_fd */
    int wake_fd;       /* ends the thread's sleep */
    SmtpTimeouts timeouts;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* `committing` or `sending` ended */
    gboolean online, stopping;
    gboolean finishing;  /* no other transaction is to be begun */
    gboolean revived;    /* a back-off ends now */
    gboolean sending;    /* a transaction is running, or what became of it is being noted */
    gboolean committing; /* a message's end is going out: not to be cut off */
    NetCancel *cancel;   /* of the connection, and of connecting */

    /* The thread's own. */
    gboolean woken; /* a back-off may end soon */
    SmtpClient *client;
    guint hello;           /* smtp.h */
    guint lacking;         /* login.h */
    gint64 linger;         /* monotonic ms: when an idle connection is closed */
    guint failures;        /* to connect, in a row */
    gint64 failed_at;      /* monotonic ms of the last */
    gint64 not_before;     /* monotonic ms: no connecting earlier */
    char *refused_secret;  /* a password that the provider has refused */
    char *refused_text;    /* and how */
    AccountState reported; /* and what was said with it */
    char *reported_text;
};

/* ms since the machine was started, and Unix seconds. */
gint64 relay_clock(Relay *relay);
gint64 relay_now(Relay *relay);

/* Tells who listens, unless it was said already. */
void relay_report(Relay *relay, AccountState state, const char *message);

/* Waits for `ms` (G_MAXINT64: for ever), or until something changes from outside. */
void relay_sleep(Relay *relay, gint64 ms);

/* Whether relay_free() was called. */
gboolean relay_is_stopping(Relay *relay);

/* Connects and logs in; FALSE with the next attempt's time in relay->not_before, and reported. */
gboolean relay_connect(Relay *relay);

/* Takes the next due message and sends it; FALSE: there was none, or the queue can't be written,
 * which is reported. */
gboolean relay_send_next(Relay *relay);
