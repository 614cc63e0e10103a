/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * CREATE, RENAME, DELETE, SUBSCRIBE. New names come before anything is put there, deletions after
 * everything was taken away. A lost answer is no harm: the next LIST shows what happened. Only what
 * gives a new name is recorded before: the name alone doesn't say whose it is. Clients go on while
 * a command is under way, so its outcome is written to the row as it is then: only the base.
 */
#include "daemon/sync/push-private.h"

#include "cache/problem.h"
#include "cache/subscription.h"
#include "daemon/sync/reconcile.h"

#include <string.h>

/* A folder that upstream says to have made so often, and doesn't list, is a problem. */
#define MAX_MADE 2

/* A command with one or two names of folders. */
typedef struct {
    const char *operation; /* of the problem that it may become */
    const CacheFolder *folder;
    const char *command, *first, *second;
} NameCommand;

typedef enum {
    NAMED_DONE,
    NAMED_REFUSED, /* a problem */
    NAMED_LATER,   /* the folders are listed again before more is known */
} NamedOutcome;

/* It broke the connection: the folders are listed again, which shows what was done. The second time
 * it is a problem. */
static gboolean note_folder_broken(Push *push, const NameCommand *what, const GError *failure,
                                   GError **error)
{
    if (!push_survives(push, failure, error))
        return FALSE;
    guint times = push_suspect(push, what->operation, what->folder->id, 0, error);
    if (times == 0)
        return FALSE;
    if (times > 1)
        return push_add_broken(push, what->operation, what->folder->id, 0, failure, error);
    g_autoptr(GError) again =
        g_error_new(SYNC_ERROR, SYNC_ERROR_AGAIN, "%s: %s", what->first, failure->message);
    push_list_again(push, again);
    return TRUE;
}

static gboolean run_named(Push *push, const NameCommand *what, NamedOutcome *outcome,
                          GError **error)
{
    ImapClient *imap = push->context->imap;
    ImapClientCommand *text = imap_client_command(imap, what->command);
    g_auto(ImapReply) reply = {0};
    g_autoptr(GError) failure = NULL;

    imap_client_command_mailbox(text, what->first);
    if (what->second)
        imap_client_command_mailbox(text, what->second);
    *outcome = NAMED_LATER;
    if (!imap_client_run_command(imap, text, NULL, NULL, &reply, &failure))
        return note_folder_broken(push, what, failure, error);
    if (!push_unsuspect(push, what->operation, what->folder->id, 0, error))
        return FALSE;
    if (reply.cond == IMAP_COND_OK) {
        *outcome = NAMED_DONE;
        return TRUE;
    }
    if (reply.code &&
        (g_str_equal(reply.code, "ALREADYEXISTS") || g_str_equal(reply.code, "NONEXISTENT"))) {
        g_autoptr(GError) again =
            g_error_new(SYNC_ERROR, SYNC_ERROR_AGAIN, "%s: %s", what->first, reply.text);
        if (!push_repeats(push, again))
            return TRUE;
    }
    *outcome = NAMED_REFUSED;
    return push_add_problem(push, what->operation, what->folder->id, 0, &reply, error);
}

/* Whether the operation was refused and isn't due again. */
static gboolean folder_is_refused(Push *push, const char *operation, const CacheFolder *folder)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, NULL);
    g_autoptr(CacheProblem) problem =
        txn ? cache_problem_find(txn, operation, folder->id, 0, NULL) : NULL;

    return problem && (problem->retry == 0 || problem->retry > push->now);
}

/* Ends the folder's problem with an operation that went well. */
static gboolean clear_problem(CacheTxn *txn, const char *operation, gint64 folder, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(CacheProblem) problem = cache_problem_find(txn, operation, folder, 0, &failure);

    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    return !problem || cache_problem_clear(txn, problem->id, error);
}

static void set_base_name(CacheFolder *row, const char *name)
{
    g_free(row->base_name);
    row->base_name = g_strdup(name);
    g_clear_pointer(&row->wire_name, g_free);
}

/* The same for one of the pass's rows. */
static void change_base_name(Push *push, CacheFolder *row, const char *name)
{
    g_tree_remove(push->by_base, row->base_name);
    set_base_name(row, name);
    g_tree_insert(push->by_base, row->base_name, row);
}

