/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the connections of one account share when they log in: one does at a time, and a password
 * that was refused isn't shown again, since providers lock accounts for that. Any thread.
 */
#pragma once

#include "daemon/net/cancel.h"

typedef struct AccountGate AccountGate;

AccountGate *account_gate_new(void);
AccountGate *account_gate_ref(AccountGate *gate);
void account_gate_unref(AccountGate *gate);

/* Waits for its turn; FALSE: `cancel` was triggered (NET_ERROR_CANCELLED). */
gboolean account_gate_enter(AccountGate *gate, NetCancel *cancel, GError **error);
void account_gate_leave(AccountGate *gate);

/* What was found that the server lacks (UpstreamLogin.lacking); for whose turn it is. */
guint *account_gate_lacking(AccountGate *gate);

/* FALSE with the words of the refusal: this password was refused within the last hour. */
gboolean account_gate_check(AccountGate *gate, const char *password, GError **error);

/* The provider has refused the password, with these words. */
void account_gate_note_refusal(AccountGate *gate, const char *password, const GError *why);

/* Somebody asks for another try: nothing counts as refused any more. */
void account_gate_forget(AccountGate *gate);
