/* SPDX-License-Identifier: GPL-3.0-or-later */
/* This user's folders. */
#include "daemon/config/paths.h"

#include <glib.h>

char *paths_config(void)
{
    return g_build_filename(g_get_user_config_dir(), "postern", "postern.conf", NULL);
}

char *paths_data(void)
{
    return g_build_filename(g_get_user_data_dir(), "postern", NULL);
}

char *paths_handed(void)
{
    return g_build_filename(g_get_user_data_dir(), "postern", "handed", NULL);
}