/* Records that a folder is to get the name `name`; *id 0: a client has changed its mind. */
static gboolean open_name_attempt(Push *push, CacheAttemptKind kind, const CacheFolder *row,
                                  const char *name, gint64 *id, GError **error)
{
    g_autoptr(GArray) items = g_array_new(FALSE, FALSE, sizeof(CacheAttemptItem));
    CacheAttempt attempt = {.kind = kind,
                            .target = row->id,
                            .uidvalidity = row->base_uidvalidity,
                            .uidnext = row->base_uidnext,
                            .name = (char *)name,
                            .started = push->now,
                            .items = items};
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
    g_autoptr(CacheFolder) now = txn ? cache_folder_get(txn, row->id, NULL) : NULL;

    *id = 0;
    if (!txn)
        return FALSE;
    push->more = TRUE;
    if (!now || g_strcmp0(now->name, row->name) != 0 || now->selectable != row->selectable)
        return TRUE;
    if (!cache_attempt_open(txn, &attempt, error) || !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    *id = attempt.id;
    return TRUE;
}

/* ---- creating ------------------------------------------------------------------------------ */

/* Upstream under the name that was sent. What is to be known about it, its first pull finds. */
static gboolean write_created(Push *push, const CacheFolder *created, gint64 attempt, gboolean ok,
                              GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
    g_autoptr(CacheFolder) row = txn ? cache_folder_get(txn, created->id, error) : NULL;

    if (!row)
        return FALSE;
    if (ok) {
        set_base_name(row, created->name);
        row->base_selectable = TRUE;
        row->selectable |= row->exists > 0; /* there was mail in a mere level of names */
        push_touch(push, row->id);
    }
    return (!ok || (cache_folder_update(txn, row, error) &&
                    clear_problem(txn, "create", row->id, error))) &&
           cache_attempt_close(txn, attempt, error) && cache_commit(g_steal_pointer(&txn), error);
}

/* Made again and again, because the list never shows it: that is enough. */
static gboolean note_unlisted(Push *push, const CacheFolder *row, GError **error)
{
    g_auto(ImapReply) reply = {
        .cond = IMAP_COND_NO,
        .code = g_strdup("INUSE"),
        .text = g_strdup("The provider says that it has made this folder, and doesn't list it.")};

    return push_unsuspect(push, "made", row->id, 0, error) &&
           push_add_problem(push, "create", row->id, 0, &reply, error);
}

static gboolean create(Push *push, CacheFolder *row, GError **error)
{
    const NameCommand what = {"create", row, "CREATE", row->name};
    NamedOutcome outcome;
    gint64 attempt;

    if (!push_is_uncreated(row) || folder_is_refused(push, "create", row))
        return TRUE;
    if (!open_name_attempt(push, CACHE_ATTEMPT_CREATE, row, row->name, &attempt, error))
        return FALSE;
    if (attempt == 0)
        return TRUE;
    guint breaks = push->breaks;
    if (!run_named(push, &what, &outcome, error))
        return FALSE;
    guint made = outcome == NAMED_DONE ? push_suspect(push, "made", row->id, 0, error) : 1;
    if (made == 0)
        return FALSE;
    if (made > MAX_MADE) {
        outcome = NAMED_LATER;
        if (!note_unlisted(push, row, error))
            return FALSE;
    }
    /* Refused because someone else has the name is an answer, too; a broken connection is none. */
    return push->breaks > breaks || write_created(push, row, attempt, outcome == NAMED_DONE, error);
}

/* ---- renaming ------------------------------------------------------------------------------ */

/* Parents before children. */
static gint compare_length(gconstpointer a, gconstpointer b)
{
    const CacheFolder *x = *(CacheFolder *const *)a, *y = *(CacheFolder *const *)b;
    gsize m = strlen(x->name ? x->name : ""), n = strlen(y->name ? y->name : "");

    return m < n ? -1 : m > n ? 1 : x->id < y->id ? -1 : x->id > y->id;
}

/* The folder, and those below it, whose names change with it; children before their parents. */
static GPtrArray *with_children(Push *push, CacheFolder *renamed)
{
    GPtrArray *rows = g_ptr_array_new();
    g_autofree char *below = g_strdup_printf("%s%c", renamed->base_name, renamed->delimiter);
    GTreeNode *node = renamed->delimiter ? g_tree_lower_bound(push->by_base, below) : NULL;

    for (; node && g_str_has_prefix(g_tree_node_key(node), below); node = g_tree_node_next(node))
        g_ptr_array_add(rows, g_tree_node_value(node));
    g_ptr_array_sort(rows, compare_length);
    for (guint i = 0; i < rows->len / 2; i++) {
        gpointer row = rows->pdata[i];
        rows->pdata[i] = rows->pdata[rows->len - 1 - i];
        rows->pdata[rows->len - 1 - i] = row;
    }
    g_ptr_array_add(rows, renamed);
    return rows;
}

/* Rows that are at or below a name, and now are at or below another. */
typedef struct {
    GPtrArray *rows; /* CacheFolder, of the pass; the first of them are written */
    guint written;
    const char *old, *name;
} Renaming;

static gboolean write_renamed_slice(Push *push, CacheTxn *txn, Renaming *renaming, GError **error)
{
    guint to = MIN(renaming->written + SYNC_FOLDER_SLICE, renaming->rows->len);

    for (; renaming->written < to; renaming->written++) {
        CacheFolder *row = renaming->rows->pdata[renaming->written];
        g_autofree char *new_name =
            g_strconcat(renaming->name, row->base_name + strlen(renaming->old), NULL);
        g_autoptr(CacheFolder) now = cache_folder_get(txn, row->id, error);
        if (!now)
            return FALSE;
        set_base_name(now, new_name);
        if (!cache_folder_update(txn, now, error))
            return FALSE;
        change_base_name(push, row, new_name);
    }
    return TRUE;
}

/* The names below a renamed folder have changed with it. They are written in slices, the folder itself
 * last and with the end of the attempt: until then the next list goes on where this was broken off. */
static gboolean write_renamed(Push *push, CacheFolder *renamed, const char *name, gint64 attempt,
                              gboolean ok, GError **error)
{
    g_autofree char *old = g_strdup(renamed->base_name);
    g_autoptr(GPtrArray) rows = ok ? with_children(push, renamed) : g_ptr_array_new();
    Renaming renaming = {rows, 0, old, name};

    for (;;) {
        g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);

        if (!txn || !write_renamed_slice(push, txn, &renaming, error))
            return FALSE;
        if (renaming.written == rows->len)
            return (!ok || clear_problem(txn, "rename", renamed->id, error)) &&
                   cache_attempt_close(txn, attempt, error) &&
                   cache_commit(g_steal_pointer(&txn), error);
        if (!cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
}

static gboolean rename_to(Push *push, CacheFolder *row, const char *name, GError **error)
{
    NamedOutcome outcome;
    gint64 attempt;

    if (!open_name_attempt(push, CACHE_ATTEMPT_RENAME, row, name, &attempt, error))
        return FALSE;
    if (attempt == 0)
        return TRUE;
    /* Refused for now, or gone: the attempt ends when the folders are listed. */
    const NameCommand what = {"rename", row, "RENAME", row->base_name, name};
    if (!run_named(push, &what, &outcome, error))
        return FALSE;
    if (outcome == NAMED_LATER)
        return TRUE;
    if (push->context->selected == row->id)
        push->context->selected = 0;
    push_touch(push, row->id);
    return write_renamed(push, row, name, attempt, outcome == NAMED_DONE, error);
}

static gboolean is_to_be_renamed(const CacheFolder *row)
{
    return row->name && row->base_name && row->pushed && !cache_folder_steps_aside(row) &&
           !g_str_equal(row->name, row->base_name) && !g_str_equal(row->base_name, "INBOX");
}

static gboolean rename_one(Push *push, CacheFolder *row, GError **error)
{
    if (!is_to_be_renamed(row) || folder_is_refused(push, "rename", row))
        return TRUE;
    const CacheFolder *other = g_tree_lookup(push->by_base, row->name);
    if (!other)
        return rename_to(push, row, row->name, error);
    /* The name is another folder's there, which is about to give it up: by being deleted, or
     * renamed. In a circle one of them has to step aside first. */
    if (!other->name || g_str_equal(other->name, other->base_name))
        return TRUE;
    g_autofree char *aside = g_strdup_printf("%s.postern-%" G_GINT64_FORMAT, row->name, row->id);
    return rename_to(push, row, aside, error);
}

/* After whoever has its name, after whoever has that one's, and so on; of a circle the first steps
 * aside before. `seen`: rows that have had their turn. */
static gboolean rename_in_turn(Push *push, CacheFolder *row, GHashTable *seen, GError **error)
{
    g_autoptr(GPtrArray) way = g_ptr_array_new();
    CacheFolder *at = row;

    for (; at && is_to_be_renamed(at) && g_hash_table_add(seen, at);
         at = g_tree_lookup(push->by_base, at->name))
        g_ptr_array_add(way, at);
    if (way->len > 1 && at == row && !rename_one(push, row, error))
        return FALSE;
    for (guint i = way->len; i > 0; i--)
        if (!rename_one(push, way->pdata[i - 1], error))
            return FALSE;
    return TRUE;
}

static GPtrArray *by_length(Push *push)
{
    GPtrArray *rows = g_ptr_array_new();
    GHashTableIter iter;
    gpointer row;

    g_hash_table_iter_init(&iter, push->folders);
    while (g_hash_table_iter_next(&iter, NULL, &row))
        g_ptr_array_add(rows, row);
    g_ptr_array_sort(rows, compare_length);
    return rows;
}

gboolean push_new_folders(Push *push, GError **error)
{
    g_autoptr(GPtrArray) rows = by_length(push);

    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < rows->len; i++)
        if (!rename_in_turn(push, rows->pdata[i], seen, error))
            return FALSE;
    for (guint i = 0; i < rows->len; i++)
        if (!create(push, rows->pdata[i], error))
            return FALSE;
    return TRUE;
}

/* ---- deleting ------------------------------------------------------------------------------ */

typedef struct {
    gboolean seen;
    guint32 messages, uidvalidity, uidnext;
} Status;

static gboolean note_folder_status(const ImapResponse *response, gpointer data, GError **error)
{
    Status *status = data;

    if (!response->name || !g_str_equal(response->name, "STATUS"))
        return TRUE;
    g_autoptr(ImapStatusData) answer = imap_status_data_parse(response, FALSE, error);
    if (!answer)
        return FALSE;
    *status = (Status){TRUE, answer->messages, answer->uidvalidity, answer->uidnext};
    return TRUE;
}

/* Whether the server says that the folder is just what the base knows: else something new may be in
 * it. One that was never read is known to be empty. What it answers is in `reply`. */
static gboolean is_as_known(Push *push, const CacheFolder *row, gboolean *known, ImapReply *reply,
                            GError **error)
{
    ImapClient *imap = push->context->imap;
    ImapClientCommand *command = imap_client_command(imap, "STATUS");
    Status status = {0};

    imap_client_command_mailbox(command, row->base_name);
    imap_client_command_text(command, " (MESSAGES UIDVALIDITY UIDNEXT)");
    gboolean ok = imap_client_run_command(imap, command, note_folder_status, &status, reply, error);
    if (row->base_uidvalidity == 0)
        *known = status.seen && status.messages == 0;
    else
        *known = status.seen && status.uidvalidity == row->base_uidvalidity &&
                 status.uidnext == row->base_uidnext;
    return ok;
}

/* Folders (gint64, borrowed) from which somebody still wants to take a message: nothing may be lost
 * with them. */
static GHashTable *find_sources(Push *push)
{
    GHashTable *sources = g_hash_table_new(g_int64_hash, g_int64_equal);

    for (guint i = 0; i < push->actions->len; i++)
        g_hash_table_add(sources, &g_array_index(push->actions, SyncAction, i).source_folder);
    return sources;
}

typedef struct {
    CacheTxn *txn;
    gboolean missing;
} Missing;

static gboolean note_missing(const CachePlacement *row, gpointer data)
{
    ((Missing *)data)->missing |= row->alive && row->base != CACHE_BASE_PRESENT;
    return !((Missing *)data)->missing;
}

static gboolean note_message(const CachePlacement *row, gpointer data)
{
    Missing *missing = data;

    cache_placement_each_of(missing->txn, row->message, note_missing, missing, NULL);
    return !missing->missing;
}

/* Whether a message in it is to live elsewhere and isn't there yet (a move that is held or was
 * refused). */
static gboolean is_missing_elsewhere(Push *push, const CacheFolder *row)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, NULL);
    Missing missing = {txn, FALSE};

    return !txn ||
           !cache_placement_each_base(txn, row->id, 1, G_MAXUINT32, note_message, &missing, NULL) ||
           missing.missing;
}

