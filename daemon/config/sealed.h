/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A password in a file that only this user on this machine can decrypt, for desktops without a secret
 * service: systemd-creds(1) of systemd 256 or newer encrypts it, and decrypts it as the account's
 * password-command. The file is beside postern.conf: secrets/ID.cred.
 */
#pragma once

#include <glib.h>

/* Whether this systemd does it for users. Blocking. */
gboolean sealed_is_available(void);

/* Encrypts and writes the password of account `id` (mode 0600, durable) and gives the password-command
 * that prints it, to be freed; NULL: it can't be encrypted or written. Blocking. */
char *sealed_write(const char *config_path, const char *id, const char *password, GError **error);

/* Whether it is such a password-command. */
gboolean sealed_is_command(const char *command);

/* Removes the file of account `id`, if there is one. */
void sealed_remove(const char *config_path, const char *id);
