/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Queue entries: plain data, and the rows they are in. */
#include "cache/queue/private.h"

QueueRecipient *queue_recipient_new(const char *address)
{
    QueueRecipient *recipient = g_new0(QueueRecipient, 1);
    recipient->address = g_strdup(address);
    return recipient;
}

void queue_recipient_free(QueueRecipient *recipient)
{
    if (!recipient)
        return;
    g_free(recipient->address);
    g_free(recipient->notify);
    g_free(recipient->orcpt);
    g_free(recipient->reply);
    g_free(recipient);
}

QueueEntry *queue_entry_new(void)
{
    QueueEntry *entry = g_new0(QueueEntry, 1);
    entry->recipients = g_ptr_array_new_with_free_func((GDestroyNotify)queue_recipient_free);
    return entry;
}

void queue_entry_free(QueueEntry *entry)
{
    if (!entry)
        return;
    g_free(entry->account);
    g_free(entry->sender);
    g_ptr_array_unref(entry->recipients);
    g_free(entry->ret);
    g_free(entry->envid);
    g_free(entry->subject);
    g_free(entry->last_error);
    g_free(entry->ticket);
    g_free(entry->message_id);
    g_free(entry->digest);
    g_free(entry);
}

/* ---- rows ------------------------------------------------------------------------------------ */

QueueEntry *queue_row_read(DbQuery *query)
{
    QueueEntry *entry = queue_entry_new();
    entry->id = db_int(query, 0);
    entry->account = g_strdup(db_column_text(query, 1));
    entry->sender = g_strdup(db_column_text(query, 2));
    entry->ret = g_strdup(db_column_text(query, 3));
    entry->envid = g_strdup(db_column_text(query, 4));
    entry->eightbit = db_int(query, 5) != 0;
    entry->smtputf8 = db_int(query, 6) != 0;
    entry->size = db_int(query, 7);
    entry->subject = g_strdup(db_column_text(query, 8));
    entry->submitted = db_int(query, 9);
    entry->state = db_int(query, 10);
    entry->attempts = db_int(query, 11);
    entry->next_attempt = db_int(query, 12);
    entry->send_at = db_int(query, 13);
    entry->last_error = g_strdup(db_column_text(query, 14));
    entry->refusals = db_int(query, 15);
    entry->accepted = db_int(query, 16);
    entry->doubt = db_int(query, 17);
    entry->filing = db_int(query, 18);
    entry->filing_due = db_int(query, 19);
    entry->filed_uid = db_int(query, 20);
    entry->message_id = g_strdup(db_column_text(query, 21));
    entry->digest = g_strdup(db_column_text(query, 22));
    return entry;
}

gboolean queue_row_recipients(Db *db, QueueEntry *entry, GError **error)
{
    g_auto(DbQuery) query = db_query(db,
                                     "SELECT address, notify, orcpt, state, reply FROM recipient"
                                     " WHERE entry = ?1 ORDER BY position",
                                     DB_INT(entry->id));
    while (db_next(&query)) {
        QueueRecipient *recipient = queue_recipient_new(db_column_text(&query, 0));
        recipient->notify = g_strdup(db_column_text(&query, 1));
        recipient->orcpt = g_strdup(db_column_text(&query, 2));
        recipient->state = db_int(&query, 3);
        recipient->reply = g_strdup(db_column_text(&query, 4));
        g_ptr_array_add(entry->recipients, recipient);
    }
    return db_done(&query, error);
}

QueueEntry *queue_entry_load(Db *db, gint64 id, GError **error)
{
    g_auto(DbQuery) query =
        db_query(db, "SELECT " QUEUE_ENTRY_COLUMNS "FROM entry WHERE id = ?1", DB_INT(id));
    if (!db_next(&query)) {
        if (db_done(&query, error))
            g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                        "There is no message %" G_GINT64_FORMAT " in the queue", id);
        return NULL;
    }
    g_autoptr(QueueEntry) entry = queue_row_read(&query);
    return queue_row_recipients(db, entry, error) ? g_steal_pointer(&entry) : NULL;
}

static gboolean insert_recipients(Db *db, gint64 id, GPtrArray *recipients, GError **error)
{
    for (guint i = 0; i < recipients->len; i++) {
        QueueRecipient *recipient = g_ptr_array_index(recipients, i);
        if (!db_run(db, error, "INSERT INTO recipient VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    DB_INT(id), DB_INT(i), DB_TEXT(recipient->address), DB_TEXT(recipient->notify),
                    DB_TEXT(recipient->orcpt), DB_INT(recipient->state), DB_TEXT(recipient->reply)))
            return FALSE;
    }
    return TRUE;
}

gboolean queue_entry_insert(Db *db, gint64 id, const QueueEntry *entry, GError **error)
{
    if (!insert_recipients(db, id, entry->recipients, error))
        return FALSE;
    return db_run(
        db, error,
        "INSERT INTO entry (id, account, sender, ret, envid, eightbit, smtputf8, size, subject,"
        " submitted, state, attempts, next_attempt, send_at, last_error, refusals, due, finished,"
        " accepted, doubt, filing, filing_due, filed_uid, message_id, digest)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
        " max(?13, ?14), 0, ?17, ?18, ?19, ?20, ?21, ?22, ?23)",
        DB_INT(id), DB_TEXT(entry->account), DB_TEXT(entry->sender), DB_TEXT(entry->ret),
        DB_TEXT(entry->envid), DB_INT(entry->eightbit), DB_INT(entry->smtputf8),
        DB_INT(entry->size), DB_TEXT(entry->subject), DB_INT(entry->submitted),
        DB_INT(entry->state), DB_INT(entry->attempts), DB_INT(entry->next_attempt),
        DB_INT(entry->send_at), DB_TEXT(entry->last_error), DB_INT(entry->refusals),
        DB_INT(entry->accepted), DB_INT(entry->doubt), DB_INT(entry->filing),
        DB_INT(entry->filing_due), DB_INT(entry->filed_uid), DB_TEXT(entry->message_id),
        DB_TEXT(entry->digest));
}
