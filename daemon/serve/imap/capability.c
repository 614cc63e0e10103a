/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The capability line, from a table: each capability names the state it is of use in and the
 * command that makes it true, so nothing is advertised that isn't there.
 */
#include "daemon/serve/imap/capability.h"

#include "daemon/proto/imap/rights.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/enable.h"
#include "daemon/serve/imap/labels.h"
#include "daemon/serve/imap/quota.h"
#include "daemon/serve/imap/reply.h"

typedef struct {
    const char *name;
    guint states;
    const char *command;                       /* must be in the table of commands; or NULL */
    guint enables;                             /* ImapEnabled bits that ENABLE of it sets */
    gboolean (*offered)(ImapSession *session); /* one more condition, or NULL */
    guint64 (*value)(ImapSession *session);    /* stands behind the name, or NULL */
    guint mode; /* ImapMode bits: what it adds to the grammar, once it has been announced */
} Capability;

#define ANY       (IMAP_STATE_LOGIN | IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED)
#define LOGGED_IN (IMAP_STATE_AUTHENTICATED | IMAP_STATE_SELECTED)

static gboolean can_start_tls(ImapSession *session)
{
    return imap_session_can_start_tls(session);
}

static gboolean can_compress(ImapSession *session)
{
    return !session->compressed;
}

static gboolean has_quota(ImapSession *session)
{
    return imap_quota_known(session, NULL);
}

static gboolean has_quota_storage(ImapSession *session)
{
    return imap_quota_known(session, "STORAGE");
}

static gboolean has_quota_message(ImapSession *session)
{
    return imap_quota_known(session, "MESSAGE");
}

static guint64 append_limit(ImapSession *session)
{
    return session->limits->message;
}

static const Capability capabilities[] = {
    {"IMAP4rev1", ANY},
    {"IMAP4rev2", ANY, "MOVE", IMAP_ENABLED_REV2},
    {"LITERAL+", ANY}, /* RFC 7888, 5: then not LITERAL-, which is the same with a limit */
    {"SASL-IR", ANY, "AUTHENTICATE"},
    {"ID", ANY, "ID"},
    {"ENABLE", ANY, "ENABLE"},
    {"STARTTLS", IMAP_STATE_LOGIN, "STARTTLS", 0, can_start_tls},
    {"IDLE", LOGGED_IN, "IDLE"},
    {"NAMESPACE", LOGGED_IN, "NAMESPACE"},
    {"NOTIFY", LOGGED_IN, "NOTIFY"},
    {"CHILDREN", LOGGED_IN, "LIST"},
    {"SPECIAL-USE", LOGGED_IN, "LIST"},
    {"CREATE-SPECIAL-USE", LOGGED_IN, "CREATE"},
    {"UNSELECT", LOGGED_IN, "UNSELECT"},
    {"CONDSTORE", LOGGED_IN, "STORE", IMAP_ENABLED_CONDSTORE},
    {"QRESYNC", LOGGED_IN, "SELECT", IMAP_ENABLED_QRESYNC},
    {"ESEARCH", LOGGED_IN, "SEARCH"},
    {"SEARCHRES", LOGGED_IN, "SEARCH"},
    {"PARTIAL", LOGGED_IN, "SEARCH"},
    {"WITHIN", LOGGED_IN, "SEARCH"},
    {"INPROGRESS", LOGGED_IN, "SEARCH"},
    {"MULTISEARCH", LOGGED_IN, "ESEARCH"},
    {"FILTERS", LOGGED_IN, "GETMETADATA"},
    {"SEARCH=FUZZY", LOGGED_IN, "SEARCH"},
    {"SORT", LOGGED_IN, "SORT"},
    {"SORT=DISPLAY", LOGGED_IN, "SORT"},
    {"ESORT", LOGGED_IN, "SORT"},
    {"CONTEXT=SEARCH", LOGGED_IN, "CANCELUPDATE"},
    {"CONTEXT=SORT", LOGGED_IN, "CANCELUPDATE"},
    {"THREAD=ORDEREDSUBJECT", LOGGED_IN, "THREAD"},
    {"THREAD=REFERENCES", LOGGED_IN, "THREAD"},
    {"THREAD=REFS", LOGGED_IN, "THREAD"},
    {"I18NLEVEL=1", LOGGED_IN, "SORT"},
    {"LIST-EXTENDED", LOGGED_IN, "LIST"},
    {"LIST-STATUS", LOGGED_IN, "LIST"},
    {"LIST-MYRIGHTS", LOGGED_IN, "MYRIGHTS"},
    {"LIST-METADATA", LOGGED_IN, "GETMETADATA"},
    {"ACL", LOGGED_IN, "MYRIGHTS"},
    {"RIGHTS=" IMAP_RIGHTS_NEW, LOGGED_IN, "MYRIGHTS"},
    {"METADATA", LOGGED_IN, "GETMETADATA"},
    {"STATUS=SIZE", LOGGED_IN, "STATUS"},
    {"OBJECTID", LOGGED_IN, "FETCH"},
    {"SAVEDATE", LOGGED_IN, "FETCH"},
    {"PREVIEW", LOGGED_IN, "FETCH"},
    {"UIDPLUS", LOGGED_IN, "EXPUNGE"},
    {"MOVE", LOGGED_IN, "MOVE"},
    {"MULTIAPPEND", LOGGED_IN, "APPEND"},
    {"CATENATE", LOGGED_IN, "APPEND"},
    {"REPLACE", LOGGED_IN, "REPLACE"},
    {"APPENDLIMIT=", LOGGED_IN, "APPEND", 0, NULL, append_limit},
    {"BINARY", LOGGED_IN, "FETCH"},
    {"URLAUTH", LOGGED_IN, "GENURLAUTH"},
    {"URLAUTH=BINARY", LOGGED_IN, "URLFETCH"},
    {"URL-PARTIAL", LOGGED_IN, "URLFETCH"},
    {"UIDONLY", LOGGED_IN, "FETCH", IMAP_ENABLED_UIDONLY},
    {"UTF8=ACCEPT", LOGGED_IN, "ENABLE", IMAP_ENABLED_UTF8},
    {"QUOTA", LOGGED_IN, "GETQUOTA", 0, has_quota},
    {"QUOTA=RES-STORAGE", LOGGED_IN, "GETQUOTA", 0, has_quota_storage},
    {"QUOTA=RES-MESSAGE", LOGGED_IN, "GETQUOTA", 0, has_quota_message},
    {"COMPRESS=DEFLATE", LOGGED_IN, "COMPRESS", 0, can_compress},
    {"UNAUTHENTICATE", LOGGED_IN, "UNAUTHENTICATE"},
    {"X-GM-EXT-1", LOGGED_IN, "STORE", 0, imap_labels_offered, NULL, IMAP_MODE_GMAIL},
};

