/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counting work. See steps.h; the linker puts the __wrap_ functions in the place of the libraries'. */
#include "steps.h"

#include <gmime/gmime.h>
#include <iconv.h>
#include <string.h>

/* What opening a converter costs: it may have to load a library. */
#define OPENING 20000

static guint64 steps;

guint64 steps_taken(void)
{
    return steps;
}

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
    steps++;
}

/* Declares the library's function and opens the definition of what stands in for it. */
#define WRAP(type, name, parameters)                                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters

WRAP(void *, memchr, (const void *text, int c, size_t length))
{
    const char *found = __real_memchr(text, c, length);
    steps += (found ? (size_t)(found - (const char *)text) : length) / 8 + 1;
    return (void *)found;
}

WRAP(void *, memmem, (const void *text, size_t length, const void *wanted, size_t size))
{
    const char *found = __real_memmem(text, length, wanted, size);
    steps += (found ? (size_t)(found - (const char *)text) : length) + size;
    return (void *)found;
}

WRAP(int, memcmp, (const void *a, const void *b, size_t length))
{
    steps += length / 8 + 1;
    return __real_memcmp(a, b, length);
}

WRAP(void *, memcpy, (void *to, const void *from, size_t length))
{
    steps += length / 8 + 1;
    return __real_memcpy(to, from, length);
}

WRAP(void *, memmove, (void *to, const void *from, size_t length))
{
    steps += length / 8 + 1;
    return __real_memmove(to, from, length);
}

WRAP(void *, memset, (void *to, int c, size_t length))
{
    steps += length / 8 + 1;
    return __real_memset(to, c, length);
}

WRAP(size_t, strlen, (const char *text))
{
    size_t length = __real_strlen(text);
    steps += length / 8 + 1;
    return length;
}

WRAP(char *, strchr, (const char *text, int c))
{
    char *found = __real_strchr(text, c);
    steps += found ? (size_t)(found - text) + 1 : __real_strlen(text) + 1;
    return found;
}

WRAP(char *, strstr, (const char *text, const char *wanted))
{
    char *found = __real_strstr(text, wanted);
    steps += found ? (size_t)(found - text) + 1 : __real_strlen(text) + 1;
    return found;
}

WRAP(size_t, strcspn, (const char *text, const char *until))
{
    size_t length = __real_strcspn(text, until);
    steps += length + 1;
    return length;
}

WRAP(int, strcmp, (const char *a, const char *b))
{
    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        steps++;
    return __real_strcmp(a, b);
}

WRAP(size_t, iconv, (iconv_t converter, char **from, size_t *left, char **to, size_t *room))
{
    size_t before = left ? *left : 0;
    size_t result = __real_iconv(converter, from, left, to, room);
    steps += 10 + before - (left ? *left : 0);
    return result;
}

WRAP(iconv_t, g_mime_iconv_open, (const char *to, const char *from))
{
    steps += OPENING;
    return __real_g_mime_iconv_open(to, from);
}

WRAP(size_t, g_mime_encoding_step,
     (GMimeEncoding * state, const char *in, size_t length, char *out))
{
    steps += length;
    return __real_g_mime_encoding_step(state, in, length, out);
}

/* GMime's reader of dates has loops in loops: counted as the square of what it gets. */
WRAP(GDateTime *, g_mime_utils_header_decode_date, (const char *text))
{
    size_t length = __real_strlen(text);
    steps += length * length;
    return __real_g_mime_utils_header_decode_date(text);
}

/* GLib puts marks in order by bubbling: the square of how many there are in a row. */
WRAP(char *, g_utf8_normalize, (const char *text, gssize length, GNormalizeMode mode))
{
    guint64 marks = 0;
    const char *end = text + (length < 0 ? (gssize)__real_strlen(text) : length);
    for (const char *p = text; p < end && *p; p = g_utf8_next_char(p)) {
        gunichar decomposed[G_UNICHAR_MAX_DECOMPOSITION_LENGTH];
        gsize count = g_unichar_fully_decompose(g_utf8_get_char(p), TRUE, decomposed,
                                                G_N_ELEMENTS(decomposed));
        steps += 4;
        for (gsize i = 0; i < count; i++) {
            marks = g_unichar_combining_class(decomposed[i]) ? marks + 1 : 0;
            steps += marks;
        }
    }
    return __real_g_utf8_normalize(text, length, mode);
}

WRAP(char *, g_utf8_casefold, (const char *text, gssize length))
{
    steps += length < 0 ? __real_strlen(text) : (size_t)length;
    return __real_g_utf8_casefold(text, length);
}

