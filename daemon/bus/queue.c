/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * org.postern.Postern1.OutgoingMessage: every entry of the queue can be addressed, none is listed.
 * The queue is read in worker threads only. Entries that somebody has read are kept in mind (some
 * hundred, the oldest leave), so that PropertiesChanged can be sent for them.
 */
#include "cache/export.h"
#include "daemon/bus/private.h"
#include "daemon/words/words.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LIST_LIMIT    1000
#define LIST_DEFAULT  100
#define SEEN_LIMIT    200
#define CHANGED_DELAY 200 /* ms */

static const char *const state_names[] = {"waiting", "sending", "held", "failed", "sent"};
static const char *const recipient_names[] = {"pending", "sent", "failed", "unknown"};

/* ---- describing ---------------------------------------------------------------------------- */

static GVariant *text_variant(const char *text)
{
    return g_variant_new_take_string(g_utf8_make_valid(text ? text : "", -1));
}

/* What servers have said. */
static GVariant *words_variant(const char *words)
{
    return g_variant_new_take_string(words_text(words ? words : ""));
}

static GVariant *describe_recipients(const GPtrArray *recipients)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < recipients->len; i++) {
        const QueueRecipient *recipient = g_ptr_array_index(recipients, i);
        GVariantDict dict;
        g_variant_dict_init(&dict, NULL);
        g_variant_dict_insert_value(&dict, "Address", text_variant(recipient->address));
        g_variant_dict_insert(&dict, "Status", "s", recipient_names[recipient->state]);
        g_variant_dict_insert_value(&dict, "Reply", words_variant(recipient->reply));
        g_variant_builder_add_value(&builder, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&builder);
}

/* The properties of an entry; `with_id` for ListQueue. */
static GVariant *describe(const QueueEntry *entry, gboolean with_id)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    if (with_id)
        g_variant_dict_insert(&dict, "Id", "x", entry->id);
    g_variant_dict_insert_value(&dict, "Account", text_variant(entry->account));
    g_variant_dict_insert_value(&dict, "From", text_variant(entry->sender));
    g_variant_dict_insert_value(&dict, "Recipients", describe_recipients(entry->recipients));
    g_variant_dict_insert_value(&dict, "Subject", text_variant(entry->subject));
    g_variant_dict_insert(&dict, "Size", "t", entry->size);
    g_variant_dict_insert(&dict, "Submitted", "x", entry->submitted);
    g_variant_dict_insert(&dict, "State", "s", state_names[entry->state]);
    g_variant_dict_insert(&dict, "Attempts", "u", entry->attempts);
    g_variant_dict_insert(&dict, "NextAttempt", "x",
                          entry->state == QUEUE_WAITING ? entry->next_attempt : 0);
    g_variant_dict_insert(&dict, "SendAt", "x", entry->send_at);
    g_variant_dict_insert_value(&dict, "LastError", words_variant(entry->last_error));
    return g_variant_dict_end(&dict);
}

/* ---- calls in worker threads --------------------------------------------------------------- */

typedef struct {
    Bus *bus;
    GDBusMethodInvocation *invocation;
    gint64 id;
    char *method;
    GVariant *parameters; /* of the call */
    guint64 offset;       /* ListQueue */
    guint limit;
    int fd;               /* Export; -1: none was passed */
    GVariant *properties; /* the entry's, after a read: kept in mind */
} QueueCall;

static void call_free(QueueCall *call)
{
    g_free(call->method);
    g_clear_pointer(&call->parameters, g_variant_unref);
    g_clear_pointer(&call->properties, g_variant_unref);
    if (call->fd >= 0)
        close(call->fd);
    g_free(call);
}

/* Keeps in mind what readers know of an entry. */
static void remember(Bus *bus, gint64 id, GVariant *properties)
{
    gint64 *key = g_memdup2(&id, sizeof id);

    if (!g_hash_table_contains(bus->queue_seen, key)) {
        g_queue_push_tail(&bus->queue_order, g_memdup2(&id, sizeof id));
        if (bus->queue_order.length > SEEN_LIMIT) {
            g_autofree gint64 *oldest = g_queue_pop_head(&bus->queue_order);
            g_hash_table_remove(bus->queue_seen, oldest);
        }
    }
    g_hash_table_replace(bus->queue_seen, key, g_variant_ref(properties));
}

static void call_done(GObject *source, GAsyncResult *result, gpointer data)
{
    QueueCall *call = data;
    g_autoptr(GError) error = NULL;
    GVariant *value = g_task_propagate_pointer(G_TASK(result), &error);

    bus_ran(call->bus);
    if (error)
        bus_return_error(call->invocation, error);
    else
        g_dbus_method_invocation_return_value(call->invocation, value);
    if (value)
        g_variant_unref(value);
    if (call->properties)
        remember(call->bus, call->id, call->properties);
    call_free(call);
}

