/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mailbox names: modified UTF-7, INBOX, LIST patterns. How names that are no valid modified UTF-7
 * are carried is told in the header.
 */
#include "daemon/proto/imap/mailbox-name.h"

#include <string.h>

#include "daemon/proto/imap/error.h"

/* U+F700 itself would be a NUL octet, and so is a character like any other. */
#define ESCAPE_BASE  0xF700u
#define ESCAPE_LAST  0xF7FFu
#define NEW_NAME_MAX 1000
#define INBOX_LENGTH 5

/* ---- modified UTF-7 ---------------------------------------------------------------------------*/

/* RFC 3501's alphabet: "," instead of "/". */
static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static gboolean is_direct(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

static gboolean is_escape(gunichar c)
{
    return c > ESCAPE_BASE && c <= ESCAPE_LAST;
}

/* The six bits of a character; -1 if it isn't in the alphabet. */
static int base64_value(char c)
{
    const char *at = c != '\0' ? strchr(base64, c) : NULL;

    return at != NULL ? at - base64 : -1;
}

static void append_units(GString *out, const guint16 *units, gsize n)
{
    guint32 bits = 0;
    int held = 0;

    g_string_append_c(out, '&');
    for (gsize i = 0; i < n; i++) {
        bits = bits << 16 | units[i];
        for (held += 16; held >= 6; held -= 6)
            g_string_append_c(out, base64[bits >> (held - 6) & 63]);
        bits &= (1u << held) - 1;
    }
    if (held > 0)
        g_string_append_c(out, base64[bits << (6 - held) & 63]);
    g_string_append_c(out, '-');
}

/* Appends the run of characters from name that must be encoded; returns what follows it. */
static const char *append_run(GString *out, const char *name)
{
    g_autoptr(GArray) units = g_array_new(FALSE, FALSE, sizeof(guint16));

    while (*name != '\0' && !is_direct(*name)) {
        gunichar c = g_utf8_get_char(name);
        guint16 unit[2] = {c, 0};

        if (is_escape(c))
            break;
        if (c > 0xffff) {
            unit[0] = 0xd800 + ((c - 0x10000) >> 10);
            unit[1] = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        g_array_append_vals(units, unit, c > 0xffff ? 2 : 1);
        name = g_utf8_next_char(name);
    }
    append_units(out, (guint16 *)(gpointer)units->data, units->len);
    return name;
}

char *imap_name_to_wire(const char *name)
{
    GString *out = g_string_new(NULL);

    while (*name != '\0') {
        gunichar c = g_utf8_get_char(name);

        if (is_escape(c)) {
            g_string_append_c(out, (char)(c - ESCAPE_BASE));
            name = g_utf8_next_char(name);
        } else if (!is_direct(*name)) {
            name = append_run(out, name);
        } else {
            g_string_append_c(out, *name);
            if (*name++ == '&')
                g_string_append_c(out, '-');
        }
    }
    return g_string_free(out, FALSE);
}

/* The UTF-16 units of the base64 from p to end; NULL where there are stray bits. */
static GArray *read_units(const char *p, const char *end)
{
    g_autoptr(GArray) units = g_array_new(FALSE, FALSE, sizeof(guint16));
    guint32 bits = 0;
    int held = 0;

    for (; p < end; p++) {
        bits = bits << 6 | (guint32)base64_value(*p);
        held += 6;
        if (held >= 16) {
            guint16 unit = bits >> (held - 16);

            g_array_append_val(units, unit);
            held -= 16;
        }
        bits &= (1u << held) - 1;
    }
    return held < 6 && bits == 0 && units->len > 0 ? g_steal_pointer(&units) : NULL;
}

/* Whether a character of an encoded run could have stood there only encoded, and isn't one of those
 * that carry octets. Controls are octets that must be visible as such. */
static gboolean may_be_encoded(gunichar c)
{
    return c >= 0xa0 && !is_escape(c);
}

/* Appends the characters of these units; FALSE, and nothing, if they aren't canonical. */
static gboolean append_decoded(GString *out, const GArray *units)
{
    const guint16 *unit = (const guint16 *)(gconstpointer)units->data;
    gsize start = out->len;

    for (guint i = 0; i < units->len; i++) {
        gunichar c = unit[i];

        if (c >= 0xd800 && c < 0xdc00 && i + 1 < units->len && unit[i + 1] >= 0xdc00 &&
            unit[i + 1] < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (unit[++i] - 0xdc00);
        else if (c >= 0xd800 && c < 0xe000)
            c = 0;
        if (!may_be_encoded(c)) {
            g_string_truncate(out, start);
            return FALSE;
        }
        g_string_append_unichar(out, c);
    }
    return TRUE;
}

/*
 * Appends what the run beginning with the "&" at p means. Returns what follows its "-"; NULL,
 * having appended nothing, if it isn't canonical. after_run: an encoded run ended just before, and
 * two of them would have been one.
 */
static const char *decode_run(GString *out, const char *p, const char *end, gboolean after_run)
{
    const char *start = ++p;
    g_autoptr(GArray) units = NULL;

    while (p < end && base64_value(*p) >= 0)
        p++;
    if (p == end || *p != '-')
        return NULL;
    if (p == start) {
        g_string_append_c(out, '&');
        return p + 1;
    }
    units = after_run ? NULL : read_units(start, p);
    if (units == NULL || !append_decoded(out, units))
        return NULL;
    return p + 1;
}

/* The name; with bad, *bad is where the first octet stands that had to be escaped, or NULL. */
static char *name_decode(const char *wire, gsize length, const char **bad)
{
    const char *end = wire + length;
    GString *out = g_string_sized_new(length);
    gboolean after_run = FALSE;

    *bad = NULL;
    for (const char *p = wire; p < end;) {
        const char *next = *p == '&' ? decode_run(out, p, end, after_run) : NULL;

        after_run = next != NULL && next > p + 2;
        if (next != NULL) {
            p = next;
            continue;
        }
        if (is_direct(*p) && *p != '&') {
            g_string_append_c(out, *p);
        } else {
            g_string_append_unichar(out, ESCAPE_BASE + (guchar)*p);
            *bad = *bad != NULL ? *bad : p;
        }
        p++;
    }
    return g_string_free(out, FALSE);
}

char *imap_name_from_wire(const char *wire, gsize length)
{
    const char *bad;

    return name_decode(wire, length, &bad);
}

char *imap_name_decode(const char *wire, gsize length, GError **error)
{
    const char *bad;
    g_autofree char *name = name_decode(wire, length, &bad);

    if (bad == NULL)
        return g_steal_pointer(&name);
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                "the mailbox name is not valid modified UTF-7 (RFC 3501, 5.1.3) at octet %d",
                (int)(bad - wire) + 1);
    return NULL;
}

/* Controls, and the separators of lines and paragraphs (RFC 6855, 3). */
static gboolean ends_line(gunichar c)
{
    return g_unichar_iscntrl(c) || c == 0x2028 || c == 0x2029;
}

gboolean imap_name_check_new(const char *name, GError **error)
{
    const char *problem = NULL;
    g_autofree char *wire = NULL;

    if (*name == '\0')
        problem = "a mailbox name must not be empty";
    else if (!g_utf8_validate(name, -1, NULL))
        problem = "the mailbox name is not valid UTF-8";
    for (const char *p = name; problem == NULL && *p != '\0'; p = g_utf8_next_char(p)) {
        if (ends_line(g_utf8_get_char(p)))
            problem = "a mailbox name must not contain control characters";
        else if (is_escape(g_utf8_get_char(p)))
            problem = "the mailbox name is not valid modified UTF-7 (RFC 3501, 5.1.3)";
    }
    if (problem == NULL) {
        wire = imap_name_to_wire(name);
        if (strlen(wire) > NEW_NAME_MAX)
            problem = "the mailbox name is too long; 1000 octets are allowed";
    }
    if (problem != NULL)
        g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, problem);
    return problem == NULL;
}

/* ---- INBOX and patterns -----------------------------------------------------------------------*/

gboolean imap_name_is_inbox(const char *name)
{
    return g_ascii_strcasecmp(name, "INBOX") == 0;
}

/* Whether the first level is INBOX. */
static gboolean under_inbox(const char *name, char delimiter)
{
    if (g_ascii_strncasecmp(name, "INBOX", INBOX_LENGTH) != 0)
        return FALSE;
    return name[INBOX_LENGTH] == '\0' || (delimiter != '\0' && name[INBOX_LENGTH] == delimiter);
}

void imap_name_fold_inbox(char *name, char delimiter)
{
    if (under_inbox(name, delimiter))
        memcpy(name, "INBOX", INBOX_LENGTH);
}

static gboolean octet_equal(char a, char b, gboolean fold)
{
    return a == b || (fold && g_ascii_tolower(a) == g_ascii_tolower(b));
}

static gboolean is_wildcard(char c)
{
    return c == '*' || c == '%';
}

/* A run of wildcards is as its "*", else as one "%"; the one, and what follows the run. */
static char read_wildcards(const char **pattern)
{
    char wildcard = '%';

    for (; is_wildcard(**pattern); (*pattern)++)
        if (**pattern == '*')
            wildcard = '*';
    return wildcard;
}

gsize imap_name_pattern_simplify(char *pattern)
{
    const char *from = pattern;
    char *to = pattern;
    gsize literals = 0;

    while (*from != '\0') {
        literals += !is_wildcard(*from);
        *to++ = is_wildcard(*from) ? read_wildcards(&from) : *from++;
    }
    *to = '\0';
    return literals;
}

/* Whether there are more octets in a pattern that stand for themselves than the name has. */
static gboolean is_longer(const char *pattern, gsize length)
{
    for (gsize literals = 0; *pattern != '\0'; pattern++)
        if (!is_wildcard(*pattern) && ++literals > length)
            return TRUE;
    return FALSE;
}

/*
 * reach[j]: the pattern read so far matches the first j octets of the name. One pass over the name
 * for each octet of the pattern that stands for itself (there are no more than the name has) and each
 * run of wildcards, so that no pattern can make it slow.
 */
gboolean imap_name_matches(const char *pattern, const char *name, char delimiter)
{
    gsize length = strlen(name);
    gsize folded = under_inbox(name, delimiter) ? INBOX_LENGTH : 0;

    if (is_longer(pattern, length))
        return FALSE;
    g_autofree guint8 *reach = g_malloc0(length + 1);

    reach[0] = 1;
    while (*pattern != '\0') {
        if (is_wildcard(*pattern)) {
            char wildcard = read_wildcards(&pattern);
            for (gsize j = 1; j <= length; j++)
                reach[j] |= reach[j - 1] &&
                            (wildcard == '*' || delimiter == '\0' || name[j - 1] != delimiter);
        } else {
            for (gsize j = length; j > 0; j--)
                reach[j] = reach[j - 1] && octet_equal(*pattern, name[j - 1], j <= folded);
            reach[0] = 0;
            pattern++;
        }
    }
    return reach[length];
}