/* New mail in a folder that was deleted here: it comes back. */
static gboolean folder_revive(Push *push, const CacheFolder *deleted, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
    g_autoptr(CacheFolder) row = txn ? cache_folder_get(txn, deleted->id, error) : NULL;

    if (!row)
        return FALSE;
    if (!row->name) {
        g_autoptr(CacheFolder) taken = cache_folder_find(txn, row->base_name, NULL);
        row->name = taken ? g_strdup_printf("%s (%" G_GINT64_FORMAT ")", row->base_name, row->id)
                          : g_strdup(row->base_name);
    }
    row->selectable = TRUE;
    push_touch(push, row->id);
    return cache_folder_update(txn, row, error) && cache_commit(g_steal_pointer(&txn), error);
}

static gboolean write_folder_deleted(Push *push, const CacheFolder *deleted, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
    g_autoptr(CacheFolder) row = txn ? cache_folder_get(txn, deleted->id, error) : NULL;

    if (!row)
        return FALSE;
    row->base_selectable = FALSE;
    if (!deleted->name) {
        g_clear_pointer(&row->base_name, g_free);
        g_clear_pointer(&row->wire_name, g_free);
        g_clear_pointer(&row->remote_id, g_free);
    }
    row->base_uidvalidity = row->base_uidnext = 0;
    row->base_highestmodseq = 0;
    row->synced = 0;
    return cache_folder_update(txn, row, error) && clear_problem(txn, "delete", row->id, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* Deleted here, or (with children) made a mere level of names. */
static gboolean is_to_be_deleted(const CacheFolder *row)
{
    return row->pushed && row->base_name && !g_str_equal(row->base_name, "INBOX") &&
           !cache_folder_steps_aside(row) &&
           (!row->name || (!row->selectable && row->base_selectable && row->synced &&
                           g_str_equal(row->name, row->base_name)));
}

/* A folder can't be deleted while it is selected, on some servers. */
static gboolean deselect(Push *push, gint64 folder, GError **error)
{
    if (push->context->selected != folder)
        return TRUE;
    push->context->selected = 0;
    if (sync_has(push->context, IMAP_CAP_UNSELECT))
        return imap_client_run(push->context->imap, NULL, error, "UNSELECT");
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, error);
    g_autoptr(CacheFolder) inbox = txn ? cache_folder_find_base(txn, "INBOX", error) : NULL;
    return inbox && sync_select(push->context, inbox, error);
}

/* Whether it is still what it was when it was deleted here. FALSE as well where the provider doesn't
 * say: then that is noted. */
static gboolean check_known(Push *push, const NameCommand *what, gboolean *known, gboolean *told,
                            GError **error)
{
    g_auto(ImapReply) reply = {0};
    g_autoptr(GError) failure = NULL;

    *known = *told = FALSE;
    if (!deselect(push, what->folder->id, &failure) ||
        !is_as_known(push, what->folder, known, &reply, &failure))
        return note_folder_broken(push, what, failure, error);
    *told = reply.cond == IMAP_COND_OK;
    if (!*told && reply.code && g_str_equal(reply.code, "NONEXISTENT")) {
        g_autoptr(GError) again =
            g_error_new(SYNC_ERROR, SYNC_ERROR_AGAIN, "%s: %s", what->first, reply.text);
        if (!push_repeats(push, again))
            return TRUE;
    }
    return *told || push_add_problem(push, what->operation, what->folder->id, 0, &reply, error);
}

static gboolean delete_one(Push *push, CacheFolder *row, GHashTable *sources, GError **error)
{
    const NameCommand what = {"delete", row, "DELETE", row->base_name};
    NamedOutcome outcome;
    gboolean known, told;

    if (!is_to_be_deleted(row) || folder_is_refused(push, "delete", row))
        return TRUE;
    /* What was in it left the view with it: this came later. */
    if (row->exists > 0)
        return folder_revive(push, row, error);
    if (g_hash_table_contains(sources, &row->id) || is_missing_elsewhere(push, row)) {
        push->more = TRUE;
        return TRUE;
    }
    if (row->base_selectable) {
        if (!check_known(push, &what, &known, &told, error))
            return FALSE;
        if (!told)
            return TRUE;
        if (!known)
            return folder_revive(push, row, error);
    }
    return run_named(push, &what, &outcome, error) &&
           (outcome != NAMED_DONE || write_folder_deleted(push, row, error));
}

/* Children before parents. */
gboolean push_old_folders(Push *push, GError **error)
{
    g_autoptr(GPtrArray) rows = by_length(push);
    g_autoptr(GHashTable) sources = find_sources(push);

    for (guint i = rows->len; i > 0; i--)
        if (!delete_one(push, rows->pdata[i - 1], sources, error))
            return FALSE;
    return TRUE;
}

/* ---- subscriptions ------------------------------------------------------------------------- */

static gboolean write_subscribed(Push *push, const char *name, gboolean subscribed, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);

    return txn && cache_subscribe_base(txn, name, subscribed, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* The folder of a name in the view; 0: there is none. */
static gint64 folder_named(const Push *push, const char *name)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, NULL);
    g_autoptr(CacheFolder) folder = txn ? cache_folder_find(txn, name, NULL) : NULL;

    return folder ? folder->id : 0;
}

