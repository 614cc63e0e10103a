/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log on stderr or in the journal. See log.h. */
#include "daemon/log.h"

#include <stdio.h>
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

/* One line a message: what a server said must not look like a message of ours. */
static char *one_line(const char *message)
{
    char *line = g_strdup(message ? message : "");

    for (char *c = line; *c; c++) {
        if (g_ascii_iscntrl(*c) && *c != '\n')
            *c = ' ';
    }
    return line;
}

static GLogWriterOutput write_log(GLogLevelFlags level, const GLogField *fields, gsize count,
                                  gpointer data)
{
    gboolean verbose = GPOINTER_TO_INT(data);

    /* Of the libraries' own debugging nobody wants to read. */
    if ((level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)) &&
        (!verbose || field(fields, count, "GLIB_DOMAIN")))
        return G_LOG_WRITER_HANDLED;
    if (g_log_writer_is_journald(STDERR_FILENO) &&
        g_log_writer_journald(level, fields, count, NULL) == G_LOG_WRITER_HANDLED)
        return G_LOG_WRITER_HANDLED;
    g_autofree char *line = one_line(field(fields, count, "MESSAGE"));
    fprintf(stderr, "posternd: %s%s\n", level_name(level), line);
    return G_LOG_WRITER_HANDLED;
}

void log_start(gboolean verbose)
{
    g_log_set_writer_func(write_log, GINT_TO_POINTER(verbose), NULL);
}
