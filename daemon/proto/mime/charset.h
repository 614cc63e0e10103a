/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text in any charset, and in none, to UTF-8. */
#pragma once

#include "daemon/proto/mime/stop.h"

G_BEGIN_DECLS

/* So many charsets are converted from in one mail. Opening a converter costs as much as converting
 * thousands of bytes, so a mail can't ask for as many as it likes. */
#define MIME_CHARSETS_MAX 24

typedef struct MimeConverter MimeConverter;

/* The converters that a mail, or a value of it, needs. Zero-initialise; nothing is opened before it
 * is needed. */
typedef struct {
    MimeStop *stop; /* looked at while converting; may be NULL */
    MimeConverter *converters;
    guint count;
} MimeCharsets;

void mime_charsets_clear(MimeCharsets *charsets);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MimeCharsets, mime_charsets_clear)

/* Appends text in valid UTF-8 without NULs; what can't be converted becomes U+FFFD, but a character
 * that was cut at the end of UTF-8 text is left out. Text without a charset, or with one that
 * nobody knows, is taken for UTF-8 if it is that, else for Windows-1252; so is that of charsets
 * beyond MIME_CHARSETS_MAX. */
void mime_charset_append_utf8(MimeCharsets *charsets, const char *text, gsize length,
                              const char *charset, GString *out);

/* Has to be called, from any thread, before GMime's functions other than the encodings. */
void mime_charset_init_gmime(void);

G_END_DECLS
