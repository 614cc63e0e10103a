/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of FETCH and UID FETCH: RFC 3501/9051 6.4.5, BINARY (3516), CONDSTORE and QRESYNC
 * (7162), OBJECTID (8474), SAVEDATE (8514), PREVIEW (8970), PARTIAL (9394), X-GM-EXT-1.
 */
#pragma once

#include "daemon/proto/imap/section.h"

G_BEGIN_DECLS

typedef enum {
    IMAP_FETCH_UID,
    IMAP_FETCH_FLAGS,
    IMAP_FETCH_INTERNALDATE,
    IMAP_FETCH_RFC822_SIZE,
    IMAP_FETCH_ENVELOPE,
    IMAP_FETCH_BODY, /* BODYSTRUCTURE without extension data */
    IMAP_FETCH_BODYSTRUCTURE,
    IMAP_FETCH_BODY_SECTION, /* BODY[...] and BODY.PEEK[...] */
    IMAP_FETCH_RFC822,
    IMAP_FETCH_RFC822_HEADER,
    IMAP_FETCH_RFC822_TEXT,
    IMAP_FETCH_BINARY,
    IMAP_FETCH_BINARY_SIZE,
    IMAP_FETCH_MODSEQ,
    IMAP_FETCH_EMAILID,
    IMAP_FETCH_THREADID,
    IMAP_FETCH_SAVEDATE,
    IMAP_FETCH_PREVIEW,
    IMAP_FETCH_X_GM_MSGID,
    IMAP_FETCH_X_GM_THRID,
    IMAP_FETCH_X_GM_LABELS,
    IMAP_FETCH_KINDS,
} ImapFetchKind;

typedef struct {
    ImapFetchKind kind;
    gboolean sets_seen;  /* BODY[], RFC822, RFC822.TEXT, BINARY[]: without .PEEK */
    gboolean lazy;       /* PREVIEW (LAZY) */
    ImapSection section; /* of BODY_SECTION and BINARY */
    gboolean partial;    /* <offset.length> was given */
    guint64 offset;
    guint64 length; /* not 0 */
} ImapFetchItem;

typedef struct {
    ImapSequenceSet *set;
    GArray *items;          /* ImapFetchItem, macros expanded; UID FETCH has UID in front, once */
    gboolean changed_since; /* CHANGEDSINCE was given (then MODSEQ is among the items) */
    guint64 modseq;
    gboolean vanished;   /* VANISHED: only with UID FETCH and CHANGEDSINCE */
    ImapPartial partial; /* PARTIAL */
    guint32 kinds;       /* 1 << kind for each item */
} ImapFetchArgs;

/* The lexer stands behind the command's name. NULL and an error for the BAD answer. */
ImapFetchArgs *imap_fetch_args_parse(ImapLexer *lexer, GError **error);
/* Only items in parentheses, "(uid body.peek[header])"; there is no set. For responses that come of
 * themselves (RFC 5465). */
ImapFetchArgs *imap_fetch_items_parse(ImapLexer *lexer, GError **error);
void imap_fetch_args_free(ImapFetchArgs *args);

/*
 * Appends the item's name as the response has it: "BODY[1.MIME]<0>", "RFC822.SIZE".
 */
void imap_fetch_item_format(const ImapFetchItem *item, GString *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapFetchArgs, imap_fetch_args_free)

G_END_DECLS
