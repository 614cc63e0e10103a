/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzzes postern.conf, and changes of an account in it: whatever the file says, no password is sent
 * elsewhere by them. Seeds: tests/fuzz/seeds/config. */
#include "tests/fuzz/fuzz.h"

#include "daemon/config/change.h"

#include <string.h>
#include <unistd.h>

/* The file, in memory; the process's own. */
static char *directory;

static void remove_directory(void)
{
    fuzz_remove_tree(directory);
    g_free(directory);
}

static ConfigEdit *open_text(const char *text, char **path)
{
    if (!directory) {
        directory = g_dir_make_tmp("postern-fuzz-XXXXXX", NULL);
        atexit(remove_directory);
    }
    *path = g_build_filename(directory, "postern.conf", NULL);
    g_remove(*path); /* GLib does not shorten files that it writes in place */
    g_assert_true(g_file_set_contents_full(*path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    return config_edit_open(*path, NULL);
}

static const char *value_of(const ConfigAccount *account, const char *key)
{
    const char *value = account ? g_hash_table_lookup(account->values, key) : NULL;
    return value ? value : "";
}

static void move_account(const char *text, gboolean has_password)
{
    static const char *const commands[] = {"password-command", "outgoing-password-command",
                                           "token-command"};
    g_autofree char *path = NULL;
    g_autoptr(ConfigEdit) edit = open_text(text, &path);
    g_autoptr(Config) before = config_parse(path, text, NULL);
    g_autoptr(GHashTable) settings = g_hash_table_new(g_str_hash, g_str_equal);
    const ConfigChange change = {
        .path = path, .id = "ada", .settings = settings, .has_password = has_password};

    g_hash_table_insert(settings, (gpointer) "incoming", (gpointer) "imaps://elsewhere.example");
    g_autoptr(Config) after = config_change_account(edit, &change, NULL);
    if (!after)
        return;
    const ConfigAccount *was = config_find(before, "ada"), *is = config_find(after, "ada");
    g_assert_true(was && is && is->settings);
    g_assert_cmpstr(value_of(is, "incoming"), ==, "imaps://elsewhere.example");
    if (g_str_equal(value_of(was, "incoming"), "imaps://elsewhere.example"))
        return;
    g_assert_true(has_password);
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        g_assert_cmpstr(value_of(is, commands[i]), ==, "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 65536)
        return 0;
    g_autofree char *text = g_strndup((const char *)data + 1, size - 1);
    g_autoptr(Config) config = config_parse("postern.conf", text, NULL);

    for (guint i = 0; config && i < config->accounts->len; i++) {
        const ConfigAccount *account = g_ptr_array_index(config->accounts, i);
        g_assert_true(!account->error == !!account->settings);
        g_assert_true(config_valid_id(account->id));
    }
    move_account(text, data[0] & 1);
    return 0;
}
