/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the parts of a round share. */
#include "daemon/sync/context.h"

#include "daemon/index/render.h"
#include "daemon/sync/left-out.h"
#include <string.h>

/* Spellings of sets as the server wrote them, that needn't be looked up again. */
#define SETS_REMEMBERED 10000

/* Without the static of G_DEFINE_QUARK, which threads would share unguarded. */
GQuark sync_error_quark(void)
{
    return g_quark_from_static_string("postern-sync-error");
}

static void free_attempt(gpointer attempt)
{
    cache_attempt_free(attempt);
}

SyncContext *sync_context_new(const AccountAccess *access, Cache *cache, FetchBodies *bodies)
{
    SyncContext *context = g_new0(SyncContext, 1);

    context->settings = account_settings_ref(access->settings);
    context->clock = net_clock_ref(access->clock);
    context->cache = cache;
    context->bodies = bodies;
    context->keyword_sets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    context->left_out = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    context->base_counts = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    context->rights_asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    context->breaks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    context->suspicions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    context->repeats = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    context->returned = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    context->recognised = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    context->epochs = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    context->closed = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    context->notes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    context->suspects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    context->aside = g_array_new(FALSE, FALSE, 1);
    context->vanished = g_array_new(FALSE, FALSE, sizeof(SyncVanished));
    context->arrivals = g_array_new(FALSE, FALSE, sizeof(SyncArrival));
    context->complete = g_array_new(FALSE, FALSE, sizeof(SyncComplete));
    context->gone = g_array_new(FALSE, FALSE, sizeof(gint64));
    context->attempts = g_ptr_array_new_with_free_func(free_attempt);
    context->pulled = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    context->touched = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    return context;
}

void sync_context_reset(SyncContext *context)
{
    g_array_set_size(context->vanished, 0);
    g_array_set_size(context->arrivals, 0);
    g_array_set_size(context->complete, 0);
    g_array_set_size(context->gone, 0);
    g_ptr_array_set_size(context->attempts, 0);
    g_hash_table_remove_all(context->pulled);
}

void sync_context_free(SyncContext *context)
{
    if (!context)
        return;
    g_clear_pointer(&context->imap, imap_client_free);
    imap_selected_clear(&context->state);
    g_hash_table_unref(context->keyword_sets);
    g_hash_table_unref(context->left_out);
    g_hash_table_unref(context->base_counts);
    g_hash_table_unref(context->rights_asked);
    g_hash_table_unref(context->breaks);
    g_hash_table_unref(context->suspicions);
    g_hash_table_unref(context->repeats);
    g_hash_table_unref(context->returned);
    g_hash_table_unref(context->recognised);
    g_hash_table_unref(context->epochs);
    g_hash_table_unref(context->closed);
    g_hash_table_unref(context->notes);
    g_hash_table_unref(context->suspects);
    g_array_unref(context->aside);
    g_array_unref(context->vanished);
    g_array_unref(context->arrivals);
    g_array_unref(context->complete);
    g_array_unref(context->gone);
    g_ptr_array_unref(context->attempts);
    g_hash_table_unref(context->pulled);
    g_hash_table_unref(context->touched);
    account_settings_unref(context->settings);
    net_clock_unref(context->clock);
    g_free(context);
}

/* ---- suspicions ------------------------------------------------------------------------------ */

gboolean sync_confirm(SyncContext *context, const char *suspicion, GError **error)
{
    guint seen = GPOINTER_TO_UINT(g_hash_table_lookup(context->suspicions, suspicion));

    if (seen != 0 && seen != context->connection)
        return TRUE;
    g_hash_table_insert(context->suspicions, g_strdup(suspicion),
                        GUINT_TO_POINTER(context->connection));
    g_set_error(error, SYNC_ERROR, SYNC_ERROR_CONFIRM, "asking again whether %s", suspicion);
    return FALSE;
}

void sync_clear_suspicion(SyncContext *context, const char *suspicion)
{
    g_hash_table_remove(context->suspicions, suspicion);
}

/* ---- failures ------------------------------------------------------------------------------ */

