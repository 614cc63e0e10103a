/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What happens to entries: taken and written back by the relay, changed by people, purged.
 * Numbers of states in SQL are QueueState's and QueueRecipientState's. */
#include "cache/queue/private.h"

/* ---- the relay ------------------------------------------------------------------------------- */

typedef struct {
    const char *account;
    gint64 now;
    QueueEntry *entry; /* out */
} Take;

static gboolean take_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    Take *take = data;
    gint64 id = 0;

    g_clear_pointer(&take->entry, queue_entry_free);
    {
        g_auto(DbQuery) query = db_query(db,
                                         "SELECT id FROM entry WHERE account = ?1 AND state = 0"
                                         " AND due <= ?2 ORDER BY due, id LIMIT 1",
                                         DB_TEXT(take->account), DB_INT(take->now));
        if (db_next(&query))
            id = db_int(&query, 0);
        if (!db_done(&query, error) || id == 0)
            return id == 0 && db_done(&query, NULL);
    }
    if (!db_run(db, error, "UPDATE entry SET state = ?2 WHERE id = ?1", DB_INT(id),
                DB_INT(QUEUE_SENDING)))
        return FALSE;
    take->entry = queue_entry_load(db, id, error);
    return take->entry != NULL;
}

QueueEntry *queue_take(Queue *queue, const char *account, gint64 now, GError **error)
{
    Take take = {.account = account, .now = now};
    gint64 due;

    /* Looking is free, an empty commit is not. */
    if (!queue_next_due(queue, account, &due, error) || due > now)
        return NULL;
    if (!queue_commit(queue, take_work, &take, error))
        g_clear_pointer(&take.entry, queue_entry_free);
    return take.entry;
}

/* ---- times in the future --------------------------------------------------------------------- */

typedef struct {
    const char *account;
    gint64 latest;
} Mend;

/* By entry_due: what a person has scheduled is all that is looked at in vain. */
static gboolean needs_mending(Queue *queue, const Mend *mend, gboolean *needed, GError **error)
{
    pthread_mutex_lock(&queue->reader_lock);
    gboolean ok;
    {
        g_auto(DbQuery) query =
            db_query(queue->reader,
                     "SELECT 1 FROM entry WHERE account = ?1 AND state = 0 AND due > ?2"
                     " AND next_attempt > ?2 LIMIT 1",
                     DB_TEXT(mend->account), DB_INT(mend->latest));
        *needed = db_next(&query);
        ok = db_done(&query, error);
    }
    pthread_mutex_unlock(&queue->reader_lock);
    return ok;
}

static gboolean mend_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    const Mend *mend = data;
    return db_run(db, error,
                  "UPDATE entry SET next_attempt = 0, due = send_at WHERE account = ?1"
                  " AND state = 0 AND due > ?2 AND next_attempt > ?2",
                  DB_TEXT(mend->account), DB_INT(mend->latest));
}

gboolean queue_mend_times(Queue *queue, const char *account, gint64 latest, GError **error)
{
    Mend mend = {account, latest};
    gboolean needed;

    return needs_mending(queue, &mend, &needed, error) &&
           (!needed || queue_commit(queue, mend_work, &mend, error));
}

/* ---- no provider ----------------------------------------------------------------------------- */

typedef struct {
    const char *account;
    gint64 now;
    const char *reason;
} Unreachable;

static gboolean unreachable_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    const Unreachable *note = data;
    return db_run(db, error,
                  "UPDATE entry SET attempts = attempts + 1, last_error = ?3 WHERE id IN"
                  " (SELECT id FROM entry WHERE account = ?1 AND state = 0 AND due <= ?2"
                  "  ORDER BY due, id LIMIT 100)",
                  DB_TEXT(note->account), DB_INT(note->now), DB_TEXT(note->reason));
}

gboolean queue_note_unreachable(Queue *queue, const char *account, gint64 now, const char *reason,
                                GError **error)
{
    Unreachable note = {account, now, reason};
    return queue_commit(queue, unreachable_work, &note, error);
}

