/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Matching is by Message-ID and size first, and then by bytes: the header and the ends of the text,
 * which are all that is fetched of what is the same. Where the sizes differ (some servers count line
 * ends as one octet) the whole message is fetched and compared.
 */
#include "daemon/sync/join.h"

#include "cache/content.h"
#include "cache/message.h"
#include "cache/subscription.h"
#include "daemon/sync/aside.h"
#include "daemon/sync/attempts.h"
#include "daemon/sync/sets.h"

#include <string.h>

/* Octets of the text that are compared at either end. */
#define ENDS 4096

/* So many messages here are compared with one there. */
#define MAX_ALIKE 64

/* Commands that ask for the ends of texts under way. */
#define PIPELINE 50

/* ---- names ----------------------------------------------------------------------------------- */

typedef struct {
    CacheTxn *txn;
    const SyncListing *listing;
    char delimiter;
    char *prefix;        /* of the user's own folders, with the delimiter behind it */
    GHashTable *targets; /* names as they were -> as they are to be */
} Adoption;

static void adoption_clear(Adoption *adoption)
{
    g_clear_pointer(&adoption->txn, cache_end);
    g_clear_pointer(&adoption->prefix, g_free);
    g_clear_pointer(&adoption->targets, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Adoption, adoption_clear)

/* Of the first line of meta "namespace" that is about the user's own folders. */
static char *own_prefix(CacheTxn *txn)
{
    g_autofree char *text = cache_meta_get(txn, "namespace");
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) parts = g_strsplit(*line, "\t", 3);
        if (g_strv_length(parts) == 3 && g_str_equal(parts[0], "personal"))
            return g_strdup(parts[2]);
    }
    return g_strdup("");
}

static char delimiter_of(const SyncListing *listing)
{
    for (guint i = 0; i < listing->folders->len; i++) {
        const SyncListed *listed = listing->folders->pdata[i];
        if (listed->delimiter)
            return listed->delimiter;
    }
    return '\0';
}

static const char *listed_with_role(const SyncListing *listing, CacheRole role)
{
    for (guint i = 0; role > CACHE_ROLE_INBOX && i < listing->folders->len; i++) {
        const SyncListed *listed = listing->folders->pdata[i];
        if (listed->role == role && sync_listed_selectable(listed))
            return listed->name;
    }
    return NULL;
}

/* The last level of a name, in which the server's delimiter can't be. */
static char *level_of(const Adoption *adoption, const char *name, char delimiter)
{
    const char *at = delimiter ? strrchr(name, delimiter) : NULL;
    char *level = g_strdup(at ? at + 1 : name);

    return adoption->delimiter ? g_strdelimit(level, (char[]){adoption->delimiter, '\0'}, '_')
                               : level;
}

static const char *target_of(Adoption *adoption, const char *name, char delimiter);

static char *name_below(Adoption *adoption, const char *name, char delimiter)
{
    const char *at = delimiter ? strrchr(name, delimiter) : NULL;
    g_autofree char *level = level_of(adoption, name, delimiter);

    if (!at)
        return g_strconcat(adoption->prefix, level, NULL);
    g_autofree char *above = g_strndup(name, (gsize)(at - name));
    const char between[] = {adoption->delimiter ? adoption->delimiter : '-', '\0'};
    return g_strconcat(target_of(adoption, above, delimiter), between, level, NULL);
}

/* Borrowed; what is above a name is looked up first. */
static const char *target_of(Adoption *adoption, const char *name, char delimiter)
{
    const char *target = g_hash_table_lookup(adoption->targets, name);

    if (target)
        return target;
    char *made =
        g_str_equal(name, "INBOX") ? g_strdup("INBOX") : name_below(adoption, name, delimiter);
    g_hash_table_insert(adoption->targets, g_strdup(name), made);
    return made;
}

static gboolean is_from_here(const CacheFolder *row)
{
    return row->name && !row->base_name && sync_is_to_join(row);
}

