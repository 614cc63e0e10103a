/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decisions after an attempt. */
#include "daemon/relay/outcome.h"

static double backoff(double first, double most, guint failures, double jitter)
{
    double delay = first;
    for (guint i = 1; i < failures && delay < most; i++)
        delay *= 2;
    return MIN(delay, most) * (0.8 + 0.4 * jitter);
}

double relay_message_backoff(guint failures, double jitter)
{
    return backoff(60, 4 * 3600, failures, jitter);
}

double relay_connection_backoff(guint failures, double jitter)
{
    return backoff(5, 600, failures, jitter);
}

/* ---- recipients ------------------------------------------------------------------------------ */

/* Takes a refusal. */
static void refuse_recipient(QueueRecipient *recipient, guint code, const char *reply)
{
    g_free(recipient->reply);
    recipient->reply = g_strdup(reply);
    recipient->state = code / 100 == 5 ? QUEUE_RECIPIENT_FAILED : QUEUE_RECIPIENT_PENDING;
}

static void accept_recipient(QueueRecipient *recipient, const char *reply)
{
    g_free(recipient->reply);
    recipient->reply = g_strdup(reply);
    recipient->state = QUEUE_RECIPIENT_SENT;
}

static QueueRecipient *recipient_of(QueueEntry *entry, const RelayOutcome *outcome, guint i)
{
    return g_ptr_array_index(entry->recipients, outcome->positions[i]);
}

void relay_note_committing(QueueEntry *entry, const RelayOutcome *outcome)
{
    for (guint i = 0; i < outcome->count; i++) {
        const SmtpClientRecipient *given = &outcome->recipients[i];
        QueueRecipient *recipient = recipient_of(entry, outcome, i);
        if (given->code / 100 == 2)
            recipient->state = QUEUE_RECIPIENT_UNKNOWN;
        else
            refuse_recipient(recipient, given->code, given->reply);
    }
}

/* Only the answer to the final dot makes a recipient SENT: a good RCPT alone is no delivery. */
static void settle_recipient(QueueRecipient *recipient, const SmtpClientRecipient *given,
                             const RelayOutcome *outcome)
{
    gboolean willing = given->code / 100 == 2;

    if (outcome->result == SMTP_SEND_UNKNOWN && willing)
        recipient->state = QUEUE_RECIPIENT_UNKNOWN;
    else if (outcome->result == SMTP_SEND_BROKEN && (willing || given->code == 0))
        recipient->state = QUEUE_RECIPIENT_PENDING;
    else if (outcome->result == SMTP_SEND_ACCEPTED && willing)
        accept_recipient(recipient, outcome->answer.reply);
    else if (outcome->result == SMTP_SEND_REFUSED && (willing || given->code == 0))
        /* Code 0: the server lacks what the message needs, which won't change by waiting. */
        refuse_recipient(recipient, outcome->answer.code ? outcome->answer.code : 550,
                         outcome->answer.reply);
    else
        refuse_recipient(recipient, given->code, given->reply);
}

/* ---- the entry ------------------------------------------------------------------------------- */

static const QueueRecipient *first_in(const QueueEntry *entry, QueueRecipientState state)
{
    for (guint i = 0; i < entry->recipients->len; i++) {
        const QueueRecipient *recipient = g_ptr_array_index(entry->recipients, i);
        if (recipient->state == state)
            return recipient;
    }
    return NULL;
}

static void give_up(QueueEntry *entry)
{
    for (guint i = 0; i < entry->recipients->len; i++) {
        QueueRecipient *recipient = g_ptr_array_index(entry->recipients, i);
        if (recipient->state == QUEUE_RECIPIENT_PENDING ||
            recipient->state == QUEUE_RECIPIENT_UNKNOWN)
            recipient->state = QUEUE_RECIPIENT_FAILED;
    }
}

static char *error_text(const QueueEntry *entry, const RelayOutcome *outcome, gboolean given_up)
{
    const QueueRecipient *failed = first_in(entry, QUEUE_RECIPIENT_FAILED);
    const QueueRecipient *pending = first_in(entry, QUEUE_RECIPIENT_PENDING);
    const char *reply = failed && failed->reply ? failed->reply : "";

    switch (entry->state) {
    case QUEUE_FAILED:
        return given_up ? g_strdup_printf(
                              "Given up: the provider has said “later” %u times, the last time: %s",
                              entry->refusals, reply)
                        : g_strdup_printf("%s: %s", failed->address, reply);
    case QUEUE_WAITING:
        if (outcome->result == SMTP_SEND_UNKNOWN)
            return g_strdup_printf("The connection broke while %s was taking this message (%s). "
                                   "It may have been sent; it goes again unless it is cancelled.",
                                   outcome->host, outcome->error);
        if (outcome->result == SMTP_SEND_BROKEN)
            return g_strdup(outcome->error);
        return g_strdup(pending ? pending->reply : NULL);
    default:
        return NULL;
    }
}

static QueueState state_of(const QueueEntry *entry)
{
    if (first_in(entry, QUEUE_RECIPIENT_PENDING) || first_in(entry, QUEUE_RECIPIENT_UNKNOWN))
        return QUEUE_WAITING;
    return first_in(entry, QUEUE_RECIPIENT_FAILED) ? QUEUE_FAILED : QUEUE_SENT;
}

void relay_settle(QueueEntry *entry, const RelayOutcome *outcome, gint64 now, double jitter)
{
    for (guint i = 0; i < outcome->count; i++)
        settle_recipient(recipient_of(entry, outcome, i), &outcome->recipients[i], outcome);
    entry->attempts++;
    entry->state = state_of(entry);

    gboolean broken = outcome->result == SMTP_SEND_BROKEN;
    if (!broken)
        entry->refusals++;
    gboolean given_up =
        !broken && entry->state == QUEUE_WAITING && entry->refusals >= RELAY_REFUSALS_MAX;
    if (given_up) {
        give_up(entry);
        entry->state = state_of(entry);
    }
    double delay = broken ? relay_connection_backoff(entry->attempts, jitter)
                          : relay_message_backoff(entry->refusals, jitter);
    entry->next_attempt = entry->state == QUEUE_WAITING ? now + (gint64)(delay + 0.5) : 0;
    g_free(entry->last_error);
    entry->last_error = error_text(entry, outcome, given_up);
}
