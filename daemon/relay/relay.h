/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Takes the queue upstream by SMTP submission: one thread per account, as the queue is one but the
 * providers are many. outcome.h says what becomes of a message when sending it fails.
 */
#pragma once

#include "cache/queue/queue.h"
#include "daemon/config/settings.h"
#include "daemon/relay/filing.h"
#include "daemon/upstream/smtp.h"

typedef struct Relay Relay;

/*
 * `report` gets ACCOUNT_IDLE, _CONNECTING, _SYNCING (sending), _OFFLINE, _LOCKED, _AUTH_REQUIRED or
 * _ERROR, with a sentence. A relay begins offline: relay_set_online() starts its work.
 *
 */
typedef gboolean (*RelayTold)(const QueueEntry *entry, gpointer data, GError **error);

typedef struct {
    AccountAccess access;
    Queue *queue; /* borrowed; outlives the relay */
    AccountReport report;
    gpointer report_data;

    RelayFiling
        *filing; /* what happens in the Sent folder; borrowed, outlives the relay; or NULL */

    /* `failed` (may be NULL) is called from the relay's thread when a message has become `failed`, so
     * that its sender can be told; what it says is logged, and the entry stays `failed`. A crash can
     * make it be called twice for one message. */
    RelayTold failed;
    gpointer failed_data;
    SmtpTimeouts timeouts; /* all 0: the standard's */
} RelayOptions;

/* Starts the thread, which looks at the queue whenever there is something new for the account
 * (queue_watch_due()). */
Relay *relay_new(const RelayOptions *options);

/*
 * Begins no other message, and waits until what became of the running one is known and noted, but
 * at most `seconds`: for who starts another relay afterwards, which would send a message again
 * whose last answer was missed. Then comes relay_free().
 */
void relay_finish(Relay *relay, guint seconds);

/* Stops and joins. While the answer to a message's end is awaited, that takes up to 5 seconds. */
void relay_free(Relay *relay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Relay, relay_free)

/* FALSE drops the connection at once, or where a message's end has gone out, when its answer has
 * come; TRUE ends any back-off. */
void relay_set_online(Relay *relay, gboolean online);

/* The network isn't what it was, or the machine has slept: a connection that doesn't answer any more
 * is replaced, and what was being sent over it is sent again; but the answer to a message's end is
 * waited for a minute. Ends a back-off as relay_wake() does. */
void relay_check(Relay *relay);

/*
 * Looks at the queue now: somebody waits for it, or the password may be another. Ends a back-off,
 * as new mail does, but not within two seconds of the last failure; and a password that was refused
 * isn't tried again until it is another one, or an hour has gone.
 */
void relay_wake(Relay *relay);