/* Two folders don't become one by their names alone. */
static char *free_name(const Adoption *adoption, const CacheFolder *row, const char *target)
{
    char *name = g_strdup(target);

    for (guint n = 2; n < 1000; n++) {
        g_autoptr(CacheFolder) other = cache_folder_find(adoption->txn, name, NULL);
        if (!other || other->id == row->id)
            break;
        g_free(name);
        name = g_strdup_printf("%s (%u)", target, n);
    }
    return name;
}

static gboolean move_subscription(Adoption *adoption, const char *from, const char *to,
                                  GError **error)
{
    g_autoptr(GPtrArray) known = cache_subscriptions(adoption->txn, error);

    for (guint i = 0; known && i < known->len; i++) {
        const CacheSubscription *row = known->pdata[i];
        if (row->view && g_str_equal(row->name, from))
            return cache_subscribe(adoption->txn, from, FALSE, error) &&
                   cache_subscribe(adoption->txn, to, TRUE, error);
    }
    return known != NULL;
}

static gboolean adopt_one(Adoption *adoption, const CacheFolder *old, GError **error)
{
    g_autoptr(CacheFolder) row = cache_folder_get(adoption->txn, old->id, error);

    if (!row || !is_from_here(row))
        return row != NULL;
    g_autofree char *name =
        free_name(adoption, row, target_of(adoption, old->name, old->delimiter));
    if (!g_str_equal(row->name, name) && !move_subscription(adoption, row->name, name, error))
        return FALSE;
    g_free(row->name);
    row->name = g_steal_pointer(&name);
    row->delimiter = adoption->delimiter;
    return cache_folder_update(adoption->txn, row, error);
}

/* For what the server has a folder, under whatever name. */
static void target_roles(Adoption *adoption, const GPtrArray *rows)
{
    for (guint i = 0; i < rows->len; i++) {
        const CacheFolder *row = rows->pdata[i];
        const char *name =
            is_from_here(row) ? listed_with_role(adoption->listing, row->role) : NULL;
        if (name)
            g_hash_table_insert(adoption->targets, g_strdup(row->name), g_strdup(name));
    }
}

gboolean sync_adopt_names(SyncContext *context, const SyncListing *listing, const GPtrArray *rows,
                          gboolean *changed, GError **error)
{
    g_auto(Adoption) adoption = {.listing = listing, .delimiter = delimiter_of(listing)};

    adoption.txn = cache_begin(context->cache, CACHE_READ, error);
    g_autofree char *asked = adoption.txn ? cache_meta_get(adoption.txn, "adopt-names") : NULL;
    *changed = asked != NULL;
    if (!asked)
        return adoption.txn != NULL;
    g_clear_pointer(&adoption.txn, cache_end);
    adoption.txn = cache_begin(context->cache, CACHE_WRITE_FULL, error);
    if (!adoption.txn)
        return FALSE;
    adoption.prefix = own_prefix(adoption.txn);
    adoption.targets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    target_roles(&adoption, rows);
    for (guint i = 0; i < rows->len; i++)
        if (is_from_here(rows->pdata[i]) && !adopt_one(&adoption, rows->pdata[i], error))
            return FALSE;
    return cache_meta_set(adoption.txn, "adopt-names", NULL, error) &&
           cache_commit(g_steal_pointer(&adoption.txn), error);
}

/* ---- messages here and there ----------------------------------------------------------------- */

typedef struct {
    CachePlacement place;
    char *id;   /* its Message-ID, "" for none */
    gint match; /* index of the server's message; -1: none */
} Local;

typedef struct {
    SyncContext *context;
    const CacheFolder *folder;
    GArray *locals;     /* Local */
    GArray *messages;   /* SyncServerMessage */
    GHashTable *by_key; /* what it may be known by -> GArray of indices into locals */
    GHashTable *by_uid; /* UID there -> index into messages + 1 */
} Join;

static void local_clear(gpointer data)
{
    g_free(((Local *)data)->id);
}

