/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Output for people and for programs.
 */
#include "ui/posternctl/ctl.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Control characters, and those that turn the direction of what follows. */
static gboolean is_dangerous(gunichar c)
{
    return g_unichar_iscntrl(c) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
           c == 0x200e || c == 0x200f || c == 0x2028 || c == 0x2029 || c == 0x061c;
}

char *ctl_escape(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (c == '\n')
            g_string_append_c(out, '\n');
        else if (is_dangerous(c))
            g_string_append_printf(out, "\\u%04x", c);
        else
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

/* In JSON these stand within strings only, and their escapes are JSON's; line ends are between. */
void ctl_print_json(GVariant *value, gboolean compact)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(value);
    g_autoptr(JsonNode) node = json_gvariant_serialize(owned);
    g_autofree char *text = json_to_string(node, !compact);
    g_autofree char *safe = ctl_escape(text);

    printf("%s\n", safe);
    fflush(stdout);
}

char *ctl_ago(gint64 when)
{
    gint64 seconds = g_get_real_time() / G_USEC_PER_SEC - when;
    gboolean past = seconds >= 0;
    const char *format = past ? "%" G_GINT64_FORMAT " %s ago" : "in %" G_GINT64_FORMAT " %s";

    if (when == 0)
        return g_strdup("never");
    if (!past)
        seconds = -seconds;
    if (seconds < 90)
        return g_strdup_printf(format, seconds, "s");
    if (seconds < 90 * 60)
        return g_strdup_printf(format, seconds / 60, "min");
    if (seconds < 36 * 3600)
        return g_strdup_printf(format, seconds / 3600, "h");
    return g_strdup_printf(format, seconds / 86400, "days");
}

char *ctl_size(guint64 bytes)
{
    return g_format_size(bytes);
}

/* ---- tables -------------------------------------------------------------------------------- */

struct CtlTable {
    guint columns;
    GPtrArray *cells;
};

CtlTable *ctl_table_new(guint columns)
{
    CtlTable *table = g_new0(CtlTable, 1);
    table->columns = columns;
    table->cells = g_ptr_array_new_with_free_func(g_free);
    return table;
}

void ctl_table_free(CtlTable *table)
{
    g_ptr_array_unref(table->cells);
    g_free(table);
}

void ctl_table_add(CtlTable *table, ...)
{
    va_list args;

    va_start(args, table);
    for (guint i = 0; i < table->columns; i++) {
        char *cell = ctl_escape(va_arg(args, const char *));
        g_ptr_array_add(table->cells, g_strdelimit(cell, "\n", ' '));
    }
    va_end(args);
}

static glong width_of(const CtlTable *table, guint column)
{
    glong width = 0;

    for (guint i = column; i < table->cells->len; i += table->columns)
        width = MAX(width, g_utf8_strlen(g_ptr_array_index(table->cells, i), -1));
    return width;
}

void ctl_table_print(const CtlTable *table)
{
    for (guint i = 0; i < table->cells->len; i++) {
        const char *cell = g_ptr_array_index(table->cells, i);
        gboolean last = (i + 1) % table->columns == 0;
        glong padding = last ? 0 : width_of(table, i % table->columns) - g_utf8_strlen(cell, -1);
        printf("%s%*s%s", cell, (int)padding, "", last ? "\n" : "  ");
    }
}

/* ---- progress ------------------------------------------------------------------------------ */

#define BAR 40

void ctl_progress(const char *what, double fraction)
{
    int full = (int)(CLAMP(fraction, 0, 1) * BAR);

    if (!isatty(STDOUT_FILENO) || !isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r\033[K");
    if (fraction >= 0)
        fprintf(stderr, "%s [%.*s%*s] %3d %%", what, full,
                "########################################", BAR - full, "", (int)(fraction * 100));
    fflush(stderr);
}
