/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzzes what POP3 servers answer: status lines, capabilities, listings, and texts, which are the
 * same however they are cut into pieces. The first byte says which. Seeds: tests/fuzz/seeds/pop3. */
#include "tests/fuzz/fuzz.h"

#include "daemon/proto/pop3/answer.h"
#include "daemon/proto/pop3/text.h"

#include <string.h>

static void run_status(const char *line, gsize length)
{
    g_auto(Pop3Status) status = {0};

    if (!pop3_status_parse(line, length, &status))
        return;
    g_assert_true(g_utf8_validate(status.text, -1, NULL));
    for (const char *c = status.text; !status.goes_on && *c; c++)
        g_assert_false(g_ascii_iscntrl(*c));
    for (const char *c = status.code ? status.code : ""; *c; c++)
        g_assert_false(g_ascii_islower(*c) || g_ascii_iscntrl(*c));
}

/* Lines of a listing; what was taken of one is told again as it is kept. */
static void run_lists(const char *line, gsize length)
{
    Pop3Capabilities capabilities = {0};
    g_autofree char *uidl = NULL;
    guint32 number;
    guint64 size;

    pop3_capabilities_add(&capabilities, line, length);
    pop3_listing_parse(line, length, &number, &size);
    if (!pop3_uidl_parse(line, length, &number, &uidl) || !uidl)
        return;
    g_assert_cmpuint(strlen(uidl), >, 0);
    for (const char *c = uidl; *c; c++)
        g_assert_true(g_ascii_isprint(*c));
}

/* In pieces of `piece` octets; *taken: of all of them. */
static GByteArray *read_text(const char *in, gsize length, gsize piece, gsize *taken,
                             Pop3Text *text)
{
    GByteArray *out = g_byte_array_new();

    *text = (Pop3Text){0};
    *taken = 0;
    while (*taken < length && !text->done) {
        gsize count = MIN(piece, length - *taken);
        gsize fed = pop3_text_feed(text, in + *taken, count, out);
        g_assert_true(fed == count || text->done);
        *taken += fed;
    }
    return out;
}

static void run_text(const char *in, gsize length, gsize piece)
{
    Pop3Text whole, pieces;
    gsize taken, taken_so;
    g_autoptr(GByteArray) one = read_text(in, length, G_MAXSIZE, &taken, &whole);
    g_autoptr(GByteArray) other = read_text(in, length, piece, &taken_so, &pieces);

    g_assert_cmpmem(one->data, one->len, other->data, other->len);
    g_assert_true(whole.done == pieces.done && taken == taken_so);
    /* CRLF may have been LF. */
    g_assert_cmpuint(one->len, <=, 2 * length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    /* Of their very size, so that a look beyond the end is seen. */
    gsize length = size - 1;
    g_autofree char *text = g_malloc(MAX(length, 1));
    memcpy(text, data + 1, length);

    switch (data[0] % 3) {
    case 0:
        run_status(text, length);
        break;
    case 1:
        run_lists(text, length);
        break;
    default:
        run_text(text, length, 1 + data[0] / 3);
    }
    return 0;
}
