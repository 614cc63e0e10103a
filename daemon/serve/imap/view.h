/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The selected mailbox as the client knows it: the UIDs in order (a sequence number is a place in
 * that list, from 1) and up to which mod-sequence it has been told what happened. What other
 * sessions and sync do reaches it through news.h only, so sequence numbers never move by
 * themselves.
 */
#pragma once

#include "cache/content.h"
#include "cache/folder.h"
#include "daemon/proto/imap/select-args.h"
#include "daemon/serve/imap/session.h"

/* A read transaction covers about so much: then its answers are sent, and the next one begins. */
#define IMAP_SLICE_MESSAGES 200
#define IMAP_SLICE_BYTES    (256 * 1024)

struct ImapView {
    gint64 folder;
    char *name;
    gboolean read_only;
    guint32 uidvalidity;
    guint32 rights;         /* CACHE_RIGHT bits, as of the last report */
    GArray *uids;           /* guint32, ascending */
    guint32 last_uid;       /* the highest UID ever in `uids` */
    guint32 uidnext;        /* UIDs from here on came after the last report */
    guint64 modseq;         /* new and changed messages have been told up to here, */
    guint64 expunge_modseq; /* expunges up to here, */
    guint64 known_modseq;   /* and all that happened up to here: what HIGHESTMODSEQ may be */
    gboolean gap;           /* something after that will never be told: it stays where it is */
    guint64 told_modseq;    /* the highest of a FETCH response since the last tagged answer */
    ImapSet *recent;        /* UIDs that are \Recent in this session */
    CacheWatch *watch;
    GPtrArray *keywords;   /* names that "* FLAGS" has told, */
    GHashTable *known;     /* the same, case folded, */
    GHashTable *set_texts; /* and keyword set -> " Junk $Forwarded" */
    GArray *own;           /* CacheChange: this session's changes, which it was told already */
    ImapSet *made;         /* UIDs of messages this session made, and was not told of yet */
    GPtrArray *contexts;   /* ImapContext: searches kept up to date; NULL: none yet */
    guint64 url_resets;    /* of its key, that were told (RFC 4467) */
    ImapSet *saved;        /* UIDs of SEARCH RETURN (SAVE), or NULL (RFC 5182) */
};

/* What SELECT learned in its one transaction, so that all of its answer is of one moment. */
typedef struct {
    CacheFolder *folder;
    char **keywords;
    guint32 first_unseen; /* its UID, or 0 */
    GArray *changed;      /* CacheChange: what changed since the client was here; NULL: not asked */
    GArray *expunged;     /* guint32: what went; likewise */
    gboolean untold; /* something has vanished that no client knows of: imap_view_note_told() */
} ImapViewStart;

/*
 * Opens the folder: reads its UIDs, claims \Recent (unless read_only), watches it; with `qresync`,
 * the parameters of RFC 7162, 3.2.5, where its UIDVALIDITY is the folder's, reads what happened
 * since its mod-sequence as well. Nothing is written to the client. NULL and `error` on failure; the
 * caller clears `start`.
 */
ImapView *imap_view_open(ImapSession *session, const char *name, gboolean read_only,
                         const ImapSelectArgs *qresync, ImapViewStart *start, GError **error);
void imap_view_start_clear(ImapViewStart *start);
void imap_view_free(ImapView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapView, imap_view_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapViewStart, imap_view_start_clear)

/*
 * Before a client is told what there is, or what has gone, as of `modseq`: what sync found vanished
 * doesn't come back under the UIDs that the client then takes for gone (cache/vanished.h). FALSE: it
 * can't be written down (the disk is full): what has gone is better told later. SELECT tells what
 * there is all the same.
 */
gboolean imap_view_note_told(ImapSession *session, gint64 folder, guint64 modseq);

/* The UID at an index, counted from 0. */
#define imap_view_uid(view, index) g_array_index((view)->uids, guint32, index)

/* The index of the first UID that is not below `uid` (maybe the number of messages). */
guint imap_view_lower_bound(const ImapView *view, guint32 uid);
/* The sequence number of a UID, or 0. */
guint32 imap_view_number(const ImapView *view, guint32 uid);

/*
 * The UIDs a command names, ascending, guint32: sequence numbers or (`uid`) UIDs, "$" included.
 * UIDs that aren't there are passed over; so are sequence numbers beyond the last, unless `strict`:
 * then they are BAD (NULL, the answer is set).
 */
GArray *imap_view_resolve(ImapSession *session, const ImapSequenceSet *set, gboolean uid,
                          gboolean strict);

/* "* n EXISTS" and "* n RECENT". */
void imap_view_tell_count(ImapSession *session);

/* "* VANISHED [(EARLIER)] uids" (RFC 7162, 3.2.10), in as many lines as it takes; none for none. */
void imap_view_tell_vanished(ImapSession *session, const ImapSet *uids, gboolean earlier);

/* Sends "* FLAGS" and PERMANENTFLAGS. */
void imap_view_tell_flags(ImapSession *session);
/* Makes sure that the names of a keyword set have been told, before a response that uses them is
 * begun. */
void imap_view_learn(ImapSession *session, guint32 keyword_set);
/* "(\Seen Junk)". The set must have been learnt. */
void imap_view_append_flags(ImapSession *session, guint32 uid, CacheFlags flags);
/* "* n FETCH (", or "* uid UIDFETCH (" with UIDONLY (RFC 9586, 3.3). */
void imap_view_begin_fetch(ImapSession *session, guint32 number, guint32 uid);
/* Whether the client is to have the UID in FETCH responses that it didn't ask for. */
gboolean imap_view_changes_have_uids(const ImapSession *session);
/* "* n FETCH (FLAGS (...))" with UID and MODSEQ where the client wants them; not for UIDs that
 * aren't in the view. */
void imap_view_append_change(ImapSession *session, const CacheChange *change, gboolean with_flags);

/* The client is told the mod-sequence of a message in the view. */
static inline void imap_view_note_modseq(ImapView *view, guint64 modseq)
{
    view->told_modseq = MAX(view->told_modseq, modseq);
}

/* Changes this session made and told; the next report doesn't repeat them. */
void imap_view_own(ImapView *view, const CacheChange *changes, guint count);
/* Messages this session made in `folder` (guint32), be it the selected one or not: the report tells
 * of them, but nothing that is fetched of new messages unasked (RFC 5465, 5.2 and 7). */
void imap_view_made(ImapSession *session, gint64 folder, const GArray *uids);
