/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of FETCH items (RFC 3501, 6.4.5 and 7.4.2). */
#include "daemon/serve/imap/fetch-items.h"

#include "cache/message.h"

#include "daemon/proto/imap/response-fetch.h"
#include "daemon/proto/mime/bodystructure.h"
#include "daemon/proto/mime/section.h"
#include "daemon/proto/mime/text.h"
#include "daemon/serve/imap/binary.h"
#include "daemon/serve/imap/labels.h"
#include "daemon/serve/imap/objectid.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

/* A part of the cache is decompressed as a whole, so a stream reads several at once. */
#define STREAM_BYTES (1024 * 1024)

#define BODY_DEPTH_MAX 10000

/* ---- from the placement ---------------------------------------------------------------------- */

static gboolean emit_uid(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    imap_out_number(run->session->out, row->placement->uid);
    return TRUE;
}

static gboolean emit_flags(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    imap_view_append_flags(run->session, row->placement->uid, run->flags);
    return TRUE;
}

static void append_date(GString *out, gint64 time, gint32 zone)
{
    ImapDateTime date = {time, zone};
    imap_date_time_format(&date, out);
}

static gboolean emit_internaldate(ImapFetchRun *run, const ImapFetchPlan *plan,
                                  const CacheFetchRow *row)
{
    append_date(run->session->out, row->placement->date, row->placement->zone);
    return TRUE;
}

static gboolean emit_size(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    imap_out_number(run->session->out, row->placement->size);
    return TRUE;
}

static gboolean emit_modseq(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    imap_out_literal(run->session->out, "(");
    imap_out_number(run->session->out, row->placement->modseq);
    imap_view_note_modseq(run->session->view, row->placement->modseq);
    imap_out_literal(run->session->out, ")");
    return TRUE;
}

static gboolean emit_emailid(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    imap_out_literal(run->session->out, "(");
    imap_email_id_format(row->placement->message, run->session->out);
    imap_out_literal(run->session->out, ")");
    return TRUE;
}

/* Threads have no identity here (RFC 8474, 5.3). */
static gboolean emit_nil(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    imap_out_literal(run->session->out, "NIL");
    return TRUE;
}

static gboolean emit_savedate(ImapFetchRun *run, const ImapFetchPlan *plan,
                              const CacheFetchRow *row)
{
    if (!row->placement->saved)
        return emit_nil(run, plan, row);
    append_date(run->session->out, row->placement->saved, 0);
    return TRUE;
}

/* ---- rendered -------------------------------------------------------------------------------- */

static gboolean emit_envelope(ImapFetchRun *run, const ImapFetchPlan *plan,
                              const CacheFetchRow *row)
{
    imap_out_bytes(run->session->out, row->envelope, row->envelope_length);
    return TRUE;
}

static gboolean emit_bodystructure(ImapFetchRun *run, const ImapFetchPlan *plan,
                                   const CacheFetchRow *row)
{
    imap_out_bytes(run->session->out, row->bodystructure, row->bodystructure_length);
    return TRUE;
}

static gboolean emit_body(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    if (mime_body_from_bodystructure(row->bodystructure, row->bodystructure_length, BODY_DEPTH_MAX,
                                     run->session->out))
        return TRUE;
    g_set_error(&run->error, CACHE_ERROR, CACHE_ERROR_CORRUPT,
                "The structure kept of message UID %u can't be read", row->placement->uid);
    return FALSE;
}

/* ---- octets ---------------------------------------------------------------------------------- */

/* <offset.length>: what is left of `length` octets from *offset on (RFC 3501, 6.4.5). */
static guint64 cut(const ImapFetchItem *item, guint64 *offset, guint64 length)
{
    if (!item->partial)
        return length;
    guint64 skip = MIN(item->offset, length);
    *offset += skip;
    return MIN(item->length, length - skip);
}

gboolean imap_fetch_pump(ImapFetchRun *run)
{
    ImapFetchStream *stream = &run->stream;
    if (stream->binary)
        return imap_binary_pump(run);
    gsize size = MIN(stream->left, STREAM_BYTES);
    g_autoptr(GBytes) bytes =
        cache_content_read(run->txn, stream->message, stream->offset, size, &run->error);
    if (!bytes)
        return FALSE;
    gsize length;
    const char *data = g_bytes_get_data(bytes, &length);
    if (length != size) {
        g_set_error(&run->error, CACHE_ERROR, CACHE_ERROR_CORRUPT, "A message is cut off");
        return FALSE;
    }
    imap_out_bytes(run->session->out, data, length);
    stream->offset += length;
    stream->left -= length;
    return TRUE;
}

