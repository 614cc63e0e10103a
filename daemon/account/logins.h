/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * By which names clients log in, and to what: written by the main loop, read by sessions' threads.
 */
#pragma once

#include "daemon/serve/serve.h"

typedef struct Logins Logins;

Logins *logins_new(void);
void logins_free(Logins *logins);

/* One account's. Either it runs (`serve`), or `why` says why not: SERVE_ERROR_OPENING or
 * SERVE_ERROR_UNAVAILABLE. */
typedef struct {
    char *id;
    char *address; /* or NULL */
    ServeAccount *serve;
    GError *why;
} Login;

Login *login_new(const char *id, const char *address, ServeAccount *serve);
void login_free(gpointer login);

/* Takes the place of all that was there; takes over `all` (Login, with login_free()). */
void logins_set(Logins *logins, GPtrArray *all);

/* The account whose ID or else address is `name`: a reference, or NULL: SERVE_ERROR_UNKNOWN, or why
 * it doesn't run. Any thread. */
ServeAccount *logins_find(Logins *logins, const char *name, GError **error);
