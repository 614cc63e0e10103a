/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is known of providers beforehand: providers.ini where it is installed, the user's own beside
 * postern.conf, and groups [oauth2 NAME] of that.
 */
#include "daemon/bus/private.h"

#include <string.h>

#define TABLE_NAME "providers.ini"

/* The table of the first data directory that has one: the user's, the system's, ours. */
static char *table_path(void)
{
    g_autofree char *own = g_build_filename(g_get_user_data_dir(), "postern", TABLE_NAME, NULL);

    if (g_file_test(own, G_FILE_TEST_EXISTS))
        return g_steal_pointer(&own);
    for (const char *const *dir = g_get_system_data_dirs(); *dir; dir++) {
        g_autofree char *path = g_build_filename(*dir, "postern", TABLE_NAME, NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&path);
    }
    return g_build_filename(POSTERN_DATA_DIR, TABLE_NAME, NULL);
}

DiscoverTable *bus_providers_table(const Bus *bus)
{
    g_autofree char *path = table_path();
    g_autofree char *dir = g_path_get_dirname(bus->daemon->config_path);
    g_autofree char *own = g_build_filename(dir, TABLE_NAME, NULL);
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
