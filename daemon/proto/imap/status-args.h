/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of STATUS and its items, which LIST can return too: RFC 3501/9051 6.3.10/6.3.11,
 * CONDSTORE (7162), OBJECTID (8474), APPENDLIMIT (7889), QUOTA (9208), SIZE (8438).
 */
#pragma once

#include "daemon/proto/imap/lexer.h"

G_BEGIN_DECLS

typedef enum {
    IMAP_STATUS_MESSAGES = 1,
    IMAP_STATUS_RECENT = 2,
    IMAP_STATUS_UIDNEXT = 4,
    IMAP_STATUS_UIDVALIDITY = 8,
    IMAP_STATUS_UNSEEN = 16,
    IMAP_STATUS_DELETED = 32,
    IMAP_STATUS_SIZE = 64,
    IMAP_STATUS_HIGHESTMODSEQ = 128,
    IMAP_STATUS_MAILBOXID = 256,
    IMAP_STATUS_APPENDLIMIT = 512,
    IMAP_STATUS_DELETED_STORAGE = 1024,
} ImapStatusItem;

#define IMAP_STATUS_ALL 2047u

typedef struct {
    char *mailbox;
    guint items; /* ImapStatusItem bits, at least one */
} ImapStatusArgs;

ImapStatusArgs *imap_status_args_parse(ImapLexer *lexer, GError **error);
void imap_status_args_free(ImapStatusArgs *args);

/* Reads "(MESSAGES UNSEEN)". */
gboolean imap_status_items_read(ImapLexer *lexer, guint *items, GError **error);
/* The bit of an item's name, case ignored; 0 when there is none. */
guint imap_status_item_from_name(const char *name, gsize length);
/* The name of one bit; NULL for anything else. */
const char *imap_status_item_name(guint bit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapStatusArgs, imap_status_args_free)

G_END_DECLS
