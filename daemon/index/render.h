/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the cache keeps rendered of a message: made once, from its bytes, by whoever brings them
 * (sync's body fetchers, a client's APPEND).
 */
#pragma once

#include "cache/content.h"

/*
 * Renders `message`: a whole one, or (`whole` FALSE) its header block alone, which leaves
 * BODYSTRUCTURE and structure NULL. The caller clears with cache_rendered_clear(). Any bytes do.
 */
void render_message(const char *message, gsize length, gboolean whole, CacheRendered *rendered);

/* The Message-ID field of a header block as CacheRendered has it: trimmed, at most 1000 octets;
 * NULL: none. The caller frees it. */
char *render_message_id(const char *header, gsize length);
