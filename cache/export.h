/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes of a message for a descriptor that somebody outside has passed. */
#pragma once

#include <glib.h>

#define EXPORT_PIECE (1024 * 1024) /* bytes to read at a time for it */

/* Writes all of it to `fd`, a file, pipe or socket. A reader who takes nothing for 10 s is given up.
 * CACHE_ERROR_FULL or CACHE_ERROR_FAILED, with a sentence. */
gboolean export_write(int fd, const char *data, gsize length, GError **error);
