/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The floor under UIDVALIDITYs. */
#include "cache/floor.h"

#include "cache/private.h"

/* Values are reserved in blocks, so that making many folders costs few writes of the file. */
#define RESERVE 64

struct Floor {
    char *path;
    guint32 given;    /* the last one */
    guint32 reserved; /* what the file says: values up to this may have been given */
};

static gboolean parse(Floor *floor, const char *text, GError **error)
{
    guint64 value;
    g_autofree char *line = g_strstrip(g_strdup(text));

    if (!g_ascii_string_to_unsigned(line, 10, 0, G_MAXUINT32, &value, NULL)) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    "%s should hold one number, and doesn't. Write a number of seconds since 1970 "
                    "into it that is in the future, or the last number any client has seen.",
                    floor->path);
        return FALSE;
    }
    floor->given = floor->reserved = (guint32)value;
    return TRUE;
}

Floor *floor_open(const char *dir, GError **error)
{
    g_autoptr(Floor) floor = g_new0(Floor, 1);
    g_autoptr(GError) failure = NULL;
    g_autofree char *text = NULL;

    floor->path = g_build_filename(dir, "uidvalidity", NULL);
    if (g_file_get_contents(floor->path, &text, NULL, &failure)) {
        if (!parse(floor, text, error))
            return NULL;
    } else if (!g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    return g_steal_pointer(&floor);
}

void floor_free(Floor *floor)
{
    if (!floor)
        return;
    g_free(floor->path);
    g_free(floor);
}

void floor_raise(Floor *floor, guint32 value)
{
    floor->given = MAX(floor->given, value);
}

static gboolean reserve(Floor *floor, guint32 upto, GError **error)
{
    g_autofree char *text = g_strdup_printf("%u\n", upto);

    if (file_replace(floor->path, text)) {
        floor->reserved = upto;
        return TRUE;
    }
    file_replace_failed(floor->path, error);
    return FALSE;
}

gboolean floor_reserve(Floor *floor, guint32 value, GError **error)
{
    floor_raise(floor, value);
    return floor->given <= floor->reserved || reserve(floor, floor->given, error);
}

guint32 floor_next(Floor *floor, gint64 now, GError **error)
{
    guint32 value = (guint32)CLAMP(now, 1, G_MAXUINT32);

    if (floor->given >= G_MAXUINT32 - RESERVE) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_FAILED, "%s: the numbers are used up",
                    floor->path);
        return 0;
    }
    value = MAX(value, floor->given + 1);
    if (value > floor->reserved && !reserve(floor, value + RESERVE, error))
        return 0;
    floor->given = value;
    return value;
}
