/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Labels of set-like stores: changing them, and the flags that a message has in all its folders. */
#include "cache/label.h"

#include "cache/private.h"
#include "cache/set-like.h"

/* ---- flags are the message's --------------------------------------------------------------- */

gboolean label_change_flags(CacheTxn *txn, const FlagChange *change, CacheFlags *flags,
                            GError **error)
{
    const guint32 shared = ~(guint32)CACHE_DELETED;
    guint32 added = change->to.system & ~change->from.system & shared;
    guint32 removed = change->from.system & ~change->to.system & shared;

    flags->system = (flags->system | added) & ~removed;
    if (change->from.keywords == change->to.keywords)
        return TRUE;
    if (flags->keywords == change->from.keywords) {
        flags->keywords = change->to.keywords;
        return TRUE;
    }
    guint32 gone = cache_keywords_subtract(txn, change->from.keywords, change->to.keywords, error);
    guint32 left =
        gone == G_MAXUINT32 ? gone : cache_keywords_subtract(txn, flags->keywords, gone, error);
    flags->keywords =
        left == G_MAXUINT32 ? left : cache_keywords_union(txn, left, change->to.keywords, error);
    return flags->keywords != G_MAXUINT32;
}

gboolean label_spread_flags(CacheTxn *txn, const CachePlacement *then, const CachePlacement *now,
                            GError **error)
{
    FlagChange change = {then->flags, now->flags};
    g_autoptr(GArray) places = set_like_others(txn, now->message, now->folder, error);

    for (guint i = 0; places && i < places->len; i++) {
        const MessagePlace *place = &g_array_index(places, MessagePlace, i);
        CachePlacement row;
        if (!cache_placement_get(txn, place->folder, place->uid, &row, error) ||
            !label_change_flags(txn, &change, &row.flags, error) ||
            !cache_placement_put(txn, &row, error))
            return FALSE;
    }
    return places != NULL;
}

/* ---- changing labels ----------------------------------------------------------------------- */

/* One message while its labels are changed. */
typedef struct {
    CacheTxn *txn;
    CachePlacement row; /* where the client sees it */
    GArray *rows;       /* CachePlacement: all live ones */
    gboolean changed, gone;
} Labelling;

static gboolean collect_live(const CachePlacement *row, gpointer data)
{
    if (row->alive)
        g_array_append_val((GArray *)data, *row);
    return TRUE;
}

static gboolean leave(Labelling *labelling, gint64 folder, GError **error)
{
    for (guint i = 0; i < labelling->rows->len; i++) {
        CachePlacement *row = &g_array_index(labelling->rows, CachePlacement, i);
        if (row->folder != folder || !row->alive)
            continue;
        labelling->changed = TRUE;
        labelling->gone |= folder == labelling->row.folder;
        if (!placement_kill(labelling->txn, row, error))
            return FALSE;
    }
    return TRUE;
}

/* To spam and trash, and from there, a message is moved. */
static gboolean enter(Labelling *labelling, gint64 folder, GError **error)
{
    gboolean move =
        cache_role_excludes_labels(set_like_role(labelling->txn, folder)) ||
        cache_role_excludes_labels(set_like_role(labelling->txn, labelling->row.folder));
    guint32 uid;

    for (guint i = 0; i < labelling->rows->len; i++)
        if (g_array_index(labelling->rows, CachePlacement, i).folder == folder)
            return TRUE;
    labelling->changed = TRUE;
    return copy_put(labelling->txn, &labelling->row, folder, move, &uid, error) &&
           (!move || leave(labelling, labelling->row.folder, error));
}

/* What is set by name stays, and what isn't one; the rest goes. */
static gboolean leave_others(Labelling *labelling, const GArray *labels, GError **error)
{
    for (guint i = 0; i < labelling->rows->len; i++) {
        gint64 folder = g_array_index(labelling->rows, CachePlacement, i).folder;
        if (folder == labelling->row.folder || holds_number(labels, folder))
            continue;
        if (set_like_is_label(labelling->txn, folder) && !leave(labelling, folder, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean change_labels(Labelling *labelling, const CacheLabelChange *change, GError **error)
{
    for (guint i = 0; i < change->labels->len; i++) {
        gint64 folder = g_array_index(change->labels, gint64, i);
        if (!(change->mode == CACHE_FLAGS_REMOVE ? leave(labelling, folder, error)
                                                 : enter(labelling, folder, error)))
            return FALSE;
    }
    return change->mode != CACHE_FLAGS_SET || leave_others(labelling, change->labels, error);
}

/* Where the message is looked at; *there: whether it is (still). */
static gboolean find_labelled(Labelling *labelling, gint64 folder, guint32 uid, gboolean *there,
                              GError **error)
{
    g_autoptr(GError) failure = NULL;

    *there = cache_placement_get(labelling->txn, folder, uid, &labelling->row, &failure) &&
             labelling->row.alive;
    if (!failure || g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

/* The message is in `labelling`; appends to `done`. */
static gboolean label_one(Labelling *labelling, const CacheLabelChange *change, GArray *done,
                          GError **error)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    const CachePlacement *row = &labelling->row;

    labelling->rows = rows;
    if (!cache_placement_each_of(labelling->txn, row->message, collect_live, rows, error) ||
        !change_labels(labelling, change, error))
        return FALSE;
    CacheLabelled result = {row->uid, row->message,
                            labelling->changed ? txn_modseq(labelling->txn) : row->modseq,
                            labelling->gone};
    g_array_append_val(done, result);
    return TRUE;
}

gboolean cache_label(CacheTxn *txn, CacheSelection messages, CacheLabelChange change, GArray *done,
                     GArray *modified, GError **error)
{
    if (!txn_writes(txn, TRUE, error))
        return FALSE;
    for (gsize i = 0; i < messages.count; i++) {
        Labelling labelling = {.txn = txn};
        gboolean there;
        if (!find_labelled(&labelling, messages.folder, messages.uids[i], &there, error))
            return FALSE;
        if (!there)
            continue;
        if (labelling.row.modseq > change.unchanged_since)
            g_array_append_val(modified, messages.uids[i]);
        else if (!label_one(&labelling, &change, done, error))
            return FALSE;
    }
    return TRUE;
}
