/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Configurations of mail programs. */
#pragma once

#include <gio/gio.h>

typedef struct {
    const char *id, *address, *name;
    const char *password;  /* NULL: none was made just now */
    const char *authority; /* the file of Postern's own */
    GVariant *servers;     /* aa{sv}: the Manager's Listeners, those that work */
} ClientFormat;

/* The first of the Manager's Listeners for that protocol, with TLS from the first byte or without, that
 * works. The caller unrefs; NULL: there is none. */
GVariant *client_listener(GVariant *listeners, const char *protocol, gboolean tls);

/* What to put into `program`'s configuration; the caller frees. NULL: no such program is known
 * (G_IO_ERROR_NOT_FOUND, with the list of those that are), or a port that it needs isn't open. */
char *client_format(const char *program, const ClientFormat *client, GError **error);
