/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Copies of sent mail in the account's Sent folder, for save-sent=always. With auto none are made:
 * mail programs keep their own, and so do the providers that would show two otherwise.
 */
#pragma once

#include "cache/queue/queue.h"

typedef struct {
    Queue *queue;
    Cache *cache;
} RelayCopy;

/*
 * A RelaySent; `data` is a RelayCopy. Appends the message to the folder that has the role Sent, as
 * read, unless a message with its Message-ID is there. FALSE as long as there is no such folder:
 * before the first sync nobody knows of it.
 */
gboolean relay_copy_keep(const QueueEntry *entry, gpointer data, GError **error);
