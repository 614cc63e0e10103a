/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an IMAP URL names, read from the session's own account. */
#pragma once

#include "daemon/proto/imap/url.h"
#include "daemon/serve/imap/session.h"

/* The octets that FETCH would give of it, without marking anything as seen; fetches them where they
 * aren't here, so no cache transaction may be open. NULL and `error`: there are none. */
GBytes *imap_url_content(ImapSession *session, const char *url, GError **error);

/* The whole message that the URL names, of `account`; blocks likewise. */
GBytes *imap_url_message(ImapSession *session, ServeAccount *account, const ImapUrl *url,
                         GError **error);
/* What the URL names of that message. */
GBytes *imap_url_cut(GBytes *message, const ImapUrl *url, GError **error);

/* What its PARTIAL leaves of these octets. */
GBytes *imap_url_cut_partial(GBytes *bytes, const ImapUrl *url);

/* The response code BADURL with the URL (RFC 4469, 4.1). */
char *imap_url_bad_code(const char *url);
