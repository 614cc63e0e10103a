/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of an archive share: archive.c stands above archive-maildir.c and archive-mbox.c,
 * and archive-names.c below. */
#pragma once

#include "ui/posternctl/archive.h"

/* A folder of the archive while it is written. */
typedef struct {
    CtlArchiveFolder about;
    char *full;          /* the path */
    GHashTable *files;   /* UID → name in cur/ (Maildir), or NULL (mbox): what is there */
    GPtrArray *keywords; /* of dovecot-keywords: their letters are a, b, … */
    int fd;              /* mbox: open for appending; -1: not yet */
    gboolean scanned;
} ArchiveFolder;

/* Reads what is there: fills `files`. */
gboolean archive_maildir_scan(ArchiveFolder *folder, GError **error);
gboolean archive_mbox_scan(ArchiveFolder *folder, GError **error);

gboolean archive_maildir_take(ArchiveFolder *folder, const CtlRecord *record, GError **error);
gboolean archive_mbox_take(ArchiveFolder *folder, const CtlRecord *record, GError **error);

/* "can't be written", with errno and what to do. */
gboolean archive_fail(const char *path, GError **error);

/* The name of a message's file, without flags. */
char *archive_name(const ArchiveFolder *folder, const CtlRecord *record);
