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

/* "* ESEARCH (TAG "a") UID" */
void imap_esearch_begin(ImapSession *session, const char *tag, gboolean uid);
