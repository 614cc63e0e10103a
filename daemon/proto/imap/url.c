/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IMAP URLs that name a message.
 */
#include "daemon/proto/imap/url.h"

#include "daemon/proto/imap/mailbox-name.h"

#include <string.h>

#define SCHEME "imap://"

void imap_url_free(ImapUrl *url)
{
    if (url == NULL)
        return;
    g_free(url->host);
    g_free(url->user);
    g_free(url->mailbox);
    imap_section_clear(&url->section);
    g_free(url->access);
    g_free(url->access_user);
    g_free(url->mechanism);
    g_free(url->token);
    g_free(url);
}

static gboolean url_fail(const char *reason, GError **error)
{
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, reason);
    return FALSE;
}

/* Percent-encoded UTF-8 (RFC 5092, 8); NULL: it isn't. */
static char *url_decode(const char *start, const char *end)
{
    g_autofree char *text = g_uri_unescape_segment(start, end, NULL);

    return text != NULL && g_utf8_validate(text, -1, NULL) ? g_steal_pointer(&text) : NULL;
}

/* "ada;AUTH=*@example.org:143"; the way to log in and the port say nothing of the message. */
static gboolean read_server(ImapUrl *url, const char *start, const char *end, GError **error)
{
    const char *at = memchr(start, '@', (gsize)(end - start));
    const char *host = at != NULL ? at + 1 : start;
    const char *bracket = *host == '[' ? memchr(host, ']', (gsize)(end - host)) : NULL;
    const char *name_end = bracket != NULL ? bracket : host;
    const char *colon = memchr(name_end, ':', (gsize)(end - name_end));

    if (at != NULL) {
        const char *auth = memchr(start, ';', (gsize)(at - start));

        url->user = url_decode(start, auth != NULL ? auth : at);
        if (url->user == NULL)
            return url_fail("the user in the URL isn't percent-encoded UTF-8", error);
    }
    url->host = g_strndup(host, (gsize)((colon != NULL ? colon : end) - host));
    return *url->host != 0 || url_fail("the URL names no server", error);
}

/* Up to the first parameter; the slash before it isn't part of the name. */
static gboolean read_url_mailbox(ImapUrl *url, const char *start, const char *end, GError **error)
{
    if (end > start && end[-1] == '/')
        end--;
    if (end == start)
        return TRUE;
    url->mailbox = url_decode(start, end);
    if (url->mailbox == NULL)
        return url_fail("the mailbox in the URL isn't percent-encoded UTF-8", error);
    imap_name_fold_inbox(url->mailbox, 0);
    return TRUE;
}

/* ---- parameters -------------------------------------------------------------------------------*/

static gboolean read_url_number(const char *text, gboolean zero, guint32 *out, GError **error)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(text, 10, zero ? 0 : 1, G_MAXUINT32, &number, NULL))
        return url_fail("a number in the URL isn't one", error);
    *out = (guint32)number;
    return TRUE;
}

static gboolean read_uidvalidity(ImapUrl *url, const char *value, GError **error)
{
    return read_url_number(value, FALSE, &url->uidvalidity, error);
}

static gboolean read_url_uid(ImapUrl *url, const char *value, GError **error)
{
    return read_url_number(value, FALSE, &url->uid, error);
}

/* As in FETCH's BODY[...]. */
static gboolean read_url_section(ImapUrl *url, const char *value, GError **error)
{
    g_autofree char *text = url_decode(value, value + strlen(value));
    g_autofree char *line = text != NULL ? g_strdup_printf("u SECTION [%s]", text) : NULL;
    g_autoptr(ImapCommand) command = NULL;
    ImapLexer lexer;

    if (line == NULL || url->has_section)
        return url_fail("the section in the URL can't be read", error);
    command = imap_command_from_line(line, error);
    if (command == NULL)
        return FALSE;
    imap_lexer_init(&lexer, command, &imap_limits_default, 0);
    url->has_section = TRUE;
    return imap_lexer_space(&lexer, error) &&
           imap_section_read(&lexer, FALSE, &url->section, error) && imap_lexer_end(&lexer, error);
}

/* "0.1024" or "1024" */
static gboolean read_url_partial(ImapUrl *url, const char *value, GError **error)
{
    g_auto(GStrv) numbers = g_strsplit(value, ".", 2);

    url->partial = TRUE;
    return numbers[0] != NULL && read_url_number(numbers[0], TRUE, &url->offset, error) &&
           (numbers[1] == NULL || read_url_number(numbers[1], FALSE, &url->length, error));
}

