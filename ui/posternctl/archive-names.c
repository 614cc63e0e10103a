/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names of an archive's files, and the line before a message of its mbox files. */
#include "ui/posternctl/archive-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

gboolean archive_fail(const char *path, GError **error)
{
    int failure = errno;

    g_set_error(error, G_FILE_ERROR, (gint)g_file_error_from_errno(failure),
                "%s can't be written: %s", path, g_strerror(failure));
    return FALSE;
}

char *archive_name(const ArchiveFolder *folder, const CtlRecord *record)
{
    return g_strdup_printf("%" G_GINT64_FORMAT ".U%uV%uZ%+d.postern,S=%" G_GINT64_FORMAT,
                           ctl_record_number(record, "Date"),
                           (guint)ctl_record_number(record, "Uid"), folder->about.uidvalidity,
                           (int)ctl_record_number(record, "Zone"),
                           ctl_record_number(record, "Size"));
}

gboolean ctl_archive_name_parse(const char *name, CtlArchiveName *out)
{
    long long date;
    unsigned long long size;
    int zone, end = 0;

    if (sscanf(name, "%lld.U%uV%uZ%d.postern,S=%llu%n", &date, &out->uid, &out->uidvalidity, &zone,
               &size, &end) != 5 ||
        (name[end] && !strchr(": ", name[end])))
        return FALSE;
    out->date = date;
    out->zone = zone;
    out->size = size;
    return TRUE;
}

gboolean ctl_mbox_line_parse(const char *line, CtlMboxLine *out)
{
    const char *quoted = g_str_has_prefix(line, CTL_MBOX_LINE) ? strstr(line, " Q=") : NULL;

    if (!quoted || !ctl_archive_name_parse(line + strlen(CTL_MBOX_LINE), &out->name))
        return FALSE;
    out->quoted = g_ascii_strtoull(quoted + 3, NULL, 10);
    return TRUE;
}
