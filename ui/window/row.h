/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rows of lists, as all pages have them. Titles and what servers say is text, never markup.
 */
#pragma once

#include <adwaita.h>

/* A row that says something; `subtitle` may be NULL, and has as many lines as it needs. */
GtkWidget *row_new(const char *title, const char *subtitle);

/* A row that one clicks on to get somewhere else; connect to "activated". */
GtkWidget *row_new_opening(const char *title, const char *subtitle);

/* A row with a value that is to be typed in elsewhere, and a button that copies it. */
GtkWidget *row_new_value(const char *title, const char *value);

/* Puts a button behind the row's text. `label` has a mnemonic; both its callbacks get `data` last. */
GtkWidget *row_add_button(GtkWidget *row, const char *label, GCallback clicked, gpointer data);

/* Likewise with an icon, whose name for a screen reader and the pointer is `name`. */
GtkWidget *row_add_icon_button(GtkWidget *row, const char *icon, const char *name,
                               GCallback clicked, gpointer data);

/* Rows that come and go in a group. */
typedef struct {
    AdwPreferencesGroup *group;
    GPtrArray *rows; /* GtkWidget, borrowed */
} RowList;

void row_list_init(RowList *list, AdwPreferencesGroup *group);
void row_list_add(RowList *list, GtkWidget *row);
void row_list_clear(RowList *list); /* takes the rows away */
void row_list_free(RowList *list);  /* without them: the group may be gone */
