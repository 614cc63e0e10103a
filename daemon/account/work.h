/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What one enabled account consists of while it runs: its cache and the threads around it. Starting
 * and stopping block (SQLite, joins) and belong into a worker thread.
 */
#pragma once

#include "daemon/config/habits.h"
#include "daemon/config/secret.h"
#include "daemon/index/index.h"
#include "daemon/oauth/tokens.h"
#include "daemon/relay/copy.h"
#include "daemon/relay/relay.h"
#include "daemon/serve/serve.h"
#include "daemon/sync/sync.h"

typedef struct {
    AccountSettings *settings;
    Cache *cache;
    char *notice; /* what the user should know about the cache, or NULL */
    NetTlsClient *tls;
    AccountGate *gate;
    AccountHabits *habits;
    AccountAccess access; /* made of these; borrowed */
    ServeVerifiers *verifiers;
    FetchBodies *bodies;
    Sync *sync;
    Indexer *indexer;
    Relay *relay;   /* NULL: the account has no outgoing server */
    RelayCopy copy; /* for the relay */
    RelayFiling *filing;
    Queue *queue;
    Secrets *secrets; /* the daemon's */
    ServeAccount *serve;
    int changed_fd; /* eventfd: something that AccountCounts counts has changed */
    CacheWatch *view_watch, *pending_watch;
    NetCancel *stopping; /* ends jobs that take long, when the account is to stop; the account's */
} AccountWork;

typedef struct {
    const char *data_dir;
    Secrets *secrets;
    OauthTokens *tokens;
    Queue *queue;
    AccountReport sync_report, relay_report; /* also called while account_work_start() runs */
    gpointer report_data;
    const CacheProgress *progress; /* of opening the cache */
} AccountWorkContext;

/* Opens the cache and starts the threads, which begin offline. On failure `error` says what to do
 * about it. */
AccountWork *account_work_start(const AccountWorkContext *context, AccountSettings *settings,
                                GError **error);

/* Joins the threads and closes the cache. No session may refer to the account any more. */
void account_work_stop(AccountWork *work);

/* What the system and the user say: hosts on loopback are reached without a network too. */
void account_work_set_online(AccountWork *work, gboolean forced_offline, gboolean network);

/* The network isn't what it was, though there is one. */
void account_work_check_connections(AccountWork *work);
/* The machine has slept. */
void account_work_reconnect(AccountWork *work);

typedef struct {
    guint folders;
    guint64 messages;
    guint64 bytes;     /* on the disk */
    guint changes;     /* that upstream hasn't taken yet; counted up to 100,000 */
    guint problems;    /* refused by upstream */
    guint64 missing;   /* messages that should be here and aren't */
    guint64 only_here; /* of messages: in folders that no provider has */
    gint64 last_sync;  /* Unix seconds; 0: never */
} AccountCounts;

/* Reads the cache: blocking. *troubles (may be NULL) gets a sentence for each folder that something
 * of can't be had; the caller frees. */
gboolean account_work_counts(AccountWork *work, AccountCounts *counts, char ***troubles,
                             GError **error);