static void run(Bus *bus, QueueCall *call, GDBusMethodInvocation *invocation, GTaskThreadFunc func)
{
    call->bus = bus;
    call->invocation = invocation;
    if (!bus->daemon->queue) {
        bus_return(invocation, POSTERN_ERROR_FAILED, "%s", bus->daemon->queue_error);
        call_free(call);
        return;
    }
    bus_run(bus, func, call_done, call);
}

static void return_value(GTask *task, GVariant *value, GError *error)
{
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, value ? g_variant_ref_sink(value) : NULL, NULL);
}

/* ---- ListQueue ----------------------------------------------------------------------------- */

static int state_from(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(state_names); i++) {
        if (strcmp(state_names[i], name) == 0)
            return (int)i;
    }
    return -1;
}

static void list_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    QueueCall *call = data;
    const char *account = NULL, *state = NULL;
    GVariantBuilder builder;
    GError *error = NULL;

    g_variant_lookup(call->parameters, "Account", "&s", &account);
    g_variant_lookup(call->parameters, "State", "&s", &state);
    if (state && state_from(state) < 0) {
        g_task_return_new_error(task, POSTERN_ERROR, POSTERN_ERROR_INVALID_ARGUMENT,
                                "%s is no state; write waiting, sending, held, failed or sent",
                                state);
        return;
    }
    g_autoptr(GPtrArray) entries =
        queue_list(call->bus->daemon->queue, account, state ? state_from(state) : -1, call->offset,
                   call->limit, &error);
    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; entries && i < entries->len; i++)
        g_variant_builder_add_value(&builder, describe(g_ptr_array_index(entries, i), TRUE));
    return_value(task, g_variant_new("(aa{sv})", &builder), error);
}

void bus_queue_list(Bus *bus, GDBusMethodInvocation *invocation, GVariant *filter, guint64 offset,
                    guint limit)
{
    QueueCall *call = g_new0(QueueCall, 1);

    call->parameters = g_variant_ref(filter);
    call->fd = -1;
    call->offset = offset;
    call->limit = limit ? MIN(limit, LIST_LIMIT) : LIST_DEFAULT;
    run(bus, call, invocation, list_thread);
}

/* ---- an entry's properties ----------------------------------------------------------------- */

static QueueEntry *get_entry(QueueCall *call, GError **error)
{
    GError *failure = NULL;
    QueueEntry *entry = queue_get(call->bus->daemon->queue, call->id, &failure);

    if (entry)
        return entry;
    if (g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND)) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND,
                    "there is no message %" G_GINT64_FORMAT " in the queue", call->id);
        g_error_free(failure);
    } else {
        g_propagate_error(error, failure);
    }
    return NULL;
}

/* org.freedesktop.DBus.Properties: Get and GetAll; nothing can be set. */
static void properties_thread(GTask *task, gpointer source, gpointer data,
                              GCancellable *cancellable)
{
    QueueCall *call = data;
    GError *error = NULL;
    g_autoptr(QueueEntry) entry = get_entry(call, &error);
    const char *name = NULL;

    if (!entry) {
        g_task_return_error(task, error);
        return;
    }
    call->properties = g_variant_ref_sink(describe(entry, FALSE));
    if (strcmp(call->method, "GetAll") == 0) {
        return_value(task, g_variant_new("(@a{sv})", call->properties), NULL);
        return;
    }
    g_variant_get_child(call->parameters, 1, "&s", &name);
    g_autoptr(GVariant) value = g_variant_lookup_value(call->properties, name, NULL);
    return_value(task, g_variant_new("(v)", value), NULL);
}

/* ---- an entry's methods -------------------------------------------------------------------- */

static gboolean send_at(Queue *queue, QueueCall *call, GError **error)
{
    gint64 when;
    g_variant_get(call->parameters, "(x)", &when);
    return queue_send_at(queue, call->id, when, error);
}

static gboolean export(Queue *queue, QueueCall *call, GError **error)
{
    gsize length = EXPORT_PIECE;

    if (call->fd < 0) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_INVALID_ARGUMENT,
                            "no file was passed along");
        return FALSE;
    }
    for (guint64 offset = 0; length == EXPORT_PIECE; offset += length) {
        g_autoptr(GBytes) bytes = queue_read(queue, call->id, offset, EXPORT_PIECE, error);
        if (!bytes)
            return FALSE;
        const char *data = g_bytes_get_data(bytes, &length);
        if (!export_write(call->fd, data, length, error))
            return FALSE;
    }
    return TRUE;
}

