/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Problems: operations that upstream has refused, with its words. They belong to sync. */
#pragma once

#include "cache/txn.h"

typedef struct {
    gint64 id;       /* never reused */
    char *operation; /* "append", "copy", "move", "flags", "expunge", "create", "delete", "rename",
                        "subscribe"; "list": folders that aren't told, or whose name is too long (folder 0);
                        "renumbers": the folder has another UIDVALIDITY on each
                        connection; "keywords": some in the folder aren't kept here; "fetch": the content of a message can't be had; "read":
                        the folder can't be read (uid 0), or a message in it
                        (uid: the provider's). A "fetch" ends by itself when the
                        content arrives or the message goes. */
    gint64 folder;   /* what it is about; uid 0: the folder itself */
    guint32 uid;
    char *text;   /* the server's words */
    gint64 since; /* Unix seconds */
    gint64 retry; /* Unix seconds of the next try; 0: on demand only */
} CacheProblem;

void cache_problem_free(CacheProblem *problem);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CacheProblem, cache_problem_free)

/* Adds or replaces (by operation, folder, uid); gives its number, 0 on failure. */
gint64 cache_problem_set(CacheTxn *txn, const CacheProblem *problem, GError **error);
gboolean cache_problem_clear(CacheTxn *txn, gint64 id, GError **error);

/* The operation's problem with that message, or with the folder (uid 0). NULL: there is none, or the cache
 * can't be read (`error`). The caller frees it. */
CacheProblem *cache_problem_find(CacheTxn *txn, const char *operation, gint64 folder, guint32 uid,
                                 GError **error);
GPtrArray *cache_problem_list(CacheTxn *txn, GError **error);
