/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A search as a person types it. A word is a row of the table below, or text to look for. */
#include "daemon/proto/imap/search-words.h"

#include "daemon/proto/imap/date.h"
#include "daemon/proto/imap/error.h"

#include <string.h>

/* Days, from the first up to the one before `end`. */
typedef struct {
    gint32 first, end;
} Days;

typedef struct {
    gint32 today;
    GPtrArray *terms;   /* char *: keys of the program */
    GPtrArray *folders; /* char * */
    gboolean negated;   /* the next term is */
    gboolean joined;    /* the next term is an alternative to the last one */
} Words;

static gboolean refuse(GError **error, const char *word, const char *remedy)
{
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "“%s” can't be searched for: %s", word,
                remedy);
    return FALSE;
}

/* In quotes, as UTF-8 (RFC 9051, 9: quoted). */
static void append_quoted(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            g_string_append_c(out, '\\');
        g_string_append_c(out, *text);
    }
    g_string_append_c(out, '"');
}

static char *key_with_text(const char *key, const char *text)
{
    GString *out = g_string_new(key);

    g_string_append_c(out, ' ');
    append_quoted(out, text);
    return g_string_free(out, FALSE);
}

/* ---- dates ----------------------------------------------------------------------------------- */

static gint32 day_number(guint year, guint month, guint day)
{
    gint32 days;

    return imap_date_of(year, month, day, &days) ? days : G_MININT32;
}

/* Digits only, and not too many for any unit below. */
static gboolean read_number(const char *text, gsize length, guint *out)
{
    *out = 0;
    if (length == 0 || length > 5)
        return FALSE;
    for (gsize i = 0; i < length; i++) {
        if (!g_ascii_isdigit(text[i]))
            return FALSE;
        *out = *out * 10 + (guint)(text[i] - '0');
    }
    return TRUE;
}

/* "7d", "2w", "3m", "1y": that long ago. */
static gboolean read_ago(const char *text, gint32 today, Days *days)
{
    static const struct {
        char unit;
        gint32 days;
    } units[] = {{'d', 1}, {'w', 7}, {'m', 30}, {'y', 365}};
    gsize length = strlen(text);
    guint number;

    if (length < 2 || !read_number(text, length - 1, &number))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        if (units[i].unit != g_ascii_tolower(text[length - 1]))
            continue;
        days->first = today - (gint32)number * units[i].days;
        days->end = days->first + 1;
        return TRUE;
    }
    return FALSE;
}

/* "2024", "2024-03", "2024-03-01". */
static gboolean read_calendar(const char *text, Days *days)
{
    g_auto(GStrv) parts = g_strsplit(text, "-", 4);
    guint count = g_strv_length(parts), values[3] = {0, 1, 1};

    if (count < 1 || count > 3 || strlen(parts[0]) != 4)
        return FALSE;
    for (guint i = 0; i < count; i++)
        if (!read_number(parts[i], strlen(parts[i]), &values[i]))
            return FALSE;
    days->first = day_number(values[0], values[1], values[2]);
    if (days->first == G_MININT32)
        return FALSE;
    if (count == 3)
        days->end = days->first + 1;
    else if (count == 1 || values[1] == 12)
        days->end = day_number(values[0] + 1, 1, 1);
    else
        days->end = day_number(values[0], values[1] + 1, 1);
    return days->end != G_MININT32;
}

static gboolean read_days(const char *text, gint32 today, Days *days)
{
    if (g_ascii_strcasecmp(text, "today") == 0)
        *days = (Days){today, today + 1};
    else if (g_ascii_strcasecmp(text, "yesterday") == 0)
        *days = (Days){today - 1, today};
    else if (imap_date_parse(text, strlen(text), &days->first))
        days->end = days->first + 1;
    else
        return read_ago(text, today, days) || read_calendar(text, days);
    return TRUE;
}

static void append_day(GString *out, const char *key, gint32 day)
{
    g_string_append_printf(out, "%s ", key);
    imap_date_format(day, out);
}

/* ---- what may stand before a colon ------------------------------------------------------------ */

typedef struct Prefix Prefix;
typedef char *(*Make)(const Words *words, const Prefix *prefix, const char *value);

struct Prefix {
    const char *name;
    Make make; /* NULL from it: the value is nothing that the word takes */
    const char *key;
    const char *takes; /* for the error */
};

static char *make_text(const Words *words, const Prefix *prefix, const char *value)
{
    return key_with_text(prefix->key, value);
}

