/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What all methods share: errors as they are answered, work in other threads, and what is asked of
 * an account's work.
 */
#include "daemon/bus/private.h"

#include "daemon/net/proxy.h"
#include "daemon/net/route.h"
#include "daemon/net/thread.h"
#include "daemon/proto/imap/error.h"
#include "daemon/words/words.h"

#include <gio/gio.h>
#include <unistd.h>

/* ---- errors -------------------------------------------------------------------------------- */

static PosternError cache_code(int code)
{
    switch (code) {
    case CACHE_ERROR_FULL:
        return POSTERN_ERROR_NO_SPACE;
    case CACHE_ERROR_NOT_FOUND:
        return POSTERN_ERROR_NOT_FOUND;
    case CACHE_ERROR_EXISTS:
        return POSTERN_ERROR_EXISTS;
    case CACHE_ERROR_INVALID:
    case CACHE_ERROR_CHILDREN:
        return POSTERN_ERROR_INVALID_ARGUMENT;
    default:
        return POSTERN_ERROR_FAILED;
    }
}

static PosternError code_of(const GError *error)
{
    if (error->domain == POSTERN_ERROR)
        return (PosternError)error->code;
    if (error->domain == CACHE_ERROR)
        return cache_code(error->code);
    if (error->domain == ACCOUNT_ERROR_DOMAIN)
        return error->code == ACCOUNT_SECRET_LOCKED ? POSTERN_ERROR_LOCKED
                                                    : POSTERN_ERROR_AUTH_REQUIRED;
    if (error->domain == NET_ERROR)
        return error->code == NET_ERROR_CERTIFICATE ? POSTERN_ERROR_FAILED : POSTERN_ERROR_OFFLINE;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE) ||
        g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC))
        return POSTERN_ERROR_NO_SPACE;
    if (error->domain == IMAP_ERROR || error->domain == G_KEY_FILE_ERROR ||
        g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT))
        return POSTERN_ERROR_INVALID_ARGUMENT;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_EXISTS))
        return POSTERN_ERROR_EXISTS;
    return g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ? POSTERN_ERROR_NOT_FOUND
                                                                    : POSTERN_ERROR_FAILED;
}

void bus_return_error(GDBusMethodInvocation *invocation, const GError *error)
{
    /* What the bus itself says when a daemon has ended: one thing to look for. */
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED)) {
        g_dbus_method_invocation_return_dbus_error(invocation, "org.freedesktop.DBus.Error.NoReply",
                                                   error->message);
        return;
    }
    g_autofree char *message = words_text(error->message);
    g_dbus_method_invocation_return_error_literal(invocation, POSTERN_ERROR, (int)code_of(error),
                                                  message);
}

void bus_return(GDBusMethodInvocation *invocation, PosternError code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autoptr(GError) error = g_error_new_valist(POSTERN_ERROR, (int)code, format, args);
    va_end(args);
    bus_return_error(invocation, error);
}

const char *bus_state_name(AccountState state)
{
    static const char *const names[] = {
        [ACCOUNT_DISABLED] = "disabled",
        [ACCOUNT_OFFLINE] = "offline",
        [ACCOUNT_CONNECTING] = "connecting",
        [ACCOUNT_SYNCING] = "syncing",
        [ACCOUNT_IDLE] = "idle",
        [ACCOUNT_LOCKED] = "locked",
        [ACCOUNT_AUTH_REQUIRED] = "auth-required",
        [ACCOUNT_ERROR] = "error",
        [ACCOUNT_OPENING] = "opening",
        [ACCOUNT_NO_SPACE] = "no-space",
    };
    return names[state];
}

static const char *const role_names[] = {
    [CACHE_ROLE_NONE] = "",         [CACHE_ROLE_INBOX] = "inbox",
    [CACHE_ROLE_ALL] = "all",       [CACHE_ROLE_ARCHIVE] = "archive",
    [CACHE_ROLE_DRAFTS] = "drafts", [CACHE_ROLE_FLAGGED] = "flagged",
    [CACHE_ROLE_JUNK] = "junk",     [CACHE_ROLE_SENT] = "sent",
    [CACHE_ROLE_TRASH] = "trash",   [CACHE_ROLE_IMPORTANT] = "important",
};

const char *bus_role_name(CacheRole role)
{
    return role_names[role];
}

void bus_touch(Bus *bus)
{
    bus->last_call = g_get_monotonic_time();
}

/* ---- worker threads ------------------------------------------------------------------------ */

typedef struct {
    GTaskThreadFunc func;
    gpointer data;
} BusTask;

static void task_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    const BusTask *run = data;

    net_thread_name("bus", NULL);
    run->func(task, source, run->data, cancellable);
    net_thread_unname();
}

void bus_run(Bus *bus, GTaskThreadFunc func, GAsyncReadyCallback done, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, done, data);
    BusTask *run = g_new(BusTask, 1);

    *run = (BusTask){func, data};
    bus->tasks++;
    g_task_set_task_data(task, run, g_free);
    g_task_run_in_thread(task, task_thread);
}

void bus_ran(Bus *bus)
{
    bus->tasks--;
}

/* ---- an account's work ----------------------------------------------------------------------- */

Account *bus_account_of(PosternAccount *object)
{
    return g_object_get_data(G_OBJECT(object), "account");
}

Bus *bus_of(PosternAccount *object)
{
    return g_object_get_data(G_OBJECT(object), "bus");
}

static void answer(Account *account, gpointer result, const GError *error, gpointer data)
{
    BusAsk *ask = data;

    if (ask->local_passwords)
        account_set_local_passwords(account, ask->local_passwords);
    if (ask->refresh)
        account_refresh(account);
    if (error)
        bus_return_error(ask->invocation, error);
    else
        g_dbus_method_invocation_return_value(ask->invocation, result);
    if (result)
        g_variant_unref(result);
    if (ask->fd >= 0)
        close(ask->fd);
    if (ask->running)
        g_atomic_int_add(ask->running, -1);
    g_clear_pointer(&ask->words, g_variant_unref);
    g_clear_pointer(&ask->options, g_variant_unref);
    g_free(ask->name);
    g_free(ask);
}

void bus_ask(PosternAccount *object, AccountJob job, const BusAsk *question)
{
    BusAsk *ask = g_memdup2(question, sizeof *question);

    ask->name = g_strdup(question->name);
    bus_touch(bus_of(object));
    account_run(bus_account_of(object), job, answer, ask);
}

/* ---- options ------------------------------------------------------------------------------- */

gboolean bus_proxy_of(GVariant *options, char **proxy, GError **error)
{
    const char *url = NULL;

    if (!g_variant_lookup(options, "proxy", "&s", &url) || !*url)
        return TRUE;
    if (strcmp(url, NET_PROXY_DIRECT) != 0) {
        g_autoptr(NetProxy) read = net_proxy_parse(url, error);
        if (!read) {
            g_prefix_error(error, "the proxy ");
            return FALSE;
        }
    }
    *proxy = g_strdup(url);
    return TRUE;
}
