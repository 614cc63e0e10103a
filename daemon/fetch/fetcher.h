/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One connection that fetches content: selects folders, fetches sets of messages pipelined, and
 * writes what comes to the cache in batches. Used by one thread; bodies.c decides what is fetched.
 */
#pragma once

#include "cache/folder.h"
#include "daemon/fetch/bodies.h"
#include "daemon/upstream/imap.h"

/* Messages of one folder to fetch the same of. UIDs are good in the epoch they are from only. */
typedef struct {
    gint64 folder;
    guint32 uidvalidity;     /* the epoch of the base UIDs */
    CacheContentState state; /* HEADER or FULL */
    gboolean keep_empty;     /* an empty answer is the message: it was asked for often enough */
    guint breaks;            /* connections that broke while these alone were asked for */
    GArray *items;           /* CacheWanted */
} FetchJob;

FetchJob *fetch_job_new(gint64 folder, guint32 uidvalidity, CacheContentState state);
FetchJob *fetch_job_copy(const FetchJob *job);
void fetch_job_free(FetchJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FetchJob, fetch_job_free)

typedef struct Fetcher Fetcher;

/* `arrived` is called after each commit. */
Fetcher *fetcher_new(const AccountAccess *access, Cache *cache, void (*arrived)(gpointer),
                     gpointer data);
void fetcher_free(Fetcher *fetcher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fetcher, fetcher_free)

/* Uses a connection that someone else has made, and keeps; NULL: no more. */
void fetcher_lend(Fetcher *fetcher, ImapClient *imap);

/* Nothing is under way now; and, when there is something again, whether the connection still is one:
 * after a while it is asked, and has a few seconds to answer. */
void fetcher_rest(Fetcher *fetcher);
gboolean fetcher_is_alive(Fetcher *fetcher);

gboolean fetcher_is_connected(Fetcher *fetcher);
/* Whether its connection was made under a NetCancel that has been triggered. */
gboolean fetcher_is_cancelled(Fetcher *fetcher);
gboolean fetcher_connect(Fetcher *fetcher, NetCancel *cancel, GError **error);
void fetcher_disconnect(Fetcher *fetcher);

/* Fetching ended for all messages of a folder (outcome->closed), not for one: the provider's words. */
#define FETCH_ERROR (fetch_error_quark())
GQuark fetch_error_quark(void);
enum { FETCH_ERROR_REFUSED };

/* What has become of messages (CacheWanted) that were asked for. */
typedef struct {
    GArray *finished;  /* in the cache, or gone upstream */
    GArray *refused;   /* they are there, and the provider doesn't give them */
    char *words;       /* why, or NULL */
    gint64 closed;     /* a folder of which the provider gives no messages now; 0: none */
    gint64 renumbered; /* a folder with another UIDVALIDITY than the base has, on this connection */
    GPtrArray *rest;   /* FetchJob: not answered when the connection broke, the first ones first */
} FetchOutcome;

void fetch_outcome_init(FetchOutcome *outcome);
void fetch_outcome_clear(FetchOutcome *outcome);

/*
 * Asks for a job's messages; takes the job over. Up to two are under way; the third waits for the
 * first. What doesn't come is asked for once more, and halved to what the provider doesn't give.
 * FALSE: the connection is of no use any more; what had come is in the cache, and the rest in
 * outcome->rest. REFUSED: the connection is good, and the provider gives nothing of the
 * folder.
 */
gboolean fetcher_start(Fetcher *fetcher, FetchJob *job, FetchOutcome *outcome, GError **error);

/* An extract of a job's one message; nothing may be under way. */
GBytes *fetcher_extract(Fetcher *fetcher, const FetchJob *job, const FetchExtract *extract,
                        GError **error);

/* The UIDs (guint32) that the provider finds in a folder by X-GM-RAW; nothing may be under way. */
GArray *fetcher_search(Fetcher *fetcher, gint64 folder, const char *query, GError **error);

/* Waits for all that was started. */
gboolean fetcher_finish(Fetcher *fetcher, FetchOutcome *outcome, GError **error);
