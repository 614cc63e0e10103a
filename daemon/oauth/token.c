/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Grants as text, and questions to the token endpoint.
 */
#include "daemon/oauth/token.h"

#include "daemon/web/json.h"
#include "daemon/words/words.h"

#include <string.h>

#define ANSWER_MAX      ((gsize)128 * 1024)
#define TOKEN_MAX       ((gsize)32 * 1024)
#define SECONDS         20
#define EXPIRES_DEFAULT 3600
#define EXPIRES_MAX     ((gint64)86400 * 365)
#define CLOCK_OFF       600 /* seconds that clocks may differ by before that is worth a word */

/* ---- grants -------------------------------------------------------------------------------- */

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    g_clear_pointer(text, g_free);
}

#define FIELDS 9
static char **field_of(OauthGrant *grant, guint i, const char **name)
{
    const struct {
        const char *name;
        char **field;
    } fields[FIELDS] = {
        {"token_url", &grant->token_url},
        {"revoke_url", &grant->revoke_url},
        {"client_id", &grant->client_id},
        {"client_secret", &grant->client_secret},
        {"scope", &grant->scope},
        {"redirect", &grant->redirect},
        {"refresh_token", &grant->refresh_token},
        {"incoming", &grant->incoming},
        {"outgoing", &grant->outgoing},
    };
    *name = fields[i].name;
    return fields[i].field;
}

OauthGrant *oauth_grant_copy(const OauthGrant *grant)
{
    OauthGrant *copy = g_new0(OauthGrant, 1);
    const char *name;

    for (guint i = 0; i < FIELDS; i++)
        *field_of(copy, i, &name) = g_strdup(*field_of((OauthGrant *)grant, i, &name));
    return copy;
}

void oauth_grant_free(OauthGrant *grant)
{
    const char *name;

    if (!grant)
        return;
    for (guint i = 0; i < FIELDS; i++)
        wipe(field_of(grant, i, &name));
    g_free(grant);
}

char *oauth_grant_to_text(const OauthGrant *grant)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    for (guint i = 0; i < FIELDS; i++) {
        const char *name;
        char *const *field = field_of((OauthGrant *)grant, i, &name);
        if (!*field)
            continue;
        json_builder_set_member_name(builder, name);
        json_builder_add_string_value(builder, *field);
    }
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    return json_to_string(root, FALSE);
}

OauthGrant *oauth_grant_from_text(const char *text, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));
    g_autoptr(JsonObject) object = web_json_read(bytes, error);
    g_autoptr(OauthGrant) grant = g_new0(OauthGrant, 1);

    if (!object)
        return NULL;
    for (guint i = 0; i < FIELDS; i++) {
        const char *name;
        char **field = field_of(grant, i, &name);
        *field = g_strdup(web_json_string(object, name));
    }
    if (grant->token_url && oauth_is_safe_url(grant->token_url) && grant->client_id &&
        grant->incoming)
        return g_steal_pointer(&grant);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "what is stored isn't a sign-in");
    return NULL;
}

/* ---- answers ------------------------------------------------------------------------------- */

void oauth_token_answer_clear(OauthTokenAnswer *answer)
{
    wipe(&answer->access_token);
    wipe(&answer->refresh_token);
    *answer = (OauthTokenAnswer){0};
}

/* RFC 6749, 5.2; RFC 8628, 3.5; OpenID Connect Core, 3.1.2.6. */
static const struct {
    const char *name;
    OauthError code;
} errors[] = {
    {"invalid_grant", OAUTH_ERROR_GRANT},
    {"access_denied", OAUTH_ERROR_GRANT},
    {"expired_token", OAUTH_ERROR_GRANT},
    {"interaction_required", OAUTH_ERROR_GRANT},
    {"consent_required", OAUTH_ERROR_GRANT},
    {"login_required", OAUTH_ERROR_GRANT},
    {"invalid_scope", OAUTH_ERROR_GRANT},
    {"invalid_client", OAUTH_ERROR_CLIENT},
    {"unauthorized_client", OAUTH_ERROR_CLIENT},
    {"unsupported_grant_type", OAUTH_ERROR_CLIENT},
    {"unsupported_response_type", OAUTH_ERROR_CLIENT},
    {"invalid_request", OAUTH_ERROR_CLIENT},
    {"authorization_pending", OAUTH_ERROR_PENDING},
    {"slow_down", OAUTH_ERROR_SLOW_DOWN},
};

static OauthError error_of_name(const char *name)
{
    for (guint i = 0; name && i < G_N_ELEMENTS(errors); i++) {
        if (strcmp(name, errors[i].name) == 0)
            return errors[i].code;
    }
    return OAUTH_ERROR_LATER;
}

/* A token that can stand in a line of IMAP or SMTP: RFC 6749, appendix A.12 (VSCHAR). */
static gboolean is_token(const char *text)
{
    gsize length = text ? strlen(text) : 0;

    for (gsize i = 0; i < length; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e)
            return FALSE;
    }
    return length > 0 && length <= TOKEN_MAX;
}

/* What is odd about the clock: providers refuse what comes from another time. */
static char *clock_remark(const WebAnswer *answer)
{
    gint64 off = answer->date ? answer->date - g_get_real_time() / G_USEC_PER_SEC : 0;

    return ABS(off) < CLOCK_OFF
               ? g_strdup("")
               : g_strdup_printf("; this machine's clock is wrong by %" G_GINT64_FORMAT
                                 " minutes, set it right first",
                                 ABS(off) / 60);
}

