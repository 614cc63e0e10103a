/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of JSON, and the descriptor that they go to or come from. */
#include "daemon/bus/records.h"

#include "daemon/net/stream.h"
#include "daemon/proto/mime/address.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/words.h"

#include <errno.h>
#include <gio/gio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a pipe takes without blocking once it is writable (PIPE_BUF): its flags are the caller's, who
 * may share them with others. */
#define PIPE_PIECE 4096

/* Of a header field, for people. */
#define SHOWN_MAX     1000
#define ADDRESSES_MAX 20

/* ---- lines ----------------------------------------------------------------------------------- */

static void append_json_text(GString *line, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    g_string_append_c(line, '"');
    for (const char *at = valid; *at; at++) {
        if (*at == '"' || *at == '\\')
            g_string_append_c(line, '\\');
        if ((guchar)*at < 0x20 || *at == 0x7f)
            g_string_append_printf(line, "\\u%04x", (guint)*at);
        else
            g_string_append_c(line, *at);
    }
    g_string_append_c(line, '"');
}

static void append_name(GString *line, const char *name)
{
    g_string_append_printf(line, "%s\"%s\": ", line->len ? ", " : "{", name);
}

void record_text(GString *line, const char *name, const char *value)
{
    append_name(line, name);
    append_json_text(line, value);
}

void record_number(GString *line, const char *name, gint64 value)
{
    append_name(line, name);
    g_string_append_printf(line, "%" G_GINT64_FORMAT, value);
}

void record_true(GString *line, const char *name)
{
    append_name(line, name);
    g_string_append(line, "true");
}

static void append_item(GString *line, gboolean *first, const char *value)
{
    if (!*first)
        g_string_append(line, ", ");
    *first = FALSE;
    append_json_text(line, value);
}

void record_end(GString *line)
{
    g_string_append(line, line->len ? "}\n" : "{}\n");
}

static void record_flags(GString *line, Cache *cache, CacheFlags flags)
{
    static const struct {
        guint32 flag;
        const char *name;
    } names[] = {{CACHE_ANSWERED, "\\Answered"},
                 {CACHE_FLAGGED, "\\Flagged"},
                 {CACHE_DELETED, "\\Deleted"},
                 {CACHE_SEEN, "\\Seen"},
                 {CACHE_DRAFT, "\\Draft"}};
    const char *const *keywords = cache_keywords_names(cache, flags.keywords);
    gboolean first = TRUE;

    append_name(line, "Flags");
    g_string_append_c(line, '[');
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (flags.system & names[i].flag)
            append_item(line, &first, names[i].name);
    for (; keywords && *keywords; keywords++)
        append_item(line, &first, *keywords);
    g_string_append_c(line, ']');
}

void record_placement(GString *line, Cache *cache, const CachePlacement *placement)
{
    record_number(line, "Date", placement->date);
    record_number(line, "Zone", placement->zone);
    record_flags(line, cache, placement->flags);
}

GVariant *record_summary(const RecordCount *counts, guint n)
{
    GVariantDict summary;

    g_variant_dict_init(&summary, NULL);
    for (guint i = 0; i < n; i++)
        g_variant_dict_insert(&summary, counts[i].name, "u", counts[i].count);
    return g_variant_ref_sink(g_variant_new("(@a{sv})", g_variant_dict_end(&summary)));
}

/* ---- header fields ----------------------------------------------------------------------------- */

/* Its value on one line, with encoded words decoded; NULL: there is none. */
static char *field_shown(const char *header, gsize length, const char *name)
{
    g_auto(MimeCharsets) charsets = {0};
    MimeField field;

    if (!mime_header_find(header, length, name, &field))
        return NULL;
    g_autoptr(GString) unfolded = g_string_new(NULL);
    GString *shown = g_string_new(NULL);
    for (gsize i = 0; i < field.value_length && unfolded->len < 4 * SHOWN_MAX; i++)
        if (!strchr("\r\n", field.value[i]) || !field.value[i])
            g_string_append_c(unfolded, field.value[i]);
    mime_words_decode(&charsets, unfolded->str, unfolded->len, shown);
    if (shown->len > SHOWN_MAX)
        g_string_truncate(shown, SHOWN_MAX);
    return g_strstrip(g_string_free(shown, FALSE));
}

/* "Ada Lovelace <ada@example.org>, …" */
static char *addresses_shown(const char *header, gsize length, const char *name)
{
    g_auto(MimeArena) arena = {0};
    MimeField field;

    if (!mime_header_find(header, length, name, &field))
        return NULL;
    GString *shown = g_string_new(NULL);
    const MimeAddress *at =
        mime_address_parse(&arena, field.value, field.value_length, ADDRESSES_MAX);
    for (; at && shown->len < SHOWN_MAX; at = at->next) {
        if (!at->mailbox || !at->domain)
            continue;
        g_autofree char *display = mime_address_display(at);
        g_string_append(shown, shown->len ? ", " : "");
        if (at->name)
            g_string_append_printf(shown, "%s <%s@%s>", display, at->mailbox, at->domain);
        else
            g_string_append_printf(shown, "%s@%s", at->mailbox, at->domain);
    }
    return g_string_free(shown, FALSE);
}

void record_header(GString *line, const char *header, gsize length)
{
    static const struct {
        const char *name, *field;
        char *(*show)(const char *header, gsize length, const char *name);
    } fields[] = {{"From", "From", addresses_shown},
                  {"To", "To", addresses_shown},
                  {"Subject", "Subject", field_shown},
                  {"MessageId", "Message-ID", field_shown}};

    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autofree char *value = header ? fields[i].show(header, length, fields[i].field) : NULL;
        record_text(line, fields[i].name, value ? value : "");
    }
}

/* ---- the other end --------------------------------------------------------------------------- */

/* Until it is ready for `events`. FALSE: cancelled. */
static gboolean wait_for(int fd, short events, NetCancel *cancel, GError **error)
{
    struct pollfd fds[] = {{.fd = fd, .events = events},
                           {.fd = net_cancel_fd(cancel), .events = POLLIN}};

    while (poll(fds, 2, -1) < 0 && errno == EINTR) {
    }
    if (!net_cancel_triggered(cancel))
        return TRUE;
    g_set_error_literal(error, NET_ERROR, NET_ERROR_CANCELLED,
                        "the account is being stopped or changed; do it again");
    return FALSE;
}

static gboolean is_socket(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode);
}

static gboolean give_up(GError **error)
{
    int failure = errno;

    if (failure == EPIPE || failure == ECONNRESET)
        g_set_error_literal(error, NET_ERROR, NET_ERROR_CLOSED, "nobody reads it any more");
    else
        g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(failure),
                    "the messages can't be passed on: %s", g_strerror(failure));
    return FALSE;
}

gboolean record_write(int fd, NetCancel *cancel, const char *data, gsize length, GError **error)
{
    gboolean socket = is_socket(fd);

    while (length > 0) {
        if (!wait_for(fd, POLLOUT, cancel, error))
            return FALSE;
        gssize n = socket ? send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT)
                          : write(fd, data, MIN(length, PIPE_PIECE));
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return give_up(error);
        data += MAX(n, 0);
        length -= (gsize)MAX(n, 0);
    }
    return TRUE;
}

gssize record_read(int fd, NetCancel *cancel, void *buffer, gsize length, GError **error)
{
    for (;;) {
        if (!wait_for(fd, POLLIN, cancel, error))
            return -1;
        gssize n = read(fd, buffer, length);
        if (n >= 0)
            return n;
        if (errno != EINTR && errno != EAGAIN) {
            give_up(error);
            return -1;
        }
    }
}