WRAP(char *, g_utf8_make_valid, (const char *text, gssize length))
{
    steps += length < 0 ? __real_strlen(text) : (size_t)length;
    return __real_g_utf8_make_valid(text, length);
}

WRAP(gboolean, g_utf8_validate_len, (const char *text, gsize length, const char **end))
{
    const char *stop;
    gboolean valid = __real_g_utf8_validate_len(text, length, &stop);
    steps += (gsize)(stop - text);
    if (end)
        *end = stop;
    return valid;
}

WRAP(gint, g_ascii_strcasecmp, (const char *a, const char *b))
{
    for (size_t i = 0; a[i] && g_ascii_tolower(a[i]) == g_ascii_tolower(b[i]); i++)
        steps++;
    steps++;
    return __real_g_ascii_strcasecmp(a, b);
}

WRAP(gint, g_ascii_strncasecmp, (const char *a, const char *b, gsize length))
{
    for (size_t i = 0; i < length && a[i] && g_ascii_tolower(a[i]) == g_ascii_tolower(b[i]); i++)
        steps++;
    steps++;
    return __real_g_ascii_strncasecmp(a, b, length);
}

WRAP(GString *, g_string_erase, (GString * string, gssize at, gssize length))
{
    steps += string->len / 8 + 1;
    return __real_g_string_erase(string, at, length);
}

WRAP(GString *, g_string_insert_len, (GString * string, gssize at, const char *text, gssize length))
{
    steps += (string->len + (length < 0 ? __real_strlen(text) : (size_t)length)) / 8 + 1;
    return __real_g_string_insert_len(string, at, text, length);
}

WRAP(char *, g_strdelimit, (char *text, const char *delimiters, char with))
{
    steps += __real_strlen(text) + 1;
    return __real_g_strdelimit(text, delimiters, with);
}

WRAP(char *, g_strdup, (const char *text))
{
    steps += text ? __real_strlen(text) / 8 + 1 : 1;
    return __real_g_strdup(text);
}

WRAP(gpointer, g_malloc0, (gsize size))
{
    steps += size / 8 + 1;
    return __real_g_malloc0(size);
}

WRAP(char *, strpbrk, (const char *text, const char *wanted))
{
    char *found = __real_strpbrk(text, wanted);
    steps += found ? (size_t)(found - text) + 1 : __real_strlen(text) + 1;
    return found;
}

WRAP(size_t, strspn, (const char *text, const char *of))
{
    size_t length = __real_strspn(text, of);
    steps += length + 1;
    return length;
}

WRAP(char *, strrchr, (const char *text, int c))
{
    steps += __real_strlen(text) / 8 + 1;
    return __real_strrchr(text, c);
}

WRAP(int, strncmp, (const char *a, const char *b, size_t length))
{
    for (size_t i = 0; i < length && a[i] && a[i] == b[i]; i++)
        steps++;
    return __real_strncmp(a, b, length);
}

WRAP(char **, g_strsplit, (const char *text, const char *by, gint most))
{
    steps += __real_strlen(text) + 1;
    return __real_g_strsplit(text, by, most);
}

WRAP(char **, g_strsplit_set, (const char *text, const char *by, gint most))
{
    steps += __real_strlen(text) + 1;
    return __real_g_strsplit_set(text, by, most);
}

WRAP(char *, g_strndup, (const char *text, gsize length))
{
    steps += length / 8 + 1;
    return __real_g_strndup(text, length);
}

WRAP(char *, g_ascii_strup, (const char *text, gssize length))
{
    steps += length < 0 ? __real_strlen(text) : (size_t)length;
    return __real_g_ascii_strup(text, length);
}

WRAP(char *, g_ascii_strdown, (const char *text, gssize length))
{
    steps += length < 0 ? __real_strlen(text) : (size_t)length;
    return __real_g_ascii_strdown(text, length);
}

WRAP(GArray *, g_array_remove_index, (GArray * array, guint index))
{
    steps += (array->len - index) / 2 + 1;
    return __real_g_array_remove_index(array, index);
}

WRAP(GArray *, g_array_insert_vals, (GArray * array, guint index, gconstpointer data, guint length))
{
    steps += (index < array->len ? array->len - index : 0) / 2 + length + 1;
    return __real_g_array_insert_vals(array, index, data, length);
}

WRAP(gpointer, g_memdup2, (gconstpointer data, gsize size))
{
    steps += size / 8 + 1;
    return __real_g_memdup2(data, size);
}
