/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One connection that fetches content: selects folders, fetches sets of messages pipelined, and
 * writes what comes to the cache in batches. Used by one thread; bodies.c decides what is fetched.
 */
#pragma once

#include "cache/folder.h"
#include "daemon/fetch/bodies.h"
#include "daemon/upstream/imap.h"

/* Messages of one folder to fetch the same of. */
typedef struct {
    gint64 folder;
    CacheContentState state; /* HEADER or FULL */
    GArray *items;           /* CacheWanted */
} FetchJob;

FetchJob *fetch_job_new(gint64 folder, CacheContentState state);
FetchJob *fetch_job_copy(const FetchJob *job);
void fetch_job_free(FetchJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FetchJob, fetch_job_free)

typedef struct Fetcher Fetcher;

/* `arrived` is called after each commit. */
Fetcher *fetcher_new(const AccountAccess *access, Cache *cache, void (*arrived)(gpointer),
                     gpointer data);
void fetcher_free(Fetcher *fetcher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fetcher, fetcher_free)

gboolean fetcher_is_connected(Fetcher *fetcher);
/* Whether its connection was made under a NetCancel that has been triggered. */
gboolean fetcher_is_cancelled(Fetcher *fetcher);
gboolean fetcher_connect(Fetcher *fetcher, NetCancel *cancel, GError **error);
void fetcher_disconnect(Fetcher *fetcher);

/*
 * Asks for a job's messages; takes the job over. Up to two are under way; the third waits for the
 * first. What doesn't come isn't there any more, or can't be had: *missing (messages, gint64) gets
 * those of finished jobs. `finished` (messages, gint64) gets all messages of finished jobs, once
 * they are in the cache.
 */
gboolean fetcher_start(Fetcher *fetcher, FetchJob *job, GArray *missing, GArray *finished,
                       GError **error);

/* An extract of a message; nothing may be under way. */
GBytes *fetcher_extract(Fetcher *fetcher, const CacheWanted *wanted, const FetchExtract *extract,
                        GError **error);

/* The UIDs (guint32) that the provider finds in a folder by X-GM-RAW; nothing may be under way. */
GArray *fetcher_search(Fetcher *fetcher, gint64 folder, const char *query, GError **error);

/* Waits for all that was started. */
gboolean fetcher_finish(Fetcher *fetcher, GArray *missing, GArray *finished, GError **error);