gboolean sync_survives(SyncContext *context, const GError *failure, GError **error)
{
    if (imap_client_broke(failure))
        return context->reconnect(context->reconnect_data, error);
    g_propagate_error(error, g_error_copy(failure));
    return FALSE;
}

gboolean sync_repeats(SyncContext *context, const GError *failure, GError **error)
{
    guint times = GPOINTER_TO_UINT(g_hash_table_lookup(context->repeats, failure->message));

    g_hash_table_insert(context->repeats, g_strdup(failure->message), GUINT_TO_POINTER(times + 1));
    if (times > 0)
        return TRUE;
    g_propagate_error(error, g_error_copy(failure));
    return FALSE;
}

/* ---- counts ---------------------------------------------------------------------------------- */

static gboolean count_row(const CachePlacement *placement, gpointer data)
{
    ++*(guint *)data;
    return TRUE;
}

gboolean sync_base_count(SyncContext *context, gint64 folder, guint *count, GError **error)
{
    gpointer known;

    if (g_hash_table_lookup_extended(context->base_counts, &folder, NULL, &known)) {
        *count = GPOINTER_TO_UINT(known);
        return TRUE;
    }
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    *count = 0;
    if (!txn || !cache_placement_each_base(txn, folder, 1, G_MAXUINT32, count_row, count, error))
        return FALSE;
    g_hash_table_insert(context->base_counts, g_memdup2(&folder, sizeof folder),
                        GUINT_TO_POINTER(*count));
    return TRUE;
}

void sync_base_count_add(SyncContext *context, gint64 folder, int change)
{
    gpointer known;

    if (g_hash_table_lookup_extended(context->base_counts, &folder, NULL, &known))
        g_hash_table_insert(context->base_counts, g_memdup2(&folder, sizeof folder),
                            GUINT_TO_POINTER((guint)((int)GPOINTER_TO_UINT(known) + change)));
}

/* ---- flags ----------------------------------------------------------------------------------- */

static guint32 unite(guint32 a, guint32 b, gpointer txn, GError **error)
{
    return cache_keywords_union(txn, a, b, error);
}

static guint32 context_subtract(guint32 a, guint32 b, gpointer txn, GError **error)
{
    return cache_keywords_subtract(txn, a, b, error);
}

SyncKeywords sync_keywords(CacheTxn *txn)
{
    return (SyncKeywords){unite, context_subtract, txn};
}

gboolean sync_follow_flags(CacheTxn *txn, CachePlacement *row, CacheFlags server, SyncMask mask,
                           gboolean *changed, GError **error)
{
    SyncKeywords keywords = sync_keywords(txn);
    g_autoptr(GError) reason = NULL;

    if (sync_decide_flags(row, server, mask, &keywords, changed, &reason))
        return TRUE;
    if (!g_error_matches(reason, CACHE_ERROR, CACHE_ERROR_INVALID)) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    g_info("The keywords of a message stay as they are: %s", reason->message);
    const guint32 base = row->base_flags.keywords;
    mask.keywords = FALSE;
    if (!sync_decide_flags(row, server, mask, &keywords, changed, error))
        return FALSE;
    row->base_flags.keywords = base;
    return TRUE;
}

/* The set of these names; or what there is of it, when there are too many different ones. */
static guint32 intern(SyncContext *context, const char *joined, gboolean *all, GError **error)
{
    g_auto(GStrv) names = g_strsplit(joined, " ", -1);
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_WRITE, error);
    guint32 set =
        txn ? cache_keywords_told(txn, (const char *const *)names, all, error) : G_MAXUINT32;

    if (set == G_MAXUINT32 || !cache_commit(g_steal_pointer(&txn), error))
        return G_MAXUINT32;
    if (*all && g_hash_table_size(context->keyword_sets) < SETS_REMEMBERED)
        g_hash_table_insert(context->keyword_sets, g_strdup(joined), GUINT_TO_POINTER(set));
    return set;
}

/* What the cache takes for a keyword. */
static gboolean can_be_kept(const ImapNode *keyword)
{
    for (gsize i = 0; i < keyword->length; i++)
        if ((guchar)keyword->text[i] <= ' ' || keyword->text[i] == 0x7f)
            return FALSE;
    return keyword->length > 0 && keyword->length <= 255;
}

