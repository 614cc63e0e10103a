/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counts the work of code that is compiled with -fsanitize-coverage=trace-pc: a step for each basic
 * block, and for each byte that a function of a library (strlen, memchr, iconv, g_utf8_normalize, …)
 * looks at or could look at. So one can tell how work grows, whatever else the machine does. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* How many there were so far. */
guint64 steps_taken(void);

G_END_DECLS
