/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which messages of a POP3 listing are known already. Pure: the listing, what is known, and the
 * looks of messages (a digest of their headers) as they are learnt.
 *
 * A server's names (UIDL) are believed as long as nothing speaks against them: the size, the order,
 * an absence in between, or the looks of the last known message, which are asked for each time. Where a
 * name has come to mean another message, and for messages without names of their own, looks decide.
 */
#pragma once

#include "cache/maildrop.h"
#include "daemon/upstream/pop3.h"

/* What a message looks like: its header, without the fields that servers add and change. `text` may
 * be the whole message or what TOP gives; line ends are CRLF. */
void maildrop_looks(const char *text, gsize length, guint8 looks[CACHE_DROP_DIGEST]);

typedef enum {
    MAILDROP_KNOWN,    /* it is `drop` */
    MAILDROP_UNSURE,   /* it is `drop`, as a look at it may confirm */
    MAILDROP_DOUBTFUL, /* it has the name of `drop`; its looks have to confirm that */
    MAILDROP_UNNAMED,  /* its looks may show that it is known */
    MAILDROP_NEW,
} MaildropFate;

typedef struct {
    const Pop3Message *message; /* of the listing */
    CacheDrop *drop;            /* of those that are known; NULL: UNNAMED, NEW */
    MaildropFate fate;
    gboolean named; /* it has a name of its own, which counts */
    gboolean seen;  /* its looks are known, and fit */
} MaildropEntry;

typedef struct {
    GPtrArray *drops;       /* CacheDrop: what is known; borrowed */
    GArray *entries;        /* MaildropEntry, in the listing's order */
    GHashTable *taken;      /* drop → the entry (MaildropEntry) that it is */
    GHashTable *candidates; /* looks → GPtrArray of drops that have them, by id */
    guint unnamed;          /* of the entries */
    gboolean trust;         /* names count */
} MaildropMatch;

/* Matches a listing (Pop3Message) by names, where `trust`. Both arrays must outlive it. */
MaildropMatch *maildrop_match_new(GPtrArray *drops, const GArray *messages, gboolean trust);
void maildrop_match_free(MaildropMatch *match);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MaildropMatch, maildrop_match_free)

/* Whether it is worth asking for the looks of an entry alone (TOP) before fetching it. */
gboolean maildrop_match_wants_looks(const MaildropMatch *match, guint i);

/* Whether an entry is to be fetched, be it to see what it is. */
gboolean maildrop_match_wants_fetch(const MaildropMatch *match, guint i);

/* The looks of an entry are known: it becomes KNOWN or NEW. FALSE: its name, or that of a
 * message that looks the same, may be another's, so names don't count, and all is to be matched anew.
 */
gboolean maildrop_match_settle(MaildropMatch *match, guint i, const guint8 *looks);

/* Whether a message that came is to be deleted upstream by now (Unix seconds); `leave_days` as in
 * AccountSettings. */
gboolean maildrop_is_due(const CacheDrop *drop, int leave_days, gint64 now);
