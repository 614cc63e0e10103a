/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names of characters in HTML. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* No name is longer, in bytes; and none of those that may stand without a semicolon. */
#define MIME_ENTITY_MAX        31
#define MIME_ENTITY_LEGACY_MAX 6

typedef struct {
    const char *name; /* without the ampersand and the semicolon; in its exact case */
    const char *text; /* one or two characters, UTF-8 */
    gboolean legacy;  /* may stand without the semicolon */
} MimeEntity;

/* NULL: there is no such name. */
const MimeEntity *mime_entity_find(const char *name);

G_END_DECLS
