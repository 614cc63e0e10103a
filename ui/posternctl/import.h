/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mail in files, as other programs have it, on its way into an account: import-walk.c finds the files,
 * import-mbox.c and import-file.c read them, import.c sends what they give.
 */
#pragma once

#include "ui/posternctl/stream.h"

/* Between the levels of a folder's name here; no name has it. (json-glib doesn't escape 0x1f.) */
#define IMPORT_DELIMITER   '\x1e'
#define IMPORT_DELIMITER_S "\x1e"

/* No message is larger, in bytes: what Postern takes. */
#define IMPORT_SIZE_MAX (256 * 1024 * 1024)

typedef enum { IMPORT_MBOX, IMPORT_FILE } ImportKind;

/* A file to read. */
typedef struct {
    ImportKind kind;
    char *path;
    char *folder;        /* with IMPORT_DELIMITER between levels */
    GPtrArray *keywords; /* of its Maildir: what the letters a, b, … mean; or NULL */
    char *more;          /* keywords of this message that have no letter, or NULL */
    guint64 size;
} ImportSource;

/* How mbox files are quoted. */
typedef enum {
    IMPORT_AUTO, /* as each file looks */
    IMPORT_MBOXO,
    IMPORT_MBOXRD,
    IMPORT_MBOXCL2, /* not at all */
} ImportQuoting;

/*
 * All files below `path`, or itself; `folder` NULL: folders have the names that they have there.
 * GPtrArray of ImportSource, in the order of folders' names. NULL: it can't be read, or it isn't mail.
 */
GPtrArray *import_walk(const char *path, const char *folder, GError **error);

/* A message as it is going to be. */
typedef struct {
    const char *folder;
    const char *data;
    gsize length;
    GPtrArray *flags; /* char * */
    gboolean dated;
    gint64 date;
    gint32 zone;
} ImportMessage;

/* Takes a message; FALSE ends the reading. */
typedef gboolean (*ImportFunc)(const ImportMessage *message, gpointer data, GError **error);

gboolean import_read_mbox(const ImportSource *source, ImportQuoting quoting, ImportFunc func,
                          gpointer data, GError **error);
/* A file with one message: of a Maildir, or by itself. */
gboolean import_read_file(const ImportSource *source, ImportFunc func, gpointer data,
                          GError **error);

/* The moment in the Date field; FALSE: there is none. */
gboolean import_date_field(const char *data, gsize length, gint64 *date, gint32 *zone);

/* The message with CRLF at all line ends, where its first line ends with LF alone: that is how
 * files have it. NULL: it is right as it is. */
GString *import_network_form(const char *data, gsize length);
