/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Progress of what SQLite does in one statement, and of what is done row by row. */
#include "cache/private.h"

/* SQLite's instructions between two questions: well below a millisecond, but for the rows that are
 * read meanwhile, which may be large. */
#define INSTRUCTIONS 5000

gboolean progress_tell(const CacheProgress *progress, const char *what, double share,
                       GError **error)
{
    if (!progress)
        return TRUE;
    if (progress->told)
        progress->told(what, share, progress->data);
    if (!progress->cancelled || !progress->cancelled(progress->data))
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_CANCELLED, "Stopped while %s", what);
    return FALSE;
}

static int ask(void *data)
{
    const ProgressStep *step = data;
    return !progress_tell(step->progress, step->what, step->share, NULL);
}

void progress_begin(Db *db, ProgressStep *step)
{
    if (step->progress)
        sqlite3_progress_handler(db->handle, INSTRUCTIONS, ask, step);
}

void progress_end(Db *db)
{
    sqlite3_progress_handler(db->handle, 0, NULL, NULL);
}
