/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the server tells of messages, asked so that one bad message costs no more than itself: a NO
 * doesn't take away what came before it, a set that is refused or breaks the connection is halved
 * to the culprit, items of a message that come in several answers are put together, and what isn't
 * told is done without.
 */
#pragma once

#include "daemon/sync/context.h"

/* A message as the server tells of it. */
typedef struct {
    guint32 uid;
    CacheFlags flags;
    gboolean flagless; /* its flags weren't told */
    gint64 date;       /* INTERNALDATE, else of the header, else now */
    gint16 zone;
    guint64 size;         /* 0: not told */
    char *remote_id;      /* or NULL */
    guint64 thread;       /* X-GM-THRID; 0: not told */
    char *message_id;     /* where it was asked for, else NULL */
    gboolean unconfirmed; /* its remote id is of a new epoch: it may only confirm */
    gboolean follows;     /* its flags follow those of a message that it takes the place of: */
    CacheFlags was_view, was_base;
    guint32 returns; /* it had vanished, and was this local UID; 0: it is new (returned.h) */
    gboolean matched;
} SyncServerMessage;

/* An array that frees what its members hold. */
GArray *sync_server_messages_new(void);

/* Gets messages (SyncServerMessage) in batches. */
typedef gboolean (*SyncArrivalFunc)(GArray *messages, gpointer data, GError **error);

/*
 * Fetches flags, date and size (and object id) of `set` ("7:*") of the selected folder. A refusal is
 * no failure: *words (to be freed) are the server's then, else left alone.
 */
gboolean sync_fetch_attributes(SyncContext *context, const char *set, SyncArrivalFunc func,
                               gpointer data, char **words, GError **error);

/*
 * UID FETCH of `items` of `uids`, of the selected folder, whose answers (with UIDs) go to
 * `handler`. What isn't told is asked for again and halved: what is left then is *untold, and
 * *words (to be freed) say why. FALSE: neither the network nor the folder is there any more.
 */
typedef struct {
    SyncContext *context;
    const char *items;
    ImapHandler handler;
    gpointer data;
    ImapSet *told;   /* so far; may have some from before */
    ImapSet *untold; /* what can't be had */
    char *words;     /* the last refusal's, or NULL */
    guint budget;    /* commands that may still be spent on halving */
} SyncAsk;

void sync_ask_clear(SyncAsk *ask);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SyncAsk, sync_ask_clear)
gboolean sync_ask(SyncAsk *ask, const ImapSet *uids, GError **error);

/* The same for attributes; see sync_fetch_attributes(). *untold and *words are to be freed. */
gboolean sync_ask_attributes(SyncContext *context, const ImapSet *uids, SyncArrivalFunc func,
                             gpointer data, ImapSet **untold, char **words, GError **error);

/*
 * Fetches the Message-IDs of `uids` (of the selected folder): a table from UID to string, "" where
 * there is none; without those that the server doesn't tell.
 */
GHashTable *sync_fetch_message_ids(SyncContext *context, const ImapSet *uids, GError **error);

/*
 * Attributes of all messages of the selected folder, added to `messages` (SyncServerMessage), and their
 * UIDs to `uids`; those that an answer leaves out are asked for by themselves. There may be fewer than
 * the server counts.
 */
gboolean sync_fetch_whole(SyncContext *context, GArray *messages, ImapSet *uids, GError **error);
