/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A BODYSTRUCTURE that a provider tells, made ours: what clients are given of messages whose bodies
 * stay upstream. */
#pragma once

#include "daemon/proto/imap/response.h"

G_BEGIN_DECLS

/* What one may take, rendered: some thousands of parts. */
#define MIME_TOLD_STRUCTURE_MAX (1024 * 1024)

/*
 * The value of FETCH's BODYSTRUCTURE, read by its grammar (RFC 3501, 9: body) and written anew, as
 * mime_bodystructure_render() writes: strings in one line, extension data in full, and none that
 * isn't in the standard. Small slips are mended where only one reading makes sense (an empty list
 * for NIL, atoms for strings, a missing encoding). NULL when it isn't a BODYSTRUCTURE, has more
 * levels or parts than a message may have (mime_default_limits), or takes more than
 * MIME_TOLD_STRUCTURE_MAX: then only the message itself can say. The time is that of its length.
 */
GBytes *mime_bodystructure_told(const ImapNode *value);

G_END_DECLS
