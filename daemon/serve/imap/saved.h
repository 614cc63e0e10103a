/* SPDX-License-Identifier: GPL-3.0-or-later */
/* "$": what the last search with RETURN (SAVE) found (SEARCHRES, RFC 5182). It belongs to the view. */
#pragma once

#include "daemon/proto/imap/search-args.h"
#include "daemon/serve/imap/session.h"

/* Makes what was found, `uids` (guint32) in the answer's order, "$". */
void imap_saved_set(ImapSession *session, const ImapSearchReturn *ret, const GArray *uids);

/* To be called after a search, when its answer is set: a NO to one that was to save its result
 * (`saves`) makes "$" empty (RFC 5182, 2.1). */
void imap_saved_after(ImapSession *session, gboolean saves);