static gboolean refused(const OauthGrant *grant, const WebAnswer *answer, JsonObject *object,
                        GError **error)
{
    const char *name = web_json_string(object, "error");
    const char *description = web_json_string(object, "error_description");
    gboolean later = answer->status >= 500 || answer->status == 429 || answer->status == 408;
    g_autoptr(GUri) uri = g_uri_parse(grant->token_url, G_URI_FLAGS_NONE, NULL);
    g_autofree char *words = words_line(description ? description
                                        : name      ? name
                                                    : "no reason given",
                                        -1);
    OauthError code = later ? OAUTH_ERROR_LATER : error_of_name(name);
    g_autofree char *remark = code == OAUTH_ERROR_GRANT ? clock_remark(answer) : g_strdup("");

    g_set_error(error, OAUTH_ERROR, (int)code, "%s answers %u: %s%s", g_uri_get_host(uri),
                answer->status, words, remark);
    return FALSE;
}

static gboolean take_tokens(JsonObject *object, OauthTokenAnswer *answer)
{
    const char *access = web_json_string(object, "access_token");
    const char *refresh = web_json_string(object, "refresh_token");
    const char *type = web_json_string(object, "token_type");

    if (!is_token(access) || (type && g_ascii_strcasecmp(type, "Bearer") != 0))
        return FALSE;
    answer->access_token = g_strdup(access);
    answer->refresh_token = is_token(refresh) ? g_strdup(refresh) : NULL;
    answer->expires_in =
        CLAMP(web_json_number(object, "expires_in", EXPIRES_DEFAULT), 0, EXPIRES_MAX);
    return TRUE;
}

static gboolean read_answer(const OauthGrant *grant, const WebAnswer *web, OauthTokenAnswer *answer,
                            GError **error)
{
    g_autoptr(JsonObject) object = web_json_read(web->body, NULL);

    answer->retry_after = web->retry_after;
    if (web->status / 100 != 2)
        return refused(grant, web, object, error);
    if (object && web_json_string(object, "error"))
        return refused(grant, web, object, error);
    if (object && take_tokens(object, answer))
        return TRUE;
    g_set_error(error, OAUTH_ERROR, OAUTH_ERROR_LATER, "%s gives no token, and no reason",
                grant->token_url);
    return FALSE;
}

/* ---- questions ----------------------------------------------------------------------------- */

static void add_form_pair(GString *form, const char *name, const char *value)
{
    if (!value)
        return;
    if (form->len)
        g_string_append_c(form, '&');
    g_string_append_uri_escaped(form, name, NULL, FALSE);
    g_string_append_c(form, '=');
    g_string_append_uri_escaped(form, value, NULL, FALSE);
}

static gboolean post(const OauthGrant *grant, const char *url, GString *form,
                     const WebNetwork *network, WebAnswer *web, GCancellable *cancellable,
                     GError **error)
{
    WebRequest request = {.url = url, .body = form->str, .limit = ANSWER_MAX, .seconds = SECONDS};
    g_autoptr(GError) failure = NULL;
    gboolean ok = web_ask(network, &request, web, cancellable, &failure);

    explicit_bzero(form->str, form->len);
    if (ok)
        return TRUE;
    if (g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    g_set_error(error, OAUTH_ERROR, OAUTH_ERROR_LATER, "%s can't be asked for a token: %s", url,
                failure->message);
    return FALSE;
}

gboolean oauth_token_ask(const OauthGrant *grant, const char *const form[], gsize pairs,
                         const WebNetwork *network, OauthTokenAnswer *answer,
                         GCancellable *cancellable, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(WebAnswer) web = {0};

    *answer = (OauthTokenAnswer){0};
    for (gsize i = 0; i < pairs; i++)
        add_form_pair(text, form[2 * i], form[2 * i + 1]);
    add_form_pair(text, "client_id", grant->client_id);
    add_form_pair(text, "client_secret", grant->client_secret);
    return post(grant, grant->token_url, text, network, &web, cancellable, error) &&
           read_answer(grant, &web, answer, error);
}

gboolean oauth_token_refresh(const OauthGrant *grant, const WebNetwork *network,
                             OauthTokenAnswer *answer, GCancellable *cancellable, GError **error)
{
    /* Microsoft wants the scope each time, Yahoo the redirect. */
    const char *const form[] = {"grant_type",         "refresh_token", "refresh_token",
                                grant->refresh_token, "scope",         grant->scope,
                                "redirect_uri",       grant->redirect};

    return oauth_token_ask(grant, form, G_N_ELEMENTS(form) / 2, network, answer, cancellable,
                           error);
}

void oauth_token_revoke(const OauthGrant *grant, const WebNetwork *network,
                        GCancellable *cancellable)
{
    g_autoptr(GString) form = g_string_new(NULL);
    g_auto(WebAnswer) web = {0};
    g_autoptr(GError) error = NULL;

    if (!grant->revoke_url || !grant->refresh_token || !oauth_is_safe_url(grant->revoke_url))
        return;
    add_form_pair(form, "token", grant->refresh_token);
    add_form_pair(form, "token_type_hint", "refresh_token");
    add_form_pair(form, "client_id", grant->client_id);
    add_form_pair(form, "client_secret", grant->client_secret);
    if (!post(grant, grant->revoke_url, form, network, &web, cancellable, &error))
        g_message("The sign-in can't be revoked: %s", error->message);
}