static void join_clear(Join *join)
{
    g_clear_pointer(&join->locals, g_array_unref);
    g_clear_pointer(&join->messages, g_array_unref);
    g_clear_pointer(&join->by_key, g_hash_table_unref);
    g_clear_pointer(&join->by_uid, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Join, join_clear)

static Local *local_of(const Join *join, guint i)
{
    return &g_array_index(join->locals, Local, i);
}

static SyncServerMessage *message_of(const Join *join, guint i)
{
    return &g_array_index(join->messages, SyncServerMessage, i);
}

static gboolean collect_local(const CachePlacement *placement, gpointer data)
{
    Join *join = data;
    const Local local = {.place = *placement, .match = -1};

    if (placement->base == CACHE_BASE_UNKNOWN ||
        (placement->base == CACHE_BASE_NONE && placement->alive))
        g_array_append_val(join->locals, local);
    return TRUE;
}

/* What the maildrop has shown comes first, what a client sees before what it has moved away. */
static gint compare_locals(gconstpointer a, gconstpointer b)
{
    const CachePlacement *x = &((const Local *)a)->place, *y = &((const Local *)b)->place;

    if (x->base != y->base)
        return x->base == CACHE_BASE_UNKNOWN ? -1 : 1;
    if (x->alive != y->alive)
        return x->alive ? -1 : 1;
    return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static void note_key(Join *join, char *key, guint i)
{
    GArray *alike = g_hash_table_lookup(join->by_key, key);

    if (alike) {
        g_free(key);
    } else {
        alike = g_array_new(FALSE, FALSE, sizeof(guint));
        g_hash_table_insert(join->by_key, key, alike);
    }
    g_array_append_val(alike, i);
}

static char *exact_key(const char *id, guint64 size)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT " %s", size, id);
}

static gboolean read_locals(Join *join, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(join->context->cache, CACHE_READ, error);
    gboolean known;

    if (!txn ||
        !cache_placement_each(txn, join->folder->id, 1, G_MAXUINT32, collect_local, join, error))
        return FALSE;
    g_array_sort(join->locals, compare_locals);
    for (guint i = 0; i < join->locals->len; i++) {
        Local *local = local_of(join, i);
        local->id = sync_message_id(txn, local->place.message, &known);
        if (!local->id)
            local->id = g_strdup("");
        note_key(join, exact_key(local->id, local->place.size), i);
        if (*local->id)
            note_key(join, g_strdup(local->id), i);
    }
    return TRUE;
}

static gboolean read_messages(Join *join, GError **error)
{
    g_autoptr(ImapSet) uids = imap_set_new();

    if (!sync_fetch_whole(join->context, join->messages, uids, error))
        return FALSE;
    g_autoptr(GHashTable) ids = sync_fetch_message_ids(join->context, uids, error);
    for (guint i = 0; ids && i < join->messages->len; i++) {
        SyncServerMessage *message = message_of(join, i);
        const char *id = g_hash_table_lookup(ids, GUINT_TO_POINTER(message->uid));
        message->message_id = g_strdup(id ? id : "");
        g_hash_table_insert(join->by_uid, GUINT_TO_POINTER(message->uid), GUINT_TO_POINTER(i + 1));
    }
    return ids != NULL;
}

static void match_local(Join *join, guint local, guint message)
{
    local_of(join, local)->match = (gint)message;
    message_of(join, message)->matched = TRUE;
}

/* ---- the same size --------------------------------------------------------------------------- */

static const GArray *exactly_alike(const Join *join, const SyncServerMessage *message)
{
    g_autofree char *key = exact_key(message->message_id, message->size);

    return g_hash_table_lookup(join->by_key, key);
}

/* Whether the octets stand at `offset` of the message that is here. */
static gboolean has_octets(CacheTxn *txn, gint64 message, guint64 offset, GBytes *octets)
{
    g_autoptr(GBytes) here =
        cache_content_read(txn, message, offset, g_bytes_get_size(octets), NULL);

    return here && g_bytes_equal(here, octets);
}

static gboolean begins_so(CacheTxn *txn, const Local *local, const SyncServerMessage *message,
                          GBytes *header, GBytes *text)
{
    const guint64 length = g_bytes_get_size(header), told = g_bytes_get_size(text);

    return length <= message->size && told >= MIN(message->size - length, ENDS) &&
           has_octets(txn, local->place.message, 0, header) &&
           has_octets(txn, local->place.message, length, text);
}