static const struct {
    const char *name;
    gboolean (*simple)(Queue *queue, gint64 id, GError **error);
    gboolean (*full)(Queue *queue, QueueCall *call, GError **error);
} methods[] = {
    {"Retry", queue_retry, NULL},   {"Hold", queue_hold, NULL}, {"Release", queue_release, NULL},
    {"Cancel", queue_cancel, NULL}, {"SendAt", NULL, send_at},  {"Export", NULL, export},
};

static void method_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    QueueCall *call = data;
    Queue *queue = call->bus->daemon->queue;
    GError *error = NULL;
    g_autoptr(QueueEntry) entry = get_entry(call, &error);
    guint i = 0;

    if (!entry) {
        g_task_return_error(task, error);
        return;
    }
    while (strcmp(methods[i].name, call->method) != 0)
        i++;
    gboolean done = methods[i].simple ? methods[i].simple(queue, call->id, &error)
                                      : methods[i].full(queue, call, &error);
    if (done) {
        return_value(task, NULL, NULL);
        return;
    }
    if (g_error_matches(error, CACHE_ERROR, CACHE_ERROR_INVALID)) {
        error->domain = POSTERN_ERROR;
        error->code = POSTERN_ERROR_TOO_LATE;
    }
    g_task_return_error(task, error);
}

/* The descriptor that came with the call, or -1. */
static int passed_file(GDBusMethodInvocation *invocation)
{
    GUnixFDList *files =
        g_dbus_message_get_unix_fd_list(g_dbus_method_invocation_get_message(invocation));

    return files && g_unix_fd_list_get_length(files) == 1 ? g_unix_fd_list_get(files, 0, NULL) : -1;
}

static void on_method_call(GDBusConnection *connection, const char *sender, const char *path,
                           const char *interface, const char *method, GVariant *parameters,
                           GDBusMethodInvocation *invocation, gpointer data)
{
    Bus *bus = data;
    const char *node = strrchr(path, '/') + 1;
    guint64 id = 0;

    bus_touch(bus);
    if (!g_ascii_string_to_unsigned(node, 10, 1, G_MAXINT64, &id, NULL)) {
        bus_return(invocation, POSTERN_ERROR_NOT_FOUND, "there is no message %s in the queue",
                   node);
        return;
    }
    QueueCall *call = g_new0(QueueCall, 1);
    call->id = (gint64)id;
    call->method = g_strdup(method);
    call->parameters = g_variant_ref(parameters);
    call->fd = passed_file(invocation);
    run(bus, call, invocation,
        strcmp(interface, POSTERN_OUTGOING_INTERFACE) == 0 ? method_thread : properties_thread);
}

/* ---- the subtree --------------------------------------------------------------------------- */

static const GDBusInterfaceVTable entry_vtable = {on_method_call, NULL, NULL, {0}};

static char **enumerate(GDBusConnection *connection, const char *sender, const char *path,
                        gpointer data)
{
    return g_new0(char *, 1);
}

static GDBusInterfaceInfo **introspect(GDBusConnection *connection, const char *sender,
                                       const char *path, const char *node, gpointer data)
{
    GDBusInterfaceInfo **infos = g_new0(GDBusInterfaceInfo *, 2);
    if (node)
        infos[0] = g_dbus_interface_info_ref(postern_outgoing_message_interface_info());
    return infos;
}

static const GDBusInterfaceVTable *dispatch(GDBusConnection *connection, const char *sender,
                                            const char *path, const char *interface,
                                            const char *node, gpointer *out_data, gpointer data)
{
    if (!node)
        return NULL;
    *out_data = data;
    return &entry_vtable;
}

/* ---- changes ------------------------------------------------------------------------------- */

typedef struct {
    Bus *bus;
    guint64 counts[5];
    gboolean counted;   /* else the counts that are told stay: none is better than wrong ones */
    GArray *ids;        /* gint64: entries to read again */
    GPtrArray *entries; /* QueueEntry, or NULL where it is gone */
} QueueLook;

static void look_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    QueueLook *look = data;
    Queue *queue = look->bus->daemon->queue;

    look->counted = queue_counts(queue, NULL, look->counts, NULL);
    for (guint i = 0; i < look->ids->len; i++)
        g_ptr_array_add(look->entries, queue_get(queue, g_array_index(look->ids, gint64, i), NULL));
    g_task_return_boolean(task, TRUE);
}

