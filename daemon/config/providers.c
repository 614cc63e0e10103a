/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finding and reading providers.ini. */
#include "daemon/config/providers.h"

#include "daemon/config/file.h"

#include <gio/gio.h>
#include <string.h>

#define TABLE_NAME "providers.ini"

char *providers_own_path(const char *config_path)
{
    g_autofree char *dir = g_path_get_dirname(config_path);
    return g_build_filename(dir, TABLE_NAME, NULL);
}

char *providers_path(void)
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

/* Groups of `own` take the place of the table's. */
static void overlay(GKeyFile *table, GKeyFile *own)
{
    g_auto(GStrv) groups = g_key_file_get_groups(own, NULL);

    for (char **group = groups; *group; group++) {
        g_auto(GStrv) keys = g_key_file_get_keys(own, *group, NULL, NULL);
        g_key_file_remove_group(table, *group, NULL);
        for (char **key = keys; key && *key; key++) {
            g_autofree char *value = g_key_file_get_value(own, *group, *key, NULL);
            g_key_file_set_value(table, *group, *key, value);
        }
    }
}

/* A file that isn't there is empty. */
static gboolean load(GKeyFile *file, const char *path, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *text = NULL;

    if (!path)
        return TRUE;
    if (!config_file_read(path, &text, &failure)) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (g_key_file_load_from_data(file, text, (gsize)-1, G_KEY_FILE_NONE, &failure))
        return TRUE;
    g_propagate_prefixed_error(error, g_steal_pointer(&failure), "%s can't be read: ", path);
    return FALSE;
}

GKeyFile *providers_load(const char *path, const char *own, GError **error)
{
    g_autoptr(GKeyFile) table = g_key_file_new();
    g_autoptr(GKeyFile) mine = g_key_file_new();

    if (!load(table, path, error) || !load(mine, own, error))
        return NULL;
    overlay(table, mine);
    return g_steal_pointer(&table);
}

/* ---- whose server it is ---------------------------------------------------------------------- */

static gboolean is_loopback_host(const char *host)
{
    return strcmp(host, "localhost") == 0 || g_str_has_prefix(host, "127.") ||
           strcmp(host, "::1") == 0;
}

/* What listens on this machine is told apart by its port alone. */
static gboolean is_that_server(const char *url, const NetEndpoint *endpoint)
{
    g_autoptr(NetEndpoint) known = net_endpoint_parse(url, NULL);

    return known && g_ascii_strcasecmp(known->host, endpoint->host) == 0 &&
           (!is_loopback_host(known->host) || known->port == endpoint->port);
}

static gboolean has_server(GKeyFile *table, const char *group, const NetEndpoint *endpoint)
{
    g_auto(GStrv) urls = g_key_file_get_string_list(table, group, "incoming", NULL, NULL);

    for (char **url = urls; url && *url; url++)
        if (is_that_server(*url, endpoint))
            return TRUE;
    return FALSE;
}

static gboolean has_domain(GKeyFile *table, const char *group, const char *domain)
{
    g_auto(GStrv) domains = g_key_file_get_string_list(table, group, "domains", NULL, NULL);

    for (char **pattern = domains; pattern && *pattern; pattern++)
        if (g_pattern_match_simple(*pattern, domain))
            return TRUE;
    return FALSE;
}

char *providers_find(GKeyFile *table, const NetEndpoint *incoming, const char *address)
{
    g_auto(GStrv) groups = g_key_file_get_groups(table, NULL);
    const char *at = address ? strrchr(address, '@') : NULL;
    g_autofree char *domain = g_ascii_strdown(at ? at + 1 : "", -1);
    const char *found = NULL;

    for (char **group = groups; incoming && *group; group++) {
        if (!has_server(table, *group, incoming))
            continue;
        if (!found || has_domain(table, *group, domain))
            found = *group;
    }
    return g_strdup(found);
}
