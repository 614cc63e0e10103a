/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Typed views of a server's other data: LIST, STATUS, SEARCH, ESEARCH, VANISHED, CAPABILITY,
 * ENABLED, NAMESPACE, and the arguments of response codes.
 *
 * All return FALSE or NULL with IMAP_ERROR_SYNTAX when the tree doesn't have that shape. Where an
 * answer says many things, the one that can't be read counts as not told; only of search results,
 * from which conclusions are drawn, all has to be good.
 */
#pragma once

#include "daemon/proto/imap/flags.h"
#include "daemon/proto/imap/response.h"
#include "daemon/proto/imap/set.h"
#include "daemon/proto/imap/status-args.h"

G_BEGIN_DECLS

/* Attributes of LIST (RFC 3501, 5258, 6154, 8457, 9051). */
typedef enum {
    IMAP_ATTR_NOINFERIORS = 1 << 0,
    IMAP_ATTR_NOSELECT = 1 << 1,
    IMAP_ATTR_MARKED = 1 << 2,
    IMAP_ATTR_UNMARKED = 1 << 3,
    IMAP_ATTR_NONEXISTENT = 1 << 4,
    IMAP_ATTR_SUBSCRIBED = 1 << 5,
    IMAP_ATTR_REMOTE = 1 << 6,
    IMAP_ATTR_HASCHILDREN = 1 << 7,
    IMAP_ATTR_HASNOCHILDREN = 1 << 8,
    IMAP_ATTR_ALL = 1 << 9,
    IMAP_ATTR_ARCHIVE = 1 << 10,
    IMAP_ATTR_DRAFTS = 1 << 11,
    IMAP_ATTR_FLAGGED = 1 << 12,
    IMAP_ATTR_JUNK = 1 << 13,
    IMAP_ATTR_SENT = 1 << 14,
    IMAP_ATTR_TRASH = 1 << 15,
    IMAP_ATTR_IMPORTANT = 1 << 16,
} ImapListAttr;

/* The bits that are roles. */
#define IMAP_ATTR_ROLES                                                                            \
    (IMAP_ATTR_ALL | IMAP_ATTR_ARCHIVE | IMAP_ATTR_DRAFTS | IMAP_ATTR_FLAGGED | IMAP_ATTR_JUNK |   \
     IMAP_ATTR_SENT | IMAP_ATTR_TRASH | IMAP_ATTR_IMPORTANT)

/* "\Sent" and so on; NULL unless exactly one bit is given. */
const char *imap_list_attr_name(guint bit);

typedef struct {
    guint attributes;          /* ImapListAttr bits; unknown ones are passed over */
    char delimiter;            /* 0 for NIL */
    char *name;                /* UTF-8 (mailbox-name.h), INBOX folded */
    char *wire;                /* the octets as the server sent them */
    char *old_name;            /* OLDNAME (RFC 5465, 9051), UTF-8; or NULL */
    gboolean child_subscribed; /* CHILDINFO ("SUBSCRIBED") */
} ImapListData;

/* LIST, LSUB and XLIST. With utf8, names are UTF-8 on the wire. */
ImapListData *imap_list_data_parse(const ImapResponse *response, gboolean utf8, GError **error);
void imap_list_data_free(ImapListData *data);

typedef struct {
    char *name; /* as in ImapListData */
    char *wire;
    guint items; /* ImapStatusItem bits that were there */
    guint32 messages, recent, uidnext, uidvalidity, unseen, deleted;
    guint64 size, highestmodseq, deleted_storage;
    guint64 appendlimit; /* G_MAXUINT64 for NIL: no limit */
    char *mailboxid;
} ImapStatusData;

ImapStatusData *imap_status_data_parse(const ImapResponse *response, gboolean utf8, GError **error);
void imap_status_data_free(ImapStatusData *data);

/* "* MYRIGHTS INBOX rwiptsldaex" (RFC 4314, 3.8): the name, as in STATUS, and the letters. NULL and
 * `error` otherwise. */
char *imap_myrights_parse(const ImapResponse *response, gboolean utf8, char **letters,
                          GError **error);

/* Search results, of SEARCH and ESEARCH alike. */
typedef struct {
    char *tag;    /* ESEARCH's correlator; or NULL */
    gboolean uid; /* ESEARCH's UID indicator */
    ImapSet *all; /* never NULL; of ALL and PARTIAL in ESEARCH */
    gboolean has_count;
    guint32 count;
    guint32 min, max; /* 0: not there */
    guint64 modseq;   /* 0: not there */
} ImapSearchData;

ImapSearchData *imap_search_data_parse(const ImapResponse *response, GError **error);
void imap_search_data_free(ImapSearchData *data);

/* "* VANISHED (EARLIER) 41,43:116" (RFC 7162, 3.2.10). */
ImapSet *imap_vanished_parse(const ImapResponse *response, gboolean *earlier, GError **error);

/* CAPABILITY and ENABLED, or the code CAPABILITY: the words in upper case, NULL-terminated. */
char **imap_words_parse(const ImapNode *first);
/* Whether a capability is among them, case ignored. */
gboolean imap_words_have(const char *const *words, const char *word);

/* NAMESPACE (RFC 2342): the first personal namespace. */
typedef struct {
    char *prefix;   /* UTF-8; "" */
    char delimiter; /* 0 for NIL */
} ImapNamespace;

/* Personal, other users', shared: each an array of ImapNamespace, maybe empty. */
typedef struct {
    GPtrArray *personal, *others, *shared;
} ImapNamespaceData;

ImapNamespaceData *imap_namespace_data_parse(const ImapResponse *response, gboolean utf8,
                                             GError **error);
void imap_namespace_data_free(ImapNamespaceData *data);

/* FLAGS data and the code PERMANENTFLAGS: the list is the node. Flags nobody knows are passed over.
 */
ImapFlags *imap_flags_from_node(const ImapNode *list, GError **error);

/* Codes with one number: UIDVALIDITY, UIDNEXT, UNSEEN, HIGHESTMODSEQ. */
gboolean imap_code_number(const ImapResponse *response, guint64 *out);
/* Codes with one name in parentheses: MAILBOXID (RFC 8474). NULL when it isn't there. */
char *imap_code_mailboxid(const ImapResponse *response);

/* APPENDUID (RFC 4315): one UID for each message appended, in order. */
typedef struct {
    guint32 uidvalidity;
    ImapSequenceSet *source; /* of COPYUID; NULL for APPENDUID */
    ImapSequenceSet *target; /* walk both side by side with ImapSequenceIter */
} ImapUidPlus;

/* More messages than this nobody moves with one command. */
#define IMAP_UID_PLUS_MAX 1000000

/* APPENDUID and COPYUID; an error as well when the two sets are not of the same size, or have more
 * than IMAP_UID_PLUS_MAX members. That these are the messages the command was about is for the
 * caller to see. */
ImapUidPlus *imap_code_uidplus(const ImapResponse *response, GError **error);
void imap_uid_plus_free(ImapUidPlus *uids);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapListData, imap_list_data_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapStatusData, imap_status_data_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSearchData, imap_search_data_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapNamespaceData, imap_namespace_data_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapUidPlus, imap_uid_plus_free)

G_END_DECLS
