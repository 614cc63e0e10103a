/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flags as they stand in commands and responses: system flags as bits, keywords by name.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The same values as in the cache. */
typedef enum {
    IMAP_FLAG_ANSWERED = 1,
    IMAP_FLAG_FLAGGED = 2,
    IMAP_FLAG_DELETED = 4,
    IMAP_FLAG_SEEN = 8,
    IMAP_FLAG_DRAFT = 16,
} ImapFlag;

#define IMAP_FLAGS_ALL 31u

/* The longest keyword that is taken, in octets. */
#define IMAP_KEYWORD_MAX 255

typedef struct {
    guint32 system;      /* ImapFlag bits */
    gboolean recent;     /* \Recent; a client can't set it, but a server may send it */
    gboolean any;        /* \*, only in PERMANENTFLAGS: new keywords may be made */
    GPtrArray *keywords; /* char *, each once (case ignored), in the order first seen */
    GHashTable *names;   /* the same; for imap_flags_has_keyword() */
} ImapFlags;

ImapFlags *imap_flags_new(void);
void imap_flags_free(ImapFlags *flags);

/*
 * Adds one flag by its name. FALSE when it is neither a keyword nor a flag known here (unknown
 * names with a backslash, an empty name, a character that can't be in an atom, over
 * IMAP_KEYWORD_MAX).
 */
gboolean imap_flags_add(ImapFlags *flags, const char *name, gsize length);
/* Case ignored. */
gboolean imap_flags_has_keyword(const ImapFlags *flags, const char *name);

/* The bit of a system flag's name with its backslash, case ignored; 0 when there is none. */
guint32 imap_flag_from_name(const char *name, gsize length);

/* Whether this can be a keyword: a non-empty atom without "]", at most IMAP_KEYWORD_MAX octets. */
gboolean imap_keyword_is_valid(const char *name, gsize length);

/* Appends "\Seen Junk" without parentheses. Keywords: a NULL-terminated array or NULL. */
void imap_flags_format(guint32 system, gboolean recent, const char *const *keywords, GString *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapFlags, imap_flags_free)

G_END_DECLS
