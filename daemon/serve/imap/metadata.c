/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GETMETADATA and SETMETADATA (RFC 5464). Everything is kept locally; names are in lower case. */
#include "daemon/serve/imap/metadata.h"

#include "cache/annotation.h"
#include "daemon/proto/imap/metadata-args.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/proto/imap/search-args.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/mailboxes.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"

/* RFC 5464, 4.1: at least 1024 octets and 10 entries. */
#define VALUE_MAX   (64 * 1024)
#define ENTRIES_MAX 1000

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct {
    ImapSession *session;
    const CacheFolder *folder; /* NULL: the server */
    const GPtrArray *stored;   /* CacheAnnotation */
    guint64 max_size;
    guint depth;
    guint64 longest; /* of those that are too long */
    gboolean begun;
} Reading;

static void append_value(GString *out, GBytes *value)
{
    gsize length;
    const char *octets = g_bytes_get_data(value, &length);
    if (length && memchr(octets, 0, length)) {
        imap_out_literal(out, "~");
        imap_out_octets(out, octets, length);
    } else {
        imap_quote_append_string(out, octets ? octets : "", length, FALSE);
    }
}

/* `value` NULL: NIL. */
static void tell_value(Reading *reading, const char *entry, GBytes *value)
{
    GString *out = reading->session->out;
    if (value && g_bytes_get_size(value) > reading->max_size) {
        reading->longest = MAX(reading->longest, g_bytes_get_size(value));
        return;
    }
    if (reading->begun) {
        g_string_append_c(out, ' ');
    } else {
        g_string_append(out, "* METADATA ");
        imap_quote_append_mailbox(out, reading->folder ? reading->folder->name : "",
                                  imap_session_utf8(reading->session));
        g_string_append(out, " (");
        reading->begun = TRUE;
    }
    imap_quote_append_astring(out, entry, strlen(entry), FALSE);
    g_string_append_c(out, ' ');
    if (value)
        append_value(out, value);
    else
        g_string_append(out, "NIL");
}

/* How many levels `entry` is below `above`; -1: it isn't. */
static int levels_below(const char *entry, const char *above)
{
    gsize length = strlen(above);
    int levels = 0;
    if (!g_str_has_prefix(entry, above) || (entry[length] && entry[length] != '/'))
        return -1;
    for (const char *c = entry + length; *c; c++)
        levels += *c == '/';
    return levels;
}

/* RFC 6154, 4: what the mailbox is for, as LIST tells it. */
static GBytes *special_use(const CacheFolder *folder)
{
    const char *role = folder ? imap_role_name(folder->role) : NULL;
    return role ? g_bytes_new_static(role, strlen(role)) : NULL;
}

/* What was asked for by name is told even if there is no such entry. */
static void tell_entry(Reading *reading, const char *entry)
{
    g_autofree char *folded = g_ascii_strdown(entry, -1);
    gboolean told = FALSE;
    if (g_str_equal(folded, "/private/specialuse")) {
        g_autoptr(GBytes) use = special_use(reading->folder);
        tell_value(reading, entry, use);
        return;
    }
    for (guint i = 0; i < reading->stored->len; i++) {
        const CacheAnnotation *stored = reading->stored->pdata[i];
        int levels = levels_below(stored->entry, folded);
        if (levels < 0 || (guint)levels > reading->depth)
            continue;
        tell_value(reading, levels ? stored->entry : entry, stored->value);
        told = TRUE;
    }
    if (!told && reading->depth == 0)
        tell_value(reading, entry, NULL);
}

static gboolean read_entries(Reading *reading, CacheTxn *txn, const GPtrArray *entries,
                             GError **error)
{
    gint64 folder = reading->folder ? reading->folder->id : CACHE_ANNOTATION_ACCOUNT;
    g_autoptr(GPtrArray) stored = cache_annotations(txn, folder, error);
    if (!stored)
        return FALSE;
    reading->stored = stored;
    for (guint i = 0; i < entries->len; i++)
        tell_entry(reading, entries->pdata[i]);
    if (reading->begun)
        g_string_append(reading->session->out, ")\r\n");
    return TRUE;
}

gboolean imap_metadata_format(ImapSession *session, CacheTxn *txn, const CacheFolder *folder,
                              const GPtrArray *entries, GError **error)
{
    Reading reading = {.session = session, .folder = folder, .max_size = G_MAXUINT64};
    return read_entries(&reading, txn, entries, error);
}

