/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the relay puts into the account's folders. Copies of sent mail in Sent, for
 * save-sent=always: with auto none are made, since mail programs keep their own, and so do the
 * providers that would show two otherwise. And notifications in INBOX of what could not be sent.
 */
#pragma once

#include "cache/queue/queue.h"
#include "daemon/config/habits.h"

typedef struct {
    Queue *queue;
    Cache *cache;
    AccountHabits *habits; /* who puts what is sent into Sent */
    const char *host;      /* the provider's server for outgoing mail */
} RelayCopy;

/*
 * A RelaySent; `data` is a RelayCopy. Appends the message to the folder that has the role Sent, as
 * read, unless a message with its Message-ID is there, or the provider does it itself. FALSE as long as there is no such folder:
 * before the first sync nobody knows of it.
 */
gboolean relay_copy_keep(const QueueEntry *entry, gpointer data, GError **error);

/* The same for a message that failed for good: a notification (bounce.h) in INBOX, unless there is
 * one for this attempt, or nobody wants one. FALSE as long as there is no INBOX. */
gboolean relay_copy_bounce(const QueueEntry *entry, gpointer data, GError **error);
