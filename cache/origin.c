/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a database is from: how a copy, or an older state, of it is told from itself. The database
 * holds "machine:inode:generation". The generation changes when it is opened and when it is closed,
 * and stands in a file beside it too: an older state that is put back over the same file has an
 * older one. While it changes, the file holds both, the old one first.
 */
#include "cache/private.h"

#include <string.h>
#include <sys/stat.h>

static char *origin_place_of(const char *path)
{
    g_autofree char *machine = NULL;
    struct stat info;

    if (!g_file_get_contents("/etc/machine-id", &machine, NULL, NULL))
        machine = g_strdup("");
    if (stat(path, &info) != 0)
        info.st_ino = 0;
    return g_strdup_printf("%s:%" G_GUINT64_FORMAT, g_strstrip(machine), (guint64)info.st_ino);
}

static char *generation_file(const char *path)
{
    return g_strconcat(path, ".generation", NULL);
}

gboolean origin_is_same(const char *path, const char *then)
{
    g_autofree char *place = origin_place_of(path);
    g_autofree char *file = generation_file(path);
    g_autofree char *text = NULL;

    if (!g_str_has_prefix(then, place))
        return FALSE;
    const char *generation = then + strlen(place);
    gboolean known = g_file_get_contents(file, &text, NULL, NULL);
    /* Written before there were generations; there is none then. */
    if (!*generation)
        return !known;
    if (!known || *generation != ':')
        return FALSE;
    g_auto(GStrv) generations = g_strsplit(g_strchomp(text), " ", -1);
    return g_strv_contains((const char *const *)generations, generation + 1);
}

static const char *generation_of(const char *origin)
{
    return strrchr(origin, ':') + 1;
}

char *origin_next(const char *path, const char *then, GError **error)
{
    g_autofree char *place = origin_place_of(path);
    g_autofree char *file = generation_file(path);
    g_autofree char *fresh = g_uuid_string_random();
    g_autofree char *text =
        g_strdup_printf("%s%s%s\n", then ? generation_of(then) : "", then ? " " : "", fresh);

    if (file_replace(file, text))
        return g_strdup_printf("%s:%s", place, fresh);
    file_replace_failed(file, error);
    return NULL;
}

gboolean origin_settle(const char *path, const char *origin, GError **error)
{
    g_autofree char *file = generation_file(path);
    g_autofree char *text = g_strdup_printf("%s\n", generation_of(origin));

    if (file_replace(file, text))
        return TRUE;
    file_replace_failed(file, error);
    return FALSE;
}

char *origin_unmoved(const char *path, const GError *why)
{
    g_warning("%s: an older state of it would not be noticed: %s", path, why->message);
    return g_strdup_printf("If an older copy of %s is put in its place, that will not be noticed: "
                           "%s. When that is mended, start Postern again.",
                           path, why->message);
}
