/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The dates of IMAP.
 */
#include "daemon/proto/imap/date.h"

#include <string.h>

/* GDate counts days from 0001-01-01, which is 1. */
#define JULIAN_1970   719163
#define SECONDS_A_DAY 86400
#define LAST_DAY      2932896 /* 9999-12-31 */
#define FIRST_DAY     (1 - JULIAN_1970)
#define LONGEST_ZONE  (99 * 60 + 59)

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static gboolean take_char(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return FALSE;
    (*p)++;
    return TRUE;
}

/* Between min and max digits. */
static gboolean take_digits(const char **p, const char *end, int min, int max, int *value)
{
    int n = 0;

    for (*value = 0; n < max && *p < end && g_ascii_isdigit(**p); n++, (*p)++)
        *value = *value * 10 + (**p - '0');
    return n >= min;
}

static gboolean take_month(const char **p, const char *end, int *month)
{
    if (end - *p < 3)
        return FALSE;
    for (*month = 1; *month <= 12; (*month)++) {
        if (g_ascii_strncasecmp(*p, months + (*month - 1) * 3, 3) != 0)
            continue;
        *p += 3;
        return TRUE;
    }
    return FALSE;
}

gboolean imap_date_of(guint year, guint month, guint day, gint32 *days)
{
    GDate date;

    if (!g_date_valid_dmy((GDateDay)day, (GDateMonth)month, (GDateYear)year))
        return FALSE;
    g_date_clear(&date, 1);
    g_date_set_dmy(&date, (GDateDay)day, (GDateMonth)month, (GDateYear)year);
    *days = (gint32)g_date_get_julian(&date) - JULIAN_1970;
    return TRUE;
}

/* "7-Feb-1994" */
static gboolean take_day(const char **p, const char *end, gint32 *days)
{
    int day, month, year;

    return take_digits(p, end, 1, 2, &day) && take_char(p, end, '-') &&
           take_month(p, end, &month) && take_char(p, end, '-') &&
           take_digits(p, end, 4, 4, &year) &&
           imap_date_of((guint)year, (guint)month, (guint)day, days);
}

/* "21:52:25"; a leap second is let through as the next minute. */
static gboolean take_time(const char **p, const char *end, int *seconds)
{
    int hour, minute, second;

    if (!take_digits(p, end, 2, 2, &hour) || !take_char(p, end, ':') ||
        !take_digits(p, end, 2, 2, &minute) || !take_char(p, end, ':') ||
        !take_digits(p, end, 2, 2, &second) || hour > 23 || minute > 59 || second > 60)
        return FALSE;
    *seconds = hour * 3600 + minute * 60 + second;
    return TRUE;
}

/* "-0800" */
static gboolean take_zone(const char **p, const char *end, gint32 *zone)
{
    gboolean west = take_char(p, end, '-');
    int digits;

    if ((!west && !take_char(p, end, '+')) || !take_digits(p, end, 4, 4, &digits) ||
        digits % 100 > 59)
        return FALSE;
    *zone = digits / 100 * 60 + digits % 100;
    if (west)
        *zone = -*zone;
    return TRUE;
}

gboolean imap_date_time_parse(const char *text, gsize length, ImapDateTime *out)
{
    const char *p = text, *end = text + length;
    gint32 days, zone;
    int seconds;

    take_char(&p, end, ' ');
    if (!take_day(&p, end, &days) || !take_char(&p, end, ' ') || !take_time(&p, end, &seconds) ||
        !take_char(&p, end, ' ') || !take_zone(&p, end, &zone) || p != end)
        return FALSE;
    out->time = (gint64)days * SECONDS_A_DAY + seconds - zone * 60;
    out->zone = zone;
    return TRUE;
}

gboolean imap_date_parse(const char *text, gsize length, gint32 *days)
{
    const char *p = text, *end = text + length;

    return take_day(&p, end, days) && p == end;
}

/* Appends the last `count` digits of `number`. By hand, as a FETCH of many dates is mostly this. */
static void append_digits(GString *out, int number, int count)
{
    char digits[4];

    for (int i = count; i-- > 0; number /= 10)
        digits[i] = (char)('0' + number % 10);
    g_string_append_len(out, digits, count);
}

/* Appends a day; `pad` stands before a number of one digit, unless it is NUL. */
static void append_day(GString *out, char pad, gint32 days)
{
    GDate date;

    g_date_clear(&date, 1);
    g_date_set_julian(&date, days + JULIAN_1970);
    int day = g_date_get_day(&date);
    if (day < 10 && pad)
        g_string_append_c(out, pad);
    append_digits(out, day, day < 10 ? 1 : 2);
    g_string_append_c(out, '-');
    g_string_append_len(out, months + (g_date_get_month(&date) - 1) * 3, 3);
    g_string_append_c(out, '-');
    append_digits(out, g_date_get_year(&date), 4);
}

void imap_date_format(gint32 days, GString *out)
{
    append_day(out, '\0', CLAMP(days, FIRST_DAY, LAST_DAY));
}

/* Seconds where the date was written, as if they were UTC; within the years 1 to 9999. */
static gint64 local_seconds(const ImapDateTime *date, gint32 zone)
{
    gint64 first = (gint64)FIRST_DAY * SECONDS_A_DAY;
    gint64 last = (gint64)LAST_DAY * SECONDS_A_DAY + SECONDS_A_DAY - 1;
    /* First the time, so that adding the zone can't overflow. */
    gint64 time = CLAMP(date->time, first - SECONDS_A_DAY * 5, last + SECONDS_A_DAY * 5);

    return CLAMP(time + zone * 60, first, last);
}

gint32 imap_date_time_day(const ImapDateTime *date)
{
    gint32 zone = CLAMP(date->zone, -LONGEST_ZONE, LONGEST_ZONE);
    gint64 seconds = local_seconds(date, zone);
    gint64 day = seconds / SECONDS_A_DAY;

    return seconds % SECONDS_A_DAY < 0 ? day - 1 : day;
}

void imap_date_time_format(const ImapDateTime *date, GString *out)
{
    gint32 zone = CLAMP(date->zone, -LONGEST_ZONE, LONGEST_ZONE);
    gint32 day = imap_date_time_day(date);
    int second = local_seconds(date, zone) - (gint64)day * SECONDS_A_DAY;

    g_string_append_c(out, '"');
    append_day(out, ' ', day);
    g_string_append_c(out, ' ');
    append_digits(out, second / 3600, 2);
    g_string_append_c(out, ':');
    append_digits(out, second / 60 % 60, 2);
    g_string_append_c(out, ':');
    append_digits(out, second % 60, 2);
    g_string_append_len(out, zone < 0 ? " -" : " +", 2);
    append_digits(out, ABS(zone) / 60, 2);
    append_digits(out, ABS(zone) % 60, 2);
    g_string_append_c(out, '"');
}
