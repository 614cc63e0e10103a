/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of FETCH items, and what a running FETCH is made of. A large section doesn't fit into
 * one transaction's slice: the item then starts a stream that fetch.c pumps, and the row goes on
 * with its next item afterwards.
 */
#pragma once

#include "cache/content.h"
#include "cache/placement.h"
#include "daemon/proto/imap/fetch-args.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/structure.h"
#include "daemon/serve/imap/session.h"

typedef struct ImapFetchRun ImapFetchRun;
typedef struct ImapLabels ImapLabels;
typedef struct ImapFetchHandler ImapFetchHandler;
typedef struct ImapBinary ImapBinary;

/* An item of the command, with everything that is the same for all messages. */
typedef struct {
    const ImapFetchItem *item;
    const ImapFetchHandler *handler;
    GString *name;        /* " BODY[HEADER.FIELDS (SUBJECT)] " */
    MimeFieldSet *fields; /* HEADER.FIELDS, or NULL */
    GBytes *extract;      /* its octets, of a message that isn't here (extract.h); NULL: not so */
} ImapFetchPlan;

/* Octets of a literal that has been announced and not been sent yet. */
typedef struct {
    gint64 message;
    guint64 offset, left;
    ImapBinary
        *binary; /* they are decoded first (binary.h), `offset` is its own; NULL: they aren't */
} ImapFetchStream;

struct ImapFetchRun {
    ImapSession *session;
    const ImapFetchArgs *args;
    GArray *plans; /* ImapFetchPlan */
    guint what;    /* CacheFetchWhat of all of them */
    CacheContentState needs;
    gboolean extracts; /* the row is answered from extracts */
    gboolean sets_seen;

    GString *scratch;   /* for an item whose length is known afterwards */
    ImapLabels *labels; /* once one has been asked for */

    CacheTxn *txn; /* of the slice that is being read */
    ImapFetchStream stream;
    GError *error; /* of an item: its row is taken back, if it still can be */

    /* the row that has been begun */
    gboolean open;
    gboolean sent_some; /* part of it has left the buffer: it can't be taken back */
    gsize row_start;    /* where it begins in the buffer, otherwise */
    guint32 open_uid;
    guint next_plan;
    CacheFlags flags;
    const CacheChange *change; /* it has just become \Seen; NULL: it hasn't */
};

struct ImapFetchHandler {
    /* Appends the value. FALSE: a stream was begun, or run->error is set. */
    gboolean (*emit)(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row);
    guint what; /* CacheFetchWhat; CACHE_FETCH_FLAGS: no more than that */
    CacheContentState needs;
};

/* The handler of an item, and what it needs for this very item. NULL: not offered. */
const ImapFetchHandler *imap_fetch_handler(const ImapFetchItem *item, guint *what,
                                           CacheContentState *needs);

/* Sends on with a stream: one slice of it, in run->txn. FALSE: run->error is set. */
gboolean imap_fetch_pump(ImapFetchRun *run);
/* Gives it up. */
void imap_fetch_stream_clear(ImapFetchRun *run);

/* The structure that is kept with the message (CACHE_FETCH_STRUCTURE). NULL: run->error is set. */
MimeStructure *imap_fetch_structure(ImapFetchRun *run, const CacheFetchRow *row);