/* The answer to a question about one of `join->messages`; NULL without error: it isn't one. */
static SyncServerMessage *asked_message(Join *join, const ImapResponse *response,
                                        ImapFetchData *fetch, GError **error)
{
    if (!response->name || !g_str_equal(response->name, "FETCH") ||
        !imap_fetch_data_parse(response, fetch, error) || !(fetch->got & IMAP_GOT_UID))
        return NULL;
    guint at = GPOINTER_TO_UINT(g_hash_table_lookup(join->by_uid, GUINT_TO_POINTER(fetch->uid)));
    return at ? message_of(join, at - 1) : NULL;
}

/* What the server has of a message: it is the first here that begins so. */
static gboolean note_beginning(const ImapResponse *response, gpointer data, GError **error)
{
    Join *join = data;
    g_autoptr(GError) failure = NULL;
    g_autoptr(GBytes) header = NULL, text = NULL;
    ImapFetchData fetch;
    SyncServerMessage *message = asked_message(join, response, &fetch, &failure);

    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (!message || message->matched || !imap_fetch_data_section(&fetch, "HEADER", &header) ||
        !imap_fetch_data_section(&fetch, "TEXT", &text) || !header || !text)
        return TRUE;
    g_autoptr(CacheTxn) txn = cache_begin(join->context->cache, CACHE_READ, error);
    const GArray *alike = exactly_alike(join, message);
    guint tried = 0;
    for (guint i = 0; txn && alike && i < alike->len && tried < MAX_ALIKE; i++) {
        const guint local = g_array_index(alike, guint, i);
        if (local_of(join, local)->match >= 0)
            continue;
        tried++;
        if (!begins_so(txn, local_of(join, local), message, header, text))
            continue;
        match_local(join, local, (guint)(message - message_of(join, 0)));
        break;
    }
    return txn != NULL;
}

static gboolean match_beginnings(Join *join, GError **error)
{
    g_autofree char *items = g_strdup_printf("UID BODY.PEEK[HEADER] BODY.PEEK[TEXT]<0.%d>", ENDS);
    g_autoptr(ImapSet) uids = imap_set_new();
    g_auto(SyncAsk)
        ask = {.context = join->context, .items = items, .handler = note_beginning, .data = join};

    for (guint i = 0; i < join->messages->len; i++)
        if (exactly_alike(join, message_of(join, i)))
            imap_set_add(uids, message_of(join, i)->uid);
    return imap_set_is_empty(uids) || sync_ask(&ask, uids, error);
}

/* ---- the ends of long texts -------------------------------------------------------------------- */

/* A match whose end is looked at. */
typedef struct {
    Join *join;
    guint local;
    guint64 offset; /* of the end, in the message */
    gboolean same;
} End;

static gboolean note_end(const ImapResponse *response, gpointer data, GError **error)
{
    End *end = data;
    const Local *local = local_of(end->join, end->local);
    g_autoptr(GError) failure = NULL;
    g_autoptr(GBytes) text = NULL;
    ImapFetchData fetch;
    const SyncServerMessage *message = asked_message(end->join, response, &fetch, &failure);

    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (message != message_of(end->join, (guint)local->match) ||
        !imap_fetch_data_section(&fetch, "TEXT", &text) || !text)
        return TRUE;
    g_autoptr(CacheTxn) txn = cache_begin(end->join->context->cache, CACHE_READ, error);
    end->same = txn && g_bytes_get_size(text) == ENDS &&
                has_octets(txn, local->place.message, end->offset, text);
    return txn != NULL;
}

static guint64 header_size(CacheTxn *txn, gint64 message)
{
    g_autoptr(GBytes) header = cache_content_header(txn, message, NULL);

    return header ? g_bytes_get_size(header) : 0;
}

