/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of cache/ share: the cache, its transactions, and what a transaction remembers. */
#pragma once

#include <pthread.h>

#include "cache/change.h"
#include "cache/db.h"
#include "cache/folder.h"
#include "cache/maildrop.h"
#include "cache/message.h"

typedef struct Codecs Codecs;     /* codec.h */
typedef struct Keywords Keywords; /* keyword.c */
typedef struct Watches Watches;   /* watch.c */
typedef struct Floor Floor;       /* floor.h */

/* First come, first served: a flag change waits for one batch of bodies, not for all of them. */
typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t turn;
    guint64 next, serving;
} TicketLock;

/* What clients were told that had vanished, see cache_vanished_owe(). */
typedef struct {
    gint64 folder;
    guint64 modseq;
} VanishedTold;

struct Cache {
    char *dir;
    char *path;
    int lock_fd;
    Floor *floor;
    Keywords *keywords;
    Watches *watches;
    Codecs *codecs;

    /* Under writer_lock. */
    TicketLock writer_lock;
    Db *writer;
    guint64 modseq;        /* the last one given */
    GArray *discarded;     /* gint64: contents to drop with the next write; under pool_lock */
    GArray *owed;          /* VanishedTold: to be written with the next write; under pool_lock */
    guint wal_pages;       /* as of the last commit; atomic */
    guint checkpoint_next; /* checkpoint when the WAL reaches this; under checkpoint_lock */

    gint damaged;    /* atomic */
    gboolean copied; /* noticed when it was opened */
    gboolean opened; /* as a whole */
    char *unmoved;   /* why an older state of it would not be noticed, or NULL */

    pthread_mutex_t checkpoint_lock;
    Db *checkpointer;

    pthread_mutex_t pool_lock;
    pthread_cond_t pool_returned;
    GPtrArray *idle; /* Db, most recently used last */
    guint readers;   /* open ones, idle or not */
};

/* The counters of a folder while a write transaction changes them; one UPDATE when it commits. */
typedef struct {
    gint64 id;
    gboolean loaded;
    gboolean dirty;
    gboolean view_changed;
    gboolean pushed;
    gint64 uidnext, highestmodseq;
    gint64 alive, unseen, deleted, missing, headless, size;
    gint64 failing; /* as it was when they were loaded: not written back */
    guint32 rights; /* cache_folder_rights() */
} FolderCounters;

typedef enum { TXN_SET_LIKE_UNKNOWN, TXN_SET_LIKE, TXN_NOT_SET_LIKE } TxnSetLike;

struct CacheTxn {
    Cache *cache;
    Db *db;
    CacheMode mode;
    guint64 modseq;        /* what this transaction's changes get; 0: none yet */
    gboolean list_changed; /* folders came, went or were renamed; subscriptions */
    gboolean pending;      /* there is new work for push */
    gboolean texts;        /* texts came that are to be indexed, or went */
    GArray *folders;       /* FolderCounters */
    GArray *keywords;      /* guint32: sets written by this transaction */
    GArray *adopted;       /* gint64: unfinished contents that this transaction finishes */
    GArray *uid_chunks;    /* bits that it changes (uids.c), or NULL */
    GArray *paid;          /* VanishedTold that were owed, or NULL */
    TxnSetLike set_like;   /* set-like.c */
};

/* ---- txn.c */
/* Whether the transaction may write (in FULL mode, where `full`); else `error`. */
gboolean txn_writes(CacheTxn *txn, gboolean full, GError **error);

/* The transaction's mod-sequence: all its changes carry the same. */
guint64 txn_modseq(CacheTxn *txn);

/* ---- counters.c */
/* The folder's counters; NULL and NOT_FOUND. Valid until the next call. */
FolderCounters *counters_of(CacheTxn *txn, gint64 id, GError **error);

/* cache_folder_rights() of the folder; everything where there is none. */
guint32 counters_rights(CacheTxn *txn, gint64 id);

/* Writes the counters back; before anything reads them. */
gboolean counters_flush(CacheTxn *txn, GError **error);

/* The folder's row is gone, or was changed by a statement: its counters are read anew. */
void counters_forget(CacheTxn *txn, gint64 id);

/* ---- connections.c */
void ticket_lock(TicketLock *lock);
void ticket_unlock(TicketLock *lock);
/* The writer's connection; what commits leave in the WAL is noted. */
Db *writer_open(Cache *cache, GError **error);
/* A connection for one transaction, which waits for one where all are lent; NULL and `error`. */
Db *reader_take(Cache *cache, GError **error);
void reader_return(Cache *cache, Db *db);
/* Moves the WAL into the database where it has grown. Most of that work (and its fsyncs) is done
 * beside the writers. */
