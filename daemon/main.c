/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternd: options, signals, readiness, and the end.
 */
#include "daemon/bus/bus.h"
#include "daemon/log.h"

#include <glib-unix.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

/* How long a daemon that something activated stays without an account. */
#define IDLE_SECONDS 60

typedef struct {
    GMainLoop *loop;
    Daemon *daemon;
    Bus *bus;
    gboolean stopping;
} Program;

/* ---- the end ------------------------------------------------------------------------------- */

static void on_stopped(gpointer data)
{
    Program *program = data;
    g_main_loop_quit(program->loop);
}

static void stop(gpointer data)
{
    Program *program = data;

    if (program->stopping)
        return;
    program->stopping = TRUE;
    sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
    daemon_stop(program->daemon, on_stopped, program);
}

static gboolean on_terminate(gpointer data)
{
    stop(data);
    return G_SOURCE_CONTINUE;
}

/* ---- the configuration --------------------------------------------------------------------- */

static void on_reloaded(gpointer data)
{
    sd_notify(0, "READY=1\nSTATUS=Running");
}

static gboolean on_hangup(gpointer data)
{
    Program *program = data;

    if (program->stopping)
        return G_SOURCE_CONTINUE;
    g_message("Reading %s again", program->daemon->config_path);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time());
    if (!daemon_reload(program->daemon, on_reloaded, program, NULL))
        on_reloaded(program);
    return G_SOURCE_CONTINUE;
}

/* ---- nothing to do ------------------------------------------------------------------------- */

/* D-Bus sets the first, systemd the second; who starts it by hand wants it to stay. */
static gboolean was_activated(void)
{
    return g_getenv("DBUS_STARTER_ADDRESS") || g_getenv("INVOCATION_ID");
}

static gboolean on_idle_check(gpointer data)
{
    Program *program = data;
    Daemon *daemon = program->daemon;
    gint64 quiet = (g_get_monotonic_time() - bus_last_call(program->bus)) / G_USEC_PER_SEC;

    if (daemon->config->accounts->len == 0 && quiet >= IDLE_SECONDS && !program->stopping) {
        g_message("There is no account to serve: leaving until someone asks");
        stop(program);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- memory -------------------------------------------------------------------------------- */

static void limit_resources(void)
{
    struct rlimit files;

#ifdef M_ARENA_MAX /* glibc's */
    /* Many small threads: an arena each would hold memory that nobody uses. */
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
#endif
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = MIN(files.rlim_max, 65536);
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Passwords pass through here: neither a core nor another program of the user's is to have them. Who
 * looks for a mistake says --verbose, and sanitizers look for themselves. */
static void keep_memory_private(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

/* ---- start --------------------------------------------------------------------------------- */

static void on_ready(gpointer data)
{
    sd_notify(0, "READY=1\nSTATUS=Running");
}

static int run(const char *config_path, const char *data_dir)
{
    g_autoptr(GError) error = NULL;
    Program program = {0};

    program.daemon = daemon_new(config_path, data_dir, &error);
    if (!program.daemon) {
        g_warning("%s", error->message);
        return EXIT_FAILURE;
    }
    program.loop = g_main_loop_new(NULL, FALSE);
    program.bus = bus_new(program.daemon, stop, &program);
    g_unix_signal_add(SIGTERM, on_terminate, &program);
    g_unix_signal_add(SIGINT, on_terminate, &program);
    g_unix_signal_add(SIGHUP, on_hangup, &program);
    int status = EXIT_SUCCESS;
    if (daemon_reload(program.daemon, on_ready, &program, &error)) {
        bus_own_name(program.bus);
        if (was_activated())
            g_timeout_add_seconds(IDLE_SECONDS, on_idle_check, &program);
        g_main_loop_run(program.loop);
    } else {
        status = EXIT_FAILURE;
    }
    bus_free(program.bus);
    daemon_free(program.daemon);
    g_main_loop_unref(program.loop);
    return status;
}

int main(int argc, char **argv)
{
    g_autofree char *config_path = NULL, *data_dir = NULL;
    gboolean verbose = FALSE, version = FALSE;
    const GOptionEntry entries[] = {
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &config_path,
         "The configuration (default: $XDG_CONFIG_HOME/postern/postern.conf)", "FILE"},
        {"data-dir", 0, 0, G_OPTION_ARG_FILENAME, &data_dir,
         "Where mail is kept (default: $XDG_DATA_HOME/postern)", "DIR"},
        {"verbose", 0, 0, G_OPTION_ARG_NONE, &verbose, "Log what happens in detail", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and end", NULL},
        {NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new("- a mail proxy and offline cache");
    g_autoptr(GError) error = NULL;

    setlocale(LC_ALL, "");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        fprintf(stderr, "posternd: %s\n", error ? error->message : "it takes no arguments");
        return 2;
    }
    if (version) {
        printf("posternd %s\n", POSTERN_VERSION);
        return EXIT_SUCCESS;
    }
    log_start(verbose);
    limit_resources();
    if (!verbose)
        keep_memory_private();
    return run(config_path, data_dir);
}
