/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Content-Transfer-Encoding (RFC 2045, 6). */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
    MIME_ENCODING_IDENTITY, /* 7bit, 8bit, binary, or not said */
    MIME_ENCODING_BASE64,
    MIME_ENCODING_QUOTED_PRINTABLE,
    MIME_ENCODING_UUENCODE,
    MIME_ENCODING_UNKNOWN,
} MimeEncoding;

#define MIME_DECODE_ERROR (mime_decode_error_quark())

typedef enum {
    MIME_DECODE_ERROR_UNKNOWN_ENCODING, /* IMAP: NO [UNKNOWN-CTE] (RFC 3516) */
} MimeDecodeError;

GQuark mime_decode_error_quark(void);

/* From the field's token; NULL is MIME_ENCODING_IDENTITY. */
MimeEncoding mime_encoding_from_name(const char *name);

/* Decodes a body that comes in pieces of any size, with a small state; only of quoted-printable a
 * run of blanks is held until it is known what follows. Broken input gives what can be decoded. */
typedef struct MimeDecoder MimeDecoder;

/* NULL for MIME_ENCODING_UNKNOWN. */
MimeDecoder *mime_decoder_new(MimeEncoding encoding, GError **error);
void mime_decoder_free(MimeDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MimeDecoder, mime_decoder_free)

/* Appends to out what the next bytes give. */
void mime_decoder_step(MimeDecoder *decoder, const char *bytes, gsize length, GString *out);
/* The body ends here: appends what is left. */
void mime_decoder_end(MimeDecoder *decoder, GString *out);

/* Appends the decoded body to out, stopping once out holds limit bytes. Broken input gives what can
 * be decoded. FALSE for MIME_ENCODING_UNKNOWN; nothing is appended then. */
gboolean mime_decode(const char *body, gsize length, MimeEncoding encoding, gsize limit,
                     GString *out, GError **error);

G_END_DECLS
