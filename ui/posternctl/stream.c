/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The stream of messages between posternctl and the daemon: a socket, and the call that it belongs to. */
#include "ui/posternctl/stream.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <gio/gunixinputstream.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER (256 * 1024)

struct CtlStream {
    int fd; /* -1: closed */
    GDataInputStream *input;
    JsonParser *parser;
    gboolean answered;
    GVariant *answer;
    GError *error;
};

/* ---- records ----------------------------------------------------------------------------------- */

static void record_clear(CtlRecord *record)
{
    g_clear_pointer(&record->line, g_bytes_unref);
    g_clear_pointer(&record->fields, json_object_unref);
    g_clear_pointer(&record->content, g_bytes_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CtlRecord, record_clear)

static JsonNode *member(const CtlRecord *record, const char *name)
{
    JsonNode *node = json_object_get_member(record->fields, name);
    return node && JSON_NODE_HOLDS_VALUE(node) ? node : NULL;
}

const char *ctl_record_text(const CtlRecord *record, const char *name)
{
    JsonNode *node = member(record, name);
    const char *text = node ? json_node_get_string(node) : NULL;
    return text ? text : "";
}

gint64 ctl_record_number(const CtlRecord *record, const char *name)
{
    JsonNode *node = member(record, name);
    return node ? json_node_get_int(node) : 0;
}

static gboolean record_is(const CtlRecord *record, const char *name)
{
    JsonNode *node = member(record, name);
    return node && json_node_get_boolean(node);
}

const char **ctl_record_flags(const CtlRecord *record)
{
    JsonNode *node = json_object_get_member(record->fields, "Flags");
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    guint count = array ? json_array_get_length(array) : 0;
    const char **flags = g_new0(const char *, count + 1);

    for (guint i = 0; i < count; i++)
        flags[i] = json_array_get_string_element(array, i);
    return flags;
}

/* ---- the call ---------------------------------------------------------------------------------- */

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    CtlStream *stream = data;
    GError *failure = NULL;

    stream->answer = g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(source),
                                                                     NULL, result, &failure);
    stream->answered = TRUE;
    if (g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
        g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)) {
        g_set_error(&stream->error, CTL_ERROR, CTL_ERROR_NO_DAEMON,
                    "posternd ended before it answered");
        g_error_free(failure);
    } else {
        stream->error = failure;
    }
}

CtlStream *ctl_stream_begin(Ctl *ctl, const char *id, const char *method, GVariant *parameters,
                            GError **error)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(parameters);
    g_autoptr(GVariant) account = ctl_account(ctl, id, error);
    g_autoptr(GUnixFDList) files = g_unix_fd_list_new();
    g_autofree char *path = postern_account_path(id);
    int ends[2];

    if (!account)
        return NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        ctl_fail(error, "no socket can be made: %s", g_strerror(errno));
        return NULL;
    }
    gboolean passed = g_unix_fd_list_append(files, ends[1], error) >= 0;
    close(ends[1]);
    if (!passed) {
        close(ends[0]);
        return NULL;
    }
    CtlStream *stream = g_new0(CtlStream, 1);
    stream->fd = ends[0];
    g_autoptr(GInputStream) raw = g_unix_input_stream_new(stream->fd, FALSE);
    stream->input = g_data_input_stream_new(raw);
    g_buffered_input_stream_set_buffer_size(G_BUFFERED_INPUT_STREAM(stream->input), BUFFER);
    stream->parser = json_parser_new();
    g_dbus_connection_call_with_unix_fd_list(
        ctl->connection, POSTERN_BUS_NAME, path, POSTERN_ACCOUNT_INTERFACE, method, owned, NULL,
        G_DBUS_CALL_FLAGS_NO_AUTO_START, G_MAXINT, files, NULL, on_answer, stream);
    return stream;
}

/* ---- reading and writing ----------------------------------------------------------------------- */

static gboolean read_content(CtlStream *stream, CtlRecord *record, GError **error)
{
    gsize size = (gsize)ctl_record_number(record, "Size"), got;
    g_autofree char *octets = g_try_malloc(size + 1);

    if (!octets)
        return ctl_fail(
            error, "there is not enough memory for a message of %" G_GSIZE_FORMAT " bytes", size);
    if (!g_input_stream_read_all(G_INPUT_STREAM(stream->input), octets, size, &got, NULL, error))
        return FALSE;
    if (got < size)
        return FALSE; /* the daemon's answer says why */
    record->content = g_bytes_new_take(g_steal_pointer(&octets), size);
    return TRUE;
}

/* FALSE without an error: there are no more. */
static gboolean read_record(CtlStream *stream, CtlRecord *record, GError **error)
{
    gsize length;
    char *line = g_data_input_stream_read_line(stream->input, &length, NULL, error);

    if (!line)
        return FALSE;
    record->line = g_bytes_new_take(line, length);
    if (!json_parser_load_from_data(stream->parser, line, (gssize)length, error))
        return FALSE;
    JsonNode *root = json_parser_get_root(stream->parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root))
        return ctl_fail(error, "posternd said something that isn't understood");
    record->fields = json_object_ref(json_node_get_object(root));
    return !record_is(record, "Content") || read_content(stream, record, error);
}

gboolean ctl_stream_each(CtlStream *stream, CtlStreamTake take, gpointer data, GError **error)
{
    GError *failure = NULL;
    gboolean ok = TRUE;

    while (ok) {
        g_auto(CtlRecord) record = {0};
        ok = read_record(stream, &record, &failure) && take(&record, data, &failure);
    }
    if (failure)
        g_propagate_error(error, failure);
    return failure == NULL;
}

gboolean ctl_stream_is_ready(CtlStream *stream)
{
    struct pollfd fd = {.fd = stream->fd, .events = POLLIN};

    return g_buffered_input_stream_get_available(G_BUFFERED_INPUT_STREAM(stream->input)) > 0 ||
           poll(&fd, 1, 0) > 0;
}

gboolean ctl_stream_write(CtlStream *stream, const void *data, gsize length, GError **error)
{
    const char *at = data;

    while (length > 0) {
        gssize n = send(stream->fd, at, length, MSG_NOSIGNAL);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return FALSE;
        if (n < 0 && errno != EINTR)
            return ctl_fail(error, "posternd can't be given the messages: %s", g_strerror(errno));
        at += MAX(n, 0);
        length -= (gsize)MAX(n, 0);
    }
    return TRUE;
}

GVariant *ctl_stream_end(CtlStream *stream, GError **error)
{
    GVariant *summary = NULL;

    g_clear_object(&stream->input);
    close(stream->fd);
    while (!stream->answered)
        g_main_context_iteration(NULL, TRUE);
    if (stream->answer)
        summary = g_variant_get_child_value(stream->answer, 0);
    else
        g_propagate_error(error, g_steal_pointer(&stream->error));
    g_clear_pointer(&stream->answer, g_variant_unref);
    g_clear_object(&stream->parser);
    g_free(stream);
    return summary;
}