static void set_counts(Bus *bus, const guint64 counts[5])
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(state_names); i++)
        g_variant_dict_insert(&dict, state_names[i], "t", counts[i]);
    postern_manager_set_queue_counts(bus->manager, g_variant_dict_end(&dict));
}

/* Tells readers of entry `id` what is different from what they know. */
static void tell_difference(Bus *bus, gint64 id, const QueueEntry *entry)
{
    GVariant *before = g_hash_table_lookup(bus->queue_seen, &id);
    g_autofree char *path = g_strdup_printf("%s/%" G_GINT64_FORMAT, POSTERN_QUEUE_PATH, id);
    g_autoptr(GVariant) after = g_variant_ref_sink(describe(entry, FALSE));
    GVariantBuilder builder;
    GVariantIter iter;
    const char *key;
    GVariant *value;
    guint changed = 0;

    if (!before || g_variant_equal(before, after))
        return;
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    g_variant_iter_init(&iter, after);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        g_autoptr(GVariant) old = g_variant_lookup_value(before, key, NULL);
        if (old && g_variant_equal(old, value))
            continue;
        g_variant_builder_add(&builder, "{sv}", key, value);
        changed++;
    }
    g_dbus_connection_emit_signal(
        bus->connection, NULL, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
        g_variant_new("(sa{sv}as)", POSTERN_OUTGOING_INTERFACE, &builder, NULL), NULL);
    remember(bus, id, after);
}

static void looked(GObject *source, GAsyncResult *result, gpointer data)
{
    QueueLook *look = data;
    Bus *bus = look->bus;

    bus_ran(bus);
    bus->queue_busy = FALSE;
    if (bus->manager) {
        if (look->counted)
            set_counts(bus, look->counts);
        for (guint i = 0; i < look->entries->len; i++) {
            const QueueEntry *entry = g_ptr_array_index(look->entries, i);
            if (entry)
                tell_difference(bus, entry->id, entry);
        }
        postern_manager_emit_queue_changed(bus->manager);
    }
    g_array_unref(look->ids);
    g_ptr_array_unref(look->entries);
    g_free(look);
}

static void entry_free(gpointer entry)
{
    g_clear_pointer((QueueEntry **)&entry, queue_entry_free);
}

static gboolean on_changed_later(gpointer data)
{
    Bus *bus = data;

    if (bus->queue_busy)
        return G_SOURCE_CONTINUE;
    bus->queue_timer = 0;
    bus->queue_busy = TRUE;
    QueueLook *look = g_new0(QueueLook, 1);
    look->bus = bus;
    look->ids = g_array_new(FALSE, FALSE, sizeof(gint64));
    look->entries = g_ptr_array_new_with_free_func(entry_free);
    for (GList *at = bus->queue_order.head; at; at = at->next)
        g_array_append_vals(look->ids, at->data, 1);

    bus_run(bus, look_thread, looked, look);
    return G_SOURCE_REMOVE;
}

static gboolean on_queue(gint fd, GIOCondition condition, gpointer data)
{
    Bus *bus = data;
    eventfd_t count;

    eventfd_read(fd, &count);
    if (!bus->queue_timer)
        bus->queue_timer = g_timeout_add(CHANGED_DELAY, on_changed_later, bus);
    return G_SOURCE_CONTINUE;
}

void bus_queue_export(Bus *bus)
{
    static const GDBusSubtreeVTable vtable = {enumerate, introspect, dispatch, {0}};
    g_autoptr(GError) error = NULL;

    bus->queue_seen =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)g_variant_unref);
    bus->queue_subtree = g_dbus_connection_register_subtree(
        bus->connection, POSTERN_QUEUE_PATH, &vtable,
        G_DBUS_SUBTREE_FLAGS_DISPATCH_TO_UNENUMERATED_NODES, bus, NULL, &error);
    if (!bus->queue_subtree)
        g_warning("The queue can't be put on the bus: %s", error->message);
    if (!bus->daemon->queue)
        return;
    bus->queue_fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    bus->queue_watch = queue_watch_changes(bus->daemon->queue, bus->queue_fd);
    bus->queue_source = g_unix_fd_add(bus->queue_fd, G_IO_IN, on_queue, bus);
}

void bus_queue_unexport(Bus *bus)
{
    g_dbus_connection_unregister_subtree(bus->connection, bus->queue_subtree);
    g_clear_handle_id(&bus->queue_source, g_source_remove);
    g_clear_handle_id(&bus->queue_timer, g_source_remove);
    g_clear_pointer(&bus->queue_watch, queue_unwatch);
    if (bus->queue_fd >= 0)
        close(bus->queue_fd);
    g_queue_clear_full(&bus->queue_order, g_free);
    g_hash_table_unref(bus->queue_seen);
}
