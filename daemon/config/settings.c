/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An account's settings: their life, and which senders they allow.
 */
#include "daemon/config/settings.h"

#include "daemon/config/habits.h"
#include <string.h>

GQuark account_error_quark(void)
{
    return g_quark_from_static_string("account-error");
}

AccountSettings *account_settings_ref(AccountSettings *settings)
{
    g_atomic_int_inc(&settings->refs);
    return settings;
}

void account_settings_unref(AccountSettings *settings)
{
    if (!g_atomic_int_dec_and_test(&settings->refs))
        return;
    g_free(settings->id);
    g_free(settings->address);
    g_strfreev(settings->aliases);
    g_free(settings->name);
    g_clear_pointer(&settings->incoming, net_endpoint_free);
    g_clear_pointer(&settings->outgoing, net_endpoint_free);
    g_free(settings->user);
    g_free(settings->outgoing_user);
    g_free(settings->password_command);
    g_free(settings->outgoing_password_command);
    g_free(settings->token_command);
    g_free(settings->oauth2_server);
    g_free(settings->goa);
    g_free(settings->tls_client_cert);
    g_free(settings->tls_ca_file);
    g_free(settings->pop3_folder);
    g_free(settings->proxy);
    g_free(settings->quirks);
    g_strfreev(settings->folders);
    g_strfreev(settings->headers_only);
    for (guint i = 0; i < ACCOUNT_ROLES; i++)
        g_free(settings->role_folders[i]);
    g_clear_pointer(&settings->providers, g_key_file_unref);
    g_free(settings);
}

/* Local parts differ by case in theory only; providers don't tell ADA@ from ada@. */
static gboolean same_text(const char *a, gsize a_length, const char *b, gsize b_length)
{
    g_autofree char *x = g_utf8_casefold(a, (gssize)a_length);
    g_autofree char *y = g_utf8_casefold(b, (gssize)b_length);
    return strcmp(x, y) == 0;
}

/* Whether `address` is `own`, or `own` with a +tag behind its local part. */
static gboolean is_own(const char *own, const char *address)
{
    const char *own_at = strrchr(own, '@'), *at = strrchr(address, '@');

    if (!own_at || !at || !same_text(own_at, strlen(own_at), at, strlen(at)))
        return FALSE;
    gsize length = (gsize)(at - address);
    const char *plus = memchr(address, '+', length);
    gsize untagged = plus ? (gsize)(plus - address) : length;
    gsize own_length = (gsize)(own_at - own);
    return same_text(own, own_length, address, length) ||
           (untagged > 0 && same_text(own, own_length, address, untagged));
}

static gboolean alias_allows(const char *alias, const char *address)
{
    if (strcmp(alias, "*") == 0)
        return TRUE;
    if (!g_str_has_prefix(alias, "*@"))
        return is_own(alias, address);
    const char *at = strrchr(address, '@');
    return at && at != address && same_text(alias + 1, strlen(alias + 1), at, strlen(at));
}

gboolean account_may_send_as(const AccountSettings *settings, const char *address)
{
    if (is_own(settings->address, address))
        return TRUE;
    for (char **alias = settings->aliases; alias && *alias; alias++) {
        if (alias_allows(*alias, address))
            return TRUE;
    }
    return FALSE;
}

void account_password_free(char *password)
{
    if (!password)
        return;
    explicit_bzero(password, strlen(password));
    g_free(password);
}

AccountAccess account_access_copy(const AccountAccess *access)
{
    AccountAccess copy = *access;

    account_settings_ref(copy.settings);
    if (copy.tls)
        net_tls_client_ref(copy.tls);
    net_clock_ref(copy.clock);
    if (copy.gate)
        account_gate_ref(copy.gate);
    if (copy.habits)
        account_habits_ref(copy.habits);
    return copy;
}

void account_access_clear(AccountAccess *access)
{
    g_clear_pointer(&access->settings, account_settings_unref);
    g_clear_pointer(&access->tls, net_tls_client_unref);
    g_clear_pointer(&access->clock, net_clock_unref);
    g_clear_pointer(&access->gate, account_gate_unref);
    g_clear_pointer(&access->habits, account_habits_unref);
}