static gboolean delete_parts(Db *db, gint64 id, GError **error)
{
    return db_run(db, error, "DELETE FROM part WHERE id BETWEEN ?1 AND ?2",
                  DB_INT(queue_part_id(id, 0)), DB_INT(queue_part_id(id, QUEUE_PARTS_MAX)));
}

/* Rows that don't change aren't written. */
static gboolean update_recipients(Db *db, const QueueEntry *entry, GError **error)
{
    for (guint i = 0; i < entry->recipients->len; i++) {
        QueueRecipient *recipient = g_ptr_array_index(entry->recipients, i);
        if (!db_run(db, error,
                    "UPDATE recipient SET state = ?3, reply = ?4 WHERE entry = ?1 AND position = ?2"
                    " AND (state <> ?3 OR reply IS NOT ?4)",
                    DB_INT(entry->id), DB_INT(i), DB_INT(recipient->state),
                    DB_TEXT(recipient->reply)))
            return FALSE;
    }
    return TRUE;
}

static gboolean update_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    const QueueEntry *entry = data;
    gboolean sent = entry->state == QUEUE_SENT;
    gint64 finished = sent ? g_get_real_time() / G_USEC_PER_SEC : 0;

    if (!db_run(db, error,
                "UPDATE entry SET state = ?2, attempts = ?3, next_attempt = ?4, send_at = ?5,"
                " due = max(?4, ?5), finished = ?6, last_error = ?7, refusals = ?8, accepted = ?9,"
                " doubt = ?10, filing = ?11, filing_due = ?12 WHERE id = ?1",
                DB_INT(entry->id), DB_INT(entry->state), DB_INT(entry->attempts),
                DB_INT(entry->next_attempt), DB_INT(entry->send_at), DB_INT(finished),
                DB_TEXT(entry->last_error), DB_INT(entry->refusals), DB_INT(entry->accepted),
                DB_INT(entry->doubt), DB_INT(entry->filing), DB_INT(entry->filing_due)))
        return FALSE;
    gboolean over = sent && entry->filing != QUEUE_FILING_DUE;
    return update_recipients(db, entry, error) && (!over || delete_parts(db, entry->id, error));
}

gboolean queue_update(Queue *queue, const QueueEntry *entry, GError **error)
{
    return queue_commit(queue, update_work, (gpointer)entry, error);
}

/* A message's bytes go with the last that needs them. */
static gboolean file_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    const QueueEntry *entry = data;

    if (!db_run(db, error,
                "UPDATE entry SET filing = ?2, filing_due = ?3, filed_uid = ?4, message_id = ?5,"
                " digest = ?6, last_error = CASE state WHEN 4 THEN ?7 ELSE last_error END"
                " WHERE id = ?1",
                DB_INT(entry->id), DB_INT(entry->filing), DB_INT(entry->filing_due),
                DB_INT(entry->filed_uid), DB_TEXT(entry->message_id), DB_TEXT(entry->digest),
                DB_TEXT(entry->last_error)))
        return FALSE;
    return db_run(db, error,
                  "DELETE FROM part WHERE id BETWEEN ?1 AND ?2 AND EXISTS"
                  " (SELECT 1 FROM entry WHERE id = ?3 AND state = 4 AND filing <> 1)",
                  DB_INT(queue_part_id(entry->id, 0)),
                  DB_INT(queue_part_id(entry->id, QUEUE_PARTS_MAX)), DB_INT(entry->id));
}

gboolean queue_update_filing(Queue *queue, const QueueEntry *entry, GError **error)
{
    return queue_commit(queue, file_work, (gpointer)entry, error);
}

static gboolean recover_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    return queue_recover_entries(db, data, error);
}

/* Looking is free, an empty commit is not. */
gboolean queue_recover(Queue *queue, const char *account, GError **error)
{
    guint64 counts[5];

    if (!queue_counts(queue, account, counts, error))
        return FALSE;
    return counts[QUEUE_SENDING] == 0 ||
           queue_commit(queue, recover_work, (gpointer)account, error);
}

/* ---- people ---------------------------------------------------------------------------------- */

#define STATE(name) (1 << QUEUE_##name)