static gboolean note_unsubscribed(Push *push, gint64 folder, const char *name, ImapReply *reply,
                                  GError **error)
{
    char *words = reply->text;

    reply->text = g_strdup_printf("The provider doesn't note the subscription to %s%s%s", name,
                                  words && *words ? ": " : ".", words ? words : "");
    g_free(words);
    return push_add_problem(push, "subscribe", folder, 0, reply, error);
}

/* Those that stay refused are added to `refused` (folder numbers). */
static gboolean push_subscription(Push *push, const CacheSubscription *row, GHashTable *refused,
                                  GError **error)
{
    ImapClient *imap = push->context->imap;
    const CacheFolder folder = {.id = folder_named(push, row->name)};
    g_auto(ImapReply) reply = {0};
    g_autoptr(GError) failure = NULL;

    if (row->view && folder_is_refused(push, "subscribe", &folder)) {
        g_hash_table_add(refused, g_memdup2(&folder.id, sizeof folder.id));
        return TRUE;
    }
    ImapClientCommand *command = imap_client_command(imap, row->view ? "SUBSCRIBE" : "UNSUBSCRIBE");
    imap_client_command_mailbox(command, row->name);
    if (!imap_client_run_command(imap, command, NULL, NULL, &reply, &failure))
        return push_survives(push, failure, error);
    /* Refused to forget what it doesn't know: done. */
    if (reply.cond == IMAP_COND_OK || !row->view)
        return write_subscribed(push, row->name, row->view, error);
    g_hash_table_add(refused, g_memdup2(&folder.id, sizeof folder.id));
    return note_unsubscribed(push, folder.id, row->name, &reply, error);
}

