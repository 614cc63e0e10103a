/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signing in with OAuth 2: the daemon does it, here the browser is opened, and what it ended at may be
 * pasted.
 */
#include "ui/posternctl/ctl.h"

#include "dbus/postern-dbus.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    Ctl *ctl;
    const char *handle;
    GMainLoop *loop;
    GIOChannel *input;
    guint watch;  /* of stdin; 0: none */
    guint calls;  /* that aren't answered yet */
    gboolean yes; /* it is done */
    GError *error;
} Waiting;

/* ---- the browser --------------------------------------------------------------------------- */

/* $BROWSER, and else the desktop's. */
static gboolean open_browser(const char *url)
{
    const char *own = g_getenv("BROWSER");
    const char *const argv[] = {own && *own ? own : "xdg-open", url, NULL};
    g_autoptr(GSubprocess) process = g_subprocess_newv(
        argv, G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL);

    return process != NULL;
}

static void say_page(GVariant *page, gboolean opened)
{
    g_autofree char *url = ctl_escape(ctl_string(page, "Url"));
    g_autofree char *code = ctl_escape(ctl_string(page, "Code"));

    if (*code) {
        fprintf(stderr, "On any device, open\n  %s\nand type in the code\n  %s\n", url, code);
        return;
    }
    fprintf(stderr, "%s\n  %s\n",
            opened ? "Sign in in your browser. If none has opened, open"
                   : "To sign in, open this in a browser:",
            url);
    if (isatty(STDIN_FILENO))
        fprintf(stderr, "If that browser is on another machine, it ends at a page that it can't "
                        "reach: paste that page's address here.\n");
}

/* ---- waiting ------------------------------------------------------------------------------- */

static void ask_to_finish(Waiting *waiting, const char *pasted);

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Waiting *waiting = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);

    waiting->calls--;
    if (waiting->yes || waiting->error)
        return;
    /* What was pasted is wrong: that may be done again. */
    if (g_error_matches(error, POSTERN_ERROR, POSTERN_ERROR_INVALID_ARGUMENT) && waiting->watch) {
        g_dbus_error_strip_remote_error(error);
        fprintf(stderr, "%s\n", error->message);
        if (!waiting->calls)
            ask_to_finish(waiting, "");
        return;
    }
    waiting->yes = answer != NULL;
    waiting->error = g_steal_pointer(&error);
    g_main_loop_quit(waiting->loop);
}

static void ask_to_finish(Waiting *waiting, const char *pasted)
{
    waiting->calls++;
    g_dbus_connection_call(waiting->ctl->connection, POSTERN_BUS_NAME, POSTERN_PATH,
                           "org.postern.Postern1.Manager", "FinishSignIn",
                           g_variant_new("(ss)", waiting->handle, pasted), NULL,
                           G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, on_answer, waiting);
}

static gboolean on_input(GIOChannel *input, GIOCondition condition, gpointer data)
{
    Waiting *waiting = data;
    g_autofree char *line = NULL;

    if (g_io_channel_read_line(input, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL || !line) {
        waiting->watch = 0;
        return G_SOURCE_REMOVE;
    }
    if (*g_strstrip(line))
        ask_to_finish(waiting, line);
    return G_SOURCE_CONTINUE;
}

static gboolean wait_for_person(Ctl *ctl, const char *handle, gboolean returns, gboolean paste,
                                GError **error)
{
    Waiting waiting = {.ctl = ctl, .handle = handle, .loop = g_main_loop_new(NULL, FALSE)};

    if (paste || isatty(STDIN_FILENO)) {
        waiting.input = g_io_channel_unix_new(STDIN_FILENO);
        waiting.watch = g_io_add_watch(waiting.input, G_IO_IN | G_IO_HUP, on_input, &waiting);
    }
    if (returns || !waiting.watch)
        ask_to_finish(&waiting, "");
    g_main_loop_run(waiting.loop);
    g_clear_handle_id(&waiting.watch, g_source_remove);
    g_clear_pointer(&waiting.input, g_io_channel_unref);
    g_main_loop_unref(waiting.loop);
    if (!waiting.yes)
        g_propagate_error(error, waiting.error);
    return waiting.yes;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static GVariant *options_of(const CtlSignIn *how)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "device", "b", how->device);
    if (how->proxy)
        g_variant_dict_insert(&dict, "proxy", "s", how->proxy);
    if (how->account)
        g_variant_dict_insert(&dict, "account", "s", how->account);
    return g_variant_dict_end(&dict);
}

char *ctl_sign_in(Ctl *ctl, const CtlSignIn *how, GError **error)
{
    g_autoptr(GVariant) answer =
        ctl_manager(ctl, "SignIn",
                    g_variant_new("(ss@a{sv})", how->address, how->server, options_of(how)), error);
    g_autofree char *handle = NULL;
    g_autoptr(GVariant) page = NULL;

    if (!answer)
        return NULL;
    g_variant_get(answer, "(s@a{sv})", &handle, &page);
    gboolean local = !how->device && !how->paste;
    say_page(page, local && open_browser(ctl_string(page, "Url")));
    return wait_for_person(ctl, handle, ctl_bool(page, "Returns"), how->paste, error)
               ? g_steal_pointer(&handle)
               : NULL;
}
