/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The three-way merge of flags. */
#include "daemon/sync/merge.h"

static gboolean merge_keywords(guint32 view, guint32 base, guint32 server,
                               const SyncKeywords *keywords, guint32 *merged)
{
    if (view == base) {
        *merged = server;
        return TRUE;
    }
    guint32 added = keywords->subtract(view, base, keywords->data);
    guint32 removed = keywords->subtract(base, view, keywords->data);
    if (added == G_MAXUINT32 || removed == G_MAXUINT32)
        return FALSE;
    guint32 kept = keywords->subtract(server, removed, keywords->data);
    *merged = kept == G_MAXUINT32 ? kept : keywords->unite(kept, added, keywords->data);
    return *merged != G_MAXUINT32;
}

gboolean sync_merge(CacheFlags view, CacheFlags base, CacheFlags server, SyncMask mask,
                    const SyncKeywords *keywords, CacheFlags *merged)
{
    /* The view's word counts where the user changed it, and where the server keeps nothing. */
    guint32 ours = (view.system ^ base.system) | ~mask.system;

    *merged = view;
    merged->system = (view.system & ours) | (server.system & ~ours);
    return !mask.keywords || merge_keywords(view.keywords, base.keywords, server.keywords, keywords,
                                            &merged->keywords);
}

gboolean sync_difference(CacheFlags view, CacheFlags base, SyncMask mask,
                         const SyncKeywords *keywords, CacheFlags *add, CacheFlags *remove)
{
    *add = *remove = (CacheFlags){0};
    add->system = view.system & ~base.system & mask.system;
    remove->system = base.system & ~view.system & mask.system;
    if (!mask.keywords || view.keywords == base.keywords)
        return TRUE;
    add->keywords = keywords->subtract(view.keywords, base.keywords, keywords->data);
    remove->keywords = keywords->subtract(base.keywords, view.keywords, keywords->data);
    return add->keywords != G_MAXUINT32 && remove->keywords != G_MAXUINT32;
}

CacheFlags sync_settled_base(CacheFlags view, CacheFlags base, SyncMask mask)
{
    CacheFlags settled = base;

    settled.system = (base.system & mask.system) | (view.system & ~mask.system);
    if (!mask.keywords)
        settled.keywords = view.keywords;
    return settled;
}

gboolean sync_stored_base(CacheFlags base, CacheFlags add, CacheFlags remove, CacheFlags answer,
                          const SyncKeywords *keywords, CacheFlags *stored)
{
    stored->system =
        (base.system | (add.system & answer.system)) & ~(remove.system & ~answer.system);
    if (add.keywords == 0 && remove.keywords == 0) {
        stored->keywords = base.keywords;
        return TRUE;
    }
    /* What was asked for and isn't there, and what was to go and is gone. */
    guint32 missing = keywords->subtract(add.keywords, answer.keywords, keywords->data);
    guint32 gone = keywords->subtract(remove.keywords, answer.keywords, keywords->data);
    if (missing == G_MAXUINT32 || gone == G_MAXUINT32)
        return FALSE;
    guint32 added = keywords->subtract(add.keywords, missing, keywords->data);
    guint32 kept = keywords->subtract(base.keywords, gone, keywords->data);
    if (added == G_MAXUINT32 || kept == G_MAXUINT32)
        return FALSE;
    stored->keywords = keywords->unite(kept, added, keywords->data);
    return stored->keywords != G_MAXUINT32;
}
