/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What GTK and libadwaita do in another way since some version: dialogs, and a few widgets. No other
 * file of the window asks for versions. A dialog stands over the window that `parent` is in; if it
 * has left its window meanwhile, nothing is shown.
 */
#ifndef UI_WINDOW_TOOLKIT_H
#define UI_WINDOW_TOOLKIT_H

#include <adwaita.h>

/* Tells something, with a button that closes it. `extra`, which may be NULL, is shown below the text. */
void toolkit_tell(GtkWidget *parent, const char *heading, const char *body, GtkWidget *extra);

/* What is asked: `extra` is what the user fills in (NULL: nothing), and `accept` the label of the button
 * that does it, in red and not by Enter where something is lost by that. */
typedef struct {
    const char *heading, *body, *accept;
    GtkWidget *extra;
    gboolean destructive;
} ToolkitQuestion;

/* `parent` and `extra` are those of the question, and are alive as long as this runs. */
typedef void (*ToolkitAccepted)(GtkWidget *parent, GtkWidget *extra, gpointer data);

/* Asks, and calls accepted() if the user doesn't cancel. A reference to `data` is kept till then. */
void toolkit_ask(GtkWidget *parent, const ToolkitQuestion *question, ToolkitAccepted accepted,
                 GObject *data);

typedef void (*ToolkitSaved)(GtkWidget *parent, GFile *file);

/* Asks for a file to write to, called `name` at first, and calls saved() if one is chosen. */
void toolkit_ask_file(GtkWidget *parent, const char *title, const char *name, ToolkitSaved saved);

/* Who made Postern, over its active window. */
void toolkit_show_about(GtkApplication *application);

#endif
