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
 * What a server says. Other letters and digits are passed over. A server of RFC 2086 knows "c" and
 * "d" instead of "k", "x", "t" and "e"; since they may differ in which of the two lets a mailbox be
 * deleted, either does.
 */
guint32 imap_rights_parse(const char *letters);

/* Appends the letters, with the virtual ones where RFC 4314, 2.1.1 asks for them; "" for none. */
void imap_rights_format(guint32 rights, GString *out);

/* Whether a client may name these rights: lower case letters that are known, virtual ones included
 * (RFC 4314, 3.1). If not, *wrong is the first that isn't. */
gboolean imap_rights_valid(const char *letters, char *wrong);

G_END_DECLS
