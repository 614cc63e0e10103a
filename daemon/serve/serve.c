/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What sessions know of an account: its life. */
#include "daemon/serve/serve.h"

GQuark serve_error_quark(void)
{
    return g_quark_from_static_string("serve-error");
}

ServeAccount *serve_account_new(AccountSettings *settings, Cache *cache, FetchBodies *bodies,
                                ServeVerifiers *verifiers)
{
    ServeAccount *account = g_new0(ServeAccount, 1);

    account->settings = account_settings_ref(settings);
    account->cache = cache;
    account->bodies = bodies;
    account->verifiers = serve_verifiers_ref(verifiers);
    pthread_mutex_init(&account->lock, NULL);
    pthread_cond_init(&account->released, NULL);
    account->refs = 1;
    return account;
}

ServeAccount *serve_account_ref(ServeAccount *account)
{
    pthread_mutex_lock(&account->lock);
    account->refs++;
    pthread_mutex_unlock(&account->lock);
    return account;
}

void serve_account_unref(ServeAccount *account)
{
    if (!account)
        return;
    pthread_mutex_lock(&account->lock);
    gboolean last = --account->refs == 0;
    if (!last)
        pthread_cond_broadcast(&account->released);
    pthread_mutex_unlock(&account->lock);
    if (!last)
        return;
    account_settings_unref(account->settings);
    serve_verifiers_unref(account->verifiers);
    pthread_cond_destroy(&account->released);
    pthread_mutex_destroy(&account->lock);
    g_free(account);
}

void serve_account_unref_last(ServeAccount *account)
{
    pthread_mutex_lock(&account->lock);
    while (account->refs > 1)
        pthread_cond_wait(&account->released, &account->lock);
    pthread_mutex_unlock(&account->lock);
    serve_account_unref(account);
}
