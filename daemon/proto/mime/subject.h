/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What SORT and THREAD compare of a Subject (RFC 5256, 2.1). */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The base subject of a Subject field's value: encoded words decoded, white space made single
 * spaces, without "Re:", "Fwd:", "[list]" and the like, in the form that mime_text_collate gives.
 * *reply (which may be NULL): whether something was there that makes it a reply or forward. Free
 * with g_free. */
char *mime_subject_base(const char *value, gsize length, gboolean *reply);

G_END_DECLS