/* The first SYNC_KEYWORDS that can be kept, with spaces between; *why: others are left out. */
static GString *join_keywords(const ImapFetchData *fetch, const char **why)
{
    GString *joined = g_string_new(NULL);
    guint count = 0;

    *why = fetch->n_unkept > 0 ? "a name is longer than 255 letters, or isn't a keyword" : NULL;
    for (const ImapNode *node = imap_fetch_data_keyword(imap_node_first(fetch->flags)); node;
         node = imap_node_next(node) ? imap_fetch_data_keyword(imap_node_next(node)) : NULL) {
        if (!can_be_kept(node)) {
            *why = "a name isn't a keyword";
            continue;
        }
        if (count == SYNC_KEYWORDS) {
            *why = "a message has more than " G_STRINGIFY(SYNC_KEYWORDS);
            break;
        }
        if (count++ > 0)
            g_string_append_c(joined, ' ');
        g_string_append_len(joined, node->text, (gssize)node->length);
    }
    return joined;
}

gboolean sync_flags_of(SyncContext *context, const ImapFetchData *fetch, CacheFlags *result,
                       GError **error)
{
    const char *why;
    g_autoptr(GString) joined = join_keywords(fetch, &why);
    gboolean all = TRUE;
    gpointer known;

    *result = (CacheFlags){.system = fetch->system};
    if (joined->len == 0)
        result->keywords = 0;
    else if (g_hash_table_lookup_extended(context->keyword_sets, joined->str, NULL, &known))
        result->keywords = GPOINTER_TO_UINT(known);
    else
        result->keywords = intern(context, joined->str, &all, error);
    if (result->keywords == G_MAXUINT32)
        return FALSE;
    if (!all)
        why = "the account has too many different sets of them";
    return !why || sync_leave_out(context, why, error);
}

void sync_flags_format(SyncContext *context, CacheFlags flags, GString *out)
{
    imap_flags_format(flags.system, FALSE, cache_keywords_names(context->cache, flags.keywords),
                      out);
}

/* ---- selecting ------------------------------------------------------------------------------- */

/* Refusing costs nothing, so that may be asked for again. */
static void note_closed(SyncContext *context, gint64 folder, const GError *failure)
{
    if (imap_client_broke(failure))
        g_hash_table_add(context->closed, g_memdup2(&folder, sizeof folder));
}

gboolean sync_select_since(SyncContext *context, const CacheFolder *folder, guint64 modseq,
                           ImapHandler handler, gpointer data, GError **error)
{
    const ImapSelect what = {.name = folder->base_name,
                             .uidvalidity = folder->base_uidvalidity,
                             .modseq = modseq,
                             .handler = handler,
                             .data = data};

    g_autoptr(GError) failure = NULL;

    imap_selected_clear(&context->state);
    context->selected = 0;
    context->selecting = folder->id;
    if (!imap_client_select(context->imap, &what, &context->state, &failure)) {
        note_closed(context, folder->id, failure);
        g_propagate_prefixed_error(error, g_steal_pointer(&failure), "%s: ", folder->base_name);
        return FALSE;
    }
    g_hash_table_remove(context->closed, &folder->id);
    context->selected = folder->id;
    return TRUE;
}

gboolean sync_select(SyncContext *context, const CacheFolder *folder, GError **error)
{
    return sync_select_since(context, folder, 0, NULL, NULL, error);
}

gboolean sync_select_epoch(SyncContext *context, gint64 id, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(context->cache, CACHE_READ, error);
    g_autoptr(CacheFolder) folder = txn ? cache_folder_get(txn, id, error) : NULL;

    g_clear_pointer(&txn, cache_end);
    if (!folder)
        return FALSE;
    if (!folder->base_name || folder->base_uidvalidity == 0) {
        g_set_error(error, SYNC_ERROR, SYNC_ERROR_AGAIN, "%s isn't upstream yet", folder->name);
        return FALSE;
    }
    if (context->selected != id && !sync_select(context, folder, error))
        return FALSE;
    gboolean same = context->state.uidvalidity == folder->base_uidvalidity &&
                    (!context->state.mailboxid || !folder->remote_id ||
                     g_str_equal(context->state.mailboxid, folder->remote_id));
    if (!same)
        g_set_error(error, SYNC_ERROR, SYNC_ERROR_AGAIN,
                    "%s is not the folder it was when it was last read", folder->base_name);
    return same;
}