/* RFC 3339, with its zone. */
static gboolean read_expire(ImapUrl *url, const char *value, GError **error)
{
    g_autoptr(GDateTime) when = g_date_time_new_from_iso8601(value, NULL);

    if (when == NULL)
        return url_fail("the time in the URL isn't one", error);
    url->expires = MAX(1, g_date_time_to_unix(when));
    return TRUE;
}

/* "user+ada" or "authuser" */
static gboolean read_access(ImapUrl *url, const char *value, GError **error)
{
    const char *plus = strchr(value, '+');

    url->access = g_ascii_strdown(value, plus != NULL ? plus - value : -1);
    if (plus != NULL)
        url->access_user = url_decode(plus + 1, plus + strlen(plus));
    return (*url->access != 0 && (plus == NULL || url->access_user != NULL)) ||
           url_fail("the URL doesn't say who may use it", error);
}

/* "user+ada:internal:TOKEN", or without the last two what is to be authorized. */
static gboolean read_urlauth(ImapUrl *url, const char *value, GError **error)
{
    g_auto(GStrv) words = g_strsplit(value, ":", 3);

    if (url->host == NULL || url->user == NULL || url->mailbox == NULL)
        return url_fail("a URL with URLAUTH names server, user and mailbox", error);
    if (words[0] == NULL || !read_access(url, words[0], error))
        return words[0] != NULL || url_fail("the URL doesn't say who may use it", error);
    if (words[1] == NULL)
        return TRUE;
    if (words[2] == NULL || *words[1] == 0 || *words[2] == 0)
        return url_fail("the URL has no token", error);
    url->mechanism = g_strdup(words[1]);
    url->token = g_strdup(words[2]);
    return TRUE;
}

static const struct {
    const char *name;
    gboolean (*read)(ImapUrl *url, const char *value, GError **error);
} parameters[] = {
    {"UIDVALIDITY", read_uidvalidity}, {"UID", read_url_uid},   {"SECTION", read_url_section},
    {"PARTIAL", read_url_partial},     {"EXPIRE", read_expire}, {"URLAUTH", read_urlauth},
};

/* "UID=20" */
static gboolean read_url_parameter(ImapUrl *url, const char *parameter, GError **error)
{
    const char *equals = strchr(parameter, '=');

    for (gsize i = 0; equals != NULL && i < G_N_ELEMENTS(parameters); i++) {
        gsize length = strlen(parameters[i].name);

        if ((gsize)(equals - parameter) == length &&
            g_ascii_strncasecmp(parameter, parameters[i].name, length) == 0)
            return parameters[i].read(url, equals + 1, error);
    }
    return url_fail("the URL has a part that isn't known here", error);
}

/* ";UIDVALIDITY=3/;UID=20": each may end in the slash that stands before the next one. */
static gboolean read_parameters(ImapUrl *url, const char *text, GError **error)
{
    g_auto(GStrv) list = g_strsplit(text, ";", -1);

    for (guint i = 1; list[0] != NULL && list[i] != NULL; i++) {
        gsize length = strlen(list[i]);

        if (list[i + 1] != NULL && length > 0 && list[i][length - 1] == '/')
            list[i][length - 1] = 0;
        if (url->access != NULL)
            return url_fail("URLAUTH isn't the last part of the URL", error);
        if (!read_url_parameter(url, list[i], error))
            return FALSE;
    }
    return url->uid != 0 || url_fail("the URL names no message", error);
}

ImapUrl *imap_url_parse(const char *text, GError **error)
{
    g_autoptr(ImapUrl) url = g_new0(ImapUrl, 1);
    const char *path = text;

    if (g_ascii_strncasecmp(text, SCHEME, strlen(SCHEME)) == 0) {
        const char *server = text + strlen(SCHEME);

        path = server + strcspn(server, "/");
        if (!read_server(url, server, path, error))
            return NULL;
    }
    if (*path != '/' && (*path != ';' || url->host != NULL)) {
        url_fail("the URL doesn't begin with imap://, a slash or a semicolon", error);
        return NULL;
    }
    path += *path == '/';
    if (!read_url_mailbox(url, path, path + strcspn(path, ";"), error) ||
        !read_parameters(url, path + strcspn(path, ";"), error))
        return NULL;
    url->rump_length = strlen(text);
    if (url->token != NULL)
        url->rump_length -= strlen(url->mechanism) + strlen(url->token) + 2;
    return g_steal_pointer(&url);
}
