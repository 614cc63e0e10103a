/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs a fuzz target over the files, and all files in the folders, that it is given. See fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

static void replay(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *data = NULL;
    gsize size;

    if (!g_file_get_contents(path, &data, &size, &error))
        g_error("%s", error->message);

    /* A copy of just the size, so that reads beyond it are seen. */
    g_autofree uint8_t *exact = g_memdup2(data, size);

    LLVMFuzzerTestOneInput(exact, size);
}

static void replay_folder(const char *path)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;

    if (folder == NULL)
        g_error("%s can't be read", path);
    while ((name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        replay(file);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE-OR-FOLDER...\n", argv[0]);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (g_file_test(argv[i], G_FILE_TEST_IS_DIR))
            replay_folder(argv[i]);
        else
            replay(argv[i]);
    return 0;
}
