/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of SEARCH as a tree: RFC 3501/9051 6.4.4, CONDSTORE (7162), WITHIN (5032), FUZZY
 * (6203), OBJECTID (8474), SAVEDATE (8514), FILTERS (5466), SEARCHRES (5182), X-GM-EXT-1; return
 * options of ESEARCH (4731), CONTEXT (5267), PARTIAL (9394); several mailboxes (7377).
 */
#pragma once

#include "daemon/proto/imap/fetch-args.h"
#include "daemon/proto/imap/scope.h"

G_BEGIN_DECLS

typedef enum {
    IMAP_SEARCH_ALL,
    IMAP_SEARCH_AND,      /* children: one or more */
    IMAP_SEARCH_OR,       /* children: two */
    IMAP_SEARCH_NOT,      /* children: one */
    IMAP_SEARCH_FUZZY,    /* children: one */
    IMAP_SEARCH_SEQUENCE, /* set; also "$" */
    IMAP_SEARCH_UID,      /* set; also "$" */
    IMAP_SEARCH_FLAG,     /* number: one ImapFlag bit. UNSEEN is NOT of FLAG */
    IMAP_SEARCH_RECENT,   /* NEW is AND of RECENT and NOT FLAG; OLD is NOT of RECENT */
    IMAP_SEARCH_KEYWORD,  /* text: its name. UNKEYWORD is NOT of it */
    IMAP_SEARCH_BCC,      /* text, as for all of these, up to HEADER */
    IMAP_SEARCH_CC,
    IMAP_SEARCH_FROM,
    IMAP_SEARCH_TO,
    IMAP_SEARCH_SUBJECT,
    IMAP_SEARCH_BODY,
    IMAP_SEARCH_TEXT,
    IMAP_SEARCH_HEADER, /* field and text; an empty text: the field is there */
    IMAP_SEARCH_BEFORE, /* day, as for all of these, up to SAVEDSINCE */
    IMAP_SEARCH_ON,
    IMAP_SEARCH_SINCE,
    IMAP_SEARCH_SENTBEFORE,
    IMAP_SEARCH_SENTON,
    IMAP_SEARCH_SENTSINCE,
    IMAP_SEARCH_SAVEDBEFORE,
    IMAP_SEARCH_SAVEDON,
    IMAP_SEARCH_SAVEDSINCE,
    IMAP_SEARCH_SAVEDATESUPPORTED,
    IMAP_SEARCH_LARGER, /* number: octets */
    IMAP_SEARCH_SMALLER,
    IMAP_SEARCH_OLDER, /* number: seconds */
    IMAP_SEARCH_YOUNGER,
    IMAP_SEARCH_MODSEQ,  /* number; an entry name and type are read and ignored (RFC 7162, 3.1.5) */
    IMAP_SEARCH_EMAILID, /* text */
    IMAP_SEARCH_THREADID,
    IMAP_SEARCH_FILTER,     /* text: its name */
    IMAP_SEARCH_X_GM_RAW,   /* text */
    IMAP_SEARCH_X_GM_MSGID, /* number */
    IMAP_SEARCH_X_GM_THRID,
    IMAP_SEARCH_X_GM_LABELS, /* text */
    IMAP_SEARCH_KINDS,
} ImapSearchKind;

typedef struct ImapSearchKey ImapSearchKey;
struct ImapSearchKey {
    ImapSearchKind kind;
    GPtrArray *children;  /* ImapSearchKey, or NULL */
    ImapSequenceSet *set; /* or NULL */
    char *text;           /* UTF-8, whatever CHARSET was; or NULL */
    char *field;          /* of HEADER */
    guint64 number;
    gint32 day; /* since 1970-01-01 */
};

void imap_search_key_free(ImapSearchKey *key);

/* RETURN (...) */
typedef enum {
    IMAP_RETURN_MIN = 1,
    IMAP_RETURN_MAX = 2,
    IMAP_RETURN_ALL = 4,
    IMAP_RETURN_COUNT = 8,
    IMAP_RETURN_SAVE = 16,
    IMAP_RETURN_RELEVANCY = 32,
    IMAP_RETURN_PARTIAL = 64,
    IMAP_RETURN_CONTEXT = 128,
    IMAP_RETURN_UPDATE = 256,
} ImapReturnOption;

typedef struct {
    gboolean given;       /* RETURN was there: answer with ESEARCH. "RETURN ()" sets ALL */
    guint options;        /* ImapReturnOption bits */
    ImapPartial partial;  /* with PARTIAL */
    ImapFetchArgs *items; /* of UPDATE (RFC 5465, 7): to fetch of new messages, or NULL */
} ImapSearchReturn;

typedef struct {
    ImapSearchReturn ret;
    GPtrArray *scopes; /* ImapScope; NULL without IN */
    char *charset;     /* as given, or NULL */
    ImapSearchKey *key;
} ImapSearchArgs;

/*
 * SEARCH, UID SEARCH and ESEARCH. NULL and an error: IMAP_ERROR_CHARSET for a CHARSET nobody knows
 * or text that isn't in it; in the UTF-8 mode CHARSET is only UTF-8 or US-ASCII (RFC 9051, 6.4.4).
 * Literals without CHARSET are taken as UTF-8.
 */
ImapSearchArgs *imap_search_args_parse(ImapLexer *lexer, GError **error);
void imap_search_args_free(ImapSearchArgs *args);

/*
 * Reads a search program (one or more keys) up to the end; text comes in charset (NULL: UTF-8).
 * For SORT, THREAD and stored filters.
 */
ImapSearchKey *imap_search_program_read(ImapLexer *lexer, const char *charset, GError **error);
/* A whole program in a text of its own, such as a stored filter (RFC 5466): UTF-8, no literals. */
ImapSearchKey *imap_search_program_parse(const char *text, const ImapLimits *limits, guint mode,
                                         GError **error);
/* " RETURN (...)", if it stands there. */
gboolean imap_search_return_read(ImapLexer *lexer, ImapSearchReturn *out, GError **error);
/* Whether what follows the name of SEARCH, SORT or ESEARCH asks to SAVE the result; the rest of it
 * needn't be readable. */
gboolean imap_search_saves(ImapLexer *lexer);

/* Calls visit for a key and all below it, until it returns FALSE. Whether it never did. */
gboolean imap_search_key_walk(const ImapSearchKey *key,
                              gboolean (*visit)(const ImapSearchKey *key, gpointer data),
                              gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSearchKey, imap_search_key_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSearchArgs, imap_search_args_free)

G_END_DECLS
