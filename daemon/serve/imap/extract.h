/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looking into a large message that isn't here: FETCH of BODY[section]<offset.length> is answered
 * with what the provider says to the same, so that nobody waits for all of it.
 */
#pragma once

#include "daemon/serve/imap/demand.h"
#include "daemon/serve/imap/fetch-items.h"

/* Whether the command's items are such that a message of `size` octets is better looked into. */
gboolean imap_extract_is_wanted(const ImapFetchRun *run, guint64 size);

/* What the other items need. */
CacheContentState imap_extract_needs_beside(const ImapFetchRun *run);

/* Asks for the message's extracts, and keeps them in run->plans. FALSE: not all can be had. */
gboolean imap_extract_get(ImapFetchRun *run, ImapDemand *demand, gint64 message);
void imap_extract_clear(ImapFetchRun *run);

/* Answers an item with its extract. */
void imap_extract_emit(ImapFetchRun *run, const ImapFetchPlan *plan);
