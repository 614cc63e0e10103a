/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where clients can connect: the ports of [listen], sockets that systemd hands over, and each
 * account's Unix sockets. Connections are accepted in the main loop; who is at the other end is
 * checked before a session starts. Main thread only.
 */
#pragma once

#include "daemon/config/config.h"
#include "daemon/serve/sessions.h"

typedef struct Listeners Listeners;

/* `run_dir` is where the accounts' sockets are made. Inherited sockets (sd_listen_fds) are taken
 * over by name. */
Listeners *listeners_new(Sessions *sessions, const char *run_dir);

/* The ports of the sockets that systemd handed over, by key of [listen]; 0: none. */
void listeners_held(const Listeners *listeners, guint16 ports[CONFIG_LISTEN_KEYS]);

/* Closes all. Sessions must be gone before: they use the listeners' throttles. */
void listeners_free(Listeners *listeners);

/* Closes all sockets, so that nobody new comes. */
void listeners_close(Listeners *listeners);

/* `changed` is called when what was listened on in vain has been tried again. */
void listeners_observe(Listeners *listeners, void (*changed)(gpointer data), gpointer data);

/* Listens as `config` says; TLS from the first byte only where `tls`. NULL: nothing listens.
 * Sockets that stay as they are aren't touched. What can't be listened on is tried again, after a second
 * first, after a minute at last. */
void listeners_configure(Listeners *listeners, const Config *config, gboolean tls);

/* Makes the Unix sockets of these accounts (their IDs), and removes those of all others. */
void listeners_set_accounts(Listeners *listeners, const char *const *ids);

/* The path of an account's socket for "imap", "pop3" or "submission"; the caller frees. */
char *listeners_socket_path(const char *run_dir, const char *id, const char *protocol);

/* The D-Bus property: aa{sv}. */
GVariant *listeners_describe(Listeners *listeners);

/* Appends a sentence (char *) for each socket that isn't listened on though it should be. */
void listeners_problems(Listeners *listeners, GPtrArray *problems);
