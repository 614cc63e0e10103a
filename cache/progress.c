/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Progress of what SQLite does in one statement, and of what is done row by row. */
#include "cache/private.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

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

/* ---- within one instruction ------------------------------------------------------------------ */

/*
 * SQLite before 3.42 checks all pages of a database in one instruction, minutes of a large one, and
 * asks nobody meanwhile. But it reads them: once the step is cancelled, reading fails, and after a few
 * pages that can't be read the check is over. So SQLite's pread() asks what the thread is at.
 */
static _Thread_local const ProgressStep *under_way;

static ssize_t read_unless_cancelled(int fd, void *data, size_t length, off_t at)
{
    const CacheProgress *progress = under_way ? under_way->progress : NULL;

    if (progress && progress->cancelled && progress->cancelled(progress->data)) {
        errno = EIO;
        return -1;
    }
    return pread(fd, data, length, at);
}

static void take_pread(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    /* One of them is what SQLite was built to use. */
    if (vfs && vfs->iVersion >= 3) {
        vfs->xSetSystemCall(vfs, "pread", (sqlite3_syscall_ptr)read_unless_cancelled);
        vfs->xSetSystemCall(vfs, "pread64", (sqlite3_syscall_ptr)read_unless_cancelled);
    }
}

void progress_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, take_pread);
}

/* ---- one statement --------------------------------------------------------------------------- */

void progress_begin(Db *db, ProgressStep *step)
{
    if (!step->progress)
        return;
    if (step->reads)
        under_way = step;
    sqlite3_progress_handler(db->handle, INSTRUCTIONS, ask, step);
}

void progress_end(Db *db)
{
    under_way = NULL;
    sqlite3_progress_handler(db->handle, 0, NULL, NULL);
}
