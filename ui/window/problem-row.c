/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A change that the provider has refused, and the buttons beside it. */
#include "ui/window/problem-row.h"

#include "ui/window/call.h"
#include "ui/window/row.h"
#include "ui/window/toolkit.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct {
    PosternAccount *account;
    gint64 id;
} Problem;

static void problem_free(gpointer data)
{
    Problem *problem = data;

    g_object_unref(problem->account);
    g_free(problem);
}

static Problem *problem_of(GtkWidget *row)
{
    return g_object_get_data(G_OBJECT(row), "problem");
}

/* ---- answers ------------------------------------------------------------------------------- */

/* What can be asked about a problem, and what is said where that fails. */
typedef struct {
    const char *method, *failed;
} Wish;

static const Wish RETRY = {"RetryPending", N_("It Can’t Be Tried Again")};
static const Wish GIVE_UP = {"GiveUpPending", N_("It Isn’t Given Up")};
static const Wish EXPORT = {"ExportPending", N_("The Message Isn’t Saved")};

typedef struct {
    const Wish *wish;
    GtkWidget *row;
} Answer;

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Answer *answer = data;
    g_autoptr(GtkWidget) row = answer->row;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) done = call_finish(source, result, &error);

    if (!done)
        toolkit_tell(row, _(answer->wish->failed), error->message, NULL);
}

static void ask(GtkWidget *row, const Wish *wish, GVariant *parameters, GUnixFDList *files)
{
    Answer *answer = g_new(Answer, 1);

    *answer = (Answer){wish, g_object_ref(row)};
    account_call(problem_of(row)->account, wish->method, parameters, files, on_answer, answer);
}

/* ---- what one can do ----------------------------------------------------------------------- */

static void on_retry(GtkButton *button, GtkWidget *row)
{
    ask(row, &RETRY, g_variant_new("(x)", problem_of(row)->id), NULL);
}

static void on_give_up(GtkButton *button, GtkWidget *row)
{
    ask(row, &GIVE_UP, g_variant_new("(x)", problem_of(row)->id), NULL);
}

static void export_to(GtkWidget *row, GFile *file)
{
    Problem *problem = problem_of(row);
    g_autofree char *path = g_file_get_path(file);
    g_autoptr(GUnixFDList) files = g_unix_fd_list_new();
    g_autoptr(GError) error = NULL;
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    int handle = fd >= 0 ? g_unix_fd_list_append(files, fd, &error) : -1;

    if (fd >= 0)
        g_close(fd, NULL);
    else
        g_set_error_literal(&error, G_IO_ERROR, G_IO_ERROR_FAILED, _("The file can’t be written."));
    if (error)
        toolkit_tell(row, _(EXPORT.failed), error->message, NULL);
    else
        ask(row, &EXPORT, g_variant_new("(xh)", problem->id, handle), files);
}

static void on_save(GtkButton *button, GtkWidget *row)
{
    toolkit_ask_file(row, _("Save a Copy"), "message.eml", export_to);
}

/* ---- the row ------------------------------------------------------------------------------- */

/* "Move to Archive" */
static char *title_of(const char *operation, const char *folder)
{
    static const struct {
        const char *operation, *format;
    } titles[] = {{"append", N_("Put a message into %s")},
                  {"copy", N_("Copy to %s")},
                  {"move", N_("Move to %s")},
                  {"flags", N_("Mark messages in %s")},
                  {"expunge", N_("Delete from %s")},
                  {"create", N_("Make the folder %s")},
                  {"delete", N_("Delete the folder %s")},
                  {"rename", N_("Call a folder %s")},
                  {"subscribe", N_("Subscribe to %s")},
                  {"fetch", N_("Get a message of %s")},
                  {"read", N_("Read %s")},
                  {"renumbers", N_("Read %s")},
                  {"keywords", N_("Read keywords in %s")},
                  {"list", N_("Read the list of folders")}};

    for (guint i = 0; i < G_N_ELEMENTS(titles); i++) {
        if (strcmp(titles[i].operation, operation) != 0)
            continue;
        g_auto(GStrv) parts = g_strsplit(_(titles[i].format), "%s", 2);
        return g_strjoinv(folder, parts);
    }
    return g_strdup(folder);
}

GtkWidget *problem_row_new(PosternAccount *account, GVariant *problem)
{
    Problem *kept = g_new0(Problem, 1);
    const char *operation = "", *folder = "", *error = "";

    g_variant_lookup(problem, "Operation", "&s", &operation);
    g_variant_lookup(problem, "Folder", "&s", &folder);
    g_variant_lookup(problem, "Error", "&s", &error);
    g_variant_lookup(problem, "Id", "x", &kept->id);
    kept->account = g_object_ref(account);
    g_autofree char *title = title_of(operation, folder);
    GtkWidget *row = row_new(title, error);
    g_object_set_data_full(G_OBJECT(row), "problem", kept, problem_free);
    row_add_button(row, _("_Retry"), G_CALLBACK(on_retry), row);
    /* A message that exists only here is never given up. */
    if (strcmp(operation, "append") == 0)
        row_add_button(row, _("_Save…"), G_CALLBACK(on_save), row);
    else
        row_add_button(row, _("_Give Up"), G_CALLBACK(on_give_up), row);
    return row;
}
