/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rights as they stand in commands and responses (RFC 4314, 2.1): a letter each. As bits they are
 * the same as in the cache: bit n is the n-th letter of IMAP_RIGHTS.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define IMAP_RIGHTS "lrswipkxtea"
/* Those of them that RFC 2086 didn't have: the capability RIGHTS= (RFC 4314, 5.1.1). */
#define IMAP_RIGHTS_NEW "kxte"

/*
 * What a server says. Other letters and digits are passed over. `current`: it has the capability
 * RIGHTS=, so "c" and "d" say nothing that "k", "x", "t" and "e" don't. Others know these two
 * alone, or (Courier) some of the new ones, and "c" for "k". Since they may differ in which of the
 * two lets a mailbox be deleted, either does: what is refused here could never be tried.
 */
guint32 imap_rights_parse(const char *letters, gboolean current);

/* Appends the letters, with the virtual ones where RFC 4314, 2.1.1 asks for them; "" for none. */
void imap_rights_format(guint32 rights, GString *out);

/* Whether a client may name these rights: lower case letters that are known, virtual ones included
 * (RFC 4314, 3.1). If not, *wrong is the first that isn't. */
gboolean imap_rights_valid(const char *letters, char *wrong);

G_END_DECLS
