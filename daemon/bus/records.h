/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stream that Search and Export write to somebody's descriptor, and Import reads: a line of JSON
 * for each folder or message, and a message's octets behind its line.
 */
#pragma once

#include "cache/content.h"
#include "daemon/net/cancel.h"

/* ---- lines ----------------------------------------------------------------------------------- */

/* Adds "NAME": VALUE to a line, which begins empty; record_end() makes it whole. Text that isn't
 * UTF-8 is made so. */
void record_text(GString *line, const char *name, const char *value);
void record_number(GString *line, const char *name, gint64 value);
void record_true(GString *line, const char *name);
void record_end(GString *line);

/* Date, Zone and Flags of a message. */
void record_placement(GString *line, Cache *cache, const CachePlacement *placement);

/* From, To, Subject and MessageId of a header block, decoded for people. */
void record_header(GString *line, const char *header, gsize length);

/* What is answered in the end, (a{sv}): how many there were of each (u). The caller frees. */
typedef struct {
    const char *name;
    guint count;
} RecordCount;
GVariant *record_summary(const RecordCount *counts, guint n);

/* ---- the other end --------------------------------------------------------------------------- */

/*
 * Writes everything, waiting for as long as the other end takes nothing. FALSE: `cancel` is triggered
 * (NET_ERROR_CANCELLED), nobody reads any more (NET_ERROR_CLOSED), the disk is full
 * (G_IO_ERROR_NO_SPACE). No cache transaction may be open.
 */
gboolean record_write(int fd, NetCancel *cancel, const char *data, gsize length, GError **error);

/* Reads up to `length` octets; 0: the end. -1: as above. */
gssize record_read(int fd, NetCancel *cancel, void *buffer, gsize length, GError **error);
