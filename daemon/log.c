/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log on stderr or in the journal. See log.h. */
#include "daemon/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *level_name(GLogLevelFlags level)
{
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return "CRITICAL: ";
    if (level & G_LOG_LEVEL_WARNING)
        return "Warning: ";
    return "";
}

static const char *field(const GLogField *fields, gsize count, const char *key)
{
    for (gsize i = 0; i < count; i++) {
        if (g_str_equal(fields[i].key, key))
            return fields[i].value;
    }
    return NULL;
}

/* What could begin another line, clear the terminal, or turn the direction of what follows. */
static gboolean is_harmful(gunichar c)
{
    return g_unichar_iscntrl(c) || c == 0x061c || c == 0x200e || c == 0x200f || c == 0x2028 ||
           c == 0x2029 || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* One line a message: what a server said must not look like a message of ours. */
static char *one_line(const char *message)
{
    g_autofree char *valid = g_utf8_make_valid(message ? message : "", -1);
    GString *line = g_string_sized_new(strlen(valid));

    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(line, is_harmful(c) ? ' ' : c);
    }
    return g_string_free(line, FALSE);
}

static GLogWriterOutput write_journal(GLogLevelFlags level, const GLogField *fields, gsize count,
                                      const char *line)
{
    g_autofree GLogField *ours = g_memdup2(fields, count * sizeof *fields);

    for (gsize i = 0; i < count; i++) {
        if (g_str_equal(ours[i].key, "MESSAGE"))
            ours[i] = (GLogField){"MESSAGE", line, -1};
    }
    return g_log_writer_journald(level, ours, count, NULL);
}

static GLogWriterOutput write_log(GLogLevelFlags level, const GLogField *fields, gsize count,
                                  gpointer data)
{
    gboolean verbose = GPOINTER_TO_INT(data);

    /* Of the libraries' own debugging nobody wants to read. */
    if ((level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)) &&
        (!verbose || field(fields, count, "GLIB_DOMAIN")))
        return G_LOG_WRITER_HANDLED;
    g_autofree char *line = one_line(field(fields, count, "MESSAGE"));
    if (g_log_writer_is_journald(STDERR_FILENO) &&
        write_journal(level, fields, count, line) == G_LOG_WRITER_HANDLED)
        return G_LOG_WRITER_HANDLED;
    fprintf(stderr, "posternd: %s%s\n", level_name(level), line);
    return G_LOG_WRITER_HANDLED;
}

void log_start(gboolean verbose)
{
    g_log_set_writer_func(write_log, GINT_TO_POINTER(verbose), NULL);
}
