/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pages that open in the window over the one before, with a button that leads back.
 */
#pragma once

#include <adwaita.h>

/* A page with its title above `content`. */
GtkWidget *page_new(const char *title, GtkWidget *content);

/* Opens it in the window that `from` is in. */
void page_open(GtkWidget *from, GtkWidget *page);

/* Leads back to the page before; of the first one, nowhere. */
void page_back(GtkStack *pages);

/* Leads back to the first one. */
void page_home(GtkStack *pages);

/* What is in the middle of a page: as wide as one reads well, and it scrolls. Append to the box. */
GtkWidget *page_column(GtkBox **box);

/* ---- what is on pages that lead somewhere -------------------------------------------------- */

/* A big line, and a smaller one below it. */
void page_add_heading(GtkBox *box, const char *heading, const char *text);

/* Where it is said what went wrong; empty and not seen at first. */
GtkWidget *page_add_words(GtkBox *box);
void page_say(GtkWidget *words, const char *text);

/* The button that goes on; `clicked` gets `data` first. While something is asked it isn't sensitive and shows that. */
GtkWidget *page_add_button(GtkBox *box, const char *label, GCallback clicked, gpointer data);
void page_wait(GtkWidget *button, gboolean waiting);
