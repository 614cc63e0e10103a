/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of NOTIFY (RFC 5465).
 */
#pragma once

#include "daemon/proto/imap/fetch-args.h"
#include "daemon/proto/imap/scope.h"

G_BEGIN_DECLS

typedef enum {
    IMAP_EVENT_MESSAGE_NEW = 1,
    IMAP_EVENT_MESSAGE_EXPUNGE = 2,
    IMAP_EVENT_FLAG_CHANGE = 4,
    IMAP_EVENT_MAILBOX_NAME = 8,
    IMAP_EVENT_SUBSCRIPTION = 16,
    IMAP_EVENT_MAILBOX_METADATA = 32,
    IMAP_EVENT_SERVER_METADATA = 64,
    IMAP_EVENT_UNKNOWN = 128, /* one that isn't known here */
} ImapEvent;

#define IMAP_EVENTS_MESSAGE                                                                        \
    (IMAP_EVENT_MESSAGE_NEW | IMAP_EVENT_MESSAGE_EXPUNGE | IMAP_EVENT_FLAG_CHANGE)

/* Their names, for BADEVENT. */
#define IMAP_EVENT_NAMES                                                                           \
    "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange "   \
    "ServerMetadataChange"

typedef struct {
    ImapScope *scope;
    guint events;         /* ImapEvent bits; 0: NONE */
    ImapFetchArgs *items; /* what to fetch of new messages (no set), or NULL */
} ImapNotifyGroup;

typedef struct {
    gboolean none;     /* NOTIFY NONE */
    gboolean status;   /* SET STATUS */
    GPtrArray *groups; /* ImapNotifyGroup */
} ImapNotifyArgs;

ImapNotifyArgs *imap_notify_args_parse(ImapLexer *lexer, GError **error);
void imap_notify_args_free(ImapNotifyArgs *args);

/* The group of SELECTED or SELECTED-DELAYED, or NULL. */
const ImapNotifyGroup *imap_notify_args_selected(const ImapNotifyArgs *args);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapNotifyArgs, imap_notify_args_free)

G_END_DECLS
