/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands and the dispatcher that keeps its rules. */
#include "daemon/serve/imap/commands.h"

#include "daemon/serve/imap/notify.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"
#include "daemon/serve/imap/view.h"

#define ANY       (IMAP_STATE_LOGIN | IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED)
#define LOGGED_IN (IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED)
#define SELECTED  IMAP_STATE_SELECTED

/* Rights by their names here. RFC 4314, 4; what it doesn't name: MOVE (RFC 6851, 4.2), REPLACE (RFC
 * 8508, 4.1), ESEARCH (RFC 7377, 5), annotations (RFC 5464, 3.3). STORE, whose flags decide, is in
 * store.c; RENAME and CREATE need CREATE above the new name as well, see folders.c. */
#define LOOKUP     CACHE_RIGHT_LOOKUP
#define READ       CACHE_RIGHT_READ
#define INSERT     CACHE_RIGHT_INSERT
#define REMOVE     CACHE_RIGHT_REMOVE
#define EXPUNGE    CACHE_RIGHT_EXPUNGE
#define TAKE_AWAY  (CACHE_RIGHT_DELETE | CACHE_RIGHT_EXPUNGE)
#define ADMINISTER CACHE_RIGHT_ADMINISTER
#define ANYTHING                                                                                   \
    (LOOKUP | READ | INSERT | REMOVE | CACHE_RIGHT_CREATE | ADMINISTER) /* of MYRIGHTS */
#define USE (READ | INSERT | CACHE_RIGHT_SEEN | CACHE_RIGHT_WRITE | CACHE_RIGHT_POST)

static const ImapEntry commands[] = {
    {"APPEND", imap_cmd_append, LOGGED_IN, IMAP_NEEDS_PUSH, .named = INSERT},
    {"AUTHENTICATE", imap_cmd_authenticate, IMAP_STATE_LOGIN, 0},
    {"CANCELUPDATE", imap_cmd_cancelupdate, SELECTED, 0},
    {"CAPABILITY", imap_cmd_capability, ANY, 0},
    {"CHECK", imap_cmd_check, SELECTED, 0},
    {"CLOSE", imap_cmd_close, SELECTED, IMAP_NO_NEWS},
    {"COMPRESS", imap_cmd_compress, LOGGED_IN, 0},
    {"COPY", imap_cmd_copy, SELECTED, IMAP_BY_NUMBER | IMAP_TAKES_UID | IMAP_NEEDS_PUSH,
     .named = INSERT},
    {"CREATE", imap_cmd_create, LOGGED_IN, IMAP_NEEDS_PUSH},
    {"DELETE", imap_cmd_delete, LOGGED_IN, IMAP_NEEDS_PUSH, .named = REMOVE},
    {"DELETEACL", imap_cmd_deleteacl, LOGGED_IN, 0, .named = ADMINISTER},
    {"ENABLE", imap_cmd_enable, LOGGED_IN, 0},
    {"ESEARCH", imap_cmd_esearch, LOGGED_IN, IMAP_TAKES_UID | IMAP_KEEPS_NUMBERS, .named = READ},
    {"EXAMINE", imap_cmd_examine, LOGGED_IN, IMAP_NO_NEWS, .named = READ},
    {"EXPUNGE", imap_cmd_expunge, SELECTED, IMAP_TAKES_UID | IMAP_CHANGES | IMAP_NEEDS_PUSH,
     .selected = EXPUNGE},
    {"FETCH", imap_cmd_fetch, SELECTED, IMAP_BY_NUMBER | IMAP_TAKES_UID | IMAP_KEEPS_NUMBERS},
    {"GENURLAUTH", imap_cmd_genurlauth, LOGGED_IN, 0},
    {"GETACL", imap_cmd_getacl, LOGGED_IN, 0, .named = ADMINISTER},
    {"GETMETADATA", imap_cmd_getmetadata, LOGGED_IN, 0, .named = LOOKUP, .any = USE},
    {"GETQUOTA", imap_cmd_getquota, LOGGED_IN, 0},
    {"GETQUOTAROOT", imap_cmd_getquotaroot, LOGGED_IN, 0},
    {"ID", imap_cmd_id, ANY, 0},
    {"IDLE", imap_cmd_idle, LOGGED_IN, 0},
    {"LIST", imap_cmd_list, LOGGED_IN, 0},
    {"LISTRIGHTS", imap_cmd_listrights, LOGGED_IN, 0, .named = ADMINISTER},
    {"LOGIN", imap_cmd_login, IMAP_STATE_LOGIN, 0},
    {"LOGOUT", imap_cmd_logout, ANY, IMAP_NO_NEWS},
    {"LSUB", imap_cmd_lsub, LOGGED_IN, 0},
    {"MOVE", imap_cmd_move, SELECTED,
     IMAP_BY_NUMBER | IMAP_TAKES_UID | IMAP_CHANGES | IMAP_NEEDS_PUSH, .selected = TAKE_AWAY,
     .named = INSERT},
    {"MYRIGHTS", imap_cmd_myrights, LOGGED_IN, 0, .any = ANYTHING},
    {"NAMESPACE", imap_cmd_namespace, LOGGED_IN, 0},
    {"NOOP", imap_cmd_noop, ANY, 0},
    {"NOTIFY", imap_cmd_notify, LOGGED_IN, 0},
    {"RENAME", imap_cmd_rename, LOGGED_IN, IMAP_NEEDS_PUSH, .named = REMOVE},
    {"REPLACE", imap_cmd_replace, SELECTED,
     IMAP_BY_NUMBER | IMAP_TAKES_UID | IMAP_CHANGES | IMAP_NEEDS_PUSH, .selected = TAKE_AWAY,
     .named = INSERT},
    {"RESETKEY", imap_cmd_resetkey, LOGGED_IN, 0},
    {"SEARCH", imap_cmd_search, SELECTED, IMAP_BY_NUMBER | IMAP_TAKES_UID | IMAP_KEEPS_NUMBERS},
    {"SELECT", imap_cmd_select, LOGGED_IN, IMAP_NO_NEWS, .named = READ},
    {"SETACL", imap_cmd_setacl, LOGGED_IN, 0, .named = ADMINISTER},
    {"SETMETADATA", imap_cmd_setmetadata, LOGGED_IN, 0, .named = LOOKUP, .any = USE},
    {"SORT", imap_cmd_sort, SELECTED, IMAP_BY_NUMBER | IMAP_TAKES_UID | IMAP_KEEPS_NUMBERS},
    {"STARTTLS", imap_cmd_starttls, IMAP_STATE_LOGIN, 0},
    {"STATUS", imap_cmd_status, LOGGED_IN, 0, .named = READ},
    {"STORE", imap_cmd_store, SELECTED,
     IMAP_BY_NUMBER | IMAP_TAKES_UID | IMAP_KEEPS_NUMBERS | IMAP_CHANGES},
    {"SUBSCRIBE", imap_cmd_subscribe, LOGGED_IN, IMAP_NEEDS_PUSH, .named = LOOKUP},
    {"THREAD", imap_cmd_thread, SELECTED, IMAP_BY_NUMBER | IMAP_TAKES_UID | IMAP_KEEPS_NUMBERS},
    {"UNAUTHENTICATE", imap_cmd_unauthenticate, LOGGED_IN, IMAP_NO_NEWS},
    {"UNSELECT", imap_cmd_unselect, SELECTED, IMAP_NO_NEWS},
    {"UNSUBSCRIBE", imap_cmd_unsubscribe, LOGGED_IN, IMAP_NEEDS_PUSH},
    {"URLFETCH", imap_cmd_urlfetch, LOGGED_IN, 0},
};

