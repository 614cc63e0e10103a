/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From an IMAP URL to the octets it names. */
#include "daemon/serve/imap/url-content.h"

#include "cache/content.h"
#include "cache/folder.h"
#include "daemon/proto/imap/url.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/section.h"
#include "daemon/serve/imap/need.h"
#include "daemon/serve/imap/view.h"

static gboolean not_found(const char *what, GError **error)
{
    g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, what);
    return FALSE;
}

/* Gives the message's number. */
static gboolean find_message(ImapSession *session, const ImapUrl *url, gint64 *message,
                             CacheContentState *state, GError **error)
{
    CachePlacement placement;
    if (!url->mailbox && !session->view)
        return not_found("The URL names no mailbox, and none is selected", error);
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, error);
    if (!txn)
        return FALSE;
    g_autoptr(CacheFolder) folder = url->mailbox
                                        ? cache_folder_find(txn, url->mailbox, error)
                                        : cache_folder_get(txn, session->view->folder, error);
    if (!folder)
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

static gboolean bring(ImapSession *session, gint64 message, GError **error)
{
    ImapNeed need = {0};
    imap_need(session, &need, &message, 1, CACHE_CONTENT_FULL);
    if (!need.error)
        return TRUE;
    g_propagate_error(error, need.error);
    return FALSE;
}

static GBytes *read_message(ImapSession *session, gint64 message, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, error);
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

static GBytes *cut_partial(GBytes *bytes, const ImapUrl *url)
{
    gsize size = g_bytes_get_size(bytes), offset = MIN(url->offset, size);
    gsize length = url->length ? MIN(url->length, size - offset) : size - offset;
    return g_bytes_new_from_bytes(bytes, offset, length);
}

GBytes *imap_url_content(ImapSession *session, const char *text, GError **error)
{
    gint64 message;
    CacheContentState state;
    g_autoptr(ImapUrl) url = imap_url_parse(text, error);
    if (!url)
        return NULL;
    /* RFC 4469, 3: only what this session can read itself. */
    if (url->host) {
        not_found("The URL is of another server", error);
        return NULL;
    }
    if (!find_message(session, url, &message, &state, error) ||
        (state < CACHE_CONTENT_FULL && !bring(session, message, error)))
        return NULL;
    g_autoptr(GBytes) bytes = read_message(session, message, error);
    if (bytes && url->has_section) {
        GBytes *section = cut_section(bytes, &url->section, error);
        g_bytes_unref(bytes);
        bytes = section;
    }
    return bytes && url->partial ? cut_partial(bytes, url) : g_steal_pointer(&bytes);
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
