/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The message of posternctl sendmail: read, its recipients, what its header lacks, and written where
 * the daemon takes it from (daemon/serve/pickup.h has the file's format). */
#include "ui/posternctl/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config/paths.h"
#include "daemon/proto/mime/address.h"
#include "daemon/proto/mime/header.h"

#define MESSAGE_MAX (150u * 1024 * 1024) /* what the submission server takes as well */
#define WORD_BYTES  42 /* of text in an encoded word (RFC 2047, 2: 75 characters) */

void letter_clear(Letter *letter)
{
    g_free(letter->sender);
    g_clear_pointer(&letter->to, g_ptr_array_unref);
    g_clear_pointer(&letter->message, g_byte_array_unref);
}

/* ---- reading ------------------------------------------------------------------------------- */

static void append(GByteArray *message, const char *text, gsize length)
{
    g_byte_array_append(message, (const guint8 *)text, (guint)length);
}

/* The next line with its end; longer ones than a message may be are cut. FALSE: there is none. */
static gboolean read_line(GString *line)
{
    int c = 0;

    g_string_truncate(line, 0);
    while (c != '\n' && line->len <= MESSAGE_MAX && (c = getc_unlocked(stdin)) != EOF)
        g_string_append_c(line, (char)c);
    return line->len > 0;
}

gboolean letter_read(Letter *letter, gboolean dot, GError **error)
{
    g_autoptr(GString) line = g_string_new(NULL);

    letter->message = g_byte_array_new();
    while (letter->message->len <= MESSAGE_MAX && read_line(line)) {
        gsize text = line->len;
        if (line->str[text - 1] == '\n')
            text--;
        if (text > 0 && text < line->len && line->str[text - 1] == '\r')
            text--;
        if (dot && text == 1 && line->str[0] == '.')
            break;
        /* What mbox files and some programs have before the header. */
        if (letter->message->len == 0 && g_str_has_prefix(line->str, "From "))
            continue;
        append(letter->message, line->str, text);
        append(letter->message, "\r\n", 2);
    }
    if (letter->message->len <= MESSAGE_MAX && !ferror(stdin))
        return TRUE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s",
                ferror(stdin) ? "the message can't be read from stdin"
                              : "the message is larger than 150 MiB");
    return FALSE;
}

/* ---- the header ---------------------------------------------------------------------------- */

/* Without a domain it is a name on this machine; NULL: a group's name or rubbish. */
static char *address_text(const MimeAddress *address)
{
    if (!address->mailbox || !address->domain || address->broken)
        return NULL;
    gboolean quoted = strpbrk(address->mailbox, " \"\\(),:;<>@[]") != NULL;
    g_autofree char *escaped = g_strescape(address->mailbox, NULL);
    return g_strdup_printf(quoted ? "\"%s\"@%s" : "%s@%s", quoted ? escaped : address->mailbox,
                           address->domain);
}

/* The addresses of all fields of that name; FALSE: there is no such field. */
static gboolean add_field(const Letter *letter, const char *name, GPtrArray *to)
{
    const char *at = (const char *)letter->message->data, *end = at + letter->message->len;
    gboolean found = FALSE;
    MimeField field;

    while (at && mime_field_next(&at, end, &field) == MIME_FIELD_MORE) {
        g_auto(MimeArena) arena = {0};
        if (!mime_field_is(&field, name))
            continue;
        found = TRUE;
        for (MimeAddress *address =
                 mime_address_parse(&arena, field.value, field.value_length, MIME_ADDRESSES_MAX);
             address; address = address->next) {
            char *text = address_text(address);
            if (text)
                g_ptr_array_add(to, text);
        }
    }
    return found;
}

void letter_add_recipients(Letter *letter)
{
    static const char *const resent[] = {"Resent-To", "Resent-Cc", "Resent-Bcc"};
    static const char *const fields[] = {"To", "Cc", "Bcc"};
    gboolean again = FALSE;

    for (guint i = 0; i < G_N_ELEMENTS(resent); i++)
        again |= add_field(letter, resent[i], letter->to);
    for (guint i = 0; i < G_N_ELEMENTS(fields) && !again; i++)
        add_field(letter, fields[i], letter->to);
}

char *letter_from(const Letter *letter)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

    add_field(letter, "From", found);
    return found->len ? g_strdup(found->pdata[0]) : NULL;
}

