/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One account's record of its provider's habits. It is made of what providers.ini says of the server's
 * name, else of what the server says of itself, and then of the account's own `quirks=`, which has the
 * last word. All connections of the account share it; any thread.
 */
#pragma once

#include "daemon/config/quirks.h"
#include "daemon/config/settings.h"

/* What a server says of itself; each may be NULL. */
typedef struct {
    const char *greeting;            /* its text */
    const char *const *capabilities; /* upper case */
    const char *id;                  /* the name in its answer to ID */
} ServerTells;

AccountHabits *account_habits_new(const AccountSettings *settings);
AccountHabits *account_habits_ref(AccountHabits *habits);
void account_habits_unref(AccountHabits *habits);

/* The server has spoken. Where its name has told who it is, that stays. */
void account_habits_tell(AccountHabits *habits, const ServerTells *tells);

/* The record as it is now. NULL for `habits`: none. */
void account_habits_get(AccountHabits *habits, Quirks *quirks);

/* Who puts what is sent by SMTP into the Sent folder. */
typedef enum {
    ACCOUNT_SENT_UNKNOWN,
    ACCOUNT_SENT_BY_PROVIDER,
    ACCOUNT_SENT_BY_CLIENT, /* the provider doesn't */
} AccountSentHabit;

/* NULL for `habits`: UNKNOWN. */
AccountSentHabit account_habits_sent(AccountHabits *habits);

/*
 * What a login can do without (a static word for it: "ID") has, or hasn't, ended the connection. What
 * has twice in a row is avoided as long as the program runs. NULL for `habits`: nothing is kept.
 */
void account_habits_note_end(AccountHabits *habits, const char *step, gboolean ended);
gboolean account_habits_avoid(AccountHabits *habits, const char *step);

/* The group of providers.ini that fits, or NULL; the caller frees. */
char *account_habits_provider(AccountHabits *habits);
