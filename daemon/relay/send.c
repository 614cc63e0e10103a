/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One message from the queue to the provider.
 *
 * The queue knows on disk which recipients are about to get a message before its final dot goes out
 * (UNKNOWN), and what came of it afterwards. A crash between the two shows when the queue is
 * opened.
 */
#include "daemon/relay/outcome.h"
#include "daemon/relay/private.h"

#define PIECE       (256 * 1024)
#define WRITE_AGAIN 5000 /* ms between attempts to note what was sent */

typedef struct {
    Relay *relay;
    QueueEntry *entry;
    RelayOutcome outcome;
} Sending;

static GBytes *read_piece(guint64 offset, gpointer data, GError **error)
{
    Sending *sending = data;
    return queue_read(sending->relay->queue, sending->entry->id, offset, PIECE, error);
}

/* From here on the connection isn't cut any more by going offline or stopping. */
static gboolean begin_commit(Relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    gboolean go = relay->online && !relay->stopping;
    relay->committing = go;
    pthread_mutex_unlock(&relay->lock);
    return go;
}

static void end_commit(Relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    relay->committing = FALSE;
    if (!relay->online || relay->stopping)
        net_cancel_trigger(relay->cancel);
    pthread_cond_broadcast(&relay->changed);
    pthread_mutex_unlock(&relay->lock);
}

static gboolean commit(gpointer data, GError **error)
{
    Sending *sending = data;

    if (!begin_commit(sending->relay)) {
        g_set_error(error, NET_ERROR, NET_ERROR_CANCELLED, "Going offline");
        return FALSE;
    }
    relay_note_committing(sending->entry, &sending->outcome);
    sending->entry->doubt = relay_now(sending->relay);
    return queue_update(sending->relay->queue, sending->entry, error);
}

/* ---- noting what came of it ------------------------------------------------------------------ */

/*
 * What was sent has to be noted before anything else is: with a full disk, again and again. If
 * Postern has to stop before that works, the entry will be found SENDING, with UNKNOWN recipients.
 */
static void note(Relay *relay, const QueueEntry *entry)
{
    g_autoptr(GError) error = NULL;

    while (!queue_update(relay->queue, entry, &error) && !relay_is_stopping(relay)) {
        relay_report(relay, ACCOUNT_ERROR, error->message);
        g_clear_error(&error);
        relay_sleep(relay, WRITE_AGAIN);
    }
}

static gboolean was_sent(const QueueEntry *entry)
{
    gboolean any = FALSE;
    for (guint i = 0; i < entry->recipients->len; i++) {
        const QueueRecipient *recipient = g_ptr_array_index(entry->recipients, i);
        any |= recipient->state == QUEUE_RECIPIENT_SENT;
    }
    return any;
}

/* Before it is noted: told again after a crash (with the same Message-ID, so once) is better than
 * not at all. */
static void tell_failure(Relay *relay, const QueueEntry *entry)
{
    g_autoptr(GError) error = NULL;

    if (relay->failed && !relay->failed(entry, relay->failed_data, &error))
        g_message("relay: nobody could be told in INBOX that message %" G_GINT64_FORMAT
                  " failed: %s",
                  entry->id, error->message);
}