void cache_checkpoint(Cache *cache);
/* Where `db` has found damage: noted once, beside the database too, so that a process that dies of
 * it leaves word for the next. */
void cache_note_damage(Cache *cache, const Db *db);

/* ---- meta.c */
/* As cache_meta_get() and cache_meta_set(), outside of transactions. */
char *meta_get(Db *db, const char *key);
gboolean meta_set(Db *db, const char *key, const char *value, GError **error);

/* ---- lock.c */
/* Holds the file `path` for this process; -1 and LOCKED, naming `thing` and the pid, where another
 * one does. */
int lock_take(const char *path, const char *thing, GError **error);

/* ---- progress.c */
typedef struct {
    const CacheProgress *progress; /* may be NULL */
    const char *what;
    double share;
    gboolean reads; /* it writes nothing, so it can be ended by reads that fail */
} ProgressStep;
/* Tells, and asks; FALSE and CANCELLED: it is not to go on. */
gboolean progress_tell(const CacheProgress *progress, const char *what, double share,
                       GError **error);
/* Until progress_end() long statements on `db` tell and ask on their way; one that is not to go on
 * ends with CANCELLED. */
void progress_begin(Db *db, ProgressStep *step);
void progress_end(Db *db);
/* Before the first connection is opened, by any thread. */
void progress_init(void);

/* ---- beside.c */
#define BESIDE_BUILT ".rebuilding"
#define BESIDE_WHOLE ".rebuilt"
/* Marks the original at `path` as damaged (by the file `mark`), and makes room for the new one. All
 * with the lock held. */
gboolean beside_begin(const char *path, const char *mark, GError **error);
/* What was built so far is of no use. */
void beside_drop(const char *path);
/* Before the new one is closed: all of it is in the one file. */
gboolean beside_end_wal(Db *db, GError **error);
/* The new one is whole, and closed: from now on it is what counts. */
gboolean beside_is_whole(const char *path, GError **error);
/* Puts a new one that is whole in place, the original aside, and takes the mark away; *placed (may
 * be NULL): there was one. Goes on where it was interrupted. */
gboolean beside_place(const char *path, const char *mark, gboolean *placed, GError **error);
/* The newest original that was set aside; NULL: none is there (any more). The caller frees. */
char *beside_find_aside(const char *path);

/* ---- cache.c */
/* A new cache that doesn't lock and isn't looked at for copies. */
Cache *cache_open_beside(const char *dir, GError **error);

/* ---- file.c */
/* Puts `text` in the place of the file: after a power cut it is there, or what was there before.
 * FALSE: errno says why, and file_replace_failed() puts it into an error. */
gboolean file_replace(const char *path, const char *text);
void file_replace_failed(const char *path, GError **error);

/* Makes the file, empty and private, where it isn't there. */
gboolean file_make(const char *path, GError **error);
/* Whether there is room for a little more beside it. */
gboolean file_has_room(const char *path);
/* Renames; where `must`, it has to be there (NOT_FOUND). */
gboolean file_rename(const char *from, const char *to, gboolean must, GError **error);
/* What was written to the file, or renamed in the directory, is on the disk when this returns. */
gboolean file_sync(const char *path, GError **error);

/* ---- vanished.c */
/* Takes what cache_vanished_owe() was told into the transaction. */
gboolean vanished_pay(CacheTxn *txn, GError **error);
/* The transaction has ended; where it was undone, that is owed again. */
void vanished_paid(CacheTxn *txn, gboolean committed);

/* ---- origin.c */
/* Whether the database at `path`, which says that its origin is `then`, is where it was and in the
 * state it was left in; else it is a copy, restored or moved. */
gboolean origin_is_same(const char *path, const char *then);

/*
 * A new origin for the database to write down; the file beside it then allows both it and `then`
 * (NULL: a copy, or new), so that a crash before or after that does no harm. The caller frees; NULL
 * and FULL or FAILED where the file can't be written.
 */
char *origin_next(const char *path, const char *then, GError **error);

/* It has been written down: no earlier one is allowed any more. FALSE: the file can't be written. */
gboolean origin_settle(const char *path, const char *origin, GError **error);

/* Warns that there is no new origin, because of `why`, and gives what the user should know. The caller
 * frees. */
char *origin_unmoved(const char *path, const GError *why);

