/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory that is freed all at once: what a parser learns about one message lives and dies together.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What stands for bytes that text can't hold: U+FFFD. */
#define MIME_REPLACEMENT "\xEF\xBF\xBD"

typedef struct MimeArenaBlock MimeArenaBlock;

/* Zero-initialise to start with an empty arena; nothing is allocated before it is needed. */
typedef struct {
    MimeArenaBlock *blocks;
    char *free;
    gsize left;
    gsize taken; /* in all */
} MimeArena;

/* size bytes, aligned for any type, not cleared. Never NULL. */
void *mime_arena_alloc(MimeArena *arena, gsize size);

/* The same, cleared. */
void *mime_arena_alloc0(MimeArena *arena, gsize size);

/* A NUL-terminated copy. A NUL within text becomes U+FFFD, as IMAP strings can't hold it and C
 * strings would end there. */
char *mime_arena_strndup(MimeArena *arena, const char *text, gsize length);

/* Frees everything; the arena is then empty and can be used again. */
void mime_arena_clear(MimeArena *arena);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MimeArena, mime_arena_clear)

G_END_DECLS
