/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GLib's network monitor; logind's word that the machine wakes; and, where there is no logind, the
 * kernel's: a timer on the wall clock is cancelled when that is set, as waking does, and then the
 * clock that counts sleep has left the one that doesn't behind.
 */
#include "daemon/changes.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* One change of network comes as many: addresses, routes, name servers. In ms. */
#define NETWORK_DELAY 500
/* Sleep that is shorter isn't noticed by anyone else either. In microseconds. */
#define SLEPT (2 * G_USEC_PER_SEC)

struct Changes {
    ChangesObserver observer;
    gulong network_signal;
    guint network_timer;

    GCancellable *connecting;
    GDBusConnection *system; /* NULL: there is no system bus (yet) */
    guint login_signal;

    int clock_fd; /* timerfd */
    guint clock_watch;
    gint64 asleep; /* all sleep since the machine was started, in microseconds */
};

gboolean changes_network_available(void)
{
    return g_network_monitor_get_network_available(g_network_monitor_get_default());
}

/* ---- the network --------------------------------------------------------------------------- */

static gboolean on_network_settled(gpointer data)
{
    Changes *changes = data;

    changes->network_timer = 0;
    changes->observer.network(TRUE, changes->observer.data);
    return G_SOURCE_REMOVE;
}

static void on_change_network(GNetworkMonitor *monitor, gboolean available, gpointer data)
{
    Changes *changes = data;

    g_clear_handle_id(&changes->network_timer, g_source_remove);
    if (available)
        changes->network_timer = g_timeout_add(NETWORK_DELAY, on_network_settled, changes);
    else
        changes->observer.network(FALSE, changes->observer.data);
}

/* ---- sleep --------------------------------------------------------------------------------- */

static gint64 read_clock(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (gint64)time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

/* Whether the machine has slept since this was last asked. */
static gboolean has_slept(Changes *changes)
{
    gint64 asleep = read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC);
    gboolean slept = asleep - changes->asleep > SLEPT;

    changes->asleep = asleep;
    return slept;
}

static void watch_clock(Changes *changes)
{
    /* It never ends by itself. */
    const struct itimerspec never = {.it_value.tv_sec = G_MAXINT32};

    if (timerfd_settime(changes->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
                        NULL) < 0)
        g_debug("The clock can't be watched: %s", g_strerror(errno));
}

static gboolean on_clock_set(gint fd, GIOCondition condition, gpointer data)
{
    Changes *changes = data;
    guint64 count;

    if (read(fd, &count, sizeof count) < 0 && errno == EAGAIN)
        return G_SOURCE_CONTINUE;
    watch_clock(changes);
    if (has_slept(changes))
        changes->observer.resumed(changes->observer.data);
    return G_SOURCE_CONTINUE;
}

static void on_prepare_for_sleep(GDBusConnection *connection, const char *sender, const char *path,
                                 const char *interface, const char *signal, GVariant *parameters,
                                 gpointer data)
{
    Changes *changes = data;
    gboolean begins = TRUE;

    g_variant_get(parameters, "(b)", &begins);
    if (begins)
        return;
    has_slept(changes); /* the clock has nothing to tell any more */
    changes->observer.resumed(changes->observer.data);
}

static void on_system_bus(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection = g_bus_get_finish(result, &error);

    if (!connection) {
        g_debug("There is no system bus to hear of sleep: %s", error->message);
        return;
    }
    Changes *changes = data;
    changes->system = connection;
    g_dbus_connection_set_exit_on_close(connection, FALSE);
    changes->login_signal = g_dbus_connection_signal_subscribe(
        connection, "org.freedesktop.login1", "org.freedesktop.login1.Manager", "PrepareForSleep",
        "/org/freedesktop/login1", NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_prepare_for_sleep, changes,
        NULL);
}

/* ---- life ---------------------------------------------------------------------------------- */

Changes *changes_new(const ChangesObserver *observer)
{
    Changes *changes = g_new0(Changes, 1);

    changes->observer = *observer;
    changes->network_signal = g_signal_connect(g_network_monitor_get_default(), "network-changed",
                                               G_CALLBACK(on_change_network), changes);
    has_slept(changes);
    changes->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (changes->clock_fd >= 0) {
        watch_clock(changes);
        changes->clock_watch = g_unix_fd_add(changes->clock_fd, G_IO_IN, on_clock_set, changes);
    }
    changes->connecting = g_cancellable_new();
    g_bus_get(G_BUS_TYPE_SYSTEM, changes->connecting, on_system_bus, changes);
    return changes;
}

void changes_free(Changes *changes)
{
    if (!changes)
        return;
    g_signal_handler_disconnect(g_network_monitor_get_default(), changes->network_signal);
    g_clear_handle_id(&changes->network_timer, g_source_remove);
    g_clear_handle_id(&changes->clock_watch, g_source_remove);
    if (changes->clock_fd >= 0)
        close(changes->clock_fd);
    g_cancellable_cancel(changes->connecting);
    g_object_unref(changes->connecting);
    if (changes->system) {
        g_dbus_connection_signal_unsubscribe(changes->system, changes->login_signal);
        g_object_unref(changes->system);
    }
    g_free(changes);
}
