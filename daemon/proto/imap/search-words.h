/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A search as a person types it, word by word, made into a SEARCH program: "from:ada since:2024-03
 * is:unread invoice". What the words mean is written down in posternctl(1).
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
    char *program;  /* for imap_search_program_parse() */
    char **folders; /* of in:, names or patterns with * and ?; empty: all */
} ImapSearchWords;

/* So many words, and so many octets in each, are enough for everyone. */
#define IMAP_SEARCH_WORDS_MAX 200
#define IMAP_SEARCH_WORD_MAX  4096

/*
 * `words` is NULL-terminated, UTF-8; none: every message. `today` in days since 1970-01-01, for
 * "today" and "7d". FALSE and IMAP_ERROR_SYNTAX, which names the word and what it may be; `out` is
 * cleared by the caller either way.
 */
gboolean imap_search_words_parse(const char *const *words, gint32 today, ImapSearchWords *out,
                                 GError **error);
void imap_search_words_clear(ImapSearchWords *words);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapSearchWords, imap_search_words_clear)

G_END_DECLS
