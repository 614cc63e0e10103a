/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a database is: how a copy of it is told from itself. */
#include "cache/private.h"

#include <sys/stat.h>

char *origin_of(const char *path)
{
    g_autofree char *machine = NULL;
    struct stat info;

    if (!g_file_get_contents("/etc/machine-id", &machine, NULL, NULL))
        machine = g_strdup("");
    if (stat(path, &info) != 0)
        info.st_ino = 0;
    return g_strdup_printf("%s:%" G_GUINT64_FORMAT, g_strstrip(machine), (guint64)info.st_ino);
}