/* ?1 is the entry, ?2 a time. */
typedef struct {
    const char *verb;
    guint allowed;      /* STATE()s */
    const char *entry;  /* what becomes of the entry */
    const char *others; /* and of its recipients or parts; may be NULL */
    gboolean due;       /* then, or now, it is for the relay */
} Action;

static const char RECIPIENTS_AGAIN[] =
    "UPDATE recipient SET state = 0, reply = NULL WHERE entry = ?1 AND state IN (2, 3)";

static const Action RETRY = {
    "retried", STATE(WAITING) | STATE(FAILED) | STATE(HELD),
    "UPDATE entry SET state = 0, refusals = 0, next_attempt = 0, due = send_at WHERE id = ?1",
    RECIPIENTS_AGAIN, TRUE};
static const Action HOLD = {"held", STATE(WAITING) | STATE(HELD),
                            "UPDATE entry SET state = 2 WHERE id = ?1", NULL, FALSE};
static const Action RELEASE = {
    "released", STATE(HELD),
    "UPDATE entry SET state = 0, next_attempt = 0, due = send_at, last_error = NULL WHERE id = ?1",
    "UPDATE recipient SET state = 0 WHERE entry = ?1 AND state = 3", TRUE};
static const Action SEND_AT = {
    "scheduled", STATE(WAITING) | STATE(HELD),
    "UPDATE entry SET send_at = ?2, due = max(?2, next_attempt) WHERE id = ?1", NULL, TRUE};
static const Action CANCEL = {"cancelled", STATE(WAITING) | STATE(HELD) | STATE(FAILED),
                              "DELETE FROM entry WHERE id = ?1",
                              "DELETE FROM recipient WHERE entry = ?1", FALSE};

/* Whom it could be sent to have it, so its copy is to be made all the same. */
static const Action DISMISS = {"cancelled", STATE(FAILED),
                               "UPDATE entry SET state = 4, finished = ?2 WHERE id = ?1", NULL,
                               FALSE};

static const char *const STATE_WORDS[] = {
    [QUEUE_WAITING] = "is waiting", [QUEUE_SENDING] = "is being sent just now",
    [QUEUE_HELD] = "is held",       [QUEUE_FAILED] = "was refused by the provider",
    [QUEUE_SENT] = "has been sent",
};

typedef struct {
    gint64 id;
    const Action *action;
    gint64 when;
} Change;

/* Whether the entry's state allows it; *account is whose it is. */
static gboolean check_allowed(Db *db, const Change *change, char **account, GError **error)
{
    g_auto(DbQuery) query =
        db_query(db, "SELECT state, account, send_at FROM entry WHERE id = ?1", DB_INT(change->id));
    if (!db_next(&query)) {
        if (db_done(&query, error))
            g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                        "There is no message %" G_GINT64_FORMAT " in the queue", change->id);
        return FALSE;
    }
    guint state = db_int(&query, 0) & 7;
    /* "Now" is what a retry means, and a later time is what the sender said. */
    if (change->action == &RETRY && db_int(&query, 2) > g_get_real_time() / G_USEC_PER_SEC) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    "Message %" G_GINT64_FORMAT " is to be sent later; to send it at once: "
                    "posternctl queue send-at %" G_GINT64_FORMAT " now",
                    change->id, change->id);
        return FALSE;
    }
    if (change->action->allowed & (1u << state)) {
        *account = g_strdup(db_column_text(&query, 1));
        return TRUE;
    }
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                "Message %" G_GINT64_FORMAT " %s, so it can't be %s", change->id,
                state < G_N_ELEMENTS(STATE_WORDS) ? STATE_WORDS[state] : "is in another state",
                change->action->verb);
    return FALSE;
}

/* Whether a copy of it is due, while nothing is to be sent any more. */
static gboolean is_unfiled(Db *db, gint64 id, gboolean *unfiled, GError **error)
{
    g_auto(DbQuery) query =
        db_query(db, "SELECT 1 FROM entry WHERE id = ?1 AND state = 3 AND filing = 1", DB_INT(id));

    *unfiled = db_next(&query);
    return db_done(&query, error);
}

