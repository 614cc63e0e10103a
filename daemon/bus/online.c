/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Accounts of GNOME Online Accounts: which there are (Manager.ListOnlineAccounts), and when GNOME is let in again for one.
 */
#include "daemon/bus/private.h"
#include "daemon/config/goa.h"

#include <string.h>

/* ---- ListOnlineAccounts -------------------------------------------------------------------- */

typedef struct {
    Bus *bus;
    GDBusMethodInvocation *invocation;
} Listing;

static void list_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    g_task_return_pointer(task, goa_list(), (GDestroyNotify)g_ptr_array_unref);
}

/* Our account that uses it, or NULL. */
static const char *used_by(const Bus *bus, const char *goa)
{
    const GPtrArray *accounts = accounts_list(bus->daemon->accounts);

    for (guint i = 0; i < accounts->len; i++) {
        const ConfigAccount *config = account_config(g_ptr_array_index(accounts, i));
        if (config->settings && g_strcmp0(config->settings->goa, goa) == 0)
            return config->id;
    }
    return NULL;
}

static GVariant *describe(const Bus *bus, const GoaAccount *account)
{
    const struct {
        const char *key, *value;
    } texts[] = {
        {"Id", account->id},
        {"Name", account->name},
        {"Address", account->address},
        {"Incoming", account->incoming},
        {"Outgoing", account->outgoing},
        {"User", account->user},
        {"OutgoingUser", account->outgoing_user},
        {"Account", used_by(bus, account->id)},
    };
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        g_variant_dict_insert(&dict, texts[i].key, "s", texts[i].value ? texts[i].value : "");
    g_variant_dict_insert(&dict, "OAuth2", "b", account->oauth2);
    g_variant_dict_insert(&dict, "AttentionNeeded", "b", account->attention);
    return g_variant_dict_end(&dict);
}

static void listed(GObject *source, GAsyncResult *result, gpointer data)
{
    Listing *listing = data;
    Bus *bus = listing->bus;
    g_autoptr(GPtrArray) accounts = g_task_propagate_pointer(G_TASK(result), NULL);
    GVariantBuilder list;

    bus_ran(bus);
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < accounts->len; i++)
        g_variant_builder_add_value(&list, describe(bus, g_ptr_array_index(accounts, i)));
    postern_manager_complete_list_online_accounts(bus->manager, listing->invocation,
                                                  g_variant_builder_end(&list));
    g_free(listing);
}

static gboolean on_list(PosternManager *manager, GDBusMethodInvocation *invocation, gpointer data)
{
    Listing *listing = g_new0(Listing, 1);

    bus_touch(data);
    listing->bus = data;
    listing->invocation = invocation;
    bus_run(data, list_thread, listed, listing);
    return TRUE;
}

/* ---- when GNOME is let in ------------------------------------------------------------------ */

/* Who waits for a sign-in in GNOME's settings needn't wait any longer; and who isn't let in any more soon says so. */
static void on_changed(GDBusConnection *connection, const char *sender, const char *path,
                       const char *interface, const char *signal, GVariant *parameters,
                       gpointer data)
{
    Bus *bus = data;
    g_autoptr(GVariant) changed = NULL;

    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(sa{sv}as)")))
        return;
    changed = g_variant_get_child_value(parameters, 1);
    g_autoptr(GVariant) attention = g_variant_lookup_value(changed, "AttentionNeeded", NULL);
    const char *id = used_by(bus, strrchr(path, '/') + 1);
    Account *account = attention && id ? accounts_get(bus->daemon->accounts, id) : NULL;
    if (account)
        account_sync(account, NULL, NULL);
}

void bus_online_connect(Bus *bus)
{
    g_signal_connect(bus->manager, "handle-list-online-accounts", G_CALLBACK(on_list), bus);
    bus->goa_watch = g_dbus_connection_signal_subscribe(
        bus->connection, GOA_NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", NULL,
        GOA_NAME ".Account", G_DBUS_SIGNAL_FLAGS_NONE, on_changed, bus, NULL);
}

void bus_online_clear(Bus *bus)
{
    g_dbus_connection_signal_unsubscribe(bus->connection, bus->goa_watch);
}
