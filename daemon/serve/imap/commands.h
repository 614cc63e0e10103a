/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands: name, function, and the rules that the loop keeps for it (loop.c). */
#pragma once

#include "daemon/serve/imap/session.h"

typedef void (*ImapCommandFunc)(ImapSession *session, ImapLexer *lexer);

typedef enum {
    /* May stand after UID. */
    IMAP_ALLOWS_UID = 1,
    /* Its answers may not hold expunges, since the client counts in sequence numbers while it runs
     * (RFC 3501, 7.4.1); after UID they may. */
    IMAP_KEEPS_NUMBERS = 2,
    /* Its answers hold no news of the selected mailbox at all: it closes it, or opens it. */
    IMAP_NO_NEWS = 4,
    /* Changes messages of the selected mailbox: refused after EXAMINE. */
    IMAP_CHANGES = 8,
    /* Without UID before it, it is about sequence numbers: refused with UIDONLY (RFC 9586, 3). */
    IMAP_BY_NUMBER = 16,
} ImapCommandFlags;

struct ImapCommandRule {
    const char *name;
    ImapCommandFunc run;
    guint states; /* ImapState bits */
    guint flags;  /* ImapCommandFlags */

    /* Rights (CACHE_RIGHT bits): all of these on the selected mailbox, which the loop checks;
     * all of these, and one of these, on the mailbox that it names: imap_rights_find(). */
    guint32 selected, named, any;
};

/* NULL: no such command. */
const ImapCommandRule *imap_command_find(const char *name);

/* One file each, or one for a few that belong together. */
void imap_cmd_append(ImapSession *session, ImapLexer *lexer);
void imap_cmd_authenticate(ImapSession *session, ImapLexer *lexer);
void imap_cmd_cancelupdate(ImapSession *session, ImapLexer *lexer);
void imap_cmd_capability(ImapSession *session, ImapLexer *lexer);
void imap_cmd_check(ImapSession *session, ImapLexer *lexer);
void imap_cmd_close(ImapSession *session, ImapLexer *lexer);
void imap_cmd_compress(ImapSession *session, ImapLexer *lexer);
void imap_cmd_copy(ImapSession *session, ImapLexer *lexer);
void imap_cmd_create(ImapSession *session, ImapLexer *lexer);
void imap_cmd_delete(ImapSession *session, ImapLexer *lexer);
void imap_cmd_deleteacl(ImapSession *session, ImapLexer *lexer);
void imap_cmd_enable(ImapSession *session, ImapLexer *lexer);
void imap_cmd_esearch(ImapSession *session, ImapLexer *lexer);
void imap_cmd_examine(ImapSession *session, ImapLexer *lexer);
void imap_cmd_expunge(ImapSession *session, ImapLexer *lexer);
void imap_cmd_fetch(ImapSession *session, ImapLexer *lexer);
void imap_cmd_genurlauth(ImapSession *session, ImapLexer *lexer);
void imap_cmd_getacl(ImapSession *session, ImapLexer *lexer);
void imap_cmd_getmetadata(ImapSession *session, ImapLexer *lexer);
void imap_cmd_getquota(ImapSession *session, ImapLexer *lexer);
void imap_cmd_getquotaroot(ImapSession *session, ImapLexer *lexer);
void imap_cmd_id(ImapSession *session, ImapLexer *lexer);
void imap_cmd_idle(ImapSession *session, ImapLexer *lexer);
void imap_cmd_list(ImapSession *session, ImapLexer *lexer);
void imap_cmd_listrights(ImapSession *session, ImapLexer *lexer);
void imap_cmd_login(ImapSession *session, ImapLexer *lexer);
void imap_cmd_logout(ImapSession *session, ImapLexer *lexer);
void imap_cmd_lsub(ImapSession *session, ImapLexer *lexer);
void imap_cmd_move(ImapSession *session, ImapLexer *lexer);
void imap_cmd_myrights(ImapSession *session, ImapLexer *lexer);
void imap_cmd_namespace(ImapSession *session, ImapLexer *lexer);
void imap_cmd_noop(ImapSession *session, ImapLexer *lexer);
void imap_cmd_notify(ImapSession *session, ImapLexer *lexer);
void imap_cmd_rename(ImapSession *session, ImapLexer *lexer);
void imap_cmd_replace(ImapSession *session, ImapLexer *lexer);
void imap_cmd_resetkey(ImapSession *session, ImapLexer *lexer);
void imap_cmd_search(ImapSession *session, ImapLexer *lexer);
void imap_cmd_select(ImapSession *session, ImapLexer *lexer);
void imap_cmd_setacl(ImapSession *session, ImapLexer *lexer);
void imap_cmd_setmetadata(ImapSession *session, ImapLexer *lexer);
void imap_cmd_sort(ImapSession *session, ImapLexer *lexer);
void imap_cmd_starttls(ImapSession *session, ImapLexer *lexer);
void imap_cmd_status(ImapSession *session, ImapLexer *lexer);
void imap_cmd_store(ImapSession *session, ImapLexer *lexer);
void imap_cmd_subscribe(ImapSession *session, ImapLexer *lexer);
void imap_cmd_thread(ImapSession *session, ImapLexer *lexer);
void imap_cmd_unauthenticate(ImapSession *session, ImapLexer *lexer);
void imap_cmd_unselect(ImapSession *session, ImapLexer *lexer);
void imap_cmd_unsubscribe(ImapSession *session, ImapLexer *lexer);
void imap_cmd_urlfetch(ImapSession *session, ImapLexer *lexer);
