/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading Date fields. See date.h. */
#include "daemon/proto/mime/date.h"

#include "daemon/proto/mime/charset.h"
#include "daemon/proto/mime/text.h"
#include "daemon/proto/mime/token.h"

#include <gmime/gmime.h>
#include <string.h>

/* Of what is longer, comments included, only the start is read: GMime reads some of it several
 * times. */
#define DATE_MAX_LENGTH 512

typedef struct {
    MimeTokens tokens;
    GString *word; /* the latest one */
} Words;

/* The next word. FALSE when there is none. */
static gboolean next_word(Words *words)
{
    g_string_truncate(words->word, 0);
    return mime_token_atom(&words->tokens, words->word) != MIME_TOKEN_BAD && words->word->len > 0;
}

static gboolean skip(Words *words, const char *any_of)
{
    if (words->tokens.pos >= words->tokens.end || strchr(any_of, *words->tokens.pos) == NULL ||
        *words->tokens.pos == '\0')
        return FALSE;
    words->tokens.pos++;
    mime_token_skip_space(&words->tokens);
    return TRUE;
}

/* The latest word as a number of at least min and at most max digits. */
static gboolean as_number(const Words *words, gsize min, gsize max, gint *number)
{
    if (words->word->len < min || words->word->len > max)
        return FALSE;
    *number = 0;
    for (gsize i = 0; i < words->word->len; i++) {
        if (!g_ascii_isdigit(words->word->str[i]))
            return FALSE;
        *number = *number * 10 + (words->word->str[i] - '0');
    }
    return TRUE;
}

static gboolean as_month(const Words *words, gint *month)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (gint i = 0; words->word->len >= 3 && i < 12; i++)
        if (g_ascii_strncasecmp(words->word->str, names + i * 3, 3) == 0) {
            *month = i + 1;
            return TRUE;
        }
    return FALSE;
}

/* RFC 5322, 4.3. Letters other than these say nothing reliable. Minutes east of UTC. */
static gint as_zone(const Words *words)
{
    static const struct {
        const char *name;
        gint hours;
    } zones[] = {
        {"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
        {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7},
    };
    const char *text = words->word->str;
    gint number = 0;

    for (guint i = 0; i < G_N_ELEMENTS(zones); i++)
        if (g_ascii_strcasecmp(text, zones[i].name) == 0)
            return zones[i].hours * 60;
    if (words->word->len != 5 || (text[0] != '+' && text[0] != '-'))
        return 0;
    for (guint i = 1; i < 5; i++) {
        if (!g_ascii_isdigit(text[i]))
            return 0;
        number = number * 10 + (text[i] - '0');
    }
    if (number % 100 > 59)
        return 0;
    number = number / 100 * 60 + number % 100;
    return text[0] == '-' ? -number : number;
}

typedef struct {
    gint year, month, day, hour, minute, second;
} Moment;

/* "[Mon,] 2 Jan [20]06" */
static gboolean read_day(Words *words, Moment *moment)
{
    if (!next_word(words))
        return FALSE;
    if (words->word->len == 3 && (!skip(words, ",") || !next_word(words)))
        return FALSE;
    if (!as_number(words, 1, 2, &moment->day) || !next_word(words) ||
        !as_month(words, &moment->month) || !next_word(words) ||
        !as_number(words, 2, 4, &moment->year) || words->word->len == 3)
        return FALSE;
    if (words->word->len == 2)
        moment->year += moment->year < 70 ? 2000 : 1900;
    return moment->year >= 1900;
}

/* "15:04[:05]", with dots for colons too */
static gboolean read_time(Words *words, Moment *moment)
{
    if (!next_word(words) || !as_number(words, 1, 2, &moment->hour) || !skip(words, ":.") ||
        !next_word(words) || !as_number(words, 2, 2, &moment->minute))
        return FALSE;
    if (!skip(words, ":."))
        return TRUE;
    return next_word(words) && as_number(words, 2, 2, &moment->second);
}

/* `timed`: with a time, and its zone if there is one. */
static gboolean read_strictly(const char *value, gsize length, gboolean timed, ImapDateTime *out)
{
    g_autoptr(GString) word = g_string_sized_new(32);
    Words words = {.tokens = {.pos = value, .end = value + length}, .word = word};
    Moment moment = {0};

    mime_token_skip_space(&words.tokens);
    if (!read_day(&words, &moment) || (timed && !read_time(&words, &moment)))
        return FALSE;

    gint zone = timed && next_word(&words) ? as_zone(&words) : 0;
    g_autoptr(GDateTime) date =
        g_date_time_new_utc(moment.year, moment.month, moment.day, moment.hour, moment.minute,
                            MIN(moment.second, 59)); /* a leap second isn't one to GLib */

    if (date == NULL || moment.second > 60)
        return FALSE;
    out->time = g_date_time_to_unix(date) - (gint64)zone * 60;
    out->zone = zone;
    return TRUE;
}

gboolean mime_date_parse(const char *value, gsize length, ImapDateTime *out)
{
    length = MIN(length, DATE_MAX_LENGTH);
    if (read_strictly(value, length, TRUE, out))
        return TRUE;

    mime_charset_init_gmime();
    /* GMime's reader makes sense of nearly anything with numbers in it. */
    g_autofree char *text = mime_text_decode_header(value, length);
    g_autoptr(GDateTime) date = g_mime_utils_header_decode_date(text);

    if (date == NULL)
        return read_strictly(value, length, FALSE, out);
    out->time = g_date_time_to_unix(date);
    out->zone = (gint32)(g_date_time_get_utc_offset(date) / G_TIME_SPAN_MINUTE);
    return TRUE;
}
