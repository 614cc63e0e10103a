/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking for copies in the cache. */
#include "daemon/relay/copies.h"

#include <string.h>

#include "cache/change.h"
#include "cache/message.h"
#include "daemon/proto/mime/header.h"

#define NEWEST   50 /* of the folder's messages: those whose names may have been changed */
#define ORIGINAL "X-Microsoft-Original-Message-ID"

typedef struct {
    gint64 folder;
    GArray *found; /* RelayCopyFound */
} Search;

static gboolean take_placement(const CachePlacement *placement, gpointer data)
{
    const Search *search = data;
    RelayCopyFound copy = {.placement = *placement};

    if (placement->folder == search->folder && placement->alive)
        g_array_append_val(search->found, copy);
    return TRUE;
}

static gint compare_uids(gconstpointer a, gconstpointer b)
{
    guint32 x = ((const RelayCopyFound *)a)->placement.uid;
    guint32 y = ((const RelayCopyFound *)b)->placement.uid;

    return x < y ? -1 : x > y;
}

static gboolean compare_bodies(CacheTxn *txn, GArray *found, const RelayIdentity *identity,
                               GError **error)
{
    for (guint i = 0; i < found->len; i++) {
        RelayCopyFound *copy = &g_array_index(found, RelayCopyFound, i);
        g_autoptr(GError) failure = NULL;
        g_autofree char *digest = relay_identity_digest(txn, copy->placement.message, &failure);

        if (failure) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        copy->made_here = cache_made_here(txn, copy->placement.folder, copy->placement.uid);
        copy->kind = !digest                                 ? RELAY_COPY_UNKNOWN
                     : g_str_equal(digest, identity->digest) ? RELAY_COPY_SAME
                                                             : RELAY_COPY_OTHER;
    }
    return TRUE;
}

static void add_renamed(CacheTxn *txn, gint64 sent, const char *message_id, GHashTable *renamed,
                        GArray *found)
{
    gpointer uid = renamed ? g_hash_table_lookup(renamed, message_id) : NULL;
    RelayCopyFound copy = {.kind = RELAY_COPY_REWRITTEN};

    if (uid && cache_placement_get(txn, sent, GPOINTER_TO_UINT(uid), &copy.placement, NULL) &&
        copy.placement.alive)
        g_array_append_val(found, copy);
}

static gboolean find_placements(CacheTxn *txn, gint64 sent, const char *message_id, GArray *found,
                                GError **error)
{
    Search search = {sent, found};
    g_autoptr(GArray) messages = cache_message_by_message_id(txn, message_id, error);

    for (guint i = 0; messages && i < messages->len; i++)
        if (!cache_placement_each_of(txn, g_array_index(messages, gint64, i), take_placement,
                                     &search, error))
            return FALSE;
    return messages != NULL;
}

guint relay_copies_count(CacheTxn *txn, gint64 sent, const char *message_id, GHashTable *renamed)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(RelayCopyFound));

    find_placements(txn, sent, message_id, found, NULL);
    return found->len + (renamed && g_hash_table_contains(renamed, message_id));
}

GArray *relay_copies_find(CacheTxn *txn, gint64 sent, const RelayIdentity *identity,
                          GHashTable *renamed, GError **error)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(RelayCopyFound));

    if (!identity->message_id)
        return g_steal_pointer(&found);
    if (!find_placements(txn, sent, identity->message_id, found, error) ||
        !compare_bodies(txn, found, identity, error))
        return NULL;
    add_renamed(txn, sent, identity->message_id, renamed, found);
    g_array_sort(found, compare_uids);
    return g_steal_pointer(&found);
}

static void read_original(CacheTxn *txn, const CachePlacement *row, GHashTable *renamed)
{
    g_autoptr(GBytes) header = cache_content_header(txn, row->message, NULL);
    gsize length = 0;
    const char *text = header ? g_bytes_get_data(header, &length) : NULL;
    MimeField field;

    if (!text || !mime_header_find(text, length, ORIGINAL, &field))
        return;
    char *original = g_strstrip(g_strndup(field.value, field.value_length));
    g_hash_table_replace(renamed, original, GUINT_TO_POINTER(row->uid));
}

GHashTable *relay_copies_renamed(CacheTxn *txn, gint64 sent, GError **error)
{
    g_autoptr(GArray) newest = cache_placement_newest(txn, sent, NEWEST, error);
    g_autoptr(GHashTable) renamed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; newest && i < newest->len; i++) {
        const CachePlacement *row = &g_array_index(newest, CachePlacement, i);
        if (row->alive)
            read_original(txn, row, renamed);
    }
    return newest ? g_steal_pointer(&renamed) : NULL;
}
