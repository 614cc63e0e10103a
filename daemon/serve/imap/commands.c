/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of commands. */
#include "daemon/serve/imap/commands.h"

#include "cache/folder.h"

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
#define DELETION   (CACHE_RIGHT_DELETE | CACHE_RIGHT_EXPUNGE)
#define ADMINISTER CACHE_RIGHT_ADMINISTER
#define ANYTHING                                                                                   \
    (LOOKUP | READ | INSERT | REMOVE | CACHE_RIGHT_CREATE | ADMINISTER) /* of MYRIGHTS */
#define USE (READ | INSERT | CACHE_RIGHT_SEEN | CACHE_RIGHT_WRITE | CACHE_RIGHT_POST)

static const ImapCommandRule commands[] = {
    {"APPEND", imap_cmd_append, LOGGED_IN, 0, .named = INSERT},
    {"AUTHENTICATE", imap_cmd_authenticate, IMAP_STATE_LOGIN, 0},
    {"CANCELUPDATE", imap_cmd_cancelupdate, SELECTED, 0},
    {"CAPABILITY", imap_cmd_capability, ANY, 0},
    {"CHECK", imap_cmd_check, SELECTED, 0},
    {"CLOSE", imap_cmd_close, SELECTED, IMAP_NO_NEWS},
    {"COMPRESS", imap_cmd_compress, LOGGED_IN, 0},
    {"COPY", imap_cmd_copy, SELECTED, IMAP_BY_NUMBER | IMAP_ALLOWS_UID, .named = INSERT},
    {"CREATE", imap_cmd_create, LOGGED_IN, 0},
    {"DELETE", imap_cmd_delete, LOGGED_IN, 0, .named = REMOVE},
    {"DELETEACL", imap_cmd_deleteacl, LOGGED_IN, 0, .named = ADMINISTER},
    {"ENABLE", imap_cmd_enable, LOGGED_IN, 0},
    {"ESEARCH", imap_cmd_esearch, LOGGED_IN, IMAP_ALLOWS_UID | IMAP_KEEPS_NUMBERS, .named = READ},
    {"EXAMINE", imap_cmd_examine, LOGGED_IN, IMAP_NO_NEWS, .named = READ},
    {"EXPUNGE", imap_cmd_expunge, SELECTED, IMAP_ALLOWS_UID | IMAP_CHANGES, .selected = EXPUNGE},
    {"FETCH", imap_cmd_fetch, SELECTED, IMAP_BY_NUMBER | IMAP_ALLOWS_UID | IMAP_KEEPS_NUMBERS},
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
    {"MOVE", imap_cmd_move, SELECTED, IMAP_BY_NUMBER | IMAP_ALLOWS_UID | IMAP_CHANGES,
     .selected = DELETION, .named = INSERT},
    {"MYRIGHTS", imap_cmd_myrights, LOGGED_IN, 0, .any = ANYTHING},
    {"NAMESPACE", imap_cmd_namespace, LOGGED_IN, 0},
    {"NOOP", imap_cmd_noop, ANY, 0},
    {"NOTIFY", imap_cmd_notify, LOGGED_IN, 0},
    {"RENAME", imap_cmd_rename, LOGGED_IN, 0, .named = REMOVE},
    {"REPLACE", imap_cmd_replace, SELECTED, IMAP_BY_NUMBER | IMAP_ALLOWS_UID | IMAP_CHANGES,
     .selected = DELETION, .named = INSERT},
    {"RESETKEY", imap_cmd_resetkey, LOGGED_IN, 0},
    {"SEARCH", imap_cmd_search, SELECTED, IMAP_BY_NUMBER | IMAP_ALLOWS_UID | IMAP_KEEPS_NUMBERS},
    {"SELECT", imap_cmd_select, LOGGED_IN, IMAP_NO_NEWS, .named = READ},
    {"SETACL", imap_cmd_setacl, LOGGED_IN, 0, .named = ADMINISTER},
    {"SETMETADATA", imap_cmd_setmetadata, LOGGED_IN, 0, .named = LOOKUP, .any = USE},
    {"SORT", imap_cmd_sort, SELECTED, IMAP_BY_NUMBER | IMAP_ALLOWS_UID | IMAP_KEEPS_NUMBERS},
    {"STARTTLS", imap_cmd_starttls, IMAP_STATE_LOGIN, 0},
    {"STATUS", imap_cmd_status, LOGGED_IN, 0, .named = READ},
    {"STORE", imap_cmd_store, SELECTED,
     IMAP_BY_NUMBER | IMAP_ALLOWS_UID | IMAP_KEEPS_NUMBERS | IMAP_CHANGES},
    {"SUBSCRIBE", imap_cmd_subscribe, LOGGED_IN, 0, .named = LOOKUP},
    {"THREAD", imap_cmd_thread, SELECTED, IMAP_BY_NUMBER | IMAP_ALLOWS_UID | IMAP_KEEPS_NUMBERS},
    {"UNAUTHENTICATE", imap_cmd_unauthenticate, LOGGED_IN, IMAP_NO_NEWS},
    {"UNSELECT", imap_cmd_unselect, SELECTED, IMAP_NO_NEWS},
    {"UNSUBSCRIBE", imap_cmd_unsubscribe, LOGGED_IN, 0},
    {"URLFETCH", imap_cmd_urlfetch, LOGGED_IN, 0},
};

static int compare_name(const void *name, const void *rule)
{
    return strcmp(name, ((const ImapCommandRule *)rule)->name);
}

const ImapCommandRule *imap_command_find(const char *name)
{
    return bsearch(name, commands, G_N_ELEMENTS(commands), sizeof commands[0], compare_name);
}
