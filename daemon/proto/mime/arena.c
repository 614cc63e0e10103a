/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A bump allocator in blocks. See arena.h. */
#include "daemon/proto/mime/arena.h"

#include <stddef.h>
#include <string.h>

#define BLOCK_SIZE  4096
#define ALIGN_TO(n) (((n) + (_Alignof(max_align_t) - 1)) & ~(_Alignof(max_align_t) - 1))

struct MimeArenaBlock {
    MimeArenaBlock *next;
    max_align_t bytes[];
};

void *mime_arena_alloc(MimeArena *arena, gsize size)
{
    size = ALIGN_TO(size);
    if (size > arena->left) {
        gsize room = MAX(size, BLOCK_SIZE - sizeof(MimeArenaBlock));
        MimeArenaBlock *block = g_malloc(sizeof(MimeArenaBlock) + room);

        block->next = arena->blocks;
        arena->blocks = block;
        arena->free = (char *)block->bytes;
        arena->left = room;
    }

    void *memory = arena->free;

    arena->free += size;
    arena->left -= size;
    arena->taken += size;
    return memory;
}

void *mime_arena_alloc0(MimeArena *arena, gsize size)
{
    return memset(mime_arena_alloc(arena, size), 0, size);
}

/* The rare text with NULs in it. */
static char *dup_replacing_nuls(MimeArena *arena, const char *text, gsize length)
{
    char *copy = mime_arena_alloc(arena, length * strlen(MIME_REPLACEMENT) + 1);
    char *to = copy;

    for (const char *from = text; from < text + length; from++)
        if (*from != '\0')
            *to++ = *from;
        else
            to = stpcpy(to, MIME_REPLACEMENT);
    *to = '\0';
    return copy;
}

char *mime_arena_strndup(MimeArena *arena, const char *text, gsize length)
{
    if (length > 0 && memchr(text, '\0', length) != NULL)
        return dup_replacing_nuls(arena, text, length);

    char *copy = mime_arena_alloc(arena, length + 1);

    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void mime_arena_clear(MimeArena *arena)
{
    while (arena->blocks != NULL) {
        MimeArenaBlock *block = arena->blocks;

        arena->blocks = block->next;
        g_free(block);
    }
    arena->free = NULL;
    arena->left = arena->taken = 0;
}
