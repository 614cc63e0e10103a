/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages that the provider doesn't give: each a problem ("fetch", folder and local UID) with the
 * provider's words and a back-off of its own; UID 0: it gives none of the folder.
 */
#pragma once

#include "daemon/fetch/fetcher.h"

typedef struct FetchAside FetchAside;

FetchAside *fetch_aside_new(Cache *cache, const AccountAccess *access);
void fetch_aside_free(FetchAside *aside);

/* Reads what is set aside. Any thread, like all of these. */
gboolean fetch_aside_load(FetchAside *aside, CacheTxn *txn);

/* A person asks: all of it is due, until it has been asked for once more. */
void fetch_aside_set_due(FetchAside *aside, gboolean everything);

/* Whether a message was set aside; it isn't due yet; that was more than an hour ago. */
gboolean fetch_aside_has(FetchAside *aside, gint64 folder, guint32 uid);
gboolean fetch_aside_waits(FetchAside *aside, gint64 folder, guint32 uid);
gboolean fetch_aside_is_old(FetchAside *aside, gint64 folder, guint32 uid);
guint fetch_aside_size(FetchAside *aside);

/* Writes what became of messages: what was refused is set aside, what is finished isn't any more.
 * `general`: words of a refusal of all of a folder (outcome->closed), or NULL. FALSE: it can't be
 * written, and all is set aside as before. */
gboolean fetch_aside_write(FetchAside *aside, const FetchOutcome *outcome, const char *general,
                           GError **error);