static gboolean change_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    const Change *change = data;
    const DbValue values[] = {DB_INT(change->id), DB_INT(change->when)};
    g_autofree char *account = NULL;
    gboolean unfiled = FALSE;

    if (!check_allowed(db, change, &account, error) || !is_unfiled(db, change->id, &unfiled, error))
        return FALSE;
    const Action *action = unfiled && change->action == &CANCEL ? &DISMISS : change->action;
    if (action->due)
        queue_note_due(queue, account);
    gboolean timed = action == &SEND_AT || action == &DISMISS;
    return db_run_values(db, error, action->entry, values, timed ? 2 : 1) &&
           (!action->others || db_run(db, error, action->others, DB_INT(change->id))) &&
           (action != &CANCEL || delete_parts(db, change->id, error));
}

static gboolean change_entry(Queue *queue, gint64 id, const Action *action, gint64 when,
                             GError **error)
{
    Change change = {id, action, when};
    return queue_commit(queue, change_work, &change, error);
}

gboolean queue_retry(Queue *queue, gint64 id, GError **error)
{
    return change_entry(queue, id, &RETRY, 0, error);
}

gboolean queue_hold(Queue *queue, gint64 id, GError **error)
{
    return change_entry(queue, id, &HOLD, 0, error);
}

gboolean queue_release(Queue *queue, gint64 id, GError **error)
{
    return change_entry(queue, id, &RELEASE, 0, error);
}

gboolean queue_cancel(Queue *queue, gint64 id, GError **error)
{
    return change_entry(queue, id, &CANCEL, g_get_real_time() / G_USEC_PER_SEC, error);
}

gboolean queue_send_at(Queue *queue, gint64 id, gint64 when, GError **error)
{
    return change_entry(queue, id, &SEND_AT, when, error);
}

/* ---- purging --------------------------------------------------------------------------------- */

static gboolean purge_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    gint64 before = *(gint64 *)data;
    return db_run(db, error,
                  "DELETE FROM recipient WHERE entry IN"
                  " (SELECT id FROM entry WHERE state = 4 AND finished < ?1 AND filing <> 1)",
                  DB_INT(before)) &&
           db_run(db, error, "DELETE FROM entry WHERE state = 4 AND finished < ?1 AND filing <> 1",
                  DB_INT(before)) &&
           db_run(db, error, "PRAGMA incremental_vacuum");
}

gboolean queue_purge_sent(Queue *queue, gint64 before, GError **error)
{
    return queue_commit(queue, purge_work, &before, error);
}

/* ---- forgetting an account ------------------------------------------------------------------- */

#define FORGET_SLICE 100 /* entries in one transaction: nobody waits long for the writer */

typedef struct {
    const char *account;
    gboolean more; /* out */
} Forget;

static gboolean forget_work(Queue *queue, Db *db, gpointer data, GError **error)
{
    Forget *forget = data;
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint64));
    {
        g_auto(DbQuery) query =
            db_query(db, "SELECT id FROM entry WHERE account = ?1 ORDER BY id LIMIT ?2",
                     DB_TEXT(forget->account), DB_INT(FORGET_SLICE));
        while (db_next(&query)) {
            gint64 id = db_int(&query, 0);
            g_array_append_val(ids, id);
        }
        if (!db_done(&query, error))
            return FALSE;
    }
    forget->more = ids->len == FORGET_SLICE;
    for (guint i = 0; i < ids->len; i++) {
        gint64 id = g_array_index(ids, gint64, i);
        if (!delete_parts(db, id, error) ||
            !db_run(db, error, "DELETE FROM recipient WHERE entry = ?1", DB_INT(id)) ||
            !db_run(db, error, "DELETE FROM entry WHERE id = ?1", DB_INT(id)))
            return FALSE;
    }
    return forget->more || db_run(db, error, "PRAGMA incremental_vacuum");
}

gboolean queue_forget(Queue *queue, const char *account, GError **error)
{
    Forget forget = {account, TRUE};

    while (forget.more)
        if (!queue_commit(queue, forget_work, &forget, error))
            return FALSE;
    return TRUE;
}
