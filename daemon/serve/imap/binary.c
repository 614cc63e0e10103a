/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decoding sections in pieces. See binary.h. */
#include "daemon/serve/imap/binary.h"

#include "daemon/proto/mime/section.h"
#include "daemon/serve/imap/reply.h"

/* Encoded octets read at once: few at first, since often just the beginning is wanted; a part of
 * the cache is decompressed as a whole, so later ones had better be large. */
#define FIRST_PIECE ((gsize)(64 * 1024))
#define LAST_PIECE  ((gsize)(1024 * 1024))

struct ImapBinary {
    gint64 message;
    guint64 offset, end; /* encoded octets that are still to be read */
    gsize next;          /* so many of them at once */
    MimeDecoder *decoder;
    guint64 skip; /* decoded octets that are passed over */
};

/* The window of the decoded section that was asked for, and what was seen of it. */
typedef struct {
    guint64 first, end;
    guint64 decoded; /* octets of the section so far */
    gboolean has_nul;
} Window;

void imap_binary_free(ImapBinary *binary)
{
    if (!binary)
        return;
    mime_decoder_free(binary->decoder);
    g_free(binary);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapBinary, imap_binary_free)

/* ---- where it is ----------------------------------------------------------------------------- */

typedef struct {
    gint64 message;
    gsize offset, length; /* 0: there is no such section, or it is empty */
    MimeEncoding encoding;
} Section;

static gboolean find_section(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row,
                             Section *section)
{
    g_autoptr(MimeStructure) structure = imap_fetch_structure(run, row);
    if (!structure)
        return FALSE;
    section->message = row->placement->message;
    section->encoding = mime_section_encoding(structure, &plan->item->section);
    mime_section_find(structure, &plan->item->section, &section->offset, &section->length);
    return TRUE;
}

static ImapBinary *begin_decoding(const Section *section, guint64 skip, GError **error)
{
    MimeDecoder *decoder = mime_decoder_new(section->encoding, error);
    if (!decoder)
        return NULL;
    ImapBinary *binary = g_new0(ImapBinary, 1);
    *binary = (ImapBinary){section->message, section->offset, section->offset + section->length,
                           FIRST_PIECE,      decoder,         skip};
    return binary;
}

/* Decodes one piece into run->scratch. */
static gboolean decode_piece(ImapFetchRun *run, ImapBinary *binary)
{
    gsize size = MIN(binary->next, binary->end - binary->offset);
    g_autoptr(GBytes) bytes =
        cache_content_read(run->txn, binary->message, binary->offset, size, &run->error);
    gsize length;
    const char *data = bytes ? g_bytes_get_data(bytes, &length) : NULL;
    if (!bytes)
        return FALSE;
    if (length != size) {
        g_set_error(&run->error, CACHE_ERROR, CACHE_ERROR_CORRUPT, "A message is cut off");
        return FALSE;
    }
    g_string_truncate(run->scratch, 0);
    mime_decoder_step(binary->decoder, data, length, run->scratch);
    binary->offset += length;
    binary->next = MIN(binary->next * 2, LAST_PIECE);
    if (binary->offset == binary->end)
        mime_decoder_end(binary->decoder, run->scratch);
    return TRUE;
}

/* ---- how much it is -------------------------------------------------------------------------- */

/* Where a window's octets are in a piece that begins at `at` of the section. */
static void overlap(const Window *window, guint64 at, gsize length, gsize *from, gsize *to)
{
    guint64 end = at + length;
    *from = (gsize)(CLAMP(window->first, at, end) - at);
    *to = (gsize)(CLAMP(window->end, at, end) - at);
    *to = MAX(*from, *to);
}

/* Decodes until the window's end, or the section's. The window is in `kept` afterwards, if it is
 * no larger than a piece. */
static gboolean look(ImapFetchRun *run, ImapBinary *binary, Window *window, GString *kept)
{
    while (binary->offset < binary->end && window->decoded < window->end) {
        gsize from, to;
        if (!decode_piece(run, binary))
            return FALSE;
        overlap(window, window->decoded, run->scratch->len, &from, &to);
        const char *octets = run->scratch->str + from;
        window->has_nul |= memchr(octets, 0, to - from) != NULL;
        if (kept->len <= LAST_PIECE)
            g_string_append_len(kept, octets, (gssize)(to - from));
        window->decoded += run->scratch->len;
    }
    window->end = MIN(window->end, window->decoded);
    window->first = MIN(window->first, window->end);
    return TRUE;
}

/* ---- the items ------------------------------------------------------------------------------- */

static Window window_of(const ImapFetchItem *item)
{
    if (!item->partial)
        return (Window){.end = G_MAXUINT64};
    return (Window){.first = item->offset,
                    .end = item->offset + MIN(item->length, G_MAXUINT64 - item->offset)};
}

static void announce(ImapFetchRun *run, const Window *window)
{
    GString *out = run->session->out;
    if (window->has_nul)
        imap_out_literal(out, "~");
    imap_out_literal(out, "{");
    imap_out_number(out, window->end - window->first);
    imap_out_literal(out, "}\r\n");
}

gboolean imap_binary_emit(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    Section section = {};
    Window window = window_of(plan->item);
    g_autoptr(GString) kept = g_string_new(NULL);
    if (!find_section(run, plan, row, &section))
        return FALSE;
    g_autoptr(ImapBinary) looked = begin_decoding(&section, 0, &run->error);
    if (!looked || !look(run, looked, &window, kept))
        return FALSE;
    announce(run, &window);
    guint64 length = window.end - window.first;
    if (kept->len == length) {
        imap_out_bytes(run->session->out, kept->str, kept->len);
        return TRUE;
    }
    run->stream = (ImapFetchStream){.message = section.message,
                                    .left = length,
                                    .binary = begin_decoding(&section, window.first, &run->error)};
    return imap_fetch_pump(run) && run->stream.left == 0;
}

gboolean imap_binary_pump(ImapFetchRun *run)
{
    ImapFetchStream *stream = &run->stream;
    if (stream->binary->offset == stream->binary->end) {
        g_set_error(&run->error, CACHE_ERROR, CACHE_ERROR_CORRUPT, "A message is cut off");
        return FALSE;
    }
    if (!decode_piece(run, stream->binary))
        return FALSE;
    gsize skip = (gsize)MIN(stream->binary->skip, run->scratch->len);
    gsize length = (gsize)MIN(stream->left, run->scratch->len - skip);
    imap_out_bytes(run->session->out, run->scratch->str + skip, length);
    stream->binary->skip -= skip;
    stream->left -= length;
    if (stream->left == 0)
        g_clear_pointer(&stream->binary, imap_binary_free);
    return TRUE;
}

gboolean imap_binary_emit_size(ImapFetchRun *run, const ImapFetchPlan *plan,
                               const CacheFetchRow *row)
{
    Section section = {};
    Window none = {.first = G_MAXUINT64, .end = G_MAXUINT64};
    g_autoptr(GString) kept = g_string_new(NULL);
    if (!find_section(run, plan, row, &section))
        return FALSE;
    g_autoptr(ImapBinary) looked = begin_decoding(&section, 0, &run->error);
    if (!looked || (section.encoding != MIME_ENCODING_IDENTITY && !look(run, looked, &none, kept)))
        return FALSE;
    imap_out_number(run->session->out,
                    section.encoding == MIME_ENCODING_IDENTITY ? section.length : none.decoded);
    return TRUE;
}
