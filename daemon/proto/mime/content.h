/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a part's Content-... fields say about it (RFC 2045, RFC 2183, RFC 3282, RFC 2557, RFC 1864).
 * Used by the structure parser alone. */
#pragma once

#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/structure.h"

G_BEGIN_DECLS

/* Takes over what the field says, if it is a Content-... field. Of several of a kind the first
 * readable one counts (of Content-Disposition, the first with parameters). Strings live in arena;
 * scratch is overwritten. */
void mime_content_field(MimePart *part, const MimeField *field, MimeArena *arena, GString *scratch);

/* Forgets all that: the message is not MIME. */
void mime_content_forget(MimePart *part);

G_END_DECLS
