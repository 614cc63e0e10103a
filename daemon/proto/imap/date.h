/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dates of IMAP: date-time (INTERNALDATE) and date (SEARCH).
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct {
    gint64 time; /* Unix seconds */
    gint32 zone; /* minutes east of UTC */
} ImapDateTime;

/* " 7-Feb-1994 21:52:25 -0800" without quotes (RFC 3501 date-time); a single digit day may stand
 * without its space. FALSE for anything that isn't a date of the years 1 to 9999. */
gboolean imap_date_time_parse(const char *text, gsize length, ImapDateTime *out);
/* Appends it in quotes, always 28 octets. Years outside 1 to 9999 are clamped. */
void imap_date_time_format(const ImapDateTime *date, GString *out);

/* Days since 1970-01-01 of a day of the Gregorian calendar. FALSE: there is no such day. */
gboolean imap_date_of(guint year, guint month, guint day, gint32 *days);
/* "1-Feb-1994" (RFC 3501 date-text): days since 1970-01-01. */
gboolean imap_date_parse(const char *text, gsize length, gint32 *days);
/* Appends "1-Feb-1994". */
void imap_date_format(gint32 days, GString *out);
/* The calendar day of a moment where it was written, for BEFORE, ON, SINCE (RFC 3501, 6.4.4:
 * "disregarding time and timezone"). */
gint32 imap_date_time_day(const ImapDateTime *date);

G_END_DECLS
