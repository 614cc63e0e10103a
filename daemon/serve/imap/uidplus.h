/* SPDX-License-Identifier: GPL-3.0-or-later */
/* UIDPLUS (RFC 4315): the UIDs of COPYUID and APPENDUID. */
#pragma once

#include <glib.h>

/* Appends UIDs (guint32) in their order, runs as ranges: the n-th of one list belongs to the n-th
 * of the other. */
void imap_uidplus_format(const GArray *uids, GString *out);
