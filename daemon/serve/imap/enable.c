/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ENABLE (RFC 5161). */
#include "daemon/serve/imap/enable.h"

#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

/* RFC 7162, 3.1.2: from the first command that enables CONDSTORE on, with a mailbox selected, the
 * client has to know where it stands. */
static void tell_modseq(ImapSession *session)
{
    if (!session->view)
        return;
    g_autofree char *code =
        g_strdup_printf("HIGHESTMODSEQ %" G_GUINT64_FORMAT, MAX(session->view->modseq, 1));
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

/* Unknown names are ignored (RFC 5161, 3.1). */
void imap_cmd_enable(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) enabled = g_string_new("* ENABLED");
    guint bits = 0;
    do {
        g_autofree char *name = NULL;
        if (!imap_lexer_space(lexer, &error) ||
            !(name = imap_lexer_atom(lexer, "a capability", &error))) {
            imap_reply_error(session, error);
            return;
        }
        guint bit = imap_capability_enable(session, name);
        if (bit & ~(bits | session->enabled))
            g_string_append_printf(enabled, " %s", name);
        bits |= bit;
    } while (!imap_lexer_at_end(lexer));
    g_string_append(session->out, enabled->str);
    g_string_append(session->out, "\r\n");
    imap_enable(session, bits);
}
