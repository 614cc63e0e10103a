/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What each fuzz target defines: libFuzzer's entry point. Target NAME is fuzz-NAME.c, its seeds are the files in
 * seeds/NAME. In every build the targets are run over their seeds by replay.c; with clang and its instrumentation they
 * are fuzzers:
 *
 *   CC=clang CXX=clang++ meson setup build-fuzz -Dc_args=-fsanitize=fuzzer-no-link \
 *       -Db_sanitize=address,undefined -Db_lundef=false
 *   ninja -C build-fuzz tests/fuzz/fuzz-mime
 *   build-fuzz/tests/fuzz/fuzz-mime NEW_INPUTS tests/fuzz/seeds/mime
 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
