/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From an IMAP URL to the octets it names. */
#include "daemon/serve/imap/url-content.h"

#include "cache/content.h"
#include "cache/folder.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/section.h"
#include "daemon/serve/imap/rights.h"
#include "daemon/serve/imap/urlauth.h"
#include "daemon/serve/imap/view.h"

static gboolean not_found(const char *what, GError **error)
{
    g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, what);
    return FALSE;
}

/* Gives the message's number. */
static gboolean find_message(ImapSession *session, Cache *cache, const ImapUrl *url,
                             gint64 *message, CacheContentState *state, GError **error)
{
    CachePlacement placement;
    if (!url->mailbox && !session->view)
        return not_found("The URL names no mailbox, and none is selected", error);
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    if (!txn)
        return FALSE;
    g_autoptr(CacheFolder) folder = url->mailbox
                                        ? cache_folder_find(txn, url->mailbox, error)
                                        : cache_folder_get(txn, session->view->folder, error);
    if (!folder || !imap_rights_allow(folder, CACHE_RIGHT_READ, 0, error))
        return FALSE;
    if (url->uidvalidity && url->uidvalidity != folder->uidvalidity)
        return not_found("The mailbox has another UIDVALIDITY", error);
    if (!cache_placement_get(txn, folder->id, url->uid, &placement, error))
        return FALSE;
    if (!placement.alive)
        return not_found("The message has been expunged", error);
    *message = placement.message;
    *state = cache_content_state(txn, placement.message);
    return TRUE;
}

static gboolean bring(ImapSession *session, ServeAccount *account, gint64 message, GError **error)
{
    return fetch_content(account->bodies, &message, 1, CACHE_CONTENT_FULL,
                         net_stream_cancel(session->stream), error);
}

static GBytes *read_message(Cache *cache, gint64 message, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    guint64 size = txn ? cache_content_size(txn, message, error) : 0;
    return size ? cache_content_read(txn, message, 0, size, error) : NULL;
}

/* HEADER.FIELDS is made of the header; everything else is a piece of the message. */
static GBytes *cut_section(GBytes *message, const ImapSection *section, GError **error)
{
    gsize size, offset, length;
    const char *octets = g_bytes_get_data(message, &size);
    g_autoptr(MimeStructure) structure = mime_structure_parse(octets, size, &mime_default_limits);
    if (!mime_section_find(structure, section, &offset, &length)) {
        not_found("The message has no such section", error);
        return NULL;
    }
    if (!section->fields)
        return g_bytes_new_from_bytes(message, offset, length);
    g_autoptr(MimeFieldSet) names = mime_field_set_new((const char *const *)section->fields);
    GString *fields = g_string_new(NULL);
    mime_header_filter(octets + offset, length, names, section->kind == IMAP_SECTION_HEADER_FIELDS,
                       fields);
    return g_string_free_to_bytes(fields);
}

GBytes *imap_url_cut_partial(GBytes *bytes, const ImapUrl *url)
{
    if (!url->partial)
        return g_bytes_ref(bytes);
    gsize size = g_bytes_get_size(bytes), offset = MIN(url->offset, size);
    gsize length = url->length ? MIN(url->length, size - offset) : size - offset;
    return g_bytes_new_from_bytes(bytes, offset, length);
}

GBytes *imap_url_message(ImapSession *session, ServeAccount *account, const ImapUrl *url,
                         GError **error)
{
    gint64 message = 0;
    CacheContentState state = CACHE_CONTENT_NONE;
    if (!find_message(session, account->cache, url, &message, &state, error) ||
        (state < CACHE_CONTENT_FULL && !bring(session, account, message, error)))
        return NULL;
    return read_message(account->cache, message, error);
}

GBytes *imap_url_cut(GBytes *message, const ImapUrl *url, GError **error)
{
    g_autoptr(GBytes) bytes =
        url->has_section ? cut_section(message, &url->section, error) : g_bytes_ref(message);
    return bytes ? imap_url_cut_partial(bytes, url) : NULL;
}

/* RFC 4469, 3: what this session can read itself, or was given access to (RFC 4467). */
static ServeAccount *find_account(ImapSession *session, const ImapUrl *url, const char *text,
                                  GError **error)
{
    if (url->token)
        return imap_urlauth_verify(session, url, text, error);
    if (!url->host && !url->access)
        return serve_account_ref(session->account);
    not_found("The URL is of another server", error);
    return NULL;
}

GBytes *imap_url_content(ImapSession *session, const char *text, GError **error)
{
    g_autoptr(ImapUrl) url = imap_url_parse(text, error);
    g_autoptr(ServeAccount) account = url ? find_account(session, url, text, error) : NULL;
    g_autoptr(GBytes) message = account ? imap_url_message(session, account, url, error) : NULL;
    return message ? imap_url_cut(message, url, error) : NULL;
}

char *imap_url_bad_code(const char *url)
{
    GString *code = g_string_new("BADURL \"");
    for (const char *c = url; *c; c++)
        if (g_ascii_isgraph(*c) && !strchr("\"\\]", *c))
            g_string_append_c(code, *c);
        else
            g_string_append_printf(code, "%%%02X", (guint8)*c);
    g_string_append_c(code, '"');
    return g_string_free(code, FALSE);
}