/* header:NAME:TEXT */
static char *make_header(const Words *words, const Prefix *prefix, const char *value)
{
    const char *colon = strchr(value, ':');

    if (!colon || colon == value)
        return NULL;
    GString *out = g_string_new("HEADER ");
    g_autofree char *name = g_strndup(value, (gsize)(colon - value));
    append_quoted(out, name);
    g_string_append_c(out, ' ');
    append_quoted(out, colon + 1);
    return g_string_free(out, FALSE);
}

static char *make_since(const Words *words, const Prefix *prefix, const char *value)
{
    GString *out = g_string_new(NULL);
    Days days;

    if (!read_days(value, words->today, &days))
        return g_string_free(out, TRUE);
    append_day(out, prefix->key, days.first);
    return g_string_free(out, FALSE);
}

static char *make_on(const Words *words, const Prefix *prefix, const char *value)
{
    GString *out = g_string_new("(");
    Days days;

    if (!read_days(value, words->today, &days))
        return g_string_free(out, TRUE);
    append_day(out, "SINCE", days.first);
    append_day(out, " BEFORE", days.end);
    g_string_append_c(out, ')');
    return g_string_free(out, FALSE);
}

/* "200", "10k", "5M", "1G". */
static char *make_size(const Words *words, const Prefix *prefix, const char *value)
{
    static const char units[] = "kmg";
    char *end;
    guint64 number = g_ascii_strtoull(value, &end, 10);

    if (!g_ascii_isdigit(*value) || number > G_MAXINT64 >> 30)
        return NULL;
    const char *unit = *end ? strchr(units, g_ascii_tolower(*end)) : NULL;
    if (*end && (!unit || (end[1] && g_ascii_strcasecmp(end + 1, "b") != 0)))
        return NULL;
    for (gsize times = unit ? (gsize)(unit - units) + 1 : 0; times; times--)
        number *= 1024;
    return g_strdup_printf("%s %" G_GUINT64_FORMAT, prefix->key, number);
}

