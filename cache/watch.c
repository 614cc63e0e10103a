/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Change notices: after a commit, the eventfds of those who want to know are written to. */
#include "cache/private.h"
#include "cache/search.h"

#include <unistd.h>

struct Watches {
    pthread_mutex_t lock;
    GPtrArray *list; /* CacheWatch */
};

typedef enum { WATCH_VIEW, WATCH_PENDING, WATCH_TEXTS } WatchKind;

struct CacheWatch {
    Watches *owner;
    WatchKind kind;
    gint64 folder; /* of a view; 0: any */
    int event_fd;
};

Watches *watches_new(void)
{
    Watches *watches = g_new0(Watches, 1);
    pthread_mutex_init(&watches->lock, NULL);
    watches->list = g_ptr_array_new();
    return watches;
}

void watches_free(Watches *watches)
{
    if (!watches)
        return;
    pthread_mutex_destroy(&watches->lock);
    g_ptr_array_unref(watches->list);
    g_free(watches);
}

static CacheWatch *watch_add(Cache *cache, WatchKind kind, gint64 folder, int event_fd)
{
    CacheWatch *watch = g_new(CacheWatch, 1);

    *watch = (CacheWatch){cache->watches, kind, folder, event_fd};
    pthread_mutex_lock(&cache->watches->lock);
    g_ptr_array_add(cache->watches->list, watch);
    pthread_mutex_unlock(&cache->watches->lock);
    return watch;
}

CacheWatch *cache_watch_view(Cache *cache, gint64 folder, int event_fd)
{
    return watch_add(cache, WATCH_VIEW, folder, event_fd);
}

CacheWatch *cache_watch_pending(Cache *cache, int event_fd)
{
    return watch_add(cache, WATCH_PENDING, 0, event_fd);
}

CacheWatch *cache_watch_texts(Cache *cache, int event_fd)
{
    return watch_add(cache, WATCH_TEXTS, 0, event_fd);
}

void cache_unwatch(CacheWatch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->owner->lock);
    g_ptr_array_remove_fast(watch->owner->list, watch);
    pthread_mutex_unlock(&watch->owner->lock);
    g_free(watch);
}

static gboolean view_changed(CacheTxn *txn, gint64 folder)
{
    if (!folder && txn->list_changed)
        return TRUE;
    for (guint i = 0; i < txn->folders->len; i++) {
        FolderCounters *changed = &g_array_index(txn->folders, FolderCounters, i);
        if (changed->view_changed && (!folder || changed->id == folder))
            return TRUE;
    }
    return FALSE;
}

static gboolean concerns(const CacheWatch *watch, CacheTxn *txn)
{
    switch (watch->kind) {
    case WATCH_PENDING:
        return txn->pending;
    case WATCH_TEXTS:
        return txn->texts;
    default:
        return view_changed(txn, watch->folder);
    }
}

void watches_notify(CacheTxn *txn)
{
    Watches *watches = txn->cache->watches;

    pthread_mutex_lock(&watches->lock);
    for (guint i = 0; i < watches->list->len; i++) {
        CacheWatch *watch = g_ptr_array_index(watches->list, i);
        guint64 one = 1;
        if (concerns(watch, txn) && write(watch->event_fd, &one, sizeof one) < 0)
            g_debug("a change notice was not taken"); /* its counter is full: it is awake */
    }
    pthread_mutex_unlock(&watches->lock);
}

void watches_wake_all(Watches *watches)
{
    pthread_mutex_lock(&watches->lock);
    for (guint i = 0; i < watches->list->len; i++) {
        CacheWatch *watch = g_ptr_array_index(watches->list, i);
        guint64 one = 1;
        if (write(watch->event_fd, &one, sizeof one) < 0)
            g_debug("a change notice was not taken");
    }
    pthread_mutex_unlock(&watches->lock);
}
