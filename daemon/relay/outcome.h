/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What becomes of a queue entry after an attempt to send it: pure decisions.
 *
 * - Refused for now (4xx): it waits a minute, then twice that each time, at most four hours. After
 *   37 times it is given up, which takes about five days of a server that answers.
 * - Refused for good (5xx): failed for that recipient, with the server's words.
 * - Connection lost, or none to be had: it waits for seconds at first, and is never given up.
 * - Connection lost between the final dot and the answer: it waits like one refused for now, and
 *   says that it may have been sent.
 *
 * In that last case nobody can know. A message that is sent twice is a nuisance (and as it is the
 * same to the last byte, Message-ID included, many providers and clients show it once); one that
 * waits for a person who never looks is lost. So it goes again, as RFC 5321 (4.2.5, 6.1) has it,
 * after a minute in which it can be cancelled. smtp-send.c keeps the moment short; recipients in
 * that doubt are UNKNOWN.
 */
#pragma once

#include "cache/queue/queue.h"
#include "daemon/upstream/smtp.h"

#define RELAY_REFUSALS_MAX 37
#define RELAY_BACKOFF_MAX  (5 * 3600) /* seconds: no back-off is longer */

/* Seconds to wait after `failures` failures in a row (at least 1); `jitter` in [0, 1) moves that by
 * up to a fifth, so that many don't come back at the same moment. */
double relay_message_backoff(guint failures, double jitter);    /* 1 min to 4 h */
double relay_connection_backoff(guint failures, double jitter); /* 5 s to 10 min */

typedef struct {
    SmtpSendResult result;
    SmtpSendAnswer answer;
    SmtpClientRecipient *recipients; /* for entry->recipients[positions[i]] */
    guint *positions;
    guint count;
    const char *host;
    const char *error; /* BROKEN, UNKNOWN */
} RelayOutcome;

/* Before the final dot: recipients that the message goes to become UNKNOWN, the others get their
 * answers. */
void relay_note_committing(QueueEntry *entry, const RelayOutcome *outcome);

/* Takes the outcome into the entry: states, replies, attempts, refusals, next_attempt,
 * last_error. */
void relay_settle(QueueEntry *entry, const RelayOutcome *outcome, gint64 now, double jitter);
