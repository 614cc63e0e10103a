/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Calls to the daemon by its name, so that it starts where the bus can have it started and the answer
 * comes from the life it has by then. Nobody waits for an answer: all of these return at once.
 */
#pragma once

#include "dbus/postern-dbus.h"

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

/* Calls a method of the account. `files`, which may be NULL, holds the descriptors that `parameters` name. */
void account_call(PosternAccount *account, const char *method, GVariant *parameters,
                  GUnixFDList *files, GAsyncReadyCallback done, gpointer data);

/* Calls a method of an outgoing message: the entry `id` of the queue. */
void outgoing_call(GDBusConnection *connection, gint64 id, const char *method,
                   GAsyncReadyCallback done, gpointer data);

/* Calls a method of the manager; some take minutes (Probe, FinishSignIn), and none is given up before
 * `cancellable` says so. */
void manager_call(GDBusConnection *connection, const char *method, GVariant *parameters,
                  GCancellable *cancellable, GAsyncReadyCallback done, gpointer data);

/* The answer to any of these, for their callbacks, whose source is the connection; the caller frees.
 * NULL: an error with the daemon's own sentence. */
GVariant *call_finish(GObject *source, GAsyncResult *result, GError **error);