void imap_fetch_stream_clear(ImapFetchRun *run)
{
    imap_binary_free(run->stream.binary);
    run->stream = (ImapFetchStream){};
}

static gboolean emit_range(ImapFetchRun *run, const ImapFetchItem *item, const CacheFetchRow *row,
                           guint64 offset, guint64 length)
{
    GString *out = run->session->out;
    length = cut(item, &offset, length);
    imap_out_literal(out, "{");
    imap_out_number(out, length);
    imap_out_literal(out, "}\r\n");
    run->stream = (ImapFetchStream){row->placement->message, offset, length, NULL};
    if (length == 0)
        return TRUE;
    return imap_fetch_pump(run) && run->stream.left == 0;
}

static gboolean emit_octets(ImapFetchRun *run, const ImapFetchItem *item, const char *octets,
                            gsize length)
{
    guint64 offset = 0;
    gsize left = (gsize)cut(item, &offset, length);
    imap_out_octets(run->session->out, octets + offset, left);
    return TRUE;
}

static gboolean emit_whole(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    return emit_range(run, plan->item, row, 0, row->placement->size);
}

static gboolean emit_header(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    return emit_octets(run, plan->item, row->header, row->header_length);
}

static gboolean emit_text(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    gsize header = MIN(row->header_length, row->placement->size);
    return emit_range(run, plan->item, row, header, row->placement->size - header);
}

static gboolean emit_fields_of(ImapFetchRun *run, const ImapFetchPlan *plan, const char *header,
                               gsize length)
{
    gboolean keep = plan->item->section.kind == IMAP_SECTION_HEADER_FIELDS;
    g_string_truncate(run->scratch, 0);
    mime_header_filter(header, length, plan->fields, keep, run->scratch);
    return emit_octets(run, plan->item, run->scratch->str, run->scratch->len);
}

static gboolean emit_fields(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    return emit_fields_of(run, plan, row->header, row->header_length);
}

MimeStructure *imap_fetch_structure(ImapFetchRun *run, const CacheFetchRow *row)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(row->structure, row->structure_length);
    return mime_structure_deserialize(bytes, row->placement->size, &run->error);
}

/* BODY[1.2], BODY[3.HEADER.FIELDS (TO)]: the structure says where it is. */
static gboolean emit_part(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    const ImapSection *section = &plan->item->section;
    g_autoptr(MimeStructure) structure = imap_fetch_structure(run, row);
    gsize offset, length;
    if (!structure)
        return FALSE;
    if (!mime_section_find(structure, section, &offset, &length))
        return emit_octets(run, plan->item, "", 0);
    if (!plan->fields)
        return emit_range(run, plan->item, row, offset, length);
    g_autoptr(GBytes) header =
        cache_content_read(run->txn, row->placement->message, offset, length, &run->error);
    return header &&
           emit_fields_of(run, plan, g_bytes_get_data(header, NULL), g_bytes_get_size(header));
}

/* ---- preview --------------------------------------------------------------------------------- */

typedef struct {
    ImapFetchRun *run;
    gint64 message;
} PreviewSource;

static GBytes *read_for_preview(gsize offset, gsize length, gpointer data)
{
    PreviewSource *source = data;
    return cache_content_read(source->run->txn, source->message, offset, length,
                              &source->run->error);
}

/* RFC 8970. With LAZY a client gets NIL where making it would take long: where the body isn't here.
 */
static gboolean emit_preview(ImapFetchRun *run, const ImapFetchPlan *plan, const CacheFetchRow *row)
{
    if (row->state < CACHE_CONTENT_FULL)
        return emit_nil(run, plan, row);
    PreviewSource source = {run, row->placement->message};
    g_autoptr(MimeStructure) structure = imap_fetch_structure(run, row);
    g_autofree char *preview =
        structure ? mime_text_preview(structure, read_for_preview, &source) : NULL;
    if (!preview)
        return FALSE;
    imap_out_octets(run->session->out, preview, strlen(preview));
    return TRUE;
}

/* ---- X-GM-EXT-1 ------------------------------------------------------------------------------ */

/* 0: it hasn't reached the provider yet, and has no number there. */
static gboolean emit_gm_msgid(ImapFetchRun *run, const ImapFetchPlan *plan,
                              const CacheFetchRow *row)
{
    imap_out_number(run->session->out, imap_gm_msgid_parse(row->remote_id));
    return TRUE;
}

static gboolean emit_gm_thrid(ImapFetchRun *run, const ImapFetchPlan *plan,
                              const CacheFetchRow *row)
{
    imap_out_number(run->session->out, cache_message_thread(run->txn, row->placement->message));
    return TRUE;
}