static gboolean get_metadata(Reading *reading, const ImapGetMetadataArgs *args, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(reading->session->account->cache, CACHE_READ, error);
    g_autoptr(CacheFolder) folder = NULL;
    if (!txn || (*args->mailbox &&
                 !(folder = imap_rights_find(reading->session, txn, args->mailbox, error))))
        return FALSE;
    reading->folder = folder;
    return read_entries(reading, txn, args->entries, error);
}

void imap_cmd_getmetadata(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapGetMetadataArgs) args = imap_getmetadata_args_parse(lexer, &error);
    if (!args) {
        imap_reply_error(session, error);
        return;
    }
    Reading reading = {.session = session, .max_size = args->max_size, .depth = args->depth};
    if (!get_metadata(&reading, args, &error)) {
        imap_reply_error(session, error);
    } else if (reading.longest) { /* RFC 5464, 4.2.1 */
        g_autofree char *code =
            g_strdup_printf("METADATA LONGENTRIES %" G_GUINT64_FORMAT, reading.longest);
        imap_reply(session, IMAP_OK, code, "Some values are longer.");
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

static gboolean is_filter(const char *entry)
{
    return g_str_has_prefix(entry, "/private" IMAP_METADATA_FILTERS) ||
           g_str_has_prefix(entry, "/shared" IMAP_METADATA_FILTERS);
}

/* RFC 5466, 3.2: a filter is a whole search program. */
static gboolean check_filter(ImapSession *session, GBytes *value, GError **error)
{
    gsize length;
    const char *octets = g_bytes_get_data(value, &length);
    g_autofree char *text = g_strndup(octets ? octets : "", length);
    g_autoptr(ImapSearchKey) key =
        imap_search_program_parse(text, session->limits, session->mode, error);
    return key != NULL;
}

/* Whether the entry can have that value; else the answer is set. */
static gboolean is_entry_acceptable(ImapSession *session, gboolean server, const char *entry,
                                    GBytes *value)
{
    g_autoptr(GError) error = NULL;
    if (g_str_equal(entry, "/private/specialuse") ||
        (server && g_str_equal(entry, "/shared/admin"))) {
        imap_reply_printf(session, IMAP_NO, "CANNOT", "%s can only be read", entry);
        return FALSE;
    }
    if (value && g_bytes_get_size(value) > VALUE_MAX) {
        g_autofree char *code = g_strdup_printf("METADATA MAXSIZE %d", VALUE_MAX);
        imap_reply(session, IMAP_NO, code, "The value is too long");
        return FALSE;
    }
    if (server && value && is_filter(entry) && !check_filter(session, value, &error)) {
        imap_reply_printf(session, IMAP_NO, "CANNOT", "That is no search: %s", error->message);
        return FALSE;
    }
    return TRUE;
}

/* All or nothing (RFC 5464, 4.3). FALSE: the answer is set. */
static gboolean set_entries(ImapSession *session, CacheTxn *txn, gint64 folder,
                            const ImapSetMetadataArgs *args)
{
    g_autoptr(GError) error = NULL;
    gboolean server = folder == CACHE_ANNOTATION_ACCOUNT;
    for (guint i = 0; i < args->entries->len; i++) {
        g_autofree char *entry = g_ascii_strdown(args->entries->pdata[i], -1);
        if (!is_entry_acceptable(session, server, entry, args->values->pdata[i]))
            return FALSE;
        if (!cache_annotation_set(txn, folder, entry, args->values->pdata[i], &error)) {
            imap_reply_error(session, error);
            return FALSE;
        }
    }
    g_autoptr(GPtrArray) stored = cache_annotations(txn, folder, &error);
    if (!stored)
        imap_reply_error(session, error);
    else if (stored->len > ENTRIES_MAX)
        imap_reply(session, IMAP_NO, "METADATA TOOMANY", "There are too many entries");
    return stored && stored->len <= ENTRIES_MAX;
}

void imap_cmd_setmetadata(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapSetMetadataArgs) args = imap_setmetadata_args_parse(lexer, &error);
    g_autoptr(CacheTxn) txn =
        args ? cache_begin(session->account->cache, CACHE_WRITE_FULL, &error) : NULL;
    g_autoptr(CacheFolder) folder =
        txn && *args->mailbox ? imap_rights_find(session, txn, args->mailbox, &error) : NULL;
    if (!error && set_entries(session, txn, folder ? folder->id : CACHE_ANNOTATION_ACCOUNT, args))
        cache_commit(g_steal_pointer(&txn), &error);
    if (error)
        imap_reply_error(session, error);
}