/* A display name as a header field may have it (RFC 5322, 3.2.5; RFC 2047). */
static char *name_text(const char *name)
{
    GString *text = g_string_new(NULL);
    g_autofree char *valid = g_utf8_make_valid(name, -1);

    g_strdelimit(valid, "\r\n", ' ');
    if (g_str_is_ascii(valid)) {
        g_string_append_c(text, '"');
        for (const char *at = valid; *at; at++)
            g_string_append_printf(text, strchr("\"\\", *at) ? "\\%c" : "%c", *at);
        g_string_append_c(text, '"');
        return g_string_free(text, FALSE);
    }
    for (const char *at = valid; *at;) {
        const char *end = at;
        while (*end && g_utf8_next_char(end) - at <= WORD_BYTES)
            end = g_utf8_next_char(end);
        g_autofree char *coded = g_base64_encode((const guchar *)at, (gsize)(end - at));
        g_string_append_printf(text, "%s=?UTF-8?B?%s?=", at == valid ? "" : "\r\n ", coded);
        at = end;
    }
    return g_string_free(text, FALSE);
}

/* A message that begins with its text gets the empty line that ends its header. */
static gboolean has_header(const GByteArray *message)
{
    const char *at = (const char *)message->data;
    MimeField field;

    if (message->len == 0)
        return FALSE;
    MimeFieldKind kind = mime_field_next(&at, at + message->len, &field);
    return kind == MIME_FIELD_BLANK || (kind == MIME_FIELD_MORE && field.name_length > 0);
}

void letter_complete(Letter *letter, const char *name, const char *address)
{
    static const char *const secret[] = {"Bcc", "Resent-Bcc", NULL};
    g_autoptr(MimeFieldSet) set = mime_field_set_new(secret);
    g_autofree char *from = letter_from(letter);
    g_autoptr(GString) header = g_string_new(NULL);
    gsize length = 0;

    if (!from) {
        g_autofree char *display = name && *name ? name_text(name) : NULL;
        if (display)
            g_string_append_printf(header, "From: %s <%s>\r\n", display, address);
        else
            g_string_append_printf(header, "From: %s\r\n", address);
    }
    if (has_header(letter->message)) {
        length = mime_header_length((const char *)letter->message->data, letter->message->len);
        mime_header_filter((const char *)letter->message->data, length, set, FALSE, header);
    } else {
        g_string_append(header, "\r\n");
    }
    g_byte_array_remove_range(letter->message, 0, (guint)length);
    g_byte_array_prepend(letter->message, (const guint8 *)header->str, (guint)header->len);
}

/* ---- handing it over ----------------------------------------------------------------------- */

static gboolean fail_writing(GError **error, const char *path)
{
    int code = errno;

    g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(code), "%s can't be written: %s",
                path, g_strerror(code));
    return FALSE;
}

static GString *envelope_text(const Letter *letter, const char *account)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "account %s\nfrom %s\n", account, letter->sender);
    for (guint i = 0; i < letter->to->len; i++)
        g_string_append_printf(text, "to %s\n", (const char *)letter->to->pdata[i]);
    g_string_append_c(text, '\n');
    return text;
}

static gboolean write_letter(const Letter *letter, const char *account, int fd)
{
    g_autoptr(GString) envelope = envelope_text(letter, account);
    FILE *file = fdopen(fd, "w");

    if (!file) {
        close(fd);
        return FALSE;
    }
    gboolean written =
        fwrite(envelope->str, 1, envelope->len, file) == envelope->len &&
        fwrite(letter->message->data, 1, letter->message->len, file) == letter->message->len &&
        fflush(file) == 0 && fsync(fd) == 0;
    int code = errno;
    fclose(file);
    errno = code;
    return written;
}

/* So that a name in it survives a power failure. */
static gboolean sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return synced;
}

gboolean letter_hand_over(const Letter *letter, const char *account, GError **error)
{
    g_autofree char *folder = paths_handed();
    g_autofree char *id = g_uuid_string_random();
    g_autofree char *name =
        g_strdup_printf("%020" G_GINT64_FORMAT "-%s.mail", g_get_real_time(), id);
    g_autofree char *hidden = g_strdup_printf("%s/.%s", folder, name);
    g_autofree char *path = g_build_filename(folder, name, NULL);

    if (g_mkdir_with_parents(folder, 0700) != 0)
        return fail_writing(error, folder);
    int fd = open(hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_writing(error, hidden);
    if (write_letter(letter, account, fd) && rename(hidden, path) == 0 && sync_folder(folder))
        return TRUE;
    fail_writing(error, path);
    g_unlink(hidden);
    g_unlink(path);
    return FALSE;
}
