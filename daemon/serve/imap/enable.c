/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Switching extensions on. */
#include "daemon/serve/imap/enable.h"

#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

/* RFC 7162, 3.1.2: from the first command that enables CONDSTORE on, with a mailbox selected, the
 * client has to know where it stands. */
static void tell_modseq(ImapSession *session)
{
    if (!session->view)
        return;
    g_autofree char *code =
        g_strdup_printf("HIGHESTMODSEQ %" G_GUINT64_FORMAT, MAX(session->view->known_modseq, 1));
    imap_untagged(session, "OK", code, "CONDSTORE is enabled");
}

void imap_enable(ImapSession *session, guint bits)
{
    if (bits & IMAP_ENABLED_QRESYNC)
        bits |= IMAP_ENABLED_CONDSTORE; /* RFC 7162, 3.2.3 */
    guint before = session->enabled;
    session->enabled |= bits;
    if (bits & (IMAP_ENABLED_UTF8 | IMAP_ENABLED_REV2)) {
        session->mode |= IMAP_MODE_UTF8;
        imap_assembler_set_mode(session->assembler, session->mode);
    }
    if (session->enabled & ~before & IMAP_ENABLED_CONDSTORE)
        tell_modseq(session);
}
