/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IMAP URLs (RFC 5092) that name a message or a part of one, as CATENATE (RFC 4469) takes them:
 *
 *     imap://ada@example.org/Drafts;UIDVALIDITY=3/;UID=20/;SECTION=1.2/;PARTIAL=0.1024
 *     /Drafts/;UID=20
 *     ;UID=20/;SECTION=TEXT              in the selected mailbox
 */
#pragma once

#include "daemon/proto/imap/section.h"

G_BEGIN_DECLS

typedef struct {
    char *host;          /* NULL: a relative URL */
    char *user;          /* decoded, or NULL */
    char *mailbox;       /* decoded; NULL: the selected one */
    guint32 uidvalidity; /* 0: not given */
    guint32 uid;
    gboolean has_section;
    ImapSection section;
    gboolean partial;
    guint32 offset, length; /* of PARTIAL; length 0: up to the end */
} ImapUrl;

/* NULL and IMAP_ERROR_SYNTAX: it isn't one, or names no message. */
ImapUrl *imap_url_parse(const char *text, GError **error);
void imap_url_free(ImapUrl *url);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapUrl, imap_url_free)

G_END_DECLS
