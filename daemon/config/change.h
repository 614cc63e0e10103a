/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changing an account in postern.conf for somebody who may not run code or have a password sent
 * elsewhere (D-Bus): what is decided is decided on the file as it is now, and on what the daemon will
 * read in the changed one, by the parser that it reads with. Saving is the caller's.
 */
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/edit.h"

typedef struct {
    const char *path; /* for messages */
    const char *id;
    gboolean create; /* there must be no such account; else there must be one */
    GHashTable
        *settings; /* key → value ("": take the key out); what may be set is looked at here */
    gboolean has_password; /* a new password comes with it */
} ConfigChange;

/*
 * Applies the change to `edit`. The account as it will be is in the result, which is the whole file
 * as the daemon will read it; nothing else in it is different from before. NULL: G_IO_ERROR_EXISTS,
 * NOT_FOUND, or INVALID_ARGUMENT with a sentence; `edit` mustn't be saved then.
 *
 * Where the mail comes from, or whose it is, changes only together with a password; commands that
 * gave the old one are taken out.
 */
Config *config_change_account(ConfigEdit *edit, const ConfigChange *change, GError **error);

/* Takes the account out, in the same manner. */
Config *config_change_remove(ConfigEdit *edit, const char *path, const char *id, GError **error);
