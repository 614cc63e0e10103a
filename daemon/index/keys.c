/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys of SORT and THREAD (RFC 5256, RFC 5957), and fields for lists. */
#include "daemon/index/keys.h"

#include "daemon/proto/mime/address.h"
#include "daemon/proto/mime/date.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/subject.h"
#include "daemon/proto/mime/text.h"

#include <pthread.h>
#include <string.h>

/* References of a message; who has more has enough. */
#define REFERENCES_MAX 1000
/* No id is longer: RFC 5322, 2.1.1 allows 998 characters a line. */
#define ID_MAX 1000
/* Of longer subjects the start is compared. */
#define SUBJECT_MAX 65536
/* Longer headers are read themselves. */
#define FIELDS_MAX (1024 * 1024)

/* ---- SORT ------------------------------------------------------------------------------------ */

static void append_date(const MimeField *field, GString *out)
{
    ImapDateTime date;
    if (mime_date_parse(field->value, field->value_length, &date))
        g_string_append_printf(out, "%" G_GINT64_FORMAT, date.time);
}

static char *subject_base(const MimeField *field, gboolean *reply)
{
    return mime_subject_base(field->value, MIN(field->value_length, SUBJECT_MAX), reply);
}

static void append_subject(const MimeField *field, GString *out)
{
    g_autofree char *subject = subject_base(field, NULL);
    g_string_append(out, subject);
}

static void append_collated(const char *text, GString *out)
{
    g_autofree char *collated = mime_text_collate(text);
    g_string_append(out, collated);
}

static void append_mailbox(const MimeField *field, GString *out)
{
    g_auto(MimeArena) arena = {0};
    append_collated(
        mime_address_sort_key(mime_address_parse(&arena, field->value, field->value_length, 1)),
        out);
}

static void append_display(const MimeField *field, GString *out)
{
    g_auto(MimeArena) arena = {0};
    const MimeAddress *first = mime_address_parse(&arena, field->value, field->value_length, 1);
    g_autofree char *text = first ? mime_address_display(first) : NULL;
    if (text)
        append_collated(text, out);
}

typedef struct {
    const char *field;
    void (*append)(const MimeField *field, GString *out);
} SortKey;

static const SortKey SORT_KEYS[CACHE_TEXT_KINDS] = {
    [CACHE_TEXT_SORT_DATE] = {"Date", append_date},
    [CACHE_TEXT_SORT_SUBJECT] = {"Subject", append_subject},
    [CACHE_TEXT_SORT_FROM] = {"From", append_mailbox},
    [CACHE_TEXT_SORT_TO] = {"To", append_mailbox},
    [CACHE_TEXT_SORT_CC] = {"Cc", append_mailbox},
    [CACHE_TEXT_SORT_DISPLAYFROM] = {"From", append_display},
    [CACHE_TEXT_SORT_DISPLAYTO] = {"To", append_display},
};

/* ---- THREAD ---------------------------------------------------------------------------------- */

/* Behind the quoted string at c, which is one only where a local part, or a word of it, begins
 * (RFC 5322, 3.4.1); c itself: none is, or it has no end before `end`. */
static const char *skip_quoted_word(const char *c, const char *end)
{
    if (*c != '"' || (c[-1] != '<' && c[-1] != '.'))
        return c;
    for (const char *p = c + 1; p < end; p++) {
        if (*p == '\\' && p + 1 < end)
            p++;
        else if (*p == '"')
            return p + 1;
    }
    return c;
}

/* The ">" that ends the id whose "<" is at open; within quotes there may be others. NULL: none does. */
static const char *find_id_end(const char *open, const char *end)
{
    const char *limit = end - open > 2 * ID_MAX ? open + 2 * ID_MAX : end;

    for (const char *c = open + 1; c < limit;) {
        const char *behind = skip_quoted_word(c, limit);
        if (behind == c && *c == '>')
            return c;
        c = behind > c ? behind : c + 1;
    }
    return memchr(open, '>', (gsize)(end - open));
}

static void append_id_octets(const char *c, const char *end, GString *out)
{
    for (; c < end; c++)
        if (*c != '"' && *c != '\\' && !g_ascii_isspace(*c) && *c)
            g_string_append_c(out, *c);
}

/*
 * Appends the next "<id>" at or after *at; without quotes, so that the two ways of writing one
 * compare equal (RFC 5256, 3). FALSE: there is none.
 */
