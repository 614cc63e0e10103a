/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ESEARCH response (RFC 4731), which SEARCH, SORT (ESORT, RFC 5267) and the search of several
 * mailboxes (RFC 7377) have in common.
 */
#pragma once

#include "daemon/proto/imap/search-args.h"
#include "daemon/serve/imap/session.h"

typedef struct {
    const char *tag;
    gboolean uid;
    const ImapSearchReturn *ret;
    const GArray *numbers; /* guint32: what was found, in the order of the answer */
    const GArray *scores;  /* guint8, of the same messages (RFC 6203); needed for RELEVANCY */
    guint64 modseq;        /* 0: none is told */
    const char *mailbox;   /* of RFC 7377, or NULL; */
    guint32 uidvalidity;   /* its */
} ImapEsearch;

/* Appends the response. */
void imap_esearch_answer(ImapSession *session, const ImapEsearch *esearch);

/* "* ESEARCH (TAG "a") UID", of which all but the tag, `uid` and the mailbox may be missing. */
void imap_esearch_begin(ImapSession *session, const ImapEsearch *esearch);

/*
 * Which of `uids` (guint32), found and in the order of the answer, the answer is about: with MIN,
 * MAX or PARTIAL just those, but all with ALL or COUNT or none of these (RFC 4731, 3.2; RFC 5182,
 * 2.4; RFC 9394, 3.2). In any order, and one may come twice.
 */
GArray *imap_esearch_told(const ImapSearchReturn *ret, const GArray *uids);
