/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the upstream POP3 client share. */
#pragma once

#include "daemon/upstream/pop3.h"

struct Pop3Client {
    NetStream *stream;
    NetEndpoint *endpoint;
    Pop3Capabilities capabilities;
    guint under_way; /* answers that are still to be read */
};

gboolean pop3_client_fail(GError **error, Pop3ClientError code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Reads a status line, whatever it says. */
gboolean pop3_client_read(Pop3Client *client, Pop3Status *status, GError **error);

/* Sends a line and reads the status line that answers it. */
gboolean pop3_client_run(Pop3Client *client, const char *line, Pop3Status *status, GError **error);

/* Calls `take` for each line of a multi-line answer; `limit` lines at most (PROTOCOL). */
typedef void (*Pop3Lines)(const char *line, gsize length, gpointer data);
gboolean pop3_client_read_lines(Pop3Client *client, guint limit, Pop3Lines take, gpointer data,
                                GError **error);
