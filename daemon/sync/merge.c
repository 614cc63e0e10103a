/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The three-way merge of flags. */
#include "daemon/sync/merge.h"

static gboolean merge_keywords(guint32 view, guint32 base, guint32 server,
                               const SyncKeywords *keywords, guint32 *merged, GError **error)
{
    if (view == base) {
        *merged = server;
        return TRUE;
    }
    guint32 added = keywords->subtract(view, base, keywords->data, error);
    if (added == G_MAXUINT32)
        return FALSE;
    guint32 removed = keywords->subtract(base, view, keywords->data, error);
    if (removed == G_MAXUINT32)
        return FALSE;
    guint32 kept = keywords->subtract(server, removed, keywords->data, error);
    *merged = kept == G_MAXUINT32 ? kept : keywords->unite(kept, added, keywords->data, error);
    return *merged != G_MAXUINT32;
}

gboolean sync_merge(CacheFlags view, CacheFlags base, CacheFlags server, SyncMask mask,
                    const SyncKeywords *keywords, CacheFlags *merged, GError **error)
{
    /* The view's word counts where the user changed it, and where the server keeps nothing. */
    guint32 ours = (view.system ^ base.system) | ~mask.system;

    *merged = view;
    merged->system = (view.system & ours) | (server.system & ~ours);
    return !mask.keywords || merge_keywords(view.keywords, base.keywords, server.keywords, keywords,
                                            &merged->keywords, error);
}

gboolean sync_difference(CacheFlags view, CacheFlags base, SyncMask mask,
                         const SyncKeywords *keywords, CacheFlags *add, CacheFlags *remove,
                         GError **error)
{
    *add = *remove = (CacheFlags){0};
    add->system = view.system & ~base.system & mask.system;
    remove->system = base.system & ~view.system & mask.system;
    if (!mask.keywords || view.keywords == base.keywords)
        return TRUE;
    add->keywords = keywords->subtract(view.keywords, base.keywords, keywords->data, error);
    if (add->keywords == G_MAXUINT32)
        return FALSE;
    remove->keywords = keywords->subtract(base.keywords, view.keywords, keywords->data, error);
    return remove->keywords != G_MAXUINT32;
}

CacheFlags sync_masked_base(CacheFlags view, CacheFlags base, SyncMask mask)
{
    CacheFlags settled = base;

    settled.system = (base.system & mask.system) | (view.system & ~mask.system);
    if (!mask.keywords)
        settled.keywords = view.keywords;
    return settled;
}

gboolean sync_stored_base(CacheFlags base, const SyncTold *told, const SyncKeywords *keywords,
                          CacheFlags *stored, GError **error)
{
    stored->system = (base.system | (told->add.system & told->server.system)) &
                     ~(told->remove.system & ~told->server.system);
    if (told->add.keywords == 0 && told->remove.keywords == 0) {
        stored->keywords = base.keywords;
        return TRUE;
    }
    /* What was asked for and isn't there, and what was to go and is gone. */
    guint32 missing =
        keywords->subtract(told->add.keywords, told->server.keywords, keywords->data, error);
    if (missing == G_MAXUINT32)
        return FALSE;
    guint32 gone =
        keywords->subtract(told->remove.keywords, told->server.keywords, keywords->data, error);
    if (gone == G_MAXUINT32)
        return FALSE;
    guint32 added = keywords->subtract(told->add.keywords, missing, keywords->data, error);
    if (added == G_MAXUINT32)
        return FALSE;
    guint32 kept = keywords->subtract(base.keywords, gone, keywords->data, error);
    if (kept == G_MAXUINT32)
        return FALSE;
    stored->keywords = keywords->unite(kept, added, keywords->data, error);
    return stored->keywords != G_MAXUINT32;
}
