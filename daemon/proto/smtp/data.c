/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading and writing messages in transit. */
#include "daemon/proto/smtp/data.h"

#include <string.h>

/* LINE: at the start of a line. DOT: behind a dot there. CR, DOT_CR: behind a CR that may begin a
 * line end. */
enum { LINE, TEXT, CR, DOT, DOT_CR };

static void append(GByteArray *out, const char *bytes, gsize length)
{
    g_byte_array_append(out, (const guint8 *)bytes, (guint)length);
}

/* How much of `in` is plain text: nothing in it needs a look at states. */
static gsize plain_length(SmtpDataReader *reader, const char *in, gsize length)
{
    gsize i = 0;
    guint8 bits = 0;
    gboolean nul = FALSE;

    for (; i < length && in[i] != '\r' && in[i] != '\n'; i++) {
        bits |= (guint8)in[i];
        nul |= in[i] == 0;
    }
    reader->nul |= nul;
    reader->eightbit |= (bits & 0x80) != 0;
    return i;
}

/* One byte behind a CR: a line end, or the CR was a stray one. Gives the state behind it. */
static int after_cr(SmtpDataReader *reader, char c, GByteArray *out)
{
    if (c == '\n') {
        append(out, "\r\n", 2);
        return LINE;
    }
    reader->bare = TRUE;
    append(out, "\r", 1);
    if (c == '\r')
        return CR;
    append(out, &c, 1);
    return TEXT;
}

/* One byte in LINE, TEXT, or DOT, whose dot is not part of the message. */
static int in_line(SmtpDataReader *reader, char c, GByteArray *out)
{
    if (c == '\r')
        return reader->state == DOT ? DOT_CR : CR;
    if (c == '.' && reader->state == LINE)
        return DOT;
    reader->bare |= c == '\n';
    append(out, &c, 1);
    return TEXT;
}

gsize smtp_data_read(SmtpDataReader *reader, const char *in, gsize length, GByteArray *out)
{
    gsize i = 0;

    while (i < length && !reader->done) {
        if (reader->state == TEXT) {
            gsize plain = plain_length(reader, in + i, length - i);
            append(out, in + i, plain);
            i += plain;
            if (i == length)
                break;
        }
        char c = in[i++];
        reader->eightbit |= (c & 0x80) != 0;
        reader->nul |= c == 0;
        if (reader->state == DOT_CR && c == '\n')
            reader->done = TRUE;
        else if (reader->state == CR || reader->state == DOT_CR)
            reader->state = after_cr(reader, c, out);
        else
            reader->state = in_line(reader, c, out);
    }
    return i;
}

void smtp_data_inspect(SmtpDataReader *reader, const char *in, gsize length, gboolean last)
{
    for (gsize i = 0; i < length; i++) {
        reader->bare |= (in[i] == '\n') != (reader->state == CR);
        reader->eightbit |= (in[i] & 0x80) != 0;
        reader->nul |= in[i] == 0;
        reader->state = in[i] == '\r' ? CR : TEXT;
    }
    reader->bare |= last && reader->state == CR;
    reader->done = last;
}

void smtp_data_write(SmtpDataWriter *writer, const char *in, gsize length, GByteArray *out)
{
    while (length > 0) {
        const char *lf = memchr(in, '\n', length);
        gsize line = lf ? (gsize)(lf - in) + 1 : length;

        if (!writer->inside && *in == '.')
            append(out, ".", 1);
        append(out, in, line);
        writer->inside = lf == NULL;
        writer->cr = in[line - 1] == '\r';
        in += line;
        length -= line;
    }
}

void smtp_data_finish(SmtpDataWriter *writer, GByteArray *out)
{
    if (writer->inside)
        append(out, writer->cr ? "\n" : "\r\n", writer->cr ? 1 : 2);
}
