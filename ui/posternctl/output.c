/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Output for people and for programs.
 */
#include "ui/posternctl/ctl.h"

#include "daemon/words/words.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

char *ctl_escape(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (c == '\n')
            g_string_append_c(out, '\n');
        else if (words_is_harmful(c))
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

void ctl_nothing(const Ctl *ctl, const char *sentence)
{
    if (!ctl->json)
        fprintf(stderr, "%s\n", sentence);
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

char *ctl_key(const char *key)
{
    GString *words = g_string_new(NULL);

    for (const char *at = key; *at; at++) {
        if (at > key && g_ascii_isupper(*at) && g_ascii_islower(at[-1]))
            g_string_append_c(words, ' ');
        g_string_append_c(words, at == key ? *at : g_ascii_tolower(*at));
    }
    return g_string_free(words, FALSE);
}

/* "Changes 3, Problems 0". */
static char *list_values(GVariant *dict)
{
    GString *text = g_string_new(NULL);
    GVariantIter iter;
    const char *key;
    GVariant *value;

    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        g_autofree char *word = ctl_key(key);
        g_autofree char *one = ctl_value(key, value);
        g_string_append_printf(text, "%s%s %s", text->len ? ", " : "", word, one);
    }
    return g_string_free(text, FALSE);
}

char *ctl_value(const char *key, GVariant *value)
{
    static const char *const times[] = {"LastSync", "LastUsed", "Created", "Since"};
    static const char *const sizes[] = {"CachedBytes", "Size"};

    for (guint i = 0; i < G_N_ELEMENTS(times); i++) {
        if (strcmp(key, times[i]) == 0 && g_variant_is_of_type(value, G_VARIANT_TYPE_INT64))
            return ctl_ago(g_variant_get_int64(value));
    }
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (strcmp(key, sizes[i]) == 0 && g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64))
            return ctl_size(g_variant_get_uint64(value));
    }
    if (strcmp(key, "Progress") == 0)
        return g_strdup_printf("%d %%", (int)(g_variant_get_double(value) * 100));
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
        return g_strdup(g_variant_get_boolean(value) ? "yes" : "no");
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        return g_variant_dup_string(value, NULL);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING_ARRAY)) {
        g_autofree const char **words = g_variant_get_strv(value, NULL);
        return g_strjoinv(", ", (char **)words);
    }
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT))
        return list_values(value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE("aa{sv}")))
        return g_strdup_printf("%" G_GSIZE_FORMAT, g_variant_n_children(value));
    return g_variant_print(value, FALSE);
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

/* In columns of a terminal: CJK takes two, marks on a letter none. */
static int width_of_char(gunichar c)
{
    return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

static int width_of(const char *text)
{
    int width = 0;

    for (; *text; text = g_utf8_next_char(text))
        width += width_of_char(g_utf8_get_char(text));
    return width;
}

/* How wide a line may be; 0: any width. $COLUMNS is the user's word, else it is the terminal's. */
int ctl_line_width(void)
{
    const char *wish = g_getenv("COLUMNS");
    struct winsize size;
    guint64 columns;

    if (wish && g_ascii_string_to_unsigned(wish, 10, 1, 10000, &columns, NULL))
        return (int)columns;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

#define GAP       2 /* between columns */
#define NARROWEST 8 /* what a column keeps where the line is too short for all */

/* Takes from the widest columns what the line is too long by. */
static void fit(int *widths, guint columns, int line)
{
    int whole = (int)(columns - 1) * GAP;

    for (guint i = 0; i < columns; i++)
        whole += widths[i];
    while (whole > line) {
        guint widest = 0;
        for (guint i = 1; i < columns; i++)
            widest = widths[i] > widths[widest] ? i : widest;
        if (widths[widest] <= NARROWEST)
            return;
        widths[widest]--;
        whole--;
    }
}

/* The cell, and spaces up to `width`; what is longer ends with an ellipsis. */
static void print_cell(const char *cell, int width, gboolean last)
{
    int left = width - width_of(cell);
    const char *end = cell;

    if (left >= 0) {
        printf("%s%*s", cell, last ? 0 : left + GAP, "");
        return;
    }
    for (left = width - 1; *end && width_of_char(g_utf8_get_char(end)) <= left;
         end = g_utf8_next_char(end))
        left -= width_of_char(g_utf8_get_char(end));
    printf("%.*s…%*s", (int)(end - cell), cell, last ? 0 : left + GAP, "");
}

void ctl_table_print(const CtlTable *table)
{
    g_autofree int *widths = g_new0(int, table->columns);
    int line = ctl_line_width();

    for (guint i = 0; i < table->cells->len; i++) {
        int width = width_of(g_ptr_array_index(table->cells, i));
        widths[i % table->columns] = MAX(widths[i % table->columns], width);
    }
    /* Names with their values aren't cut: a terminal breaks the line. */
    if (line && table->columns > 2)
        fit(widths, table->columns, line);
    for (guint i = 0; i < table->cells->len; i++) {
        guint column = i % table->columns;
        gboolean last = column + 1 == table->columns;
        print_cell(g_ptr_array_index(table->cells, i), widths[column], last);
        if (last)
            printf("\n");
    }
}

void ctl_print_row(const int *widths, guint columns, const char *const *cells)
{
    for (guint i = 0; i < columns; i++) {
        g_autofree char *cell = ctl_escape(cells[i]);
        g_strdelimit(cell, "\n\t", ' ');
        if (widths)
            print_cell(cell, widths[i], i + 1 == columns);
        else
            printf("%s%s", i ? "\t" : "", cell);
    }
    printf("\n");
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
