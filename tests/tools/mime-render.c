/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Prints what the MIME side of the IMAP server makes of messages, for comparison with another
 * server.
 *
 *   mime-render FILE...          for each file "message COUNT", and COUNT times "SECTION LENGTH"
 * and the bytes mime-render --bench N FILE...  parses and renders all files N times, and says how
 * long one took
 *
 * All names of files can come from stdin, a line each, in place of the arguments. */
#include "daemon/proto/mime/bodystructure.h"
#include "daemon/proto/mime/envelope.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/section.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARENTHESES 1000

static const char *const bench_fields[] = {
    "From",       "To",          "Cc",       "Bcc",          "Subject",
    "Date",       "Message-ID",  "Priority", "References",   "X-Priority",
    "Newsgroups", "In-Reply-To", "Reply-To", "Content-Type", NULL};

typedef struct {
    const char *message;
    gsize length;
    MimeStructure *structure;
    GString *out;
    guint count;
} Render;

static void put(Render *render, const char *section, const char *bytes, gsize length)
{
    g_string_append_printf(render->out, "%s %" G_GSIZE_FORMAT "\n", section, length);
    g_string_append_len(render->out, bytes, (gssize)length);
    g_string_append_c(render->out, '\n');
    render->count++;
}

static void put_section(Render *render, const char *numbers, const char *name, ImapSection *section)
{
    g_autofree char *label =
        g_strdup_printf("%s%s%s", numbers, *numbers != '\0' && *name != '\0' ? "." : "", name);
    gsize offset, length;

    mime_section_find(render->structure, section, &offset, &length);
    put(render, label, render->message + offset, length);
}

static void put_fields(Render *render)
{
    static const char *const names[] = {"from", "TO", "Subject", "Received", "DATE", NULL};
    g_autoptr(MimeFieldSet) set = mime_field_set_new(names);
    gsize length = mime_header_length(render->message, render->length);
    g_autoptr(GString) fields = g_string_new(NULL);

    mime_header_filter(render->message, length, set, TRUE, fields);
    put(render, "HEADER.FIELDS", fields->str, fields->len);
    g_string_truncate(fields, 0);
    mime_header_filter(render->message, length, set, FALSE, fields);
    put(render, "HEADER.FIELDS.NOT", fields->str, fields->len);
}

/* What BINARY gives, where the encoding is one of RFC 2045's. */
static void put_binary(Render *render, const char *numbers, const MimePart *part,
                       ImapSection *section)
{
    g_autofree char *label = g_strdup_printf("BINARY[%s]", numbers);
    g_autoptr(GString) out = g_string_new(NULL);

    if (part->kind == MIME_PART_MULTIPART || part->kind == MIME_PART_MESSAGE ||
        part->encoding == MIME_ENCODING_UUENCODE || part->encoding == MIME_ENCODING_UNKNOWN)
        return;
    mime_section_decode(render->structure, render->message, section, G_MAXSIZE, out, NULL);
    put(render, label, out->str, out->len);
}

/* The sections of part, whose numbers are numbers. */
static void put_part(Render *render, const MimePart *part, GArray *numbers)
{
    g_autoptr(GString) label = g_string_new(NULL);
    ImapSection section = {IMAP_SECTION_ALL, numbers->len, (guint32 *)numbers->data, NULL};

    for (guint i = 0; i < numbers->len; i++)
        g_string_append_printf(label, "%s%u", i > 0 ? "." : "", section.parts[i]);
    put_section(render, label->str, "", &section);
    put_binary(render, label->str, part, &section);
    section.kind = IMAP_SECTION_MIME;
    put_section(render, label->str, "MIME", &section);
    if (part->kind != MIME_PART_MESSAGE)
        return;
    section.kind = IMAP_SECTION_HEADER;
    put_section(render, label->str, "HEADER", &section);
    section.kind = IMAP_SECTION_TEXT;
    put_section(render, label->str, "TEXT", &section);
}

/* All parts, numbered as IMAP does. */
static void put_parts(Render *render, const MimePart *part, GArray *numbers)
{
    guint32 number = 1;

    if (part->kind == MIME_PART_MULTIPART) {
        for (const MimePart *child = part->children; child != NULL; child = child->next, number++) {
            g_array_append_val(numbers, number);
            put_part(render, child, numbers);
            if (child->kind == MIME_PART_MULTIPART)
                put_parts(render, child, numbers);
            else if (child->kind == MIME_PART_MESSAGE)
                put_parts(render, child->children, numbers);
            g_array_set_size(numbers, numbers->len - 1);
        }
        return;
    }
    g_array_append_val(numbers, number);
    put_part(render, part, numbers);
    if (part->kind == MIME_PART_MESSAGE)
        put_parts(render, part->children, numbers);
    g_array_set_size(numbers, numbers->len - 1);
}

