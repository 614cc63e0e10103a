/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * BINARY and BINARY.SIZE (RFC 3516): a section is decoded in pieces as they are read, and never
 * held as a whole. A literal's length is told before its octets, so what doesn't fit into one piece
 * is decoded twice: once to learn how much it is, once to be sent.
 */
#pragma once

#include "daemon/serve/imap/fetch-items.h"

/* The emit functions of the two items. */
gboolean imap_binary_emit(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row);
gboolean imap_binary_emit_size(ImapFetchRun *run, const ImapFetchPlan *plan,
                               const CacheFetchRow *row);

/* imap_fetch_pump() of a stream that is being decoded. */
gboolean imap_binary_pump(ImapFetchRun *run);

void imap_binary_free(ImapBinary *binary);