/* What is noted by now, or nobody wants any more, is no problem. */
static gboolean end_subscribed(Push *push, GHashTable *refused, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) problems = txn ? cache_problem_list(txn, error) : NULL;
    gboolean writes = FALSE;

    for (guint i = 0; problems && i < problems->len; i++) {
        const CacheProblem *problem = problems->pdata[i];
        if (!g_str_equal(problem->operation, "subscribe") ||
            g_hash_table_contains(refused, &problem->folder))
            continue;
        if (!writes) {
            g_clear_pointer(&txn, cache_end);
            txn = cache_begin(push->context->cache, CACHE_WRITE_FULL, error);
            writes = TRUE;
        }
        if (!txn || !cache_problem_clear(txn, problem->id, error))
            return FALSE;
    }
    return problems && (!writes || cache_commit(g_steal_pointer(&txn), error));
}

gboolean push_subscriptions(Push *push, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(push->context->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) all = txn ? cache_subscriptions(txn, error) : NULL;
    g_autoptr(GHashTable) refused =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);

    g_clear_pointer(&txn, cache_end);
    for (guint i = 0; all && i < all->len; i++) {
        const CacheSubscription *row = all->pdata[i];
        if (row->view != row->base && !push_subscription(push, row, refused, error))
            return FALSE;
    }
    return all && end_subscribed(push, refused, error);
}
