/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stream of messages that Account.Search and Export give and Import takes, from posternctl's side:
 * a line of JSON for each folder or message, and a message's octets behind its line.
 */
#pragma once

#include "ui/posternctl/ctl.h"

#include <json-glib/json-glib.h>

typedef struct CtlStream CtlStream;

/* A line, and what belongs to it. */
typedef struct {
    GBytes *line; /* as it came, without its end */
    JsonObject *fields;
    GBytes *content; /* NULL: none came */
} CtlRecord;

/* A member of the line; "" or 0 where it is missing. */
const char *ctl_record_text(const CtlRecord *record, const char *name);
gint64 ctl_record_number(const CtlRecord *record, const char *name);
/* The Flags; free with g_free: the names are borrowed. */
const char **ctl_record_flags(const CtlRecord *record);

/* Calls a method of account `id`; handle 0 in `parameters`, which is consumed, is the stream's other
 * end. NULL and `error`: there is no daemon, or no such account. */
CtlStream *ctl_stream_begin(Ctl *ctl, const char *id, const char *method, GVariant *parameters,
                            GError **error);

/* Gives all records to take(), one after the other, until that fails or there are no more. */
typedef gboolean (*CtlStreamTake)(const CtlRecord *record, gpointer data, GError **error);
gboolean ctl_stream_each(CtlStream *stream, CtlStreamTake take, gpointer data, GError **error);

/* Whether a record is there already, at least a part of it. */
gboolean ctl_stream_is_ready(CtlStream *stream);

/* FALSE without an error: the daemon takes no more, and ctl_stream_end() says why. */
gboolean ctl_stream_write(CtlStream *stream, const void *data, gsize length, GError **error);

/* Closes the stream, waits for the answer and frees all of it: the summary (a{sv}), or NULL and
 * `error`. */
GVariant *ctl_stream_end(CtlStream *stream, GError **error);
