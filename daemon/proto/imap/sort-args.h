/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of SORT and THREAD: RFC 5256, ESORT (5267), SORT=DISPLAY (5957), RELEVANCY (6203).
 */
#pragma once

#include "daemon/proto/imap/search-args.h"

G_BEGIN_DECLS

typedef enum {
    IMAP_SORT_ARRIVAL,
    IMAP_SORT_CC,
    IMAP_SORT_DATE,
    IMAP_SORT_DISPLAYFROM,
    IMAP_SORT_DISPLAYTO,
    IMAP_SORT_FROM,
    IMAP_SORT_RELEVANCY,
    IMAP_SORT_SIZE,
    IMAP_SORT_SUBJECT,
    IMAP_SORT_TO,
} ImapSortKind;

typedef struct {
    ImapSortKind kind;
    gboolean reverse;
} ImapSortKey;

typedef struct {
    ImapSearchReturn ret;
    GArray *keys; /* ImapSortKey, at least one */
    ImapSearchKey *key;
} ImapSortArgs;

typedef enum {
    IMAP_THREAD_ORDEREDSUBJECT,
    IMAP_THREAD_REFERENCES,
    IMAP_THREAD_REFS,
} ImapThreadAlgorithm;

typedef struct {
    ImapThreadAlgorithm algorithm;
    ImapSearchKey *key;
} ImapThreadArgs;

/* Errors as in imap_search_args_parse(). */
ImapSortArgs *imap_sort_args_parse(ImapLexer *lexer, GError **error);
void imap_sort_args_free(ImapSortArgs *args);
ImapThreadArgs *imap_thread_args_parse(ImapLexer *lexer, GError **error);
void imap_thread_args_free(ImapThreadArgs *args);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSortArgs, imap_sort_args_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapThreadArgs, imap_thread_args_free)

G_END_DECLS
