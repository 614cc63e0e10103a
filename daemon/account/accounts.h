/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The accounts of the configuration, all together: which there are, who is told of their changes,
 * and where clients' sessions find them. Main thread, but for accounts_find_login().
 */
#pragma once

#include "daemon/account/account.h"

typedef struct Accounts Accounts;

/* Told in the main loop; bursts of changes are one call. */
typedef struct {
    void (*added)(Account *account, gpointer data);
    void (*changed)(Account *account, gpointer data);
    void (*removed)(Account *account, gpointer data);
    gpointer data;
} AccountsObserver;

/* `queue` may be NULL: nothing can be sent. */
Accounts *accounts_new(const char *data_dir, Secrets *secrets, OauthTokens *tokens, Queue *queue);
/* Every account must be stopped (accounts_apply() with NULL) before. */
void accounts_free(Accounts *accounts);

void accounts_observe(Accounts *accounts, const AccountsObserver *observer);
void accounts_connect(Accounts *accounts, Sessions *sessions, Listeners *listeners);

/*
 * Makes the accounts those of `config`: opens, restarts and stops what differs. NULL: stops all.
 * `done` (may be NULL) is called when everything has been changed over: what is to go has stopped,
 * and what is to run runs, or can't, or has been opening for two seconds and isn't waited for.
 */
typedef void (*AccountsDone)(gpointer data);
void accounts_apply(Accounts *accounts, const Config *config, AccountsDone done, gpointer data);

void accounts_set_online(Accounts *accounts, gboolean forced_offline, gboolean network);

/* The network isn't what it was, though there is one; the machine has slept. */
void accounts_check_connections(Accounts *accounts);
void accounts_reconnect(Accounts *accounts);

/* Account of the configuration by ID, or NULL; borrowed. */
Account *accounts_get(Accounts *accounts, const char *id);
/* All of them: Account, borrowed. */
GPtrArray *accounts_list(Accounts *accounts);

/* What the user should know about their caches: a sentence for each, added to `problems`. */
void accounts_problems(Accounts *accounts, GPtrArray *problems);

/*
 * The account whose ID or address is `login`: a reference, or NULL: SERVE_ERROR_UNKNOWN there is
 * none, SERVE_ERROR_OPENING it will run soon, SERVE_ERROR_UNAVAILABLE it can't run now. Any thread.
 */
ServeAccount *accounts_find_login(Accounts *accounts, const char *login, GError **error);
