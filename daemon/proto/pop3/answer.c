/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of a POP3 server's answers. */
#include "daemon/proto/pop3/answer.h"

#include "daemon/proto/sasl/mechanism.h"
#include "daemon/words/words.h"

#include <string.h>

#define WORDS_MAX 1000 /* octets that are kept of what a server says, or calls a message */

void pop3_status_clear(Pop3Status *status)
{
    g_clear_pointer(&status->code, g_free);
    g_clear_pointer(&status->text, g_free);
}

static gboolean has_prefix(const char *line, gsize length, const char *prefix)
{
    gsize size = strlen(prefix);

    return length >= size && g_ascii_strncasecmp(line, prefix, size) == 0;
}

/* RFC 2449, 8: "[IN-USE] …"; what is behind it. */
static const char *take_code(const char *text, char **code)
{
    const char *end = *text == '[' ? strchr(text, ']') : NULL;

    if (!end || end == text + 1 || memchr(text, ' ', (gsize)(end - text)))
        return text;
    *code = g_ascii_strup(text + 1, end - text - 1);
    return end + 1;
}

gboolean pop3_status_parse(const char *line, gsize length, Pop3Status *status)
{
    gsize skip;

    *status = (Pop3Status){0};
    if (has_prefix(line, length, "+OK")) {
        status->ok = TRUE;
        skip = 3;
    } else if (has_prefix(line, length, "-ERR")) {
        skip = 4;
    } else if (length > 0 && line[0] == '+' && (length == 1 || line[1] == ' ')) {
        status->goes_on = TRUE;
        skip = 1;
    } else {
        return FALSE;
    }
    g_autofree char *words =
        words_uncut(line + skip, status->goes_on ? length - skip : MIN(length - skip, WORDS_MAX));
    const char *rest = status->goes_on ? words : take_code(words, &status->code);
    status->text = g_strstrip(g_strdup(rest));
    return TRUE;
}

/* ---- CAPA ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    Pop3Capability bit;
} capability_names[] = {
    {"TOP", POP3_CAP_TOP},
    {"UIDL", POP3_CAP_UIDL},
    {"USER", POP3_CAP_USER},
    {"STLS", POP3_CAP_STLS},
    {"PIPELINING", POP3_CAP_PIPELINING},
    {"AUTH-RESP-CODE", POP3_CAP_AUTH_RESP_CODE},
};

void pop3_capabilities_add(Pop3Capabilities *capabilities, const char *line, gsize length)
{
    g_autofree char *text = g_strndup(line, MIN(length, WORDS_MAX));
    g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);

    for (guint i = 0; words[0] && i < G_N_ELEMENTS(capability_names); i++)
        if (g_ascii_strcasecmp(words[0], capability_names[i].name) == 0)
            capabilities->bits |= capability_names[i].bit;
    if (words[0] && g_ascii_strcasecmp(words[0], "SASL") == 0)
        for (guint i = 1; words[i]; i++)
            capabilities->mechanisms |= sasl_mechanism_of(words[i]);
    if (words[0] && words[1] && g_ascii_strcasecmp(words[0], "LOGIN-DELAY") == 0)
        capabilities->login_delay = (guint)MIN(g_ascii_strtoull(words[1], NULL, 10), 86400);
}

/* ---- listings ------------------------------------------------------------------------------ */

/* A number at the beginning of `text`, which it takes; FALSE: there is none, or it is too large. */
static gboolean take_number(const char **text, guint64 max, guint64 *number)
{
    char *end;

    while (**text == ' ' || **text == '\t')
        ++*text;
    if (!g_ascii_isdigit(**text))
        return FALSE;
    *number = g_ascii_strtoull(*text, &end, 10);
    *text = end;
    return *number <= max && (*end == '\0' || *end == ' ' || *end == '\t');
}

gboolean pop3_listing_parse(const char *line, gsize length, guint32 *number, guint64 *size)
{
    g_autofree char *text = g_strndup(line, MIN(length, WORDS_MAX));
    const char *at = text;
    guint64 value;

    if (!take_number(&at, G_MAXUINT32, &value))
        return FALSE;
    *number = (guint32)value;
    return take_number(&at, G_MAXINT64, size);
}

gboolean pop3_uidl_parse(const char *line, gsize length, guint32 *number, char **uidl)
{
    g_autofree char *text = g_strndup(line, MIN(length, WORDS_MAX));
    const char *at = text;
    guint64 value;

    if (!take_number(&at, G_MAXUINT32, &value))
        return FALSE;
    *number = (guint32)value;
    g_strstrip((char *)at);
    *uidl = *at ? g_strescape(at, NULL) : NULL;
    return TRUE;
}
