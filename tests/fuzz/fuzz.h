/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What each fuzz target defines: libFuzzer's entry point. Target NAME is fuzz-NAME.c, its seeds are
 * the files in seeds/NAME. In every build the targets are run over their seeds by replay.c; with
 * clang and its instrumentation they are fuzzers:
 *
 *   CC=clang CXX=clang++ meson setup build-fuzz -Dc_args=-fsanitize=fuzzer-no-link \
 *       -Db_sanitize=address,undefined -Db_lundef=false
 *   ninja -C build-fuzz tests/fuzz/fuzz-mime
 *   build-fuzz/tests/fuzz/fuzz-mime NEW_INPUTS tests/fuzz/seeds/mime
 */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>
#include <stddef.h>
#include <stdint.h>

/* For targets that need a directory. */
static inline void fuzz_remove_tree(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        fuzz_remove_tree(child);
    }
    if (dir)
        g_dir_close(dir);
    g_remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
