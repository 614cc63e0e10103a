/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A folder of files that mail is exported to: a tree of Maildirs, or of mbox files as Thunderbird has
 * them. "postern-folders" at its top says which folder each of them is. What is there already stays,
 * and isn't written again, so that an export can be broken off and goes on where it was.
 */
#pragma once

#include "ui/posternctl/stream.h"

typedef enum { CTL_MAILDIR, CTL_MBOX } CtlFormat;

typedef struct CtlArchive CtlArchive;

/* Makes the directory where it is missing, and locks it. NULL: it can't be written, somebody else is
 * exporting to it, or it holds an export of another format. */
CtlArchive *ctl_archive_open(const char *dir, CtlFormat format, GError **error);
/* All of it is on the disk then. */
gboolean ctl_archive_close(CtlArchive *archive, GError **error);
void ctl_archive_free(CtlArchive *archive);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlArchive, ctl_archive_free)

/* What is there already, for Export's Have: a{ss}. */
GVariant *ctl_archive_have(CtlArchive *archive, GError **error);

/* A record of Export or Search: a folder is made; a message is written, or gets the flags that it has
 * now. */
gboolean ctl_archive_take(CtlArchive *archive, const CtlRecord *record, GError **error);

/* ---- names, for who reads it ------------------------------------------------------------------- */

#define CTL_ARCHIVE_INDEX "postern-folders"

/* A folder's line in the index. */
typedef struct {
    char *path; /* below the archive */
    char *name; /* the folder's, as the account has it */
    char delimiter;
    CtlFormat format;
    guint32 uidvalidity;
} CtlArchiveFolder;

/* The index of a directory: CtlArchiveFolder; empty where there is none. NULL: it can't be read. */
GPtrArray *ctl_archive_index(const char *dir, GError **error);

/* What the name of a message's file says: 1700000000.U5V17Z+60.postern,S=1234:2,FS */
typedef struct {
    gint64 date;
    gint32 zone;
    guint32 uid, uidvalidity;
    guint64 size;
} CtlArchiveName;
gboolean ctl_archive_name_parse(const char *name, CtlArchiveName *out);

/* The line that an exported message of an mbox file has before its own first one. */
#define CTL_MBOX_LINE "X-Postern: "
typedef struct {
    CtlArchiveName name;
    guint64 quoted; /* octets in the file, from the end of that line */
} CtlMboxLine;
gboolean ctl_mbox_line_parse(const char *line, CtlMboxLine *out);
