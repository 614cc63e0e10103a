/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Trying an account's servers step by step, as it is set up: what works, and where it ends. Changes nothing.
 */
#pragma once

#include "daemon/account/work.h"

typedef enum {
    TRIAL_PASSED,
    TRIAL_FAILED,
    TRIAL_NOT_TRIED, /* a step before it has failed */
} TrialState;

typedef struct {
    char *server;     /* URL */
    const char *step; /* password, name, connection, greeting, tls, login, folders */
    TrialState state;
    char *text; /* what failed and what to do about it; NULL: nothing */
} TrialStep;

/*
 * Logs in to the incoming server, asks for the folders of one that has some, and logs in to the outgoing
 * one, if there is one. Blocking, for as long as the servers take, a minute of silence at most for each; ends when
 * the account is stopped. A password that the incoming server has refused isn't shown to it again.
 * Gives TrialStep in the order in which they are tried, none for an account without servers; the caller
 * frees with g_ptr_array_unref.
 */
GPtrArray *account_trial(AccountWork *work);