/* ---- keyword.c */
Keywords *keywords_load(Db *db, GError **error);
void keywords_free(Keywords *keywords);
/* Sees to it that a set referred to by a row about to be written is in the database. */
gboolean keywords_keep(CacheTxn *txn, guint32 set, GError **error);
/* cache_keywords_union() for what a client adds, within the limits of cache_keywords_intern(). */
guint32 keywords_add(CacheTxn *txn, guint32 a, guint32 b, GError **error);
/* What a rolled back transaction had written isn't there any more. */
void keywords_rolled_back(CacheTxn *txn);

/* ---- watch.c */
Watches *watches_new(void);
void watches_free(Watches *watches);
void watches_notify(CacheTxn *txn);
/* Wakes everyone who watches anything. */
void watches_wake_all(Watches *watches);

/* ---- placement.c */
#define PLACEMENT_DIFFERS                                                                          \
    "(alive <> (base <> 0) OR (alive AND (system <> base_system"                                   \
    " OR keywords <> base_keywords)))"

/* The columns that placement_read() takes, from column `first` on. */
#define PLACEMENT_COLUMNS                                                                          \
    "folder, uid, alive, system, keywords, modseq, message, state, size, date, zone, saved,"       \
    " from_folder, from_uid, base, base_uid, base_system, base_keywords"
enum { PLACEMENT_COLUMN_COUNT = 18, PLACEMENT_COLUMN_STATE = 7 };
void placement_read(DbQuery *query, CachePlacement *placement);

/* Adds (sign 1) or takes away (-1) what a live placement counts for. */
void placement_count(FolderCounters *folder, const CachePlacement *placement, int state, int sign);

/* Whether an open attempt names it. */
gboolean placement_attempted(CacheTxn *txn, gint64 folder, guint32 uid);

/* cache_placement_put() where the row as it is (`old`, of a message in `state`) was just read. */
gboolean placement_rewrite(CacheTxn *txn, const CachePlacement *old, CachePlacement *row, int state,
                           GError **error);

/* Makes a live placement dead; where neither base nor attempt needs it any more, it goes. */
gboolean placement_kill(CacheTxn *txn, CachePlacement *placement, GError **error);

/* ---- uids.c */
/* The first column of every row, as UIDs (guint32); there is room for `expected` at first. The
 * caller frees. */
GArray *uids_read(DbQuery *query, guint expected, GError **error);

/* What is true of a UID from now on, in the bits that cache_uids() reads. */
gboolean uids_note(CacheTxn *txn, gint64 folder, guint32 uid, gboolean alive, gboolean seen,
                   GError **error);
/* None of the folder's UIDs is live any more. */
gboolean uids_clear(CacheTxn *txn, gint64 folder, GError **error);
/* Writes what has been noted. */
gboolean uids_flush(CacheTxn *txn, GError **error);
/* Folders whose bits aren't as many as their counters say: as in a database from before there were
 * any. Numbers of folders, gint64. */
GArray *uids_wrong(CacheTxn *txn, GError **error);
/* Makes the bits of the folder anew. */
gboolean uids_rebuild(CacheTxn *txn, gint64 folder, GError **error);

/* ---- folder.c, for attempts */
/* A row that neither the view nor the base names, unless something else still needs it. */
gboolean folder_drop_if_nameless(CacheTxn *txn, gint64 id, GError **error);

/* ---- folder.c, for copies */
/* Gives all folders new UIDVALIDITYs. */
gboolean folders_renew(CacheTxn *txn, GError **error);

/* ---- folder.c, for salvage */
/* Appends every row, CacheFolder; also those before one that can't be read. `version` is that of
 * the database's schema (5 or above; G_MAXINT: the current one). */
gboolean folder_read_rows(Db *db, int version, GPtrArray *list, GError **error);
/* The name was shown with this UIDVALIDITY: whichever folder has it next shows a higher one. */
gboolean folder_retire_name(CacheTxn *txn, const char *name, guint32 uidvalidity, GError **error);
/* A folder, still without messages, with the UIDVALIDITY it had, or a new one (not `keep`); its
 * number, or 0. */
gint64 folder_restore(CacheTxn *txn, const CacheFolder *folder, gboolean keep, GError **error);
/* All that could be had of it is there again: UIDs go on from `uidnext`; which were expunged is not
 * known any more. `renew`: it gets a new UIDVALIDITY. */
gboolean folder_restored(CacheTxn *txn, gint64 id, guint32 uidnext, guint32 recent_uid,
                         gboolean renew, GError **error);

/* ---- search.c */
/* The message's content state has changed: there may be more of it to search. */
gboolean text_arrived(CacheTxn *txn, gint64 message, int old_state, int state, GError **error);
/* The message's header, which was here, is another now. */
gboolean text_changed(CacheTxn *txn, gint64 message, GError **error);
/* The message, which had content, is gone. */
gboolean text_gone(CacheTxn *txn, gint64 message, GError **error);