static gboolean emit_gm_labels(ImapFetchRun *run, const ImapFetchPlan *plan,
                               const CacheFetchRow *row)
{
    if (!run->labels)
        run->labels = imap_labels_new(run->session);
    return imap_labels_append(run->labels, run->txn, row->placement->message, run->session->out,
                              &run->error);
}

/* ---- the table ------------------------------------------------------------------------------- */

static const ImapFetchHandler handlers[IMAP_FETCH_KINDS] = {
    [IMAP_FETCH_UID] = {emit_uid, CACHE_FETCH_FLAGS},
    [IMAP_FETCH_FLAGS] = {emit_flags, CACHE_FETCH_FLAGS},
    [IMAP_FETCH_INTERNALDATE] = {emit_internaldate},
    [IMAP_FETCH_RFC822_SIZE] = {emit_size},
    [IMAP_FETCH_ENVELOPE] = {emit_envelope, CACHE_FETCH_ENVELOPE, CACHE_CONTENT_HEADER},
    /* The structure may have come with the header; where it hasn't, see is_here() in fetch.c. */
    [IMAP_FETCH_BODY] = {emit_body, CACHE_FETCH_BODYSTRUCTURE, CACHE_CONTENT_HEADER},
    [IMAP_FETCH_BODYSTRUCTURE] = {emit_bodystructure, CACHE_FETCH_BODYSTRUCTURE,
                                  CACHE_CONTENT_HEADER},
    [IMAP_FETCH_RFC822] = {emit_whole, 0, CACHE_CONTENT_FULL},
    [IMAP_FETCH_RFC822_HEADER] = {emit_header, CACHE_FETCH_HEADER, CACHE_CONTENT_HEADER},
    [IMAP_FETCH_RFC822_TEXT] = {emit_text, CACHE_FETCH_HEADER, CACHE_CONTENT_FULL},
    [IMAP_FETCH_BINARY] = {imap_binary_emit, CACHE_FETCH_STRUCTURE, CACHE_CONTENT_FULL},
    [IMAP_FETCH_BINARY_SIZE] = {imap_binary_emit_size, CACHE_FETCH_STRUCTURE, CACHE_CONTENT_FULL},
    [IMAP_FETCH_MODSEQ] = {emit_modseq, CACHE_FETCH_FLAGS},
    [IMAP_FETCH_EMAILID] = {emit_emailid, CACHE_FETCH_FLAGS},
    [IMAP_FETCH_THREADID] = {emit_nil, CACHE_FETCH_FLAGS},
    [IMAP_FETCH_SAVEDATE] = {emit_savedate},
    [IMAP_FETCH_PREVIEW] = {emit_preview, CACHE_FETCH_STRUCTURE, CACHE_CONTENT_FULL},
    [IMAP_FETCH_X_GM_MSGID] = {emit_gm_msgid, CACHE_FETCH_REMOTE_ID},
    [IMAP_FETCH_X_GM_THRID] = {emit_gm_thrid, CACHE_FETCH_FLAGS},
    [IMAP_FETCH_X_GM_LABELS] = {emit_gm_labels, CACHE_FETCH_FLAGS},
};

static const ImapFetchHandler sections[] = {
    [IMAP_SECTION_ALL] = {emit_whole, 0, CACHE_CONTENT_FULL},
    [IMAP_SECTION_HEADER] = {emit_header, CACHE_FETCH_HEADER, CACHE_CONTENT_HEADER},
    [IMAP_SECTION_HEADER_FIELDS] = {emit_fields, CACHE_FETCH_HEADER, CACHE_CONTENT_HEADER},
    [IMAP_SECTION_HEADER_FIELDS_NOT] = {emit_fields, CACHE_FETCH_HEADER, CACHE_CONTENT_HEADER},
    [IMAP_SECTION_TEXT] = {emit_text, CACHE_FETCH_HEADER, CACHE_CONTENT_FULL},
};

static const ImapFetchHandler part = {emit_part, CACHE_FETCH_STRUCTURE, CACHE_CONTENT_FULL};

const ImapFetchHandler *imap_fetch_handler(const ImapFetchItem *item, guint *what,
                                           CacheContentState *needs)
{
    const ImapFetchHandler *handler = &handlers[item->kind];
    if (item->kind == IMAP_FETCH_BODY_SECTION)
        handler = item->section.n_parts ? &part : &sections[item->section.kind];
    if (!handler->emit)
        return NULL;
    *what |= handler->what;
    if (!item->lazy)
        *needs = MAX(*needs, handler->needs);
    return handler;
}
