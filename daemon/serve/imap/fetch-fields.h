/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * HEADER.FIELDS of many messages, as clients that list a mailbox ask for it: from the fields that
 * stand together in segments (index/keys.h) rather than from each header.
 */
#pragma once

#include "daemon/serve/imap/fetch-items.h"
#include "daemon/serve/imap/keys.h"

typedef struct {
    gboolean in_use; /* the command is one of those */
    guint group;     /* so many messages are read for at once */
    ImapKeys keys;   /* of those */
    guint at;        /* the row that has been come to */
} ImapFetchFields;

/* Decides whether they are of use: of a header, `run` asks for nothing but such fields, and for
 * many messages. */
void imap_fetch_fields_init(ImapFetchFields *fields, const ImapFetchRun *run, guint messages);
void imap_fetch_fields_clear(ImapFetchFields *fields);

/* To be called before the message uids[at] (guint32, ascending): reads the fields of it and of
 * those behind it, if that is due. FALSE: the answer is set. */
gboolean imap_fetch_fields_read(ImapFetchFields *fields, ImapSession *session, const GArray *uids,
                                guint at);

/* Whether the fields of all these messages, of which none is before one that was got, have been
 * read. */
gboolean imap_fetch_fields_cover(const ImapFetchFields *fields, const guint32 *uids, guint count);

/* The fields of a message that is covered, instead of its header; by ascending UID. */
const char *imap_fetch_fields_get(ImapFetchFields *fields, guint32 uid);
