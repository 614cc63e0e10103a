/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Queries made and read, and as much of HTTP as one request of a browser takes.
 */
#include "daemon/oauth/redirect.h"

#include "daemon/words/words.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX     16384
#define READ_SECONDS 5
#define DEFAULT      "http://127.0.0.1/"

char *oauth_base64url(const guchar *bytes, gsize length)
{
    char *text = g_base64_encode(bytes, length);

    g_strdelimit(text, "+", '-');
    g_strdelimit(text, "/", '_');
    text[strcspn(text, "=")] = '\0';
    return text;
}

char *oauth_challenge(const char *verifier)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guchar digest[32];
    gsize length = sizeof digest;

    g_checksum_update(checksum, (const guchar *)verifier, -1);
    g_checksum_get_digest(checksum, digest, &length);
    return oauth_base64url(digest, length);
}

/* ---- questions ----------------------------------------------------------------------------- */

static void add_query_pair(GString *query, const char *name, const char *value)
{
    if (!value)
        return;
    if (query->len)
        g_string_append_c(query, '&');
    g_string_append(query, name);
    g_string_append_c(query, '=');
    g_string_append_uri_escaped(query, value, NULL, FALSE);
}

char *oauth_authorization_url(const OauthServer *server, const OauthAuthorization *question)
{
    g_autoptr(GString) query = g_string_new(NULL);
    g_autofree char *challenge = oauth_challenge(question->verifier);

    add_query_pair(query, "response_type", "code");
    add_query_pair(query, "client_id", server->client_id);
    add_query_pair(query, "redirect_uri", question->redirect);
    add_query_pair(query, "scope", server->scope);
    add_query_pair(query, "state", question->state);
    add_query_pair(query, "code_challenge", challenge);
    add_query_pair(query, "code_challenge_method", "S256");
    add_query_pair(query, "login_hint", question->address);
    if (server->extra)
        g_string_append_printf(query, "&%s", server->extra);
    return g_strconcat(server->authorize_url, strchr(server->authorize_url, '?') ? "&" : "?",
                       query->str, NULL);
}

char *oauth_device_form(const OauthServer *server)
{
    g_autoptr(GString) form = g_string_new(NULL);

    add_query_pair(form, "client_id", server->client_id);
    add_query_pair(form, "client_secret", server->client_secret);
    add_query_pair(form, "scope", server->scope);
    return g_string_free(g_steal_pointer(&form), FALSE);
}

/* ---- where it comes back to ---------------------------------------------------------------- */

gboolean oauth_redirect_is_here(const char *redirect)
{
    return !redirect || (g_str_has_prefix(redirect, "http://") && oauth_is_safe_url(redirect));
}

guint16 oauth_redirect_port(const char *redirect)
{
    g_autoptr(GUri) uri = redirect ? g_uri_parse(redirect, G_URI_FLAGS_NONE, NULL) : NULL;
    int port = uri ? g_uri_get_port(uri) : -1;

    return port > 0 ? (guint16)port : 0;
}

char *oauth_redirect_with_port(const char *redirect, guint16 port)
{
    g_autoptr(GUri) uri = g_uri_parse(redirect ? redirect : DEFAULT, G_URI_FLAGS_NONE, NULL);

    return g_uri_join(G_URI_FLAGS_NONE, "http", NULL, g_uri_get_host(uri), port,
                      g_uri_get_path(uri), g_uri_get_query(uri), NULL);
}

/* ---- answers ------------------------------------------------------------------------------- */

static gboolean not_ours(GError **error, const char *why)
{
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, why);
    return FALSE;
}

gboolean oauth_redirect_read(const char *query, const char *state, const char *issuer, char **code,
                             GError **error)
{
    g_autoptr(GHashTable) values =
        g_uri_parse_params(query, (gssize)strcspn(query, "#"), "&", G_URI_PARAMS_WWW_FORM, NULL);
    const char *given = values ? g_hash_table_lookup(values, "state") : NULL;
    const char *iss = values ? g_hash_table_lookup(values, "iss") : NULL;

    if (!given || strcmp(given, state) != 0)
        return not_ours(error, "it isn't the answer to this sign-in");
    if (iss && issuer && strcmp(iss, issuer) != 0) /* RFC 9207, 2.4 */
        return not_ours(error, "it is the answer of another server");
    const char *name = g_hash_table_lookup(values, "error");
    const char *words = g_hash_table_lookup(values, "error_description");
    const char *value = g_hash_table_lookup(values, "code");
    if (name) {
        g_autofree char *text = words_line(words ? words : name, -1);
        g_set_error(error, OAUTH_ERROR, OAUTH_ERROR_GRANT, "the sign-in was refused: %s", text);
        return FALSE;
    }
    if (!value || !*value)
        return not_ours(error, "there is no code in it");
    *code = g_strdup(value);
    return TRUE;
}

/* ---- HTTP ---------------------------------------------------------------------------------- */

static gboolean is_readable(int fd, gint64 until)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    gint64 left = (until - g_get_monotonic_time()) / 1000;

    return left > 0 && poll(&one, 1, (int)left) > 0;
}

/* The head of a request, or what there is of it in time. */
static char *read_head(int fd)
{
    gint64 until = g_get_monotonic_time() + READ_SECONDS * G_USEC_PER_SEC;
    g_autoptr(GString) head = g_string_new(NULL);
    char buffer[2048];

    while (head->len < HEAD_MAX && !strstr(head->str, "\r\n\r\n") && is_readable(fd, until)) {
        ssize_t count = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (count <= 0)
            break;
        g_string_append_len(head, buffer, count);
    }
    return g_string_free(g_steal_pointer(&head), FALSE);
}

char *oauth_redirect_receive(int fd, const char *redirect)
{
    g_autofree char *head = read_head(fd);
    g_autoptr(GUri) uri = g_uri_parse(redirect, G_URI_FLAGS_NONE, NULL);
    const char *path = *g_uri_get_path(uri) ? g_uri_get_path(uri) : "/";

    if (!g_str_has_prefix(head, "GET ") || !strstr(head, "\r\n"))
        return NULL;
    g_auto(GStrv) words = g_strsplit(head, " ", 3);
    char *question = words[1] ? strchr(words[1], '?') : NULL;
    if (!question || strlen(path) != (gsize)(question - words[1]) ||
        strncmp(words[1], path, strlen(path)) != 0)
        return NULL;
    return g_strdup(question + 1);
}

void oauth_redirect_reply(int fd, gboolean over, const char *failure)
{
    g_autofree char *escaped = g_markup_escape_text(failure ? failure : "", -1);
    const char *title = !over ? "There is nothing here" : failure ? "Not signed in" : "Signed in";
    const char *text = !over ? "" : failure ? escaped : "You can close this page.";
    g_autofree char *page =
        g_strdup_printf("<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>Postern"
                        "</title><h1>%s</h1><p>%s</p></html>\n",
                        title, text);
    g_autofree char *answer = g_strdup_printf(
        "HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %zu\r\n"
        "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n%s",
        over ? "200 OK" : "404 Not Found", strlen(page), page);

    /* A small answer fits into the socket's buffer; a browser that is gone doesn't matter. */
    if (send(fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        g_debug("The browser has gone");
}
