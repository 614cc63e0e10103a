/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Change notices: after a commit, the eventfds of those who want to know are written to. */
#include "cache/queue/private.h"

#include <unistd.h>

struct QueueWatch {
    Queue *owner;
    char *account; /* whose due entries; NULL: every change */
    int event_fd;
};

static QueueWatch *watch_add(Queue *queue, const char *account, int event_fd)
{
    QueueWatch *watch = g_new(QueueWatch, 1);

    *watch = (QueueWatch){queue, g_strdup(account), event_fd};
    pthread_mutex_lock(&queue->watch_lock);
    g_ptr_array_add(queue->watches, watch);
    pthread_mutex_unlock(&queue->watch_lock);
    return watch;
}

QueueWatch *queue_watch_changes(Queue *queue, int event_fd)
{
    return watch_add(queue, NULL, event_fd);
}

QueueWatch *queue_watch_due(Queue *queue, const char *account, int event_fd)
{
    return watch_add(queue, account, event_fd);
}

void queue_unwatch(QueueWatch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->owner->watch_lock);
    g_ptr_array_remove_fast(watch->owner->watches, watch);
    pthread_mutex_unlock(&watch->owner->watch_lock);
    g_free(watch->account);
    g_free(watch);
}

void queue_watches_notify(Queue *queue, GPtrArray *due)
{
    pthread_mutex_lock(&queue->watch_lock);
    for (guint i = 0; i < queue->watches->len; i++) {
        const QueueWatch *watch = g_ptr_array_index(queue->watches, i);
        guint64 one = 1;
        if (watch->account &&
            !g_ptr_array_find_with_equal_func(due, watch->account, g_str_equal, NULL))
            continue;
        if (write(watch->event_fd, &one, sizeof one) < 0)
            g_debug("queue: a watcher is full"); /* then it is awake already */
    }
    pthread_mutex_unlock(&queue->watch_lock);
}
