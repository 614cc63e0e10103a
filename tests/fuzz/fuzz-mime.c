/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzzes the MIME side of the IMAP server: whole mails, and single values where the first byte says
 * so. Besides what the sanitizers see, what comes out has to make sense. Seeds:
 * tests/fuzz/seeds/mime, tests/corpus/tricky. */
#include "tests/fuzz/fuzz.h"

#include "daemon/proto/mime/address.h"
#include "daemon/proto/mime/bodystructure.h"
#include "daemon/proto/mime/date.h"
#include "daemon/proto/mime/envelope.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/html.h"
#include "daemon/proto/mime/section.h"
#include "daemon/proto/mime/subject.h"
#include "daemon/proto/mime/text.h"

#include <string.h>

#define TEXT_LIMIT 10000

static void check_utf8(const char *text, gsize length)
{
    g_assert_true(g_utf8_validate_len(text, length, NULL));
}

/* Every part lies within its parent's body, behind its elder siblings. */
static void check_places(const MimeStructure *structure, gsize length)
{
    const MimePart *part = mime_structure_root(structure);

    g_assert_cmpuint(part->header_length + part->body_length, ==, length);
    for (; part != NULL; part = mime_part_following(part)) {
        gsize from = mime_part_body_start(part);
        gsize end = from + part->body_length;

        for (const MimePart *child = part->children; child != NULL; child = child->next) {
            g_assert_cmpuint(child->header_start, >=, from);
            from = mime_part_body_start(child) + child->body_length;
            g_assert_cmpuint(from, <=, end);
        }
    }
}

static guint count_parts(const MimeStructure *structure)
{
    guint count = 0;

    for (const MimePart *part = mime_structure_root(structure); part != NULL;
         part = mime_part_following(part))
        count++;
    return count;
}

static void check_kept(const MimeStructure *structure, gsize length)
{
    g_autoptr(GBytes) bytes = mime_structure_serialize(structure);
    g_autoptr(MimeStructure) again = mime_structure_deserialize(bytes, length, NULL);

    g_assert_nonnull(again);
    g_assert_cmpuint(count_parts(again), ==, count_parts(structure));
    check_places(again, length);
}

/* A rendering that BODY can be derived from is well-formed. */
static void check_rendering(const MimeStructure *structure, const char *mail)
{
    g_autoptr(GString) bodystructure = g_string_new(NULL);
    g_autoptr(GString) body = g_string_new(NULL);

    mime_bodystructure_render(structure, mail, bodystructure);
    g_assert_true(mime_body_from_bodystructure(bodystructure->str, bodystructure->len, 1000, body));
}

static GBytes *read_mail(gsize offset, gsize length, gpointer mail)
{
    return g_bytes_new_static((const char *)mail + offset, length);
}

static void check_text(const MimeStructure *structure, const char *mail, gsize length)
{
    g_autofree char *preview = mime_text_preview(structure, read_mail, (gpointer)mail);
    g_autoptr(GString) text = g_string_new(NULL);

    mime_text_header(mail, length, TEXT_LIMIT, NULL, text);
    mime_text_body(structure, mail, TEXT_LIMIT, NULL, text);
    check_utf8(text->str, text->len);
    g_assert_cmpuint(text->len, <=, TEXT_LIMIT);
    check_utf8(preview, strlen(preview));
    g_assert_cmpint(g_utf8_strlen(preview, -1), <=, 200);
}

static void fuzz_mail(const char *mail, gsize length)
{
    static const char *const names[] = {"from", "Subject", "to", NULL};
    const MimeLimits limits = {
        .max_depth = 20, .max_parts = 50, .max_header = 10000, .max_memory = 1 << 20};
    g_autoptr(MimeStructure) structure = mime_structure_parse(mail, length, &limits);
    g_autoptr(MimeFieldSet) set = mime_field_set_new(names);
    g_autoptr(GString) out = g_string_new(NULL);

    check_places(structure, length);
    check_kept(structure, length);
    check_rendering(structure, mail);
    check_text(structure, mail, length);
    mime_header_filter(mail, length, set, TRUE, out);
    mime_header_filter(mail, length, set, FALSE, out);
    mime_envelope_render(mail, length, out);
}

