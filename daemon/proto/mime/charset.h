/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text in any charset, and in none, to UTF-8. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Appends text in valid UTF-8 without NULs; what can't be converted becomes U+FFFD, but a character
 * that was cut at the end of UTF-8 text is left out. Text without a charset, or with one that
 * nobody knows, is taken for UTF-8 if it is that, else for Windows-1252. */
void mime_charset_append_utf8(const char *text, gsize length, const char *charset, GString *out);

/* Has to be called, from any thread, before GMime's functions other than the encodings. */
void mime_charset_need_gmime(void);

G_END_DECLS
