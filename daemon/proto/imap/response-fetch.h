/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * "* n FETCH (...)" as a structure.
 */
#pragma once

#include "daemon/proto/imap/date.h"
#include "daemon/proto/imap/response.h"

G_BEGIN_DECLS

/* An X-GM-MSGID as a name that is told from object ids by how it begins; the caller frees. */
char *imap_gm_msgid_format(guint64 id);
/* The other way round; 0: it is none, or NULL. */
guint64 imap_gm_msgid_parse(const char *name);

typedef enum {
    IMAP_GOT_UID = 1,
    IMAP_GOT_FLAGS = 2,
    IMAP_GOT_INTERNALDATE = 4,
    IMAP_GOT_SIZE = 8,
    IMAP_GOT_MODSEQ = 16,
    IMAP_GOT_EMAILID = 32,
    IMAP_GOT_THREADID = 64,
    IMAP_GOT_GM_MSGID = 128,
    IMAP_GOT_GM_THRID = 256,
    IMAP_GOT_GM_LABELS = 512,
    IMAP_GOT_BODY = 1024, /* at least one section: see imap_fetch_data_section() */
} ImapFetchGot;

/* Borrows everything from the response. Fields whose bit isn't in got are 0. */
typedef struct {
    guint32 sequence;
    guint got; /* ImapFetchGot bits */
    guint32 uid;
    guint32 system; /* ImapFlag bits */
    gboolean recent;
    guint n_keywords; /* see imap_fetch_data_keyword() */
    guint n_unkept; /* names in FLAGS that can be no keyword: too long, or with other characters */
    ImapDateTime date;
    guint64 size;
    guint64 modseq;
    const ImapNode *emailid;  /* text */
    const ImapNode *threadid; /* text, or NULL though got: NIL */
    guint64 gm_msgid;
    guint64 gm_thrid;
    const ImapNode *gm_labels; /* a list of text */
    const ImapNode *flags;     /* the list */
    const ImapNode *items;     /* the first name of the list of names and values */
} ImapFetchData;

/* FALSE and IMAP_ERROR_SYNTAX when it isn't a FETCH. An item whose value isn't what its name promises
 * counts as not told: its bit isn't in got. So does a flag in FLAGS that is none. */
gboolean imap_fetch_data_parse(const ImapResponse *response, ImapFetchData *out, GError **error);

/* Walks the keywords (flags that aren't system flags): the first one at or behind node; NULL at the
 * end. Start with imap_node_first(data->flags), go on with imap_node_next(). */
const ImapNode *imap_fetch_data_keyword(const ImapNode *node);

/* The value of an item that isn't a field of ImapFetchData ("BODYSTRUCTURE"); NULL without it. */
const ImapNode *imap_fetch_data_value(const ImapFetchData *data, const char *item);

/*
 * The value of BODY[section] or BINARY[section], with or without <origin>. section is what stands
 * between the brackets, case and quotes ignored: "" for the whole message, "HEADER.FIELDS (DATE
 * FROM)". FALSE when there is none. *octets is a new reference, without a copy for literals; NULL
 * for NIL.
 */
gboolean imap_fetch_data_section(const ImapFetchData *data, const char *section, GBytes **octets);

G_END_DECLS
