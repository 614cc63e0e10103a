/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IMAP URLs (RFC 5092) that name a message or a part of one, as CATENATE (RFC 4469) takes them:
 *
 *     imap://ada@example.org/Drafts;UIDVALIDITY=3/;UID=20/;SECTION=1.2/;PARTIAL=0.1024
 *     /Drafts/;UID=20
 *     ;UID=20/;SECTION=TEXT              in the selected mailbox
 *
 * and those that grant access to it (URLAUTH, RFC 4467):
 *
 *     imap://ada@localhost/Drafts/;UID=20;EXPIRE=2026-12-01T12:00:00Z;URLAUTH=user+bob:internal:TOKEN
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
    gint64 expires;         /* Unix seconds; 0: never */
    char *access;           /* URLAUTH: "anonymous", "authuser", "user", "submit"; NULL: none */
    char *access_user;      /* decoded, what stands behind "user+"; or NULL */
    char *mechanism;        /* "internal", as it was written; NULL: not authorized yet */
    char *token;
    gsize rump_length; /* of the text up to the mechanism: what the token stands for */
} ImapUrl;

/* NULL and IMAP_ERROR_SYNTAX: it isn't one, or names no message. */
ImapUrl *imap_url_parse(const char *text, GError **error);
void imap_url_free(ImapUrl *url);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapUrl, imap_url_free)

G_END_DECLS
