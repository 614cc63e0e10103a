/* SPDX-License-Identifier: GPL-3.0-or-later */
/* \Recent (RFC 3501, 2.3.2): which messages are new, and to whose session. */
#pragma once

#include "daemon/serve/imap/view.h"

/*
 * The first session that hears of a message has it as \Recent, and nobody after it. The UIDs from
 * `first` up to, but not including, `next` aren't claimed yet: makes them the view's, and notes that
 * in the cache, unless the view only reads. A full disk isn't an error: reading goes on there. No
 * cache transaction may be open.
 */
gboolean imap_recent_claim(ImapSession *session, ImapView *view, guint32 first, guint32 next,
                           GError **error);
