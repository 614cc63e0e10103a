/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One meta value a day, in a ring of as many as days are kept and one more: "DAY FOLDER:UIDS
 * FOLDER:UIDS", the UIDs as a set.
 */
#include "daemon/sync/expire.h"

#include <stdlib.h>
#include <string.h>

#define DAYS_KEPT 7
#define SLOTS     (DAYS_KEPT + 2)
#define DAY       (24 * 60 * 60)

/* Ranges of one day's set; a text with more than these was not written by us. */
#define MAX_RANGES 4000000

static char *slot_name(gint64 day)
{
    return g_strdup_printf("vanished.%d", (int)(day % SLOTS));
}

static gint64 slot_day(const char *text)
{
    return text ? strtoll(text, NULL, 10) : -1;
}

/* `text` with the UIDs added to its folder's set, where that stands last. */
static char *with_uids(const char *text, gint64 folder, const ImapSet *uids)
{
    g_autofree char *prefix = g_strdup_printf(" %" G_GINT64_FORMAT ":", folder);
    g_autoptr(ImapSet) set = imap_set_copy(uids);
    const char *last = strrchr(text, ' ');
    g_autoptr(GString) out = g_string_new(text);

    if (last && g_str_has_prefix(last, prefix)) {
        const char *members = last + strlen(prefix);
        g_autoptr(ImapSet) known = imap_set_parse(members, strlen(members), MAX_RANGES, NULL);
        if (known)
            imap_set_add_set(set, known);
        g_string_truncate(out, (gsize)(last - text));
    }
    g_string_append(out, prefix);
    imap_set_format(set, out);
    return g_strdup(out->str);
}

gboolean sync_remember_vanished(CacheTxn *txn, gint64 folder, const ImapSet *uids, gint64 now,
                                GError **error)
{
    gint64 day = now / DAY;
    g_autofree char *key = slot_name(day);
    g_autofree char *text = cache_meta_get(txn, key);

    if (imap_set_is_empty(uids))
        return TRUE;
    if (slot_day(text) != day) {
        g_free(text);
        text = g_strdup_printf("%" G_GINT64_FORMAT, day);
    }
    g_autofree char *value = with_uids(text, folder, uids);
    return cache_meta_set(txn, key, value, error);
}

static gboolean purge_set(CacheTxn *txn, const char *entry)
{
    char *members;
    gint64 folder = strtoll(entry, &members, 10);
    g_autoptr(ImapSet) set =
        *members == ':' ? imap_set_parse(members + 1, strlen(members + 1), MAX_RANGES, NULL) : NULL;
    ImapSetIter iter;
    guint32 uid;

    if (!set)
        return FALSE;
    imap_set_iter_init(&iter, set);
    while (imap_set_iter_next(&iter, &uid)) {
        CachePlacement placement;
        /* What has come to life again, or was sent again, stays. */
        if (cache_placement_get(txn, folder, uid, &placement, NULL) && !placement.alive &&
            placement.base == CACHE_BASE_NONE)
            cache_placement_remove(txn, folder, uid, NULL);
    }
    return TRUE;
}

gboolean sync_purge_vanished(Cache *cache, gint64 now, GError **error)
{
    gint64 today = now / DAY;

    for (int slot = 0; slot < SLOTS; slot++) {
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
        if (!txn)
            return FALSE;
        g_autofree char *key = slot_name(slot);
        g_autofree char *text = cache_meta_get(txn, key);
        gint64 day = slot_day(text);
        g_clear_pointer(&txn, cache_end);
        if (day < 0 || day > today - DAYS_KEPT)
            continue;
        txn = cache_begin(cache, CACHE_WRITE, error);
        if (!txn)
            return FALSE;
        g_auto(GStrv) entries = g_strsplit(text, " ", -1);
        for (guint i = 1; entries[0] && entries[i]; i++)
            purge_set(txn, entries[i]);
        if (!cache_meta_set(txn, key, "", error) || !cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return TRUE;
}
