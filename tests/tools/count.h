/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Counts the work of sync: basic blocks of daemon/sync (compiled with -fsanitize-coverage=trace-pc) and
 * instructions of SQLite's machine, in transactions of all kinds, and in the one that writes that held up
 * others longest. So one can tell how work grows, whatever else the machine does.
 */
#pragma once

#include "cache/txn.h"

typedef struct {
    guint64 blocks, instructions;
    guint64 longest; /* instructions of one transaction that writes */
    guint64 writes;  /* transactions that write */
} CountedWork;

void count_begin(CacheTxn *txn);
void count_end(CacheTxn *txn);

/* What there was since the last call. */
CountedWork count_take(void);
