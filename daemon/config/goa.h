/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Accounts of GNOME Online Accounts, used by reference: their passwords and tokens are asked for when they
 * are needed, and kept nowhere. They go only to the servers that GNOME names for the account.
 */
#pragma once

#include "daemon/config/settings.h"

/* What GNOME knows of an account with mail. All but user and outgoing_user is there, where not said otherwise. */
typedef struct {
    char *id;
    char *name; /* the provider's, to be shown */
    char *address;
    char *incoming, *outgoing; /* URLs as in postern.conf; outgoing NULL: none */
    char *user, *outgoing_user;
    gboolean oauth2;    /* it gives tokens; else passwords */
    gboolean attention; /* GNOME isn't let in; somebody has to sign in in its settings */
} GoaAccount;

void goa_account_free(GoaAccount *account);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GoaAccount, goa_account_free)

#define GOA_NAME "org.gnome.OnlineAccounts" /* on the session bus */

/* All accounts (GoaAccount) whose mail can be fetched by IMAP; none where GNOME Online Accounts isn't running (it isn't
 * started for this). Blocking. The caller unrefs. */
GPtrArray *goa_list(void);

/* The account whose ID or address is `wanted`, and whose mail can be fetched by IMAP. NULL: there is none, or
 * GNOME Online Accounts isn't running (it isn't started for this). Blocking. */
GoaAccount *goa_find(const char *wanted);

/* The password for its IMAP server, or a token; as goa_secret() gives it. */
char *goa_account_secret(const char *id, gboolean oauth2, GError **error);

/*
 * The password or token that settings->goa stands for; the caller frees with account_password_free().
 * Blocking, a minute at most. ACCOUNT_SECRET_LOCKED: it can't be asked now; ACCOUNT_SECRET_MISSING: there is
 * no such account, one has to sign in again in GNOME's settings, or the server isn't the one it is for.
 */
char *goa_secret(const AccountSettings *settings, gboolean outgoing, GError **error);

/* Whether `id` can be an ID. */
gboolean goa_valid_id(const char *id);