static void fuzz_addresses(const char *value, gsize length)
{
    g_auto(MimeArena) arena = {0};
    MimeAddress *address = mime_address_parse(&arena, value, length, MIME_ADDRESSES_MAX);

    for (; address != NULL; address = address->next) {
        g_autofree char *display = mime_address_display(address);

        check_utf8(display, strlen(display));
    }
}

static void fuzz_date(const char *value, gsize length)
{
    ImapDateTime date;

    mime_date_parse(value, length, &date);
}

static void fuzz_subject(const char *value, gsize length)
{
    g_autofree char *base = mime_subject_base(value, length, NULL);

    check_utf8(base, strlen(base));
}

/* HTML has to come in valid UTF-8. */
static void fuzz_html(const char *html, gsize length)
{
    g_autofree char *valid = g_utf8_make_valid(html, (gssize)length);
    g_autoptr(GString) text = g_string_new(NULL);

    mime_html_to_text(valid, strlen(valid), TRUE, NULL, text);
    check_utf8(text->str, text->len);
    g_assert_cmpuint(text->len, <=, strlen(valid));
}

static void fuzz_fold(const char *text, gsize length)
{
    g_autofree char *folded = mime_text_fold(text, length);
    g_autofree char *again = mime_text_fold(folded, strlen(folded));

    check_utf8(folded, strlen(folded));
    check_utf8(again, strlen(again));
}

static void fuzz_body(const char *bodystructure, gsize length)
{
    g_autoptr(GString) body = g_string_new(NULL);

    mime_body_from_bodystructure(bodystructure, length, 100, body);
}

/* Whatever the bytes are: refused, or all within the message. */
static void fuzz_kept(const char *data, gsize length)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, length);
    g_autoptr(MimeStructure) structure = mime_structure_deserialize(bytes, 10000, NULL);
    const MimePart *part = structure != NULL ? mime_structure_root(structure) : NULL;

    for (; part != NULL; part = mime_part_following(part))
        g_assert_cmpuint(mime_part_body_start(part) + part->body_length, <=, 10000);
}

/* In pieces it is the same as at once. */
static void check_pieces(const char *body, gsize length, MimeEncoding encoding)
{
    g_autoptr(MimeDecoder) decoder = mime_decoder_new(encoding, NULL);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GString) whole = g_string_new(NULL);

    if (decoder == NULL)
        return;
    for (gsize i = 0, size = 1; i < length; i += size, size = size % 7 + 1)
        mime_decoder_step(decoder, body + i, MIN(size, length - i), out);
    mime_decoder_end(decoder, out);
    mime_decode(body, length, encoding, G_MAXSIZE, whole, NULL);
    g_assert_true(g_string_equal(out, whole));
}

static void fuzz_decode(const char *body, gsize length)
{
    for (guint encoding = 0; encoding <= MIME_ENCODING_UNKNOWN; encoding++) {
        g_autoptr(GString) out = g_string_new(NULL);

        mime_decode(body, length, (MimeEncoding)encoding, TEXT_LIMIT, out, NULL);
        g_assert_cmpuint(out->len, <=, TEXT_LIMIT);
        check_pieces(body, length, (MimeEncoding)encoding);
    }
}

/* By the first byte; anything else is a mail. */
static void (*const targets[])(const char *data, gsize length) = {
    fuzz_kept, fuzz_addresses, fuzz_date, fuzz_subject,
    fuzz_html, fuzz_fold,      fuzz_body, fuzz_decode,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    if (size > 0 && data[0] < G_N_ELEMENTS(targets))
        targets[data[0]](text + 1, size - 1);
    else
        fuzz_mail(text, size);
    return 0;
}
