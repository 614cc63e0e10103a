/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where what is kept of an account lies in the data directory. The caller frees. */
#pragma once

/* The directory of its cache. */
char *account_data_dir(const char *data_dir, const char *id);

/* Where the floor under the UIDVALIDITYs of an account waits whose cache was purged (purge.h). */
char *account_floor_path(const char *data_dir, const char *id);

/* Behind an account's directory, and before a number: what another account had left under its ID. No ID has
 * a point in it. */
#define ACCOUNT_LEFT ".left-"
