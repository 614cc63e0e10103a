/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an IMAP URL names, read from the session's own account. */
#pragma once

#include "daemon/serve/imap/session.h"

/* The octets that FETCH would give of it, without marking anything as seen; fetches them where they
 * aren't here, so no cache transaction may be open. NULL and `error`: there are none. */
GBytes *imap_url_content(ImapSession *session, const char *url, GError **error);

/* The response code BADURL with the URL (RFC 4469, 4.1). */
char *imap_url_bad_code(const char *url);
