/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is known of providers beforehand: providers.ini where it is installed, the user's own beside
 * postern.conf, and groups [oauth2 NAME] of that.
 */
#include "daemon/bus/private.h"

#include "daemon/config/providers.h"
#include <string.h>

DiscoverTable *bus_providers_table(const Bus *bus)
{
    g_autofree char *path = providers_path();
    g_autofree char *own = providers_own_path(bus->daemon->config_path);
    g_autoptr(GError) error = NULL;
    DiscoverTable *table = discover_table_load(path, own, &error);

    if (!table)
        g_warning("Providers are looked up without a table: %s", error->message);
    return table;
}

/* What the user's [oauth2 NAME] says, and else the table. */
typedef struct {
    const Config *config;
    const DiscoverTable *table; /* or NULL */
} Known;

static char *known_key(const char *name, const char *key, gpointer data)
{
    const Known *known = data;
    const char *own = config_oauth2(known->config, name, key);

    if (own)
        return g_strdup(own);
    return known->table ? discover_table_oauth(known->table, name, key) : NULL;
}

OauthServer *bus_providers_server(const Bus *bus, const char *name, GError **error)
{
    g_autoptr(DiscoverTable) table = bus_providers_table(bus);
    Known known = {bus->daemon->config, table};

    return strstr(name, "://") ? oauth_server_of_issuer(name, error)
                               : oauth_server_load(name, known_key, &known, error);
}