static gboolean append_id(const char **at, const char *end, GString *out)
{
    gsize before = out->len;
    for (;;) {
        const char *open = memchr(*at, '<', (gsize)(end - *at));
        const char *close = open ? find_id_end(open, end) : NULL;
        if (!close)
            return FALSE;
        *at = close + 1;
        for (const char *c = open + 1; c < close;) {
            const char *behind = MAX(skip_quoted_word(c, close), c + 1);
            if (*c == '<')
                g_string_truncate(out, before);
            else
                append_id_octets(c, behind, out);
            c = behind;
        }
        if (out->len - before <= ID_MAX && strchr(out->str + before, '@'))
            return TRUE;
        g_string_truncate(out, before);
    }
}

static gboolean append_first_id(const char *header, gsize length, const char *name, GString *out)
{
    MimeField field;
    if (!mime_header_find(header, length, name, &field))
        return FALSE;
    const char *at = field.value;
    return append_id(&at, field.value + field.value_length, out);
}

/* A line for each; FALSE: there are none. */
static gboolean append_references(const char *header, gsize length, GString *out)
{
    MimeField field;
    guint count = 0;
    if (!mime_header_find(header, length, "References", &field))
        return FALSE;
    const char *at = field.value, *end = field.value + field.value_length;
    while (count < REFERENCES_MAX) {
        g_string_append_c(out, '\n');
        if (!append_id(&at, end, out)) {
            g_string_truncate(out, out->len - 1);
            break;
        }
        count++;
    }
    return count > 0;
}

static void append_thread(const char *header, gsize length, GString *out)
{
    MimeField field;
    gboolean reply = FALSE;
    if (mime_header_find(header, length, "Subject", &field))
        g_free(subject_base(&field, &reply));
    g_string_append(out, reply ? "R\n" : "\n");
    append_first_id(header, length, "Message-ID", out);
    if (append_references(header, length, out))
        return;
    g_string_append_c(out, '\n');
    if (!append_first_id(header, length, "In-Reply-To", out))
        g_string_truncate(out, out->len - 1);
}

/* ---- FIELDS ---------------------------------------------------------------------------------- */

/* What Thunderbird, Evolution, mutt and their kin ask for. */
static const char *const FIELDS[] = {
    "Bcc",          "Cc",           "Content-Class",  "Content-Description",
    "Content-Type", "Date",         "From",           "In-Reply-To",
    "Lines",        "List-Archive", "List-Help",      "List-Id",
    "List-Owner",   "List-Post",    "List-Subscribe", "List-Unsubscribe",
    "Message-ID",   "MIME-Version", "Newsgroups",     "Priority",
    "References",   "Reply-To",     "Sender",         "Subject",
    "To",           "X-Label",      "X-Original-To",  "X-Priority",
    NULL,
};

static MimeFieldSet *field_set;

static void make_field_set(void)
{
    field_set = mime_field_set_new(FIELDS);
}

static void append_fields(const char *header, gsize length, GString *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (length > FIELDS_MAX)
        return;
    pthread_once(&once, make_field_set);
    mime_header_filter(header, length, field_set, TRUE, out);
    if (memchr(out->str, '\0', out->len))
        g_string_truncate(out, 0);
}

static gboolean has_field(const char *name)
{
    for (guint i = 0; FIELDS[i]; i++)
        if (g_ascii_strcasecmp(FIELDS[i], name) == 0)
            return TRUE;
    return FALSE;
}

gboolean index_has_fields(const char *const *names)
{
    while (*names && has_field(*names))
        names++;
    return !*names;
}

/* ---- any ------------------------------------------------------------------------------------- */

gboolean index_is_key(CacheText kind)
{
    return kind == CACHE_TEXT_THREAD || kind == CACHE_TEXT_FIELDS || SORT_KEYS[kind].field;
}

void index_key(CacheText kind, const char *header, gsize length, GString *out)
{
    const SortKey *key = &SORT_KEYS[kind];
    MimeField field;
    g_string_truncate(out, 0);
    if (kind == CACHE_TEXT_THREAD)
        append_thread(header, length, out);
    else if (kind == CACHE_TEXT_FIELDS)
        append_fields(header, length, out);
    else if (mime_header_find(header, length, key->field, &field))
        key->append(&field, out);
}
