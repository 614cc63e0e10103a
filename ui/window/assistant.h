/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Adding an account, page after page: the address (assistant.c), its servers and how one signs in
 * (assistant-servers.c), the first sync (assistant-done.c). Nothing is stored before the account is
 * added as a whole; going back changes nothing.
 */
#pragma once

#include "dbus/postern-dbus.h"

#include <adwaita.h>

/* Asks for the address, over the page that `from` is in. */
void assistant_open(GtkWidget *from, GDBusConnection *connection);

/* Shows what was found for `address`, and asks for what is missing. `offer` is of Manager.Discover; NULL:
 * nothing was found, and `words`, which may be NULL, say why. */
void assistant_open_servers(GtkWidget *from, GDBusConnection *connection, const char *address,
                            GVariant *offer, const char *words);

/* Shows how the first sync of the new account at `path` comes along, in place of all pages over the first. */
void assistant_open_done(GtkWidget *from, GDBusConnection *connection, const char *path);