/* ---- rights ---------------------------------------------------------------------------------- */

void sync_forget_rights(SyncContext *context)
{
    g_hash_table_remove_all(context->rights_asked);
}

/* RFC 4314, 5.2: READ-ONLY means neither inserting nor expunging, but some flags may be kept. */
guint32 sync_shown_rights(const SyncContext *context)
{
    const ImapSelected *state = &context->state;
    guint32 rights = CACHE_RIGHTS_SHOWN | CACHE_RIGHT_LOOKUP | CACHE_RIGHT_READ;

    if (!state->read_only)
        return CACHE_RIGHTS_SHOWN | CACHE_RIGHTS_ALL;
    for (guint32 right = 1; right & CACHE_RIGHTS_ALL; right <<= 1)
        if (cache_rights_system_flags(right) & state->permanent)
            rights |= right;
    return rights;
}

/* ---- fetching -------------------------------------------------------------------------------- */

gboolean sync_fetch_each(SyncContext *context, const ImapSet *uids, const char *items,
                         ImapHandler func, gpointer data, GError **error)
{
    guint range = 0;

    for (;;) {
        g_autoptr(GString) set = g_string_new(NULL);
        if (!imap_set_format_some(uids, &range, IMAP_CLIENT_SET, set))
            return TRUE;
        if (!imap_client_run_with(context->imap, func, data, NULL, error, "UID FETCH %s (%s)",
                                  set->str, items))
            return FALSE;
    }
}

/* ---- sizes --------------------------------------------------------------------------------- */

static guint64 count_lines(CacheTxn *txn, gint64 message)
{
    const gsize piece = 1024 * 1024;
    guint64 lines = 0;

    for (guint64 offset = 0;; offset += piece) {
        g_autoptr(GBytes) bytes = cache_content_read(txn, message, offset, piece, NULL);
        gsize length = 0;
        const char *data = bytes ? g_bytes_get_data(bytes, &length) : NULL;
        for (gsize i = 0; i < length; i++)
            lines += data[i] == '\n';
        if (length < piece)
            return lines;
    }
}

static gboolean has_estimates(const SyncContext *context)
{
    return context->imap && quirks_have(imap_client_quirks(context->imap), QUIRK_ESTIMATED_SIZES);
}

guint64 sync_size_to_compare(const SyncContext *context, guint64 size)
{
    return has_estimates(context) ? 0 : size;
}

gboolean sync_may_have_size(const SyncContext *context, CacheTxn *txn, gint64 message, guint64 here,
                            guint64 there)
{
    guint64 apart = here > there ? here - there : there - here;

    if (here == 0 || there == 0 || apart == 0 || has_estimates(context))
        return TRUE;
    return cache_content_state(txn, message) == CACHE_CONTENT_FULL &&
           apart == count_lines(txn, message);
}

SyncMask sync_mask_shown(SyncContext *context, const CacheFolder *folder)
{
    const ImapSelected *state = &context->state;
    gboolean for_a_while =
        state->read_only && folder->synced && !sync_has(context, IMAP_CAP_ACL) && folder->flag_mask;

    return for_a_while ? sync_mask(folder) : (SyncMask){state->permanent, state->keywords};
}

/* ---- Message-IDs ----------------------------------------------------------------------------- */

char *sync_message_id(CacheTxn *txn, gint64 message, gboolean *known)
{
    g_autoptr(GBytes) header = cache_content_header(txn, message, NULL);
    gsize length;

    *known = header != NULL;
    if (!header)
        return NULL;
    const char *data = g_bytes_get_data(header, &length);
    return render_message_id(data, length);
}
