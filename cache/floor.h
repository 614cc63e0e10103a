/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * UIDVALIDITYs never fall, whatever becomes of the database: the file DIR/uidvalidity holds a value
 * that none given so far exceeds. Private to cache/.
 */
#pragma once

#include <glib.h>

typedef struct Floor Floor;

/* Reads the file, where there is one. */
Floor *floor_open(const char *dir, GError **error);
void floor_free(Floor *floor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Floor, floor_free)

/* Nothing up to `value` is given any more. */
void floor_raise(Floor *floor, guint32 value);

/* The same, and it is on the disk before this returns. */
gboolean floor_reserve(Floor *floor, guint32 value, GError **error);

/*
 * A value above all given before, not below `now` (Unix seconds); the file is on the disk before it
 * is returned. 0 on failure. Callers hold the writer's lock.
 */
guint32 floor_next(Floor *floor, gint64 now, GError **error);
