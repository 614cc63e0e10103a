/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The Date field (RFC 5322, 3.3), for SENTSINCE, SORT and the like. */
#pragma once

#include "daemon/proto/imap/date.h"

G_BEGIN_DECLS

/* Parses a Date field's value, folded or not, in any of the forms that mail comes with: obsolete
 * zones, missing weekdays, seconds and zones, two-digit years. An unknown zone counts as UTC, and
 * an impossible time as midnight there (RFC 5256, 2.2). FALSE for what can't be a date. */
gboolean mime_date_parse(const char *value, gsize length, ImapDateTime *out);

G_END_DECLS
