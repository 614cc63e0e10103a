/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The account's INBOX, or the folder that pop3-folder= names, as one POP3 session sees it: a
 * snapshot taken at login, of the last days where pop3-window= says so.
 *
 * RFC 1939 locks the maildrop for a session, so that message numbers hold. A snapshot gives the
 * same without keeping others out: local UIDs never mean another message, so what a session deletes
 * at its end is what it saw, and what others have deleted meanwhile is passed over.
 */
#pragma once

#include "daemon/serve/serve.h"

typedef struct {
    guint32 uid;
    gboolean full;    /* all of it is in the cache, so that `size` is exact */
    gboolean deleted; /* by this session */
    gint64 message;
    guint64 size;
} MaildropMessage;

typedef struct {
    ServeAccount *account; /* a reference */
    gint64 folder;
    guint32 uidvalidity;
    GArray *messages; /* MaildropMessage; number n is at n - 1 */
} Maildrop;

/* NULL and CACHE_ERROR_NOT_FOUND as long as INBOX was never seen. */
Maildrop *maildrop_open(ServeAccount *account, GError **error);
void maildrop_free(Maildrop *maildrop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Maildrop, maildrop_free)

/* Message `number`, unless there is none or it is deleted: then NULL. */
MaildropMessage *maildrop_get(Maildrop *maildrop, guint number);

/* Messages that aren't deleted, and their size together. */
void maildrop_count(const Maildrop *maildrop, guint *count, guint64 *size);

/* Gets what isn't here: the header block, or (and the exact size) all of it. Blocks; says why it
 * can't be had. */
gboolean maildrop_need(Maildrop *maildrop, MaildropMessage *message, CacheContentState state,
                       NetCancel *cancel, GError **error);

/* Whether the provider lets messages be deleted. */
gboolean maildrop_may_delete(const Maildrop *maildrop);

/* Takes the deleted messages from the folder, as pop3-delete= has it: for good, to the trash, or
 * not at all. */
gboolean maildrop_commit(Maildrop *maildrop, GError **error);
