/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where things of this user are, if nobody says otherwise. The caller frees what is given. */
#pragma once

/* $XDG_CONFIG_HOME/postern/postern.conf */
char *paths_config(void);

/* $XDG_DATA_HOME/postern */
char *paths_data(void);

/* $XDG_DATA_HOME/postern/handed, also for a daemon that keeps its mail elsewhere: what 'posternctl
 * sendmail' takes lies there until a daemon has it. */
char *paths_handed(void);
