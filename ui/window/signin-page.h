/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The page on which one signs in with OAuth 2: the daemon does it, here the browser is opened, a code is
 * shown, or the address that a browser elsewhere ended at is pasted.
 */
#pragma once

#include "dbus/postern-dbus.h"

#include <adwaita.h>

/* Who signs in, and where: as Manager.SignIn has them. */
typedef struct {
    GDBusConnection *connection;
    const char *address, *server;
} SignInAt;

/* `handle` is of the finished sign-in; the page has gone by then, and `from` may have too. */
typedef void (*SignedIn)(GtkWidget *from, const char *handle);

/* Opens it over the page that `from` is in. Leaving the page cancels the sign-in. */
void signin_page_open(GtkWidget *from, const SignInAt *at, SignedIn done);

/* Likewise for an account that is there already, which then uses the sign-in. */
void signin_page_authorize(GtkWidget *from, PosternAccount *account);
