/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of directories and files, and nothing else. */
#include "daemon/account/paths.h"

#include <glib.h>

char *account_data_dir(const char *data_dir, const char *id)
{
    return g_build_filename(data_dir, "accounts", id, NULL);
}

char *account_floor_path(const char *data_dir, const char *id)
{
    return g_build_filename(data_dir, "uidvalidity", id, NULL);
}