/* Matches whose text is longer than what was compared of it. */
static gboolean collect_ends(Join *join, GArray *ends, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(join->context->cache, CACHE_READ, error);

    for (guint i = 0; txn && i < join->locals->len; i++) {
        const Local *local = local_of(join, i);
        if (local->match < 0 || local->place.size <= header_size(txn, local->place.message) + ENDS)
            continue;
        const End end = {join, i, local->place.size - ENDS, FALSE};
        g_array_append_val(ends, end);
    }
    return txn != NULL;
}

static guint ask_end(Join *join, End *end, GError **error)
{
    const Local *local = local_of(join, end->local);
    g_autoptr(CacheTxn) txn = cache_begin(join->context->cache, CACHE_READ, error);

    if (!txn)
        return 0;
    const guint64 offset = end->offset - header_size(txn, local->place.message);
    g_clear_pointer(&txn, cache_end);
    g_autofree char *text =
        g_strdup_printf(" %u (UID BODY.PEEK[TEXT]<%" G_GUINT64_FORMAT ".%d>)",
                        message_of(join, (guint)local->match)->uid, offset, ENDS);
    ImapClientCommand *command = imap_client_command(join->context->imap, "UID FETCH");
    imap_client_command_text(command, text);
    return imap_client_send_with(join->context->imap, command, note_end, end, error);
}

static gboolean ask_ends(Join *join, GArray *ends, guint first, guint last, GError **error)
{
    guint numbers[PIPELINE];

    for (guint i = first; i < last; i++) {
        numbers[i - first] = ask_end(join, &g_array_index(ends, End, i), error);
        if (numbers[i - first] == 0)
            return FALSE;
    }
    for (guint i = first; i < last; i++) {
        g_auto(ImapReply) reply = {0};
        if (!imap_client_finish(join->context->imap, numbers[i - first], &reply, error))
            return FALSE;
    }
    return TRUE;
}

/* What ends otherwise isn't the same after all. */
static gboolean check_ends(Join *join, GError **error)
{
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(End));

    if (!collect_ends(join, ends, error))
        return FALSE;
    for (guint i = 0; i < ends->len; i += PIPELINE)
        if (!ask_ends(join, ends, i, MIN(i + PIPELINE, ends->len), error))
            return FALSE;
    for (guint i = 0; i < ends->len; i++) {
        const End *end = &g_array_index(ends, End, i);
        Local *local = local_of(join, end->local);
        if (end->same)
            continue;
        message_of(join, (guint)local->match)->matched = FALSE;
        local->match = -1;
    }
    return TRUE;
}

/* ---- another size ---------------------------------------------------------------------------- */

/* What has the same size and a short text has been compared already. */
static gboolean may_be_same(const CachePlacement *here, const SyncServerMessage *there)
{
    const guint64 small = MIN(here->size, there->size), large = MAX(here->size, there->size);

    return small == large ? large > ENDS : large / 2 <= small;
}

/* All of one message there is compared with those here that have its Message-ID. */
static gboolean match_whole(Join *join, guint index, const GArray *alike, GError **error)
{
    const SyncServerMessage *message = message_of(join, index);
    g_autofree char *there = NULL;
    guint tried = 0;

    for (guint i = 0; i < alike->len && tried < MAX_ALIKE; i++) {
        const guint at = g_array_index(alike, guint, i);
        const Local *local = local_of(join, at);
        if (local->match >= 0 || !may_be_same(&local->place, message))
            continue;
        if (!there && !sync_digest_there(join->context, message->uid, &there, error))
            return FALSE;
        if (!there)
            return TRUE;
        g_autofree char *here = sync_digest_here(join->context, local->place.message);
        tried++;
        if (g_strcmp0(here, there) != 0)
            continue;
        match_local(join, at, index);
        return TRUE;
    }
    return TRUE;
}

