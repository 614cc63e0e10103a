/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One copy of each sent message in the Sent folder, whoever puts it there: the provider, the mail
 * program, or Postern (save-sent=). And whether a message that may have been sent was sent, as far as
 * the Sent folder can tell.
 *
 * - A provider that is known to file what it is sent is left to it.
 * - A provider that isn't known is given 20 seconds; then the folder, as of later, is looked at. What
 *   it has is the copy; where there is none, one is put there. What came of it is remembered.
 * - Mail programs may put theirs there at any time. For as long as the entry is remembered (7 days), a
 *   second copy takes the place of one of them: Postern's goes before a mail program's, and both
 *   before the provider's. Their flags are the remaining one's.
 * - A copy is what has the same Message-ID and the same body (identity.h). Anything else is a message
 *   of its own, and stays.
 *
 * All of it is recorded in the queue's entry, so that a crash at any moment changes nothing. The
 * relay's thread does the work.
 */
#pragma once

#include "cache/queue/queue.h"
#include "daemon/config/habits.h"

typedef struct {
    Queue *queue; /* these are borrowed, and outlive the filing */
    Cache *cache;
    const AccountSettings *settings;
    AccountHabits *habits; /* may be NULL */

    /* Begins to bring the cache up to date with the provider; returns at once. */
    void (*look)(gpointer data);
    /* Unix seconds: what the provider had then is in the cache; 0: not known. */
    gint64 (*looked)(gpointer data);
    gpointer data;
} RelayFilingOptions;

typedef struct RelayFiling RelayFiling;

RelayFiling *relay_filing_new(const RelayFilingOptions *options);
void relay_filing_free(RelayFiling *filing);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RelayFiling, relay_filing_free)

/* Notes in `entry`, which was taken upstream at `now`, that its copy is due, and when; the caller
 * stores it. */
void relay_filing_begin(RelayFiling *filing, QueueEntry *entry, gint64 now);

/* Does what is due, and gives the seconds until there is more to do, at least 1; G_MAXINT64: until the
 * Sent folder changes, or another entry becomes due. What can't be done is logged and done later. */
gint64 relay_filing_work(RelayFiling *filing, gint64 now);

/* Readable when the Sent folder has changed: then there is work. */
int relay_filing_fd(RelayFiling *filing);

typedef enum {
    RELAY_DOUBT_SENT,  /* the provider has put it into Sent */
    RELAY_DOUBT_LATER, /* not known yet: to be asked again at *when (Unix seconds) */
    RELAY_DOUBT_AGAIN, /* nothing speaks for it, or nothing can be known: it is to be sent again */
} RelayDoubt;

/* What the Sent folder says of an entry whose end went out at entry->doubt. */
RelayDoubt relay_filing_doubt(RelayFiling *filing, const QueueEntry *entry, gint64 now,
                              gint64 *when);
