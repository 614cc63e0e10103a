/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the table of the maildrop knows becomes the base of INBOX: what was listed last is there, under
 * UIDs not known yet. That is all that sync needs, so the table ends.
 */
#include "daemon/account/switch.h"

#include "cache/folder.h"
#include "cache/maildrop.h"
#include "cache/placement.h"
#include "cache/problem.h"

#include <string.h>

typedef struct {
    CacheTxn *txn;
    gint64 inbox;
    GHashTable
        *moved; /* UID in INBOX that a message came under -> CachePlacement: where it is now */
} Switch;

static void switch_clear(Switch *change)
{
    g_clear_pointer(&change->moved, g_hash_table_unref);
    g_clear_pointer(&change->txn, cache_end);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Switch, switch_clear)

/* ---- whose it is ----------------------------------------------------------------------------- */

/* "ada" at one server may be "ada@example.org" at the other. */
static gboolean is_same_user(const char *a, const char *b)
{
    const char *x = strrchr(a, '@'), *y = strrchr(b, '@');
    const gsize m = x ? (gsize)(x - a) : strlen(a), n = y ? (gsize)(y - b) : strlen(b);

    return m == n && g_ascii_strncasecmp(a, b, m) == 0 &&
           (!x || !y || g_ascii_strcasecmp(x, y) == 0);
}

/* Meta "maildrop" is "TIME USER@HOST" (daemon/sync/maildrop.c). */
static gboolean check_user(CacheTxn *txn, const AccountSettings *settings, GError **error)
{
    g_autofree char *known = cache_meta_get(txn, "maildrop");
    const char *space = known ? strchr(known, ' ') : NULL;
    char *host = space ? strrchr(space, '@') : NULL;

    if (!host)
        return TRUE;
    *host = '\0';
    if (is_same_user(space + 1, settings->user))
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                "the mail that is here came from the POP3 mailbox of %s, and user= is %s now; set "
                "incoming= and user= back, and give the new mailbox an account of its own",
                space + 1, settings->user);
    return FALSE;
}

/* ---- what is there --------------------------------------------------------------------------- */

static gboolean note_origin(const CachePlacement *placement, gpointer data)
{
    Switch *change = data;

    if (placement->alive && placement->from_folder == change->inbox)
        g_hash_table_insert(change->moved, GUINT_TO_POINTER(placement->from_uid),
                            g_memdup2(placement, sizeof *placement));
    return TRUE;
}

/* Where messages are that have been moved out of INBOX. */
static gboolean find_moved(Switch *change, GError **error)
{
    g_autoptr(GPtrArray) folders = cache_folder_list(change->txn, error);

    for (guint i = 0; folders && i < folders->len; i++) {
        const CacheFolder *folder = folders->pdata[i];
        if (!cache_placement_each(change->txn, folder->id, 1, G_MAXUINT32, note_origin, change,
                                  error))
            return FALSE;
    }
    return folders != NULL;
}

static gboolean note_there(Switch *change, CachePlacement *row, GError **error)
{
    row->base = CACHE_BASE_UNKNOWN;
    return cache_placement_put(change->txn, row, error);
}

/* It was moved here, and is in INBOX there: the dead row is what it comes from. */
static gboolean note_moved(Switch *change, CachePlacement *moved, GError **error)
{
    CachePlacement source = {.folder = change->inbox,
                             .message = moved->message,
                             .date = moved->date,
                             .zone = moved->zone,
                             .size = moved->size,
                             .saved = moved->saved};

    if (moved->folder == change->inbox)
        return note_there(change, moved, error);
    if (!note_there(change, &source, error))
        return FALSE;
    moved->from_uid = source.uid;
    return cache_placement_put(change->txn, moved, error);
}

/* What was deleted here says nothing more about what is there. */
static gboolean take_over(Switch *change, const CacheDrop *drop, GError **error)
{
    CachePlacement row;

    if (drop->state != CACHE_DROP_HERE || !drop->listed)
        return TRUE;
    if (cache_placement_get(change->txn, change->inbox, drop->uid, &row, NULL) && row.alive)
        return note_there(change, &row, error);
    CachePlacement *moved = g_hash_table_lookup(change->moved, GUINT_TO_POINTER(drop->uid));
    return !moved || note_moved(change, moved, error);
}

static gboolean end_maildrop(Switch *change, GError **error)
{
    g_autoptr(GPtrArray) drops = cache_drop_list(change->txn, error);
    g_autoptr(GPtrArray) problems = drops ? cache_problem_list(change->txn, error) : NULL;

    for (guint i = 0; problems && i < drops->len; i++) {
        const CacheDrop *drop = drops->pdata[i];
        if (!take_over(change, drop, error) || !cache_drop_remove(change->txn, drop->id, error))
            return FALSE;
    }
    for (guint i = 0; problems && i < problems->len; i++)
        if (!cache_problem_clear(change->txn, ((CacheProblem *)problems->pdata[i])->id, error))
            return FALSE;
    return problems != NULL;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static gboolean write_kind(CacheTxn *txn, GError **error)
{
    return cache_meta_set(txn, "kind", NULL, error) &&
           cache_meta_set(txn, "new-folders", NULL, error) &&
           cache_meta_set(txn, "maildrop", NULL, error) &&
           cache_meta_set(txn, "adopt-names", "yes", error);
}

gboolean account_switch_to_imap(Cache *cache, const AccountSettings *settings, GError **error)
{
    g_auto(Switch) change = {.txn = cache_begin(cache, CACHE_WRITE_FULL, error)};
    g_autoptr(CacheFolder) inbox =
        change.txn ? cache_folder_find(change.txn, "INBOX", error) : NULL;

    if (!inbox || !check_user(change.txn, settings, error))
        return FALSE;
    change.inbox = inbox->id;
    change.moved = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    if (!find_moved(&change, error) || !end_maildrop(&change, error) ||
        !write_kind(change.txn, error) || !cache_commit(g_steal_pointer(&change.txn), error))
        return FALSE;
    g_message("%s: the mail that came by POP3 is looked for at the IMAP server", settings->id);
    return TRUE;
}