static gboolean match_rest(Join *join, GError **error)
{
    for (guint i = 0; i < join->messages->len; i++) {
        const SyncServerMessage *message = message_of(join, i);
        const GArray *alike = message->matched || !*message->message_id
                                  ? NULL
                                  : g_hash_table_lookup(join->by_key, message->message_id);
        if (alike && !match_whole(join, i, alike, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Servers mark as read what is fetched by POP3: that a message is unread here says more. What else is
 * set on either side stays. */
static gboolean join_flags(const Join *join, CacheTxn *txn, CachePlacement *row,
                           const SyncServerMessage *message, GError **error)
{
    gboolean changed;

    if (message->flagless)
        return TRUE;
    row->base_flags = (CacheFlags){.system = message->flags.system & CACHE_SEEN};
    return sync_follow_flags(txn, row, message->flags, sync_mask(join->folder), &changed, error);
}

static gboolean join_name(const Join *join, CacheTxn *txn, gint64 message,
                          const SyncServerMessage *there, GError **error)
{
    if (!there->remote_id)
        return TRUE;
    if (sync_is_set_like(join->context))
        return cache_message_name(txn, message, there->remote_id, there->thread, error);
    /* One id for two messages says nothing. */
    return cache_message_by_remote_id(txn, there->remote_id, NULL) ||
           cache_message_set_remote_id(txn, message, there->remote_id, error);
}

static gboolean write_joined(const Join *join, CacheTxn *txn, CachePlacement *row,
                             const SyncServerMessage *message, GError **error)
{
    row->base = CACHE_BASE_PRESENT;
    row->base_uid = message->uid;
    return join_flags(join, txn, row, message, error) && cache_placement_put(txn, row, error) &&
           join_name(join, txn, row->message, message, error);
}

/* It isn't there: what is here is sent, what was moved away is sent from where it is. */
static gboolean write_only_here(CacheTxn *txn, CachePlacement *row, GError **error)
{
    if (row->base == CACHE_BASE_NONE)
        return TRUE;
    row->base = CACHE_BASE_NONE;
    return cache_placement_put(txn, row, error) &&
           (row->alive || cache_placement_remove(txn, row->folder, row->uid, error));
}

/* As it is now: a client may have changed it, or deleted it. */
static gboolean write_local(const Join *join, CacheTxn *txn, const Local *local, GError **error)
{
    SyncServerMessage *message = local->match < 0 ? NULL : message_of(join, (guint)local->match);
    g_autoptr(GError) failure = NULL;
    CachePlacement row;

    if (cache_placement_get(txn, local->place.folder, local->place.uid, &row, &failure))
        return message ? write_joined(join, txn, &row, message, error)
                       : write_only_here(txn, &row, error);
    if (!g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (message)
        message->matched = FALSE;
    return TRUE;
}

static gboolean write_join(Join *join, GError **error)
{
    const ImapSelected *state = &join->context->state;
    g_autoptr(CacheTxn) txn = cache_begin(join->context->cache, CACHE_WRITE_FULL, error);
    g_autoptr(CacheFolder) row = txn ? cache_folder_get(txn, join->folder->id, error) : NULL;

    for (guint i = 0; row && i < join->locals->len; i++)
        if (!write_local(join, txn, local_of(join, i), error))
            return FALSE;
    if (!row)
        return FALSE;
    g_hash_table_remove(join->context->base_counts, &row->id);
    row->pushed = TRUE;
    row->base_uidvalidity = state->uidvalidity;
    row->base_uidnext = state->uidnext;
    row->base_highestmodseq = 0;
    return cache_folder_update(txn, row, error) && cache_commit(g_steal_pointer(&txn), error);
}

GArray *sync_join_folder(SyncContext *context, const CacheFolder *folder, gboolean *told,
                         GError **error)
{
    g_auto(Join) join = {.context = context, .folder = folder};

    join.locals = g_array_new(FALSE, FALSE, sizeof(Local));
    g_array_set_clear_func(join.locals, local_clear);
    join.messages = sync_server_messages_new();
    join.by_key =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_array_unref);
    join.by_uid = g_hash_table_new(NULL, NULL);
    if (!read_locals(&join, error) || !read_messages(&join, error))
        return NULL;
    *told = join.messages->len >= imap_client_exists(context->imap) ||
            sync_is_unsure(context, folder->id);
    if (*told && (!match_beginnings(&join, error) || !check_ends(&join, error) ||
                  !match_rest(&join, error) || !write_join(&join, error)))
        return NULL;
    return g_steal_pointer(&join.messages);
}
