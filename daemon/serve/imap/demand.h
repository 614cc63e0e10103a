/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages that aren't here yet: asking sync for them, and remembering why some can't be had, for
 * one command.
 */
#pragma once

#include "daemon/serve/imap/session.h"

typedef struct {
    GError *error;    /* why not, the first time; NULL: nothing has failed */
    gboolean offline; /* nothing more can be had now */
} ImapDemand;

/* Blocks until `messages` have `state` or can't have it; sends what has been answered so far first.
 * No cache transaction may be open. */
void imap_demand(ImapSession *session, ImapDemand *demand, const gint64 *messages, guint count,
                 CacheContentState state);

/* Asks for an extract instead (see fetch_extract()); NULL: it can't be had. */
GBytes *imap_demand_extract(ImapSession *session, ImapDemand *demand, gint64 message,
                            const FetchExtract *extract);

void imap_demand_clear(ImapDemand *demand);
