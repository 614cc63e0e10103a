/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Threading messages (RFC 5256, 3): pure, from what headers say to trees. Time is linear but for
 * sorting, and nothing recurses, however deep a thread is.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint32 number;        /* what the answer calls it */
    gint64 sent;           /* Unix seconds */
    const char *subject;   /* base subject, to be compared byte by byte; "" */
    gboolean reply;        /* a reply or forward by its subject */
    const char *id;        /* Message-ID, or NULL */
    guint first_id, n_ids; /* its references among all, the parent last */
} ImapThreadMessage;

/* Messages (ImapThreadMessage) in the order of their numbers, and the references of all (const char
 * *); appends " (1)(2 (3)(4))". */
void imap_threads_references(const GArray *messages, const GPtrArray *ids, GString *out);
/* THREAD=REFS: as REFERENCES without a look at subjects; threads by their latest message. */
void imap_threads_refs(const GArray *messages, const GPtrArray *ids, GString *out);
void imap_threads_ordered_subject(const GArray *messages, const GPtrArray *ids, GString *out);
