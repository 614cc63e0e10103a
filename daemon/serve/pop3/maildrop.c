/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The snapshot of INBOX, or of what pop3-folder= names. */
#include "daemon/serve/pop3/maildrop.h"

#include "cache/change.h"
#include "cache/folder.h"

#define SLICE 200 /* messages expunged in one transaction: nobody waits long for the writer */

void maildrop_free(Maildrop *maildrop)
{
    if (!maildrop)
        return;
    g_array_unref(maildrop->messages);
    serve_account_unref(maildrop->account);
    g_free(maildrop);
}

/* ---- the snapshot ---------------------------------------------------------------------------- */

typedef struct {
    GArray *messages;
    gint64 since; /* Unix seconds: what is older isn't shown */
} Filling;

static gboolean add_message(const CacheFetchRow *row, gpointer data)
{
    const Filling *filling = data;

    if (row->placement->date < filling->since)
        return TRUE;
    MaildropMessage message = {
        .uid = row->placement->uid,
        .full = row->state == CACHE_CONTENT_FULL,
        .message = row->placement->message,
        .size = row->placement->size,
    };
    g_array_append_val(filling->messages, message);
    return TRUE;
}

/* The start of what pop3-window= lets be seen. */
static gint64 window_start(const AccountSettings *settings)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;

    return settings->pop3_days ? now - (gint64)settings->pop3_days * 86400 : G_MININT64;
}

static gboolean fill(Maildrop *maildrop, CacheTxn *txn, GError **error)
{
    const AccountSettings *settings = maildrop->account->settings;
    const char *name = settings->pop3_folder ? settings->pop3_folder : "INBOX";
    g_autoptr(CacheFolder) folder = cache_folder_find(txn, name, error);
    g_autoptr(GArray) uids = folder ? cache_uids(txn, folder->id, error) : NULL;
    Filling filling = {maildrop->messages, window_start(settings)};

    if (!folder && settings->pop3_folder)
        g_prefix_error(error, "pop3-folder=%s can't be opened: ", name);
    if (!uids)
        return FALSE;
    maildrop->folder = folder->id;
    maildrop->uidvalidity = folder->uidvalidity;
    return cache_fetch(txn, (CacheSelection){folder->id, (const guint32 *)uids->data, uids->len}, 0,
                       add_message, &filling, error);
}

Maildrop *maildrop_open(ServeAccount *account, GError **error)
{
    g_autoptr(Maildrop) maildrop = g_new0(Maildrop, 1);
    g_autoptr(CacheTxn) txn = cache_begin(account->cache, CACHE_READ, error);

    maildrop->account = serve_account_ref(account);
    maildrop->messages = g_array_new(FALSE, FALSE, sizeof(MaildropMessage));
    return txn && fill(maildrop, txn, error) ? g_steal_pointer(&maildrop) : NULL;
}

MaildropMessage *maildrop_get(Maildrop *maildrop, guint number)
{
    if (number < 1 || number > maildrop->messages->len)
        return NULL;
    MaildropMessage *message = &g_array_index(maildrop->messages, MaildropMessage, number - 1);
    return message->deleted ? NULL : message;
}

void maildrop_count(const Maildrop *maildrop, guint *count, guint64 *size)
{
    *count = 0;
    *size = 0;
    for (guint i = 0; i < maildrop->messages->len; i++) {
        const MaildropMessage *message = &g_array_index(maildrop->messages, MaildropMessage, i);
        if (message->deleted)
            continue;
        *count += 1;
        *size += message->size;
    }
}

/* ---- what isn't here ------------------------------------------------------------------------- */

static gboolean look(Maildrop *maildrop, MaildropMessage *message, CacheContentState *state,
                     GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(maildrop->account->cache, CACHE_READ, error);

    if (!txn)
        return FALSE;
    *state = cache_content_state(txn, message->message);
    message->full = *state == CACHE_CONTENT_FULL;
    if (message->full)
        message->size = cache_content_size(txn, message->message, NULL);
    return TRUE;
}

gboolean maildrop_need(Maildrop *maildrop, MaildropMessage *message, CacheContentState state,
                       NetCancel *cancel, GError **error)
{
    CacheContentState here;

    if (!look(maildrop, message, &here, error))
        return FALSE;
    if (here >= state)
        return TRUE;
    if (!maildrop->account->bodies) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "This message is not here");
        return FALSE;
    }
    return fetch_content(maildrop->account->bodies, &message->message, 1, state, cancel, error) &&
           look(maildrop, message, &here, error);
}

/* ---- deleting -------------------------------------------------------------------------------- */

static gboolean allows_deleting(const CacheFolder *folder)
{
    const guint32 needs = CACHE_RIGHT_DELETE | CACHE_RIGHT_EXPUNGE; /* RFC 4314, 4 */

    return (cache_folder_rights(folder) & needs) == needs;
}

gboolean maildrop_may_delete(const Maildrop *maildrop)
{
    g_autoptr(CacheTxn) txn = cache_begin(maildrop->account->cache, CACHE_READ, NULL);
    g_autoptr(CacheFolder) folder = txn ? cache_folder_get(txn, maildrop->folder, NULL) : NULL;

    return !folder || allows_deleting(folder);
}

/* As pop3-delete= has it. From the trash itself there is nowhere to move to. */
static gboolean take_away(Maildrop *maildrop, CacheTxn *txn, CacheSelection messages,
                          GError **error)
{
    if (maildrop->account->settings->pop3_delete != ACCOUNT_POP3_TRASH)
        return cache_expunge(txn, messages.folder, messages.uids, messages.count, TRUE, NULL,
                             error);
    g_autoptr(CacheFolder) trash = cache_folder_with_role(txn, CACHE_ROLE_TRASH);
    g_autoptr(GArray) from = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) to = g_array_new(FALSE, FALSE, sizeof(guint32));

    if (trash && trash->id == messages.folder)
        return cache_expunge(txn, messages.folder, messages.uids, messages.count, TRUE, NULL,
                             error);
    if (trash)
        return cache_copy(txn, messages, trash->id, TRUE, from, to, error);
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                "The account has no trash to move messages to (pop3-delete=trash)");
    return FALSE;
}

static gboolean expunge_slice(Maildrop *maildrop, const guint32 *uids, gsize count, GError **error)
{
    CacheTxn *txn = cache_begin(maildrop->account->cache, CACHE_WRITE_FULL, error);

    if (!txn)
        return FALSE;
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, maildrop->folder, error);
    /* Another UIDVALIDITY: these numbers are others' now. */
    gboolean same = folder && folder->uidvalidity == maildrop->uidvalidity;
    if (folder && !same)
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "The mailbox is another one now");
    gboolean allowed = same && allows_deleting(folder);
    if (same && !allowed)
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    "The provider doesn't let you delete messages");
    if (allowed && take_away(maildrop, txn, (CacheSelection){folder->id, uids, count}, error))
        return cache_commit(txn, error);
    cache_end(txn);
    return FALSE;
}

gboolean maildrop_commit(Maildrop *maildrop, GError **error)
{
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));

    if (maildrop->account->settings->pop3_delete == ACCOUNT_POP3_IGNORE)
        return TRUE;
    for (guint i = 0; i < maildrop->messages->len; i++) {
        const MaildropMessage *message = &g_array_index(maildrop->messages, MaildropMessage, i);
        if (message->deleted)
            g_array_append_val(uids, message->uid);
    }
    for (guint at = 0; at < uids->len; at += SLICE)
        if (!expunge_slice(maildrop, &g_array_index(uids, guint32, at), MIN(SLICE, uids->len - at),
                           error))
            return FALSE;
    return TRUE;
}
