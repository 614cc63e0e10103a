/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kinds of text, and how each is made. */
#include "daemon/index/text.h"

#include "daemon/proto/mime/address.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/text.h"

#include <string.h>

/* Folded text of a header, in bytes. */
#define HEADER_MAX (4 * 1024 * 1024)
/* So many addresses are looked for in the field. */
#define UNLIKE_MAX 32

static const char *const FIELDS[CACHE_TEXT_KINDS] = {
    [CACHE_TEXT_SUBJECT] = "Subject", [CACHE_TEXT_FROM] = "From",
    [CACHE_TEXT_TO] = "To",           [CACHE_TEXT_CC] = "Cc",
    [CACHE_TEXT_BCC] = "Bcc",         [CACHE_TEXT_MESSAGE_ID] = "Message-ID",
};

const char *index_text_field(CacheText kind)
{
    return FIELDS[kind];
}

CacheText index_text_kind(const char *field)
{
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++)
        if (FIELDS[kind] && g_ascii_strcasecmp(FIELDS[kind], field) == 0)
            return (CacheText)kind;
    return CACHE_TEXT_HEADER;
}

/* ---- addresses ----------------------------------------------------------------------------- */

typedef struct {
    MimeStop *stop;
    GString *out;
    gsize at;     /* the written field is looked through up to here: addresses stand in order */
    gsize end;    /* of what is written */
    guint unlike; /* addresses that aren't written as they are meant */
} Addresses;

/* Whether it is written just so. Who writes many otherwise has them all added, unseen. */
static gboolean is_written(Addresses *addresses, const char *folded, gsize length)
{
    if (addresses->unlike >= UNLIKE_MAX)
        return FALSE;
    const char *start = addresses->out->str + addresses->at;
    const char *found = memmem(start, addresses->end - addresses->at, folded, length);
    if (found)
        addresses->at = (gsize)(found - addresses->out->str) + length;
    else
        addresses->unlike++;
    return found != NULL;
}

static void add_text(Addresses *addresses, const char *text)
{
    g_autofree char *folded = mime_text_fold(text, strlen(text));
    gsize length = strlen(folded);

    if (length == 0 || mime_stop_after(addresses->stop, length) ||
        is_written(addresses, folded, length) || addresses->out->len + length > HEADER_MAX)
        return;
    g_string_append_len(addresses->out, folded, (gssize)length);
    g_string_append_c(addresses->out, '\n');
}

/* Its name (a group's is in place of the mailbox), and mailbox@domain. What the field doesn't say at
 * all (the parser's MISSING_DOMAIN) isn't there to be found. */
static void add_address(Addresses *addresses, const MimeAddress *address)
{
    const char *name = address->domain ? address->name : address->mailbox;
    if (name) {
        g_autofree char *decoded = mime_text_decode_header(name, strlen(name));
        add_text(addresses, decoded);
    }
    if (!address->mailbox || !address->domain || address->broken)
        return;
    g_autofree char *plain = g_strdup_printf("%s@%s", address->mailbox, address->domain);
    add_text(addresses, plain);
}

/* The envelope's addresses that the field doesn't show as they are: with comments or folding
 * between their parts, quoted pairs, encoded words within. */
static void add_addresses(const char *header, gsize length, const char *name, MimeStop *stop,
                          GString *out)
{
    Addresses addresses = {.stop = stop, .out = out, .end = out->len};
    const char *position = header;
    MimeField field;

    while (!mime_stop_after(stop, 0) &&
           mime_field_next(&position, header + length, &field) == MIME_FIELD_MORE) {
        if (!mime_field_is(&field, name))
            continue;
        g_auto(MimeArena) arena = {0};
        for (const MimeAddress *address =
                 mime_address_parse(&arena, field.value, field.value_length, MIME_ADDRESSES_MAX);
             address; address = address->next)
            add_address(&addresses, address);
    }
}

static gboolean is_address_kind(CacheText kind)
{
    return kind == CACHE_TEXT_FROM || kind == CACHE_TEXT_TO || kind == CACHE_TEXT_CC ||
           kind == CACHE_TEXT_BCC;
}

gboolean index_text_values(const char *header, gsize length, const char *field, MimeStop *stop,
                           GString *out)
{
    g_string_truncate(out, 0);
    if (!mime_text_field(header, length, field, HEADER_MAX, stop, out))
        return FALSE;
    if (is_address_kind(index_text_kind(field)))
        add_addresses(header, length, field, stop, out);
    return TRUE;
}

void index_text_header(const char *header, gsize length, MimeStop *stop, GString *out)
{
    g_string_truncate(out, 0);
    mime_text_header(header, length, HEADER_MAX, stop, out);
}

void index_text_body(const char *message, gsize length, MimeStop *stop, GString *out)
{
    MimeLimits limits = mime_default_limits;
    limits.stop = stop;
    g_autoptr(MimeStructure) structure = mime_structure_parse(message, length, &limits);

    g_string_truncate(out, 0);
    mime_text_body(structure, message, CACHE_TEXT_MAX, stop, out);
}
