/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl queue send-at.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* "+30m", "+2h", "+1d". */
static gint64 parse_relative(const char *text, gint64 now)
{
    static const struct {
        char unit;
        gint64 seconds;
    } units[] = {{'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    guint64 count = g_ascii_strtoull(text + 1, &end, 10);

    for (guint i = 0; i < G_N_ELEMENTS(units) && g_ascii_isdigit(text[1]); i++) {
        if (end[0] == units[i].unit && end[1] == '\0' && count < 100000)
            return now + (gint64)count * units[i].seconds;
    }
    return -1;
}

/* "HH:MM": the next time it is that. */
static gint64 parse_clock(const char *text, GDateTime *now)
{
    guint hour, minute;
    char rest;

    if (sscanf(text, "%2u:%2u%c", &hour, &minute, &rest) != 2 || hour > 23 || minute > 59)
        return -1;
    g_autoptr(GDateTime) today =
        g_date_time_new_local(g_date_time_get_year(now), g_date_time_get_month(now),
                              g_date_time_get_day_of_month(now), (int)hour, (int)minute, 0);
    if (g_date_time_compare(today, now) > 0)
        return g_date_time_to_unix(today);
    g_autoptr(GDateTime) tomorrow = g_date_time_add_days(today, 1);
    return g_date_time_to_unix(tomorrow);
}

static gint64 parse_time(const char *text)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autoptr(GTimeZone) zone = g_time_zone_new_local();
    g_autofree char *iso = g_strdelimit(g_strdup(text), " ", 'T');

    if (strcmp(text, "now") == 0)
        return 0;
    if (*text == '+')
        return parse_relative(text, g_date_time_to_unix(now));
    if (strchr(text, ':') && !strchr(text, '-'))
        return parse_clock(text, now);
    g_autoptr(GDateTime) exact = g_date_time_new_from_iso8601(iso, zone);
    if (!exact) {
        g_autofree char *full = g_strconcat(iso, strchr(iso, 'T') ? ":00" : "T00:00:00", NULL);
        exact = g_date_time_new_from_iso8601(full, zone);
    }
    return exact ? g_date_time_to_unix(exact) : -1;
}

gboolean cmd_queue_send_at(Ctl *ctl, int argc, char **argv, GError **error)
{
    guint64 id;

    if (!ctl_parse(ctl, &(CtlUsage){NULL, 2, 3}, &argc, &argv, error))
        return FALSE;
    if (!g_ascii_string_to_unsigned(argv[1], 10, 1, G_MAXINT64, &id, NULL))
        return ctl_usage(error, "“%s” is no number of a message", argv[1]);
    g_autofree char *text = argc > 3 ? g_strjoin(" ", argv[2], argv[3], NULL) : g_strdup(argv[2]);
    gint64 when = parse_time(text);
    if (when < 0)
        return ctl_usage(error, "“%s” is no time; write 18:30, 2026-12-24 18:30, +2h or now", text);
    g_autofree char *path = g_strdup_printf("%s/%" G_GUINT64_FORMAT, POSTERN_QUEUE_PATH, id);
    g_autoptr(GVariant) answer = ctl_call(ctl, path, POSTERN_OUTGOING_INTERFACE, "SendAt",
                                          g_variant_new("(x)", when), error);
    return answer != NULL;
}
