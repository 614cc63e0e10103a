/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tokens that structured header fields are made of: RFC 5322, 3.2 and RFC 2045, 5.1, read as
 * leniently as Dovecot reads them, because mail is what it is. */
#pragma once

#include "daemon/proto/mime/arena.h"

G_BEGIN_DECLS

/* What a function here returns. White space and comments after a token are skipped as part of it.
 */
typedef enum {
    MIME_TOKEN_BAD = -1, /* not what was asked for, or broken */
    MIME_TOKEN_LAST = 0, /* read (perhaps nothing), and the value ends here */
    MIME_TOKEN_MORE = 1, /* read, and at least one more byte follows at pos */
} MimeTokenResult;

/* A position in a field's value. */
typedef struct {
    const char *pos;
    const char *end;
    GString *comment; /* holds the latest comment's text when not NULL */
} MimeTokens;

/* Folding white space and comments. */
MimeTokenResult mime_token_skip_space(MimeTokens *tokens);

/* Each appends what it read to out, unquoted and unfolded; NULs in quoted text become U+FFFD. */
MimeTokenResult mime_token_atom(MimeTokens *tokens, GString *out);
MimeTokenResult mime_token_quoted(MimeTokens *tokens, GString *out); /* pos must be at the quote */
MimeTokenResult mime_token_phrase(MimeTokens *tokens, GString *out); /* words joined by spaces */
MimeTokenResult mime_token_domain(MimeTokens *tokens, GString *out); /* pos must be at the @ */
MimeTokenResult mime_token_mime(MimeTokens *tokens,
                                GString *out); /* RFC 2045's token; may be empty */

/* A parameter of Content-Type or Content-Disposition. */
typedef struct {
    const char *name;
    const char *value;
} MimeParam;

typedef struct {
    const MimeParam *items;
    guint length;
} MimeParams;

/* Reads "; name=value" pairs to the end of the value, skipping what is broken. Parameters split by
 * RFC 2231 are joined, as name* where a part was encoded (left so); those with gaps in their
 * numbering stay apart. scratch is overwritten. */
MimeParams mime_token_params(MimeTokens *tokens, MimeArena *arena, GString *scratch);

/* The value of the parameter called name (ASCII case ignored), or NULL. */
const char *mime_params_get(const MimeParams *params, const char *name);

G_END_DECLS
