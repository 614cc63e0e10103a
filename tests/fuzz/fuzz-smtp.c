/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzzes what SMTP and POP3 clients, SMTP servers and SASL exchanges send. The first byte says
 * which. What is written has to be read as it was. Seeds: tests/fuzz/seeds/smtp. */
#include "tests/fuzz/fuzz.h"

#include "daemon/proto/sasl/base64.h"
#include "daemon/proto/sasl/scram.h"
#include "daemon/proto/smtp/data.h"
#include "daemon/proto/smtp/path.h"
#include "daemon/proto/smtp/reply.h"

#include <string.h>

static void run_path(const char *text)
{
    g_auto(SmtpPath) path = {0};
    const char *problem = NULL;

    if (!smtp_path_parse(text, "FROM:", &path, &problem)) {
        g_assert_nonnull(problem);
        return;
    }
    /* An address that was taken goes into commands as it is. */
    g_assert_null(strpbrk(path.address, "\r\n"));
    g_autofree char *again = g_strdup_printf("FROM:<%s>", path.address);
    g_auto(SmtpPath) same = {0};
    g_assert_true(smtp_path_parse(again, "FROM:", &same, &problem));
    g_assert_cmpstr(same.address, ==, path.address);
    for (guint i = 0; i < path.parameters->len; i++) {
        const SmtpParameter *parameter = &g_array_index(path.parameters, SmtpParameter, i);
        const char *value = parameter->value ? parameter->value : "";
        if (smtp_is_xtext(value, 100) | smtp_is_notify(value) | smtp_is_orcpt(value))
            g_assert_null(strpbrk(value, " \r\n"));
    }
}

/* In pieces of `piece` bytes. */
static GByteArray *read_data(SmtpDataReader *reader, const char *in, gsize length, gsize piece)
{
    GByteArray *out = g_byte_array_new();

    *reader = (SmtpDataReader){0};
    for (gsize at = 0; at < length && !reader->done;)
        at += smtp_data_read(reader, in + at, MIN(piece, length - at), out);
    return out;
}

static void run_data(const char *text, gsize length, gsize piece)
{
    SmtpDataReader whole, pieces, back;
    SmtpDataWriter writer = {0};
    g_autoptr(GByteArray) one = read_data(&whole, text, length, G_MAXSIZE);
    g_autoptr(GByteArray) other = read_data(&pieces, text, length, piece);
    g_autoptr(GByteArray) wire = g_byte_array_new();

    g_assert_cmpmem(one->data, one->len, other->data, other->len);
    g_assert_true(whole.done == pieces.done && whole.bare == pieces.bare &&
                  whole.eightbit == pieces.eightbit);
    if (!whole.done || whole.bare)
        return;
    smtp_data_write(&writer, (const char *)one->data, one->len, wire);
    smtp_data_finish(&writer, wire);
    g_byte_array_append(wire, (const guint8 *)SMTP_DATA_END, strlen(SMTP_DATA_END));
    g_autoptr(GByteArray) same = read_data(&back, (const char *)wire->data, wire->len, piece);
    g_assert_true(back.done && !back.bare);
    g_assert_cmpmem(same->data, same->len, one->data, one->len);
}

static void run_reply(const char *text)
{
    g_auto(SmtpReply) reply = {0};
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    SmtpReplyStatus status = SMTP_REPLY_MORE;

    for (char **line = lines; *line && status == SMTP_REPLY_MORE; line++)
        status = smtp_reply_add(&reply, *line, strlen(*line));
    if (status != SMTP_REPLY_DONE)
        return;
    g_autofree char *shown = smtp_reply_text(&reply);
    g_assert_true(g_utf8_validate(shown, -1, NULL));
    for (const char *c = shown; *c; c++)
        g_assert_false(g_ascii_iscntrl(*c));
    smtp_ehlo_read(&reply);
}

static void run_scram(const char *text)
{
    g_auto(ScramClientFirst) first = {0};
    g_auto(ScramClientFinal) final = {0};
    gsize length;

    if (scram_parse_client_first(text, &first)) {
        g_autofree char *again = g_strconcat(first.gs2_header, first.bare, NULL);
        g_assert_cmpstr(again, ==, text);
        g_assert_true(first.user && first.nonce);
    }
    if (scram_parse_client_final(text, &final))
        g_assert_true(g_str_has_prefix(text, final.without_proof) && final.binding);
    g_autofree guint8 *bytes = base64_decode_strict(text, &length);
    if (bytes) {
        g_autofree char *again = g_base64_encode(bytes, length);
        g_assert_cmpuint(strlen(again), ==, strlen(text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    g_autofree char *text = g_strndup((const char *)data + 1, size - 1);

    switch (data[0] % 4) {
    case 0:
        run_path(text);
        break;
    case 1:
        run_data((const char *)data + 1, size - 1, 1 + data[0] / 4);
        break;
    case 2:
        run_reply(text);
        break;
    default:
        run_scram(text);
    }
    return 0;
}