static int compare_name(const void *name, const void *entry)
{
    return strcmp(name, ((const ImapEntry *)entry)->name);
}

const ImapEntry *imap_command_find(const char *name)
{
    return bsearch(name, commands, G_N_ELEMENTS(commands), sizeof commands[0], compare_name);
}

static gboolean state_allowed(ImapSession *session, const ImapEntry *entry)
{
    if (entry->states & imap_session_state(session))
        return TRUE;
    const char *why = session->account ? "Log out first: you are logged in" : "Log in first";
    if (session->account && entry->states == SELECTED)
        why = "Select a mailbox first";
    imap_reply(session, IMAP_BAD, NULL, why);
    return FALSE;
}

gboolean imap_command_allowed(ImapSession *session, const ImapEntry *entry)
{
    if (!state_allowed(session, entry))
        return FALSE;
    if (session->uid && !(entry->flags & (IMAP_TAKES_UID | IMAP_ONLY_UID))) {
        imap_reply_printf(session, IMAP_BAD, NULL, "There is no UID %s", entry->name);
        return FALSE;
    }
    if ((entry->flags & IMAP_BY_NUMBER) && !session->uid && imap_session_uidonly(session)) {
        imap_reply_printf(session, IMAP_BAD, "UIDREQUIRED",
                          "With UIDONLY there are no message numbers: say UID %s", entry->name);
        return FALSE;
    }
    if ((entry->flags & IMAP_CHANGES) && session->view->read_only) {
        imap_reply(session, IMAP_NO, "CANNOT", "The mailbox is open for reading only (EXAMINE)");
        return FALSE;
    }
    if (entry->selected && !imap_rights_selected(session, entry->selected))
        return FALSE;
    if ((entry->flags & IMAP_NEEDS_PUSH) && !session->account->pushes_all) {
        imap_reply_printf(
            session, IMAP_NO, "CANNOT",
            "Postern can't bring %s to the provider yet: use the provider's own server",
            entry->name);
        return FALSE;
    }
    return TRUE;
}

/* RFC 3501, 7.4.1, and RFC 7162, 3.2.10.2: where the client counts by sequence numbers, they stay;
 * so they do in a UID SEARCH for some. */
static void report(ImapSession *session, const ImapEntry *entry)
{
    if (!session->view || (entry->flags & IMAP_NO_NEWS))
        return;
    gboolean by_uid = session->uid && !session->numbered;
    imap_view_report(session, !(entry->flags & IMAP_KEEPS_NUMBERS) || by_uid);
}

void imap_command_run(ImapSession *session)
{
    const ImapCommand *command = imap_assembler_command(session->assembler);
    const ImapEntry *entry = imap_command_find(command->name);
    session->command = command;
    session->uid = command->uid;
    session->numbered = FALSE;
    session->entry = entry;
    imap_reply(session, IMAP_OK, NULL, "");
    imap_progress_begin(session);
    if (!entry) {
        imap_reply(session, IMAP_BAD, NULL, "There is no such command");
    } else if (imap_command_allowed(session, entry)) {
        ImapLexer lexer;
        imap_session_lexer(session, &lexer);
        entry->run(session, &lexer);
        report(session, entry);
        imap_notify_report(session, FALSE);
    }
    if (!session->answered)
        imap_reply_send(session);
    session->answered = FALSE;
    session->command = NULL;
}
