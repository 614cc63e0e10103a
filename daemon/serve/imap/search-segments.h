/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking for a search's words in the segments of text (cache/search.h). */
#pragma once

#include "daemon/serve/imap/search-candidates.h"

/*
 * Notes of each candidate whose text of `kind` is in a segment what the words of `match` say of it;
 * the others stay as they are. `candidates` ascend by message. By several threads, where there is
 * much to look through; ends early when the session's stream is cancelled. FALSE: the cache can't
 * be read.
 */
gboolean imap_search_segments(ImapSession *session, const ImapMatch *match, CacheText kind,
                              ImapCandidates *candidates, GError **error);
