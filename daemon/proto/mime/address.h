/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Address lists: From, To, Cc and their like (RFC 5322, 3.4), as IMAP's ENVELOPE sees them. */
#pragma once

#include "daemon/proto/mime/arena.h"

G_BEGIN_DECLS

/* One entry of a list. A group is several entries, as in IMAP (RFC 3501, 7.4.2): its start has a
 * mailbox (the group's name) and a NULL domain, its end is all NULL. A mailbox has both mailbox and
 * domain. Text is as it was written, unquoted; encoded words are not decoded. */
typedef struct MimeAddress MimeAddress;
struct MimeAddress {
    MimeAddress *next;
    const char *name;    /* display name, or the comment behind an address without one; else NULL */
    const char *route;   /* obsolete source route, "@one,@two"; else NULL */
    const char *mailbox; /* MISSING_MAILBOX where there was none */
    const char *domain;  /* MISSING_DOMAIN, SYNTAX_ERROR where it was missing or unreadable */
    gboolean broken;     /* didn't follow the grammar */
};

/* So many entries are enough for everyone: a comma alone makes one, of a hundred bytes. */
#define MIME_ADDRESSES_MAX 10000

/* Parses a field's value (folded or not). The list lives in arena; NULL when there is nothing in
 * it. Broken input gives what could be understood, as Dovecot understands it. What follows the
 * max-th entry isn't read, but for the end of a group. */
MimeAddress *mime_address_parse(MimeArena *arena, const char *value, gsize length, guint max);

/* What to show for an entry: its display name with encoded words decoded, else mailbox@domain, else
 * the group's name (RFC 5957, 3). UTF-8; free with g_free. */
char *mime_address_display(const MimeAddress *address);

/* What SORT compares in the first entry of a list (RFC 5256, 3): its mailbox, without the domain.
 * "" for an empty list. */
const char *mime_address_sort_key(const MimeAddress *first);

G_END_DECLS
