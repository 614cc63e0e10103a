/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What one round of sync works with: the account, its cache, the connection, and what the round has
 * learnt so far and decides at its end. Owned by the sync thread alone.
 */
#pragma once

#include "cache/attempt.h"
#include "cache/folder.h"
#include "daemon/fetch/bodies.h"
#include "daemon/proto/imap/response-fetch.h"
#include "daemon/sync/decide.h"
#include "daemon/upstream/imap.h"

/* A row that upstream doesn't have any more; decided when all folders have been pulled. */
typedef struct {
    gint64 folder;
    guint32 uid; /* local */
    guint32 base_uid;
} SyncVanished;

/* A row that pull has made in this round. */
typedef struct {
    gint64 folder;
    guint32 uid; /* local */
    guint32 base_uid;
    guint64 size; /* as upstream says */
    gint64 date;
    gboolean taken; /* turned out to be a message that was known */
} SyncArrival;

/* What a folder's base becomes when its pull is complete. */
typedef struct {
    gint64 folder;
    guint32 uidvalidity, uidnext;
    guint64 highestmodseq;
    gboolean compared; /* with all that the server has, not with what it calls changed */
} SyncComplete;

typedef struct {
    AccountSettings *settings;
    NetClock *clock;
    Cache *cache;
    FetchBodies *bodies;
    NetCancel *cancel; /* ends a round: stop, or offline */
    ImapClient *imap;
    gint64 selected;    /* folder number; 0: none */
    gint64 selecting;   /* of the last SELECT, whose answers come before the folder is selected */
    ImapSelected state; /* of the selected folder */

    GHashTable *keyword_sets; /* names joined by spaces, as the server wrote them -> set number */
    GHashTable *left_out;     /* folders (gint64) with keywords that aren't kept, see left-out.h */
    GHashTable *base_counts;  /* folder -> how many rows have a base UID */
    GHashTable *suspicions;   /* "folder N lost most", ... -> seen on the connection number */
    GHashTable *repeats;      /* what asked for another round in vain, since one went well: words ->
                               * how often */
    GHashTable *recognised;   /* folder -> connection on which its newest were looked at */
    GHashTable *epochs;       /* folder -> its UIDVALIDITY, and on which connection, see here.c */
    GHashTable *closed;       /* folders (gint64) whose SELECT broke the connection */
    GHashTable *suspects;     /* what isn't needed and broke a connection, see round.c */
    GHashTable *notes;        /* what is remembered over restarts, see notes.h; */
    gboolean notes_loaded;    /* it has been read */
    GArray *aside;            /* what is set aside, see aside.c */
    guint connection;         /* counts connections */
    gboolean (*reconnect)(gpointer data, GError **error); /* in the middle of a round */
    gpointer reconnect_data;
    void (*progressed)(double share, gpointer data); /* of a maildrop, in this round */
    gpointer progressed_data;
    guint login_delay; /* seconds that a POP3 server wants between logins */
    gboolean asked;    /* by a person: what is set aside is tried, too */

    GArray *vanished;         /* SyncVanished */
    GHashTable *returned;     /* messages (gint64) that had vanished, and are there again, since a
                                 round was concluded */
    GArray *arrivals;         /* SyncArrival; only where something may have come from elsewhere */
    GArray *complete;         /* SyncComplete, waiting for the decision over what vanished */
    GArray *gone;             /* gint64: folders that upstream has deleted */
    GPtrArray *attempts;      /* CacheAttempt, those open when the round began */
    GHashTable *pulled;       /* folder numbers pulled in this round */
    GHashTable *touched;      /* folder numbers that push changed: to be pulled again */
    GHashTable *breaks;       /* for listing.c: what has ended connections */
    GHashTable *rights_asked; /* names of folders whose rights the provider was asked for, */
    guint namespaces_asked;   /* the connection on which the provider was asked for name spaces */
    gint64 rights_since;      /* and since when (monotonic) */
    gboolean track_arrivals;
    gboolean arrived;  /* there is something new to fetch */
    gint64 not_before; /* Unix seconds: something held back becomes due; 0: nothing */
    gint64 look_again; /* the same, for what is to be pulled */
} SyncContext;

SyncContext *sync_context_new(const AccountAccess *access, Cache *cache, FetchBodies *bodies);
void sync_context_free(SyncContext *context);

/* Forgets what a round has learnt and not written. */
void sync_context_reset(SyncContext *context);

/*
 * After a failure in the middle of a round: whether it is the connection that failed, and not the
 * network, for there is a new one now; so it is about what was being done. FALSE: `failure` ends
 * the round, and is *error (or what the new connection failed with).
 */
gboolean sync_survives(SyncContext *context, const GError *failure, GError **error);

/* There is to be a round at `when` (Unix seconds), if not before. */
static inline void sync_look_again(SyncContext *context, gint64 when)
{
    context->look_again = context->look_again ? MIN(context->look_again, when) : when;
}

/* Whether the same has asked for another round before, so that another won't help. FALSE: `failure`
 * is *error, and ends this one. */