static char *make_state(const Words *words, const Prefix *prefix, const char *value)
{
    static const char *const states[][2] = {
        {"answered", "ANSWERED"},   {"deleted", "DELETED"}, {"draft", "DRAFT"},
        {"flagged", "FLAGGED"},     {"read", "SEEN"},       {"replied", "ANSWERED"},
        {"seen", "SEEN"},           {"starred", "FLAGGED"}, {"unanswered", "UNANSWERED"},
        {"undeleted", "UNDELETED"}, {"undraft", "UNDRAFT"}, {"unflagged", "UNFLAGGED"},
        {"unread", "UNSEEN"},       {"unseen", "UNSEEN"},   {"forwarded", "KEYWORD $Forwarded"},
        {"junk", "KEYWORD $Junk"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(states); i++)
        if (g_ascii_strcasecmp(states[i][0], value) == 0)
            return g_strdup(states[i][1]);
    return NULL;
}

static char *make_keyword(const Words *words, const Prefix *prefix, const char *value)
{
    for (const char *at = value; *at; at++)
        if (!g_ascii_isgraph(*at) || strchr("(){%*\"\\]", *at))
            return NULL;
    return *value ? g_strconcat("KEYWORD ", value, NULL) : NULL;
}

static char *make_folder(const Words *words, const Prefix *prefix, const char *value)
{
    if (*value && !words->negated && !words->joined)
        g_ptr_array_add(words->folders, g_strdup(value));
    return *value && !words->negated && !words->joined ? g_strdup("") : NULL;
}

#define A_DATE "it takes a date: 2024-03-01, 2024-03, 2024, today, yesterday, 7d, 2w, 3m or 1y"
#define A_SIZE "it takes a size: 20000, 20k, 5M or 1G"

static const Prefix prefixes[] = {
    {"from", make_text, "FROM", NULL},
    {"to", make_text, "TO", NULL},
    {"cc", make_text, "CC", NULL},
    {"bcc", make_text, "BCC", NULL},
    {"subject", make_text, "SUBJECT", NULL},
    {"body", make_text, "BODY", NULL},
    {"text", make_text, "TEXT", NULL},
    {"header", make_header, NULL, "it takes a field's name and a text: header:List-Id:debian"},
    {"since", make_since, "SINCE", A_DATE},
    {"after", make_since, "SINCE", A_DATE},
    {"before", make_since, "BEFORE", A_DATE},
    {"on", make_on, NULL, A_DATE},
    {"larger", make_size, "LARGER", A_SIZE},
    {"smaller", make_size, "SMALLER", A_SIZE},
    {"is", make_state, NULL,
     "it takes read, unread, flagged, unflagged, answered, unanswered, forwarded, junk, draft, "
     "undraft, deleted or undeleted"},
    {"keyword", make_keyword, NULL, "it takes the name of a keyword: keyword:$Label1"},
    {"in", make_folder, NULL,
     "it takes a folder's name, in:Archive or in:'Archive/*', and neither NOT nor OR"},
};

/* The row that the word begins with; NULL: it is text. */
static const Prefix *find_prefix(const char *word, const char **value)
{
    const char *colon = strchr(word, ':');

    for (guint i = 0; colon && i < G_N_ELEMENTS(prefixes); i++) {
        gsize length = strlen(prefixes[i].name);
        if (length == (gsize)(colon - word) &&
            g_ascii_strncasecmp(prefixes[i].name, word, length) == 0) {
            *value = colon + 1;
            return &prefixes[i];
        }
    }
    return NULL;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void add_term(Words *words, char *term)
{
    if (words->negated) {
        char *positive = term;
        term = g_strdup_printf("NOT %s", positive);
        g_free(positive);
    }
    if (words->joined) {
        char **last = (char **)&words->terms->pdata[words->terms->len - 1];
        g_autofree char *second = term;
        g_autofree char *first = *last;
        *last = g_strdup_printf("OR %s %s", first, second);
    } else {
        g_ptr_array_add(words->terms, term);
    }
    words->negated = words->joined = FALSE;
}

static gboolean add_word(Words *words, const char *word, GError **error)
{
    const char *value = word;
    const Prefix *prefix = NULL;

    if (*word == '-' && word[1]) {
        words->negated = !words->negated;
        word++;
    }
    prefix = find_prefix(word, &value);
    g_autofree char *term =
        prefix ? prefix->make(words, prefix, value) : key_with_text("TEXT", word);
    if (!term)
        return refuse(error, word, prefix->takes);
    if (*term)
        add_term(words, g_steal_pointer(&term));
    return TRUE;
}

static gboolean add_operator_or_word(Words *words, const char *word, GError **error)
{
    if (!g_utf8_validate(word, -1, NULL))
        return refuse(error, "…", "it isn't UTF-8");
    if (strlen(word) > IMAP_SEARCH_WORD_MAX || strpbrk(word, "\r\n"))
        return refuse(error, "…", "a word is one line, of at most 4096 octets");
    if (strcmp(word, "NOT") == 0) {
        words->negated = !words->negated;
        return TRUE;
    }
    if (strcmp(word, "OR") == 0) {
        if (!words->terms->len || words->negated || words->joined)
            return refuse(error, word, "OR stands between two words");
        words->joined = TRUE;
        return TRUE;
    }
    return !*word || add_word(words, word, error);
}

static gboolean add_all(Words *words, const char *const *given, GError **error)
{
    guint count = 0;

    for (; *given; given++) {
        if (++count > IMAP_SEARCH_WORDS_MAX)
            return refuse(error, "…", "these are more than 200 words");
        if (!add_operator_or_word(words, *given, error))
            return FALSE;
    }
    if (words->negated || words->joined)
        return refuse(error, words->joined ? "OR" : "NOT", "a word has to follow it");
    return TRUE;
}

static char *join_terms(const GPtrArray *terms)
{
    GString *program = g_string_new(terms->len ? NULL : "ALL");

    for (guint i = 0; i < terms->len; i++)
        g_string_append_printf(program, "%s%s", i ? " " : "", (const char *)terms->pdata[i]);
    return g_string_free(program, FALSE);
}

gboolean imap_search_words_parse(const char *const *words, gint32 today, ImapSearchWords *out,
                                 GError **error)
{
    g_autoptr(GPtrArray) terms = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) folders = g_ptr_array_new_with_free_func(g_free);
    Words parsed = {.today = today, .terms = terms, .folders = folders};

    if (!add_all(&parsed, words, error))
        return FALSE;
    out->program = join_terms(terms);
    out->folders = g_new0(char *, folders->len + 1);
    for (guint i = 0; i < folders->len; i++)
        out->folders[i] = g_strdup(folders->pdata[i]);
    return TRUE;
}

void imap_search_words_clear(ImapSearchWords *words)
{
    g_clear_pointer(&words->program, g_free);
    g_clear_pointer(&words->folders, g_strfreev);
}
