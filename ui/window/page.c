/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pages over pages: a stack whose last child is the one that is seen. See page.h. */
#include "ui/window/page.h"

#include <glib/gi18n.h>

static GtkWidget *back_button(void)
{
    GtkWidget *button = gtk_button_new_from_icon_name("go-previous-symbolic");

    gtk_widget_set_tooltip_text(button, _("Back"));
    gtk_accessible_update_property(GTK_ACCESSIBLE(button), GTK_ACCESSIBLE_PROPERTY_LABEL, _("Back"),
                                   -1);
    gtk_actionable_set_action_name(GTK_ACTIONABLE(button), "win.back");
    return button;
}

GtkWidget *page_new(const char *title, GtkWidget *content)
{
    GtkWidget *page = gtk_box_new(GTK_ORIENTATION_VERTICAL, 0);
    GtkWidget *bar = adw_header_bar_new();

    adw_header_bar_set_title_widget(ADW_HEADER_BAR(bar), adw_window_title_new(title, NULL));
    adw_header_bar_pack_start(ADW_HEADER_BAR(bar), back_button());
    gtk_box_append(GTK_BOX(page), bar);
    gtk_widget_set_vexpand(content, TRUE);
    gtk_box_append(GTK_BOX(page), content);
    return page;
}

void page_open(GtkWidget *from, GtkWidget *page)
{
    GtkStack *pages = GTK_STACK(gtk_widget_get_ancestor(from, GTK_TYPE_STACK));

    /* Stacks within pages are of their own; the window's is the outermost one. */
    for (GtkWidget *outer = GTK_WIDGET(pages); outer;) {
        pages = GTK_STACK(outer);
        outer = gtk_widget_get_ancestor(gtk_widget_get_parent(outer), GTK_TYPE_STACK);
    }
    gtk_stack_add_child(pages, page);
    gtk_stack_set_visible_child(pages, page);
    gtk_widget_child_focus(page, GTK_DIR_TAB_FORWARD);
}

void page_back(GtkStack *pages)
{
    GtkWidget *page = gtk_stack_get_visible_child(pages);
    GtkWidget *before = gtk_widget_get_prev_sibling(page);

    if (!before)
        return;
    gtk_stack_set_visible_child(pages, before);
    gtk_stack_remove(pages, page);
}

void page_home(GtkStack *pages)
{
    GtkWidget *first = gtk_widget_get_first_child(GTK_WIDGET(pages)), *next;

    gtk_stack_set_visible_child(pages, first);
    while ((next = gtk_widget_get_next_sibling(first)))
        gtk_stack_remove(pages, next);
}

GtkWidget *page_column(GtkBox **box)
{
    GtkWidget *scrolled = gtk_scrolled_window_new(), *clamp = adw_clamp_new();
    GtkWidget *column = gtk_box_new(GTK_ORIENTATION_VERTICAL, 18);

    gtk_widget_set_margin_top(column, 24);
    gtk_widget_set_margin_bottom(column, 24);
    gtk_widget_set_margin_start(column, 12);
    gtk_widget_set_margin_end(column, 12);
    adw_clamp_set_child(ADW_CLAMP(clamp), column);
    gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(scrolled), GTK_POLICY_NEVER,
                                   GTK_POLICY_AUTOMATIC);
    gtk_scrolled_window_set_child(GTK_SCROLLED_WINDOW(scrolled), clamp);
    *box = GTK_BOX(column);
    return scrolled;
}

/* ---- what is on pages that lead somewhere -------------------------------------------------- */

static GtkWidget *label_new(const char *text, const char *style)
{
    GtkWidget *label = gtk_label_new(text);

    gtk_label_set_wrap(GTK_LABEL(label), TRUE);
    gtk_label_set_wrap_mode(GTK_LABEL(label), PANGO_WRAP_WORD_CHAR);
    gtk_label_set_justify(GTK_LABEL(label), GTK_JUSTIFY_CENTER);
    if (style)
        gtk_widget_add_css_class(label, style);
    return label;
}

void page_add_heading(GtkBox *box, const char *heading, const char *text)
{
    gtk_box_append(box, label_new(heading, "title-1"));
    if (*text)
        gtk_box_append(box, label_new(text, NULL));
}

GtkWidget *page_add_words(GtkBox *box)
{
    GtkWidget *words = g_object_new(GTK_TYPE_LABEL, "accessible-role", GTK_ACCESSIBLE_ROLE_ALERT,
                                    "wrap", TRUE, "wrap-mode", PANGO_WRAP_WORD_CHAR, "xalign", 0.0,
                                    "selectable", TRUE, "visible", FALSE, NULL);

    gtk_widget_add_css_class(words, "error");
    gtk_box_append(box, words);
    return words;
}

void page_say(GtkWidget *words, const char *text)
{
    gtk_label_set_text(GTK_LABEL(words), text);
    gtk_widget_set_visible(words, *text != '\0');
}

GtkWidget *page_add_button(GtkBox *box, const char *label, GCallback clicked, gpointer data)
{
    GtkWidget *line = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 12);
    GtkWidget *button = gtk_button_new_with_mnemonic(label), *spinner = gtk_spinner_new();

    gtk_widget_add_css_class(button, "pill");
    gtk_widget_add_css_class(button, "suggested-action");
    gtk_widget_set_halign(line, GTK_ALIGN_CENTER);
    gtk_box_append(GTK_BOX(line), button);
    gtk_box_append(GTK_BOX(line), spinner);
    g_signal_connect_swapped(button, "clicked", clicked, data);
    gtk_box_append(box, line);
    return button;
}

void page_wait(GtkWidget *button, gboolean waiting)
{
    GtkWidget *spinner = gtk_widget_get_next_sibling(button);

    gtk_widget_set_sensitive(button, !waiting);
    gtk_spinner_set_spinning(GTK_SPINNER(spinner), waiting);
}
