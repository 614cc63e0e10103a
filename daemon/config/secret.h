/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A provider's password: from the account's command, or from the secret service, where it is filed
 * under account, protocol, host, port and user, and found for exactly these.
 */
#pragma once

#include "daemon/config/settings.h"

typedef struct Secrets Secrets;

/* `seconds` that a command or the secret service, and whom it asks, may take to answer; 0: 60. */
Secrets *secrets_new(guint seconds);
void secrets_free(Secrets *secrets);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Secrets, secrets_free)

/* An AccountPassword (account.h); `data` is the Secrets. Threads that ask for the same password at
 * the same time share one run of the command. */
char *secrets_password(const AccountSettings *settings, gboolean outgoing, gpointer data,
                       GError **error);

/* While an account stops, and until it is opened again, all of its questions that are under way end at once, with a
 * program that was run for one, and others aren't asked. Where nothing was closed all is open. */
void secrets_open(Secrets *secrets, const char *id);
void secrets_close(Secrets *secrets, const char *id);

/* An AccountRefused, for accounts whose secret may be another when it is asked for anew (goa=). */
void secrets_refused(const AccountSettings *settings, const char *secret, gpointer data);

/* Where the account's password or token is, to be shown. */
const char *secrets_place(const AccountSettings *settings);

/* Files a password. Blocking. ACCOUNT_SECRET_LOCKED: no secret service is there, or it is locked.
 */
gboolean secrets_store(const AccountSettings *settings, gboolean outgoing, const char *password,
                       GError **error);

/* An account's OAuth 2 grant, as text that only daemon/oauth reads; filed under the account alone, since it
 * says itself to whom its tokens may go. Blocking. ACCOUNT_SECRET_LOCKED; ACCOUNT_SECRET_MISSING: there is
 * none. */
char *secrets_grant(const char *id, GError **error);
gboolean secrets_keep_grant(const char *id, const char *text, GError **error);

/* Forgets every password and grant of account `id`. Blocking; a missing secret service is no failure. */
void secrets_forget(const char *id);

/* Runs `command` with /bin/sh -c, no input; the first line of what it prints. For
 * secrets_password() and its test. */
char *secrets_run_command(const char *command, guint seconds, GError **error);
