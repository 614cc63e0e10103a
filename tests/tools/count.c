/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counting work. See count.h. */
#include "tests/tools/count.h"

#include "cache/private.h"

static guint64 blocks;
static CountedWork work;
static GHashTable *begun; /* CacheTxn -> instructions of its connection when it began (guint64) */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
    __atomic_fetch_add(&blocks, 1, __ATOMIC_RELAXED);
}

/* Of all statements of a connection, which it keeps as long as it is open. */
static guint64 instructions_of(Db *db)
{
    guint64 sum = 0;

    for (sqlite3_stmt *statement = sqlite3_next_stmt(db->handle, NULL); statement;
         statement = sqlite3_next_stmt(db->handle, statement))
        sum += (guint)sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 0);
    return sum;
}

void count_begin(CacheTxn *txn)
{
    guint64 before = instructions_of(txn->db);

    pthread_mutex_lock(&lock);
    if (!begun)
        begun = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_hash_table_insert(begun, txn, g_memdup2(&before, sizeof before));
    work.writes += txn->mode != CACHE_READ;
    pthread_mutex_unlock(&lock);
}

void count_end(CacheTxn *txn)
{
    guint64 after = instructions_of(txn->db);

    pthread_mutex_lock(&lock);
    const guint64 *before = begun ? g_hash_table_lookup(begun, txn) : NULL;
    if (before) {
        work.instructions += after - *before;
        if (txn->mode != CACHE_READ)
            work.longest = MAX(work.longest, after - *before);
        g_hash_table_remove(begun, txn);
    }
    pthread_mutex_unlock(&lock);
}

CountedWork count_take(void)
{
    pthread_mutex_lock(&lock);
    CountedWork taken = work;
    work = (CountedWork){0};
    pthread_mutex_unlock(&lock);
    taken.blocks = __atomic_exchange_n(&blocks, 0, __ATOMIC_RELAXED);
    return taken;
}