static void conclude(Relay *relay, QueueEntry *entry)
{
    gboolean over = entry->state == QUEUE_SENT || entry->state == QUEUE_FAILED;

    if (over && was_sent(entry)) {
        entry->accepted = relay_now(relay);
        if (relay->filing)
            relay_filing_begin(relay->filing, entry, entry->accepted);
    }
    if (entry->state == QUEUE_FAILED)
        tell_failure(relay, entry);
    note(relay, entry);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Whether the message is to go there: UNKNOWN ones are in doubt, and get it (again). */
static gboolean is_open(const QueueRecipient *recipient)
{
    return recipient->state == QUEUE_RECIPIENT_PENDING ||
           recipient->state == QUEUE_RECIPIENT_UNKNOWN;
}

static void add_recipients(Sending *sending)
{
    GPtrArray *all = sending->entry->recipients;
    RelayOutcome *outcome = &sending->outcome;

    outcome->recipients = g_new0(SmtpClientRecipient, all->len);
    outcome->positions = g_new0(guint, all->len);
    for (guint i = 0; i < all->len; i++) {
        const QueueRecipient *recipient = g_ptr_array_index(all, i);
        if (!is_open(recipient))
            continue;
        outcome->positions[outcome->count] = i;
        outcome->recipients[outcome->count++] = (SmtpClientRecipient){
            .address = recipient->address, .notify = recipient->notify, .orcpt = recipient->orcpt};
    }
}

static void sending_clear(Sending *sending)
{
    for (guint i = 0; i < sending->outcome.count; i++)
        g_free(sending->outcome.recipients[i].reply);
    g_free(sending->outcome.recipients);
    g_free(sending->outcome.positions);
    g_free(sending->outcome.answer.reply);
}

/* ---- what the message needs of the server ---------------------------------------------------- */

static gboolean has_utf8_address(const QueueEntry *entry)
{
    gboolean ascii = g_str_is_ascii(entry->sender);

    for (guint i = 0; i < entry->recipients->len; i++) {
        const QueueRecipient *recipient = g_ptr_array_index(entry->recipients, i);
        ascii = ascii && g_str_is_ascii(recipient->address);
    }
    return !ascii;
}

/* Looks through a piece of the message; TRUE: on with the next. A header ends with an empty line. */
static gboolean scan_header(const char *text, gsize length, gboolean *empty_line, gboolean *utf8)
{
    for (gsize i = 0; i < length; i++) {
        if (text[i] == '\n' && *empty_line)
            return FALSE;
        if (text[i] & 0x80)
            *utf8 = TRUE;
        *empty_line = text[i] == '\n' || (text[i] == '\r' && *empty_line);
    }
    return length > 0 && !*utf8;
}

static gboolean has_utf8_header(Sending *sending)
{
    gboolean utf8 = FALSE, empty_line = TRUE;
    guint64 offset = 0;

    for (;;) {
        g_autoptr(GBytes) piece = read_piece(offset, sending, NULL);
        gsize length = 0;
        const char *text = piece ? g_bytes_get_data(piece, &length) : NULL;
        if (!scan_header(text, length, &empty_line, &utf8))
            return utf8;
        offset += length;
    }
}

/* A client may say SMTPUTF8 of everything it sends. Where it did, the addresses and the header
 * decide: text beyond ASCII in the body is 8BITMIME's. */
static gboolean needs_utf8(Sending *sending)
{
    return has_utf8_address(sending->entry) ||
           (sending->entry->eightbit && has_utf8_header(sending));
}

static void transact(Sending *sending, GError **error)
{
    Relay *relay = sending->relay;
    QueueEntry *entry = sending->entry;
    SmtpClientMessage message = {
        .sender = entry->sender,
        .recipients = sending->outcome.recipients,
        .recipients_count = sending->outcome.count,
        .size = entry->size,
        .eightbit = entry->eightbit,
        .smtputf8 = entry->smtputf8 && needs_utf8(sending),
        .ret = entry->ret,
        .envid = entry->envid,
        .read = read_piece,
        .commit = commit,
        .data = sending,
    };
    sending->outcome.result =
        smtp_client_send(relay->client, &message, &sending->outcome.answer, error);
    end_commit(relay);
}

/* Back to where it was: that we go offline, that the network has changed, or that a connection kept
 * open had gone stale, is no attempt. */
static gboolean is_no_attempt(const Sending *sending, const GError *error, gboolean reused)
{
    gboolean asked = sending->outcome.count > 0 && sending->outcome.recipients[0].code != 0;

    if (sending->outcome.result == SMTP_SEND_REFUSED)
        return reused && sending->outcome.answer.code == 421;
    return sending->outcome.result == SMTP_SEND_BROKEN &&
           (g_error_matches(error, NET_ERROR, NET_ERROR_CANCELLED) ||
            g_error_matches(error, NET_ERROR, NET_ERROR_STALE) || (reused && !asked));
}

static const char SENT_AGAIN[] = "The connection broke while this message was taken, and the Sent "
                                 "folder didn't have it, so it was "
                                 "sent again.";

/* `before` is an earlier doubt. */
static void settle_doubt(Sending *sending, gint64 before, gint64 now)
{
    RelayFiling *filing = sending->relay->filing;
    QueueEntry *entry = sending->entry;
    gint64 when;

    if (sending->outcome.result != SMTP_SEND_UNKNOWN) {
        entry->doubt = before;
        if (before && filing && entry->state == QUEUE_SENT && !entry->last_error)
            entry->last_error = g_strdup(SENT_AGAIN);
    } else if (filing && entry->state == QUEUE_WAITING &&
               relay_filing_doubt(filing, entry, now, &when) == RELAY_DOUBT_LATER) {
        entry->next_attempt = when;
    }
}

static void send_entry(Relay *relay, QueueEntry *entry)
{
    Sending sending = {.relay = relay, .entry = entry};
    g_autoptr(GError) error = NULL;
    gboolean reused = relay->linger != 0;
    gint64 doubt = entry->doubt;

    add_recipients(&sending);
    transact(&sending, &error);
    sending.outcome.host = smtp_client_host(relay->client);
    sending.outcome.error = error ? error->message : NULL;
    gint64 now = relay_now(relay);
    guint attempts = entry->attempts;
    relay_settle(entry, &sending.outcome, now, g_random_double());
    settle_doubt(&sending, doubt, now);
    if (is_no_attempt(&sending, error, reused)) {
        entry->attempts = attempts;
        entry->next_attempt = 0;
        g_clear_pointer(&entry->last_error, g_free);
    }
    sending_clear(&sending);
}

static gboolean has_open(const QueueEntry *entry)
{
    for (guint i = 0; i < entry->recipients->len; i++)
        if (is_open(g_ptr_array_index(entry->recipients, i)))
            return TRUE;
    return FALSE;
}

/* An entry without open recipients was sent. */
static void settle_sent(QueueEntry *entry)
{
    RelayOutcome nothing = {.result = SMTP_SEND_ACCEPTED};
    relay_settle(entry, &nothing, 0, 0);
}

/* ---- what may have been sent ----------------------------------------------------------------- */

static const char FOUND_TEXT[] = "The connection broke while this message was taken, but the Sent "
                                 "folder has it: it was sent, and "
                                 "isn't sent again.";

static gboolean is_in_doubt(const QueueEntry *entry)
{
    for (guint i = 0; i < entry->recipients->len; i++) {
        const QueueRecipient *recipient = g_ptr_array_index(entry->recipients, i);
        if (recipient->state == QUEUE_RECIPIENT_UNKNOWN)
            return TRUE;
    }
    return FALSE;
}

/* Those in doubt have it. */
static void note_found(QueueEntry *entry)
{
    for (guint i = 0; i < entry->recipients->len; i++) {
        QueueRecipient *recipient = g_ptr_array_index(entry->recipients, i);
        if (recipient->state != QUEUE_RECIPIENT_UNKNOWN)
            continue;
        recipient->state = QUEUE_RECIPIENT_SENT;
        g_free(recipient->reply);
        recipient->reply = g_strdup("No answer came, but the Sent folder has it");
    }
}

/* Before it goes again. FALSE: not now. */
static gboolean clear_doubt(Relay *relay, QueueEntry *entry)
{
    gint64 when;

    if (!relay->filing || !entry->doubt || !is_in_doubt(entry))
        return TRUE;
    switch (relay_filing_doubt(relay->filing, entry, relay_now(relay), &when)) {
    case RELAY_DOUBT_SENT:
        note_found(entry);
        return TRUE;
    case RELAY_DOUBT_LATER:
        entry->state = QUEUE_WAITING;
        entry->next_attempt = when;
        return FALSE;
    default:
        return TRUE;
    }
}

static void send_open(Relay *relay, QueueEntry *entry)
{
    gboolean doubted = is_in_doubt(entry);

    if (!clear_doubt(relay, entry))
        return;
    if (has_open(entry)) {
        send_entry(relay, entry);
        return;
    }
    settle_sent(entry);
    if (doubted && entry->state == QUEUE_SENT) {
        g_free(entry->last_error);
        entry->last_error = g_strdup(FOUND_TEXT);
    }
}

/* Nothing is begun any more once relay_finish() or relay_free() was called. */
static gboolean begin_sending(Relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    gboolean go = !relay->finishing && !relay->stopping;
    relay->sending = go;
    pthread_mutex_unlock(&relay->lock);
    return go;
}

static void end_sending(Relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    relay->sending = FALSE;
    pthread_cond_broadcast(&relay->changed);
    pthread_mutex_unlock(&relay->lock);
}

gboolean relay_send_next(Relay *relay)
{
    g_autoptr(GError) error = NULL;
    gint64 now = relay_now(relay);

    if (!begin_sending(relay))
        return TRUE;
    g_autoptr(QueueEntry) entry = queue_take(relay->queue, relay->access.settings->id, now, &error);

    if (error)
        relay_report(relay, ACCOUNT_ERROR, error->message);
    if (entry) {
        relay_report(relay, ACCOUNT_SYNCING, NULL);
        send_open(relay, entry);
        conclude(relay, entry);
    }
    end_sending(relay);
    return error == NULL;
}
