/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Calls that a dialog makes when the person is done with it: the daemon may have been started anew
 * since, so they go to whoever is posternd now, and not to the one that the proxy is of.
 */
#pragma once

#include "dbus/postern-dbus.h"

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

/* `parameters` may be floating, `files` NULL; account_call_finish() ends it, in `done`. */
void account_call(PosternAccount *account, const char *method, GVariant *parameters,
                  GUnixFDList *files, GAsyncReadyCallback done, gpointer data);

/* FALSE with an error whose text is for people. */
gboolean account_call_finish(GObject *source, GAsyncResult *result, GError **error);
