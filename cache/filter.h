/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A filter over text: a Bloom filter of the three-byte pieces that occur in it. It tells for most
 * texts without a word that it isn't there, and so spares expanding and reading them; where it
 * can't tell, the text is read. So it decides how long a search takes, never what it finds.
 */
#pragma once

#include <glib.h>

/* The filter of a text; takes about a millisecond per megabyte. */
GBytes *filter_new(const char *text, gsize length);

/* FALSE: `needle` is not in the text that the filter is of. Needles of fewer than three bytes, and
 * filters of a size that filter_new() doesn't make, rule out nothing. */
gboolean filter_may_contain(const void *filter, gsize size, const char *needle, gsize length);