gboolean sync_repeats(SyncContext *context, const GError *failure, GError **error);

#define SYNC_ERROR (sync_error_quark())
GQuark sync_error_quark(void);
enum {
    SYNC_ERROR_CONFIRM, /* something grave is believed only when a new connection says so too */
    SYNC_ERROR_AGAIN,   /* folders aren't as they were listed: list them again */
    SYNC_ERROR_MISSING, /* the round went well, but for what is set aside */
};

/* TRUE once a suspicion is confirmed by a connection other than the one that raised it; else sets
 * CONFIRM, which ends the round and starts another on a new connection. It stays until it is
 * cleared: when what it was about is done with, or turns out to be wrong. */
gboolean sync_confirm(SyncContext *context, const char *suspicion, GError **error);
void sync_clear_suspicion(SyncContext *context, const char *suspicion);

/* The number of rows of a folder that have a base UID; counted once, then kept by the callers. */
gboolean sync_base_count(SyncContext *context, gint64 folder, guint *count, GError **error);
void sync_base_count_add(SyncContext *context, gint64 folder, int change);

/*
 * Flags as a FETCH answer has them. Of a message's keywords the first SYNC_KEYWORDS count that can
 * be kept here; so the user's own always find room among them. Where others are left out, that is
 * said (left-out.h).
 */
#define SYNC_KEYWORDS 500
gboolean sync_flags_of(SyncContext *context, const ImapFetchData *fetch, CacheFlags *result,
                       GError **error);

/* Appends "\Seen Junk" for a command, without parentheses. */
void sync_flags_format(SyncContext *context, CacheFlags flags, GString *out);

/*
 * Rights (RFC 4314) change seldom, and asking for them costs a command for each folder. So they are
 * asked for once on a connection, of each folder that shows up later, and of all again after
 * SYNC_RIGHTS_SECONDS, or when this is called, because something speaks for it: a person has asked
 * for a sync, the provider has refused something, or a folder keeps other flags than it did.
 */
void sync_forget_rights(SyncContext *context);
#define SYNC_RIGHTS_SECONDS 3600

/* What SELECT showed of the selected folder's rights; for providers without ACL, and folders of
 * which they don't tell any. */
guint32 sync_shown_rights(const SyncContext *context);

/* Whether the provider doesn't let the folder be read: there is nothing to pull then, and of what
 * is put into it nothing is ever seen. */
static inline gboolean sync_is_unreadable(const CacheFolder *folder)
{
    return (folder->rights & CACHE_RIGHTS_TOLD) && !(folder->rights & CACHE_RIGHT_READ);
}

/* The operations on keyword sets within a write transaction. */
SyncKeywords sync_keywords(CacheTxn *txn);

/* sync_decide_flags() within a write transaction. Keywords that can't be merged (there are too many)
 * are left as they are on both sides. */
gboolean sync_follow_flags(CacheTxn *txn, CachePlacement *row, CacheFlags server, SyncMask mask,
                           gboolean *changed, GError **error);

static inline SyncMask sync_mask(const CacheFolder *folder)
{
    return (SyncMask){folder->flag_mask, folder->keyword_mask};
}

/* Those that `folder`, which is selected, says it keeps. One that can only be read for a while keeps none
 * now, and will again: what the user changes meanwhile waits. Rights that the provider tells are for
 * good. */
SyncMask sync_mask_shown(SyncContext *context, const CacheFolder *folder);

/* Selects a folder. REFUSED: it can't be selected. */
gboolean sync_select(SyncContext *context, const CacheFolder *folder, GError **error);

/* The same; what QRESYNC tells of changes after `modseq` (0: none) goes to `handler`. */
gboolean sync_select_since(SyncContext *context, const CacheFolder *folder, guint64 modseq,
                           ImapHandler handler, gpointer data, GError **error);

/* Selects a folder for push: it must be in the epoch that the base is from, else AGAIN. */
gboolean sync_select_epoch(SyncContext *context, gint64 folder, GError **error);

/* Whether a message in the cache, of the size `here`, may be one of which the server says the size
 * `there`: some count line ends as one octet. 0: not known. */
gboolean sync_may_have_size(const SyncContext *context, CacheTxn *txn, gint64 message, guint64 here,
                            guint64 there);

/* A size that messages are compared by: 0, unknown, where the provider only estimates them. */
guint64 sync_size_to_compare(const SyncContext *context, guint64 size);

/* The Message-ID of a message in the cache; *known: its header is here. The caller frees it. */
char *sync_message_id(CacheTxn *txn, gint64 message, gboolean *known);

/* UID FETCH of `items` of all `uids` (of the selected folder), in as many commands as that takes;
 * `func` gets what the server says. */
gboolean sync_fetch_each(SyncContext *context, const ImapSet *uids, const char *items,
                         ImapHandler func, gpointer data, GError **error);

static inline guint sync_has(SyncContext *context, guint capabilities)
{
    return imap_client_has(context->imap, capabilities);
}

/* Unix seconds. */
static inline gint64 sync_time(const SyncContext *context)
{
    return net_clock_seconds(context->clock);
}