static void print_message(const char *message, gsize length)
{
    g_autoptr(MimeStructure) structure =
        mime_structure_parse(message, length, &mime_default_limits);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) body = g_string_new(NULL);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint32));
    Render render = {message, length, structure, out, 0};
    ImapSection section = {IMAP_SECTION_HEADER};

    mime_envelope_render(message, length, text);
    put(&render, "ENVELOPE", text->str, text->len);
    g_string_truncate(text, 0);
    mime_bodystructure_render(structure, message, text);
    put(&render, "BODYSTRUCTURE", text->str, text->len);
    mime_body_from_bodystructure(text->str, text->len, MAX_PARENTHESES, body);
    put(&render, "BODY", body->str, body->len);
    put_section(&render, "", "HEADER", &section);
    section.kind = IMAP_SECTION_TEXT;
    put_section(&render, "", "TEXT", &section);
    put_fields(&render);
    put_parts(&render, mime_structure_root(structure), numbers);
    printf("message %u\n", render.count);
    fwrite(out->str, 1, out->len, stdout);
}

static void print_speed(const char *what, gint64 started, guint messages)
{
    gint64 took = g_get_monotonic_time() - started;

    printf("%-36s %8.2f us a message\n", what, (double)took / messages);
}

static void bench(GPtrArray *messages, guint rounds)
{
    g_autoptr(MimeFieldSet) set = mime_field_set_new(bench_fields);
    g_autoptr(GString) out = g_string_sized_new(65536);
    guint count = rounds * messages->len;
    gint64 started = g_get_monotonic_time();
    gsize bytes = 0;

    for (guint i = 0; i < count; i++) {
        gsize length;
        const char *message = g_bytes_get_data(messages->pdata[i % messages->len], &length);
        g_autoptr(MimeStructure) structure =
            mime_structure_parse(message, length, &mime_default_limits);

        g_string_truncate(out, 0);
        mime_envelope_render(message, length, out);
        mime_bodystructure_render(structure, message, out);
        bytes += length;
    }
    print_speed("parse, ENVELOPE, BODYSTRUCTURE", started, count);
    started = g_get_monotonic_time();
    for (guint i = 0; i < count; i++) {
        gsize length;
        const char *message = g_bytes_get_data(messages->pdata[i % messages->len], &length);

        g_string_truncate(out, 0);
        mime_header_filter(message, length, set, TRUE, out);
    }
    print_speed("HEADER.FIELDS as Thunderbird asks", started, count);
    printf("%u messages of %" G_GSIZE_FORMAT " bytes on average\n", messages->len, bytes / count);
}

static GPtrArray *file_names(int argc, char **argv)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    char line[4096];

    for (int i = 0; i < argc; i++)
        g_ptr_array_add(names, g_strdup(argv[i]));
    while (argc == 0 && fgets(line, sizeof(line), stdin) != NULL)
        g_ptr_array_add(names, g_strdup(g_strchomp(line)));
    return names;
}

int main(int argc, char **argv)
{
    gboolean benching = argc > 2 && strcmp(argv[1], "--bench") == 0;
    guint rounds = benching ? (guint)MAX(atoi(argv[2]), 1) : 0;
    int skipped = benching ? 3 : 1;
    g_autoptr(GPtrArray) names = file_names(argc - skipped, argv + skipped);
    g_autoptr(GPtrArray) messages = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);

    for (guint i = 0; i < names->len; i++) {
        g_autoptr(GError) error = NULL;
        char *message;
        gsize length;

        if (!g_file_get_contents(names->pdata[i], &message, &length, &error)) {
            fprintf(stderr, "mime-render: %s\n", error->message);
            return 1;
        }
        /* A copy of just the size, so that AddressSanitizer sees reads beyond it. */
        g_ptr_array_add(messages, g_bytes_new(message, length));
        g_free(message);
        if (!benching) {
            print_message(g_bytes_get_data(messages->pdata[0], NULL), length);
            g_ptr_array_set_size(messages, 0);
        }
    }
    if (benching)
        bench(messages, rounds);
    return 0;
}