/* ---- set-like.c */
/* A live placement, no more than is needed to find it. */
typedef struct {
    gint64 folder;
    guint32 uid;
} MessagePlace;
/* Where else than in `folder` the message is: MessagePlace. */
GArray *set_like_others(CacheTxn *txn, gint64 message, gint64 folder, GError **error);
CacheRole set_like_role(CacheTxn *txn, gint64 folder);
/* cache_folder_is_label(), by number. */
gboolean set_like_is_label(CacheTxn *txn, gint64 folder);
/* The message came into a folder or left it: its placements in the others get a new mod-sequence.
 * */
gboolean set_like_touch(CacheTxn *txn, gint64 message, gint64 folder, GError **error);
/* The same for all messages of a folder, where the account is set-like. */
gboolean set_like_touch_all(CacheTxn *txn, gint64 folder, GError **error);
/* A message of which upstream knows nothing yet. */
gboolean set_like_nameless(CacheTxn *txn, gint64 message, GError **error);

/* ---- label.c */
typedef struct {
    CacheFlags from, to;
} FlagChange;
/* Makes the change to `flags`; \Deleted stays as it is. */
gboolean label_change_flags(CacheTxn *txn, const FlagChange *change, CacheFlags *flags,
                            GError **error);
/* What a client changed of the flags in one folder is changed in the others too. */
gboolean label_spread_flags(CacheTxn *txn, const CachePlacement *then, const CachePlacement *now,
                            GError **error);

/* Whether the number is among `numbers` (gint64). */
static inline gboolean holds_number(const GArray *numbers, gint64 number)
{
    for (guint i = 0; i < numbers->len; i++)
        if (g_array_index(numbers, gint64, i) == number)
            return TRUE;
    return FALSE;
}

/* ---- copy.c */
/* Puts a copy of `source` into a folder; its UID, or that which the message has there already where
 * the account is set-like. */
gboolean copy_put(CacheTxn *txn, const CachePlacement *source, gint64 target, gboolean move,
                  guint32 *uid, GError **error);

/* ---- message.c */
/* The message's content state and, where it is full, size. */
gboolean message_state(CacheTxn *txn, gint64 message, int *state, guint64 *size, GError **error);

/* The number under which a Message-ID is indexed. */
gint64 message_id_hash(const char *message_id);

/* Sets what message_id_hash() gave. */
gboolean message_set_hash(CacheTxn *txn, gint64 message, gint64 hash, GError **error);

/* Drops the message, with its content where no other has it, if no placement is left. */
gboolean message_collect(CacheTxn *txn, gint64 message, GError **error);

/* ---- maildrop.c */
#define MAILDROP_COLUMNS                                                                           \
    "maildrop.id, uidl, digest, maildrop.size, state, listed, since, changed, maildrop.uid"
enum { MAILDROP_COLUMN_COUNT = 9 };
CacheDrop *maildrop_read(DbQuery *query);

/* ---- problem.c */
/* The message's content is here now, or isn't wanted any more: that it couldn't be had is past. */
gboolean problem_forget_fetch(CacheTxn *txn, gint64 folder, guint32 uid, GError **error);
/* The same for all messages of a folder. */
gboolean problem_forget_fetches(CacheTxn *txn, gint64 folder, GError **error);
/* What upstream said to a folder's name ends with the name. */
gboolean problem_forget_name(CacheTxn *txn, gint64 folder, GError **error);

/* ---- content.c */
#define CONTENT_PART_SIZE (256 * 1024)

static inline gint64 content_part_id(gint64 content, guint part)
{
    return content << 20 | part;
}

/* How many parts a header block of that size takes; the body's parts follow. */
static inline guint content_header_parts(guint64 header_size)
{
    return header_size > CONTENT_PART_SIZE
               ? (guint)((header_size + CONTENT_PART_SIZE - 1) / CONTENT_PART_SIZE)
               : 1;
}

/* The SHA-256, 32 bytes, of what has been written; after cache_content_writer_end(). */
const guint8 *content_writer_digest(CacheContentWriter *writer);

/* An unfinished content that nobody will finish; goes with the next write. */
void cache_discard_content(Cache *cache, gint64 content);

/* Appends the header block of a content to `out`; `data` is its first part as it is stored. */
gboolean content_expand_header(CacheTxn *txn, gint64 id, const void *data, gsize length,
                               GByteArray *out, GError **error);

/* One reference less; the last one takes the content along. */
gboolean content_release(CacheTxn *txn, gint64 content, GError **error);
