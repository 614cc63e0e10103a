/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What sessions know of an account: its life. */
#include "daemon/serve/serve.h"

GQuark serve_error_quark(void)
{
    return g_quark_from_static_string("serve-error");
}

ServeAccount *serve_account_ref(ServeAccount *account)
{
    g_atomic_int_inc(&account->refs);
    return account;
}

/* Cache, bodies and verifiers are the daemon's, which ends the sessions before it closes them. */
void serve_account_unref(ServeAccount *account)
{
    if (!account || !g_atomic_int_dec_and_test(&account->refs))
        return;
    account_settings_unref(account->settings);
    g_free(account);
}
