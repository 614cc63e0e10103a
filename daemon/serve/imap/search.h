/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Running a search program over the selected mailbox, for SEARCH, SORT and THREAD. */
#pragma once

#include "daemon/proto/imap/search-args.h"
#include "daemon/serve/imap/session.h"

typedef struct {
    GArray *uids;     /* guint32, ascending */
    GArray *modseqs;  /* guint64, of the same messages; NULL unless the program asks for MODSEQ */
    GArray *scores;   /* guint8, 1 to 100, of the same messages; NULL unless it asks for FUZZY */
    guint unsearched; /* messages that would have had to be here */
} ImapFound;

/* FALSE: the tagged answer is set. The caller clears `found` either way. */
gboolean imap_search_run(ImapSession *session, const ImapSearchKey *key, ImapFound *found);
/* The same among `uids` (guint32, ascending) only. */
gboolean imap_search_run_among(ImapSession *session, const ImapSearchKey *key, const GArray *uids,
                               ImapFound *found);
void imap_found_clear(ImapFound *found);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapFound, imap_found_clear)

/* Tells that the answer covers only what is here. */
void imap_found_tell_unsearched(ImapSession *session, const ImapFound *found);

/* The answer's scores may be asked for only of a program with FUZZY (RFC 6203, 4). FALSE with BAD
 * set: there are none. */
gboolean imap_found_scored(ImapSession *session, const ImapFound *found);

/* The mod-sequence that goes with the answer: the highest of what it is about (RFC 4731, 3.2; RFC
 * 7162, 3.1.5 and 3.1.9), or 0. `uids` are those found, in the answer's order. */
guint64 imap_found_modseq(const ImapFound *found, const ImapSearchReturn *ret, const GArray *uids);
/* How well a message that was found meets the program, from 1 to 100; only with `scores`. */
guint8 imap_found_score(const ImapFound *found, guint32 uid);
