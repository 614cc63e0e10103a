/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log on stderr or in the journal. See log.h. */
#include "daemon/log.h"

#include "daemon/words/words.h"

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
    const char *message = field(fields, count, "MESSAGE");
    /* What a server said must not look like a message of ours, nor fill the disk. */
    g_autofree char *whole = words_text(message ? message : "");
    g_autofree char *line = g_strdelimit(g_steal_pointer(&whole), "\n", ' ');
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