static gboolean is_offered(ImapSession *session, const Capability *capability)
{
    if (!(capability->states & imap_session_state(session)))
        return FALSE;
    if (capability->command && !imap_command_find(capability->command))
        return FALSE;
    return !capability->offered || capability->offered(session);
}

static void append_mechanisms(ImapSession *session, GString *out)
{
    g_auto(GStrv) mechanisms = g_strsplit(serve_sasl_mechanisms(session->stream), " ", -1);
    for (char **mechanism = mechanisms; *mechanism; mechanism++)
        if (**mechanism)
            g_string_append_printf(out, " AUTH=%s", *mechanism);
}

static void append_capabilities(ImapSession *session, GString *out)
{
    const char *separator = "";
    for (gsize i = 0; i < G_N_ELEMENTS(capabilities); i++) {
        if (!is_offered(session, &capabilities[i]))
            continue;
        g_string_append(out, separator);
        g_string_append(out, capabilities[i].name);
        if (capabilities[i].value)
            g_string_append_printf(out, "%" G_GUINT64_FORMAT, capabilities[i].value(session));
        separator = " ";
    }
    if (!session->account)
        append_mechanisms(session, out);
}

void imap_capability_announce(ImapSession *session, GString *out)
{
    append_capabilities(session, out);
    for (gsize i = 0; i < G_N_ELEMENTS(capabilities); i++)
        if (capabilities[i].mode && is_offered(session, &capabilities[i]))
            session->mode |= capabilities[i].mode;
}

static const Capability *find_capability(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(capabilities); i++)
        if (g_ascii_strcasecmp(capabilities[i].name, name) == 0)
            return &capabilities[i];
    return NULL;
}

void imap_cmd_capability(ImapSession *session, ImapLexer *lexer)
{
    if (!imap_reply_end(session, lexer))
        return;
    g_string_append(session->out, "* CAPABILITY ");
    imap_capability_announce(session, session->out);
    g_string_append(session->out, "\r\n");
}

/* ---- ENABLE (RFC 5161) ----------------------------------------------------------------------- */

/* The bits that a name stands for; 0 where it can't be enabled. */
static guint enabled_by(ImapSession *session, const char *name)
{
    const Capability *capability = find_capability(name);
    return capability && is_offered(session, capability) ? capability->enables : 0;
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
        guint bit = enabled_by(session, name);
        if (bit & ~(bits | session->enabled))
            g_string_append_printf(enabled, " %s", name);
        bits |= bit;
    } while (!imap_lexer_at_end(lexer));
    g_string_append(session->out, enabled->str);
    g_string_append(session->out, "\r\n");
    imap_enable(session, bits);
}
