/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The choice, GNU SASL's exchange, and the two messages of OAuth.
 */
#include "daemon/upstream/sasl.h"

#include "daemon/proto/sasl/base64.h"

#include <gsasl.h>
#include <openssl/evp.h>
#include <string.h>

#define ITERATIONS_MAX 1000000 /* of SCRAM: more would be the server's way to keep us busy */

struct SaslClient {
    SaslContext context;
    guint mechanism;
    Gsasl *library;
    Gsasl_session *session; /* NULL: one of OAuth's */
    gboolean begun, done;
    guint steps;
};

GQuark sasl_client_error_quark(void)
{
    return g_quark_from_static_string("sasl-client-error");
}

/* ---- the choice ---------------------------------------------------------------------------- */

#define PASSWORD (SASL_SCRAM | (guint)(SASL_PLAIN | SASL_LOGIN))
/* The server says something before we do. */
#define LATER (guint)(SASL_LOGIN | SASL_CRAM_MD5)

/* tls-unique (RFC 5929) where TLS 1.3, which has none, isn't spoken: it is what servers have known for
 * long, and Dovecot 2.4.1 breaks when it is asked for the other one there. Else tls-exporter (RFC 9266). */
static GBytes *binding_of(const SaslContext *context, gboolean exporter)
{
    if (!context->stream)
        return NULL;
    g_autoptr(GBytes) unique = net_stream_channel_binding(context->stream, "tls-unique");
    if (!exporter || unique)
        return exporter ? NULL : g_steal_pointer(&unique);
    return net_stream_channel_binding(context->stream, "tls-exporter");
}

static gboolean can_bind(const SaslContext *context)
{
    g_autoptr(GBytes) exporter = binding_of(context, TRUE), unique = binding_of(context, FALSE);

    return exporter || unique;
}

/* The password as SCRAM takes it (RFC 4013), for the caller to wipe and free; NULL: it can't. */
static char *prepare(const UpstreamLogin *login)
{
    char *prepared = NULL;

    return gsasl_saslprep(login->secret, 0, &prepared, NULL) == GSASL_OK ? prepared : NULL;
}

static void wipe_prepared(char *prepared)
{
    if (!prepared)
        return;
    explicit_bzero(prepared, strlen(prepared));
    gsasl_free(prepared);
}

static gboolean can_prepare(const UpstreamLogin *login)
{
    char *prepared = prepare(login);

    wipe_prepared(prepared);
    return prepared != NULL;
}

static guint choose(const SaslContext *context, guint offered)
{
    const UpstreamLogin *login = context->login;
    guint usable = login->mechanisms;

    if (!usable)
        usable = login->oauth2 ? SASL_TOKEN : PASSWORD;
    usable &= offered;
    if ((usable & SASL_BOUND) && !can_bind(context))
        usable &= ~SASL_BOUND;
    if ((usable & SASL_SCRAM) && !can_prepare(login))
        usable &= ~SASL_SCRAM;
    return usable & -usable; /* the lowest bit is the best */
}

/* "SCRAM-SHA-256 or PLAIN": what there should have been. */
static char *describe_wanted(const UpstreamLogin *login)
{
    GString *text = g_string_new(NULL);

    for (guint left = login->mechanisms; left; left &= left - 1) {
        if (text->len)
            g_string_append(text, " or ");
        g_string_append(text, sasl_mechanism_name(left));
    }
    if (!text->len)
        g_string_append(text, login->oauth2 ? "an OAuth 2 token" : "a password");
    return g_string_free(text, FALSE);
}

/* ---- GNU SASL ------------------------------------------------------------------------------ */

/* The data for a -PLUS mechanism, in Base64. With another one they would break the login: GNU SASL ends it
 * where they are given and the mechanism doesn't take them. */
static int set_binding(Gsasl_session *session, const SaslClient *client, Gsasl_property property)
{
    g_autoptr(GBytes) data = client->mechanism & SASL_BOUND
                                 ? binding_of(&client->context, property == GSASL_CB_TLS_EXPORTER)
                                 : NULL;
    gsize length;

    if (!data)
        return GSASL_NO_CALLBACK;
    const guchar *bytes = g_bytes_get_data(data, &length);
    g_autofree char *text = g_base64_encode(bytes, length);
    return gsasl_property_set(session, property, text);
}

/* What SCRAM makes of the password (RFC 5802, 2.2), in hexadecimal. GNU SASL does it as well, but leaves copies
 * of the password in memory. The salt and the number are those of the server, checked before. */
static int set_salted_password(Gsasl_session *session, const SaslClient *client)
{
    const char *salt = gsasl_property_fast(session, GSASL_SCRAM_SALT);
    const char *count = gsasl_property_fast(session, GSASL_SCRAM_ITER);
    gboolean sha1 = (client->mechanism & (SASL_SCRAM_SHA_1 | SASL_SCRAM_SHA_1_PLUS)) != 0;
    const int size = sha1 ? 20 : 32;
    guint8 key[32];
    char hex[2 * sizeof key + 1] = "";
    gsize length = 0;
    g_autofree guint8 *octets = salt ? base64_decode_strict(salt, &length) : NULL;

    if (!octets || !count)
        return GSASL_NO_CALLBACK;
    char *prepared = prepare(client->context.login);
    if (!prepared)
        return GSASL_SASLPREP_ERROR;
    PKCS5_PBKDF2_HMAC(prepared, (int)strlen(prepared), octets, (int)length, atoi(count),
                      sha1 ? EVP_sha1() : EVP_sha256(), size, key);
    wipe_prepared(prepared);
    for (int i = 0; i < size; i++)
        g_snprintf(hex + 2 * i, 3, "%02x", key[i]);
    int code = gsasl_property_set(session, GSASL_SCRAM_SALTED_PASSWORD, hex);
    explicit_bzero(key, sizeof key);
    explicit_bzero(hex, sizeof hex);
    return code;
}

static int answer(Gsasl *library, Gsasl_session *session, Gsasl_property property)
{
    const SaslClient *client = gsasl_session_hook_get(session);
    const UpstreamLogin *login = client->context.login;

    switch (property) {
    case GSASL_AUTHID:
        return gsasl_property_set(session, property, login->user);
    case GSASL_PASSWORD:
        return gsasl_property_set(session, property, login->secret);
    case GSASL_SCRAM_SALTED_PASSWORD:
        return set_salted_password(session, client);
    case GSASL_SERVICE:
        return gsasl_property_set(session, property, client->context.service);
    case GSASL_HOSTNAME:
        return gsasl_property_set(session, property, login->endpoint->host);
    case GSASL_CB_TLS_EXPORTER:
    case GSASL_CB_TLS_UNIQUE:
        return set_binding(session, client, property);
    case GSASL_AUTHZID: /* whom to act as; GSSAPI's ticket may be another's than the mailbox */
        return client->mechanism == SASL_GSSAPI ? gsasl_property_set(session, property, login->user)
                                                : GSASL_NO_CALLBACK;
    default:
        return GSASL_NO_CALLBACK;
    }
}

static gboolean start(SaslClient *client, GError **error)
{
    const char *name = sasl_mechanism_name(client->mechanism);
    int code = gsasl_init(&client->library);

    if (code == GSASL_OK) {
        gsasl_callback_set(client->library, answer);
        code = gsasl_client_start(client->library, name, &client->session);
    }
    if (code == GSASL_OK) {
        gsasl_session_hook_set(client->session, client);
        return TRUE;
    }
    g_set_error(error, SASL_CLIENT_ERROR, SASL_CLIENT_ERROR_UNFIT, "can't be used: %s: %s", name,
                gsasl_strerror(code));
    return FALSE;
}

SaslClient *sasl_client_new(const SaslContext *context, guint offered, GError **error)
{
    g_autoptr(SaslClient) client = g_new0(SaslClient, 1);

    client->context = *context;
    client->mechanism = choose(context, offered);
    if (!client->mechanism) {
        g_autofree char *wanted = describe_wanted(context->login);
        g_set_error(error, SASL_CLIENT_ERROR, SASL_CLIENT_ERROR_NONE,
                    "offers no way to sign in with %s", wanted);
        return NULL;
    }
    if (!(client->mechanism & SASL_TOKEN) && !start(client, error))
        return NULL;
    return g_steal_pointer(&client);
}

/* GNU SASL frees its copies as they are. */
static void wipe_property(Gsasl_session *session, Gsasl_property property)
{
    char *value = (char *)gsasl_property_fast(session, property);

    if (value)
        explicit_bzero(value, strlen(value));
}

void sasl_client_free(SaslClient *client)
{
    if (!client)
        return;
    if (client->session) {
        wipe_property(client->session, GSASL_PASSWORD);
        wipe_property(client->session, GSASL_SCRAM_SALTED_PASSWORD);
        gsasl_finish(client->session);
    }
    if (client->library)
        gsasl_done(client->library);
    g_free(client);
}

guint sasl_client_mechanism(const SaslClient *client)
{
    return client->mechanism;
}

/* ---- OAuth --------------------------------------------------------------------------------- */

/* RFC 5801, 4: a name within a GS2 header. */
static void add_saslname(GString *text, const char *name)
{
    for (; *name; name++) {
        if (*name == ',')
            g_string_append(text, "=2C");
        else if (*name == '=')
            g_string_append(text, "=3D");
        else
            g_string_append_c(text, *name);
    }
}

/* The whole message; what comes after it explains a failure, which is answered by as good as nothing
 * (RFC 7628, 3.2.3; Google's XOAUTH2). */
static char *token_message(SaslClient *client)
{
    const UpstreamLogin *login = client->context.login;
    gboolean bearer = client->mechanism == SASL_OAUTHBEARER;

    if (client->begun)
        return g_strdup(bearer ? "AQ==" : "");
    /* Large enough from the start: growing would leave copies. */
    g_autoptr(GString) text = g_string_sized_new(
        3 * strlen(login->user) + strlen(login->endpoint->host) + strlen(login->secret) + 64);
    client->begun = client->done = TRUE;
    g_string_append(text, bearer ? "n,a=" : "user=");
    if (bearer) {
        add_saslname(text, login->user);
        g_string_append_printf(text, ",\001host=%s\001port=%u", login->endpoint->host,
                               login->endpoint->port);
    } else {
        g_string_append(text, login->user);
    }
    g_string_append(text, "\001auth=Bearer ");
    g_string_append(text, login->secret);
    g_string_append(text, "\001\001");
    char *encoded = g_base64_encode((const guchar *)text->str, text->len);
    explicit_bzero(text->str, text->len);
    return encoded;
}

/* ---- the exchange -------------------------------------------------------------------------- */

static char *refuse(const SaslClient *client, SaslClientError code, const char *why, GError **error)
{
    g_set_error(error, SASL_CLIENT_ERROR, (int)code, "%s: %s",
                sasl_mechanism_name(client->mechanism), why);
    return NULL;
}

/* Whether SCRAM's first challenge asks for more work than any honest server does, or for none that can be
 * counted: ",i=" can't stand within a nonce or a salt (RFC 5802, 7). */
static gboolean is_too_much(const SaslClient *client, const char *challenge)
{
    if (!(client->mechanism & SASL_SCRAM) || client->steps != 1)
        return FALSE;
    const char *count = strstr(challenge, ",i=");
    char *end;
    guint64 number = count ? g_ascii_strtoull(count + 3, &end, 10) : 0;
    return count && (!g_ascii_isdigit(count[3]) || number < 1 || number > ITERATIONS_MAX ||
                     (*end && *end != ','));
}

/* What GNU SASL's codes mean: some come before the server has looked at anything. */
static SaslClientError meaning_of(const SaslClient *client, int code)
{
    if (client->mechanism == SASL_GSSAPI)
        return client->steps <= 1 ? SASL_CLIENT_ERROR_TICKET : SASL_CLIENT_ERROR_REFUSED;
    gboolean early = client->steps <= 1 && !(client->mechanism & LATER);
    return code == GSASL_NO_CALLBACK || early ? SASL_CLIENT_ERROR_UNFIT : SASL_CLIENT_ERROR_REFUSED;
}

static const char *words_for(const SaslClient *client, int code)
{
    if (meaning_of(client, code) == SASL_CLIENT_ERROR_TICKET)
        return "there is no Kerberos ticket for it that is valid; get one with kinit";
    if (code == GSASL_AUTHENTICATION_ERROR && client->steps > 2)
        return "it doesn't prove that it knows the password";
    return gsasl_strerror(code);
}

static char *encode(char *output, gsize length)
{
    char *encoded = g_base64_encode((const guchar *)output, length);

    if (output)
        explicit_bzero(output, length);
    gsasl_free(output);
    return encoded;
}

static char *library_step(SaslClient *client, const char *challenge, GError **error)
{
    gsize length, size = 0;
    char *output = NULL;
    g_autofree guint8 *octets = base64_decode_strict(challenge, &length);

    /* LOGIN's questions differ from server to server, and aren't read. */
    if (!octets && client->mechanism != SASL_LOGIN)
        return refuse(client, SASL_CLIENT_ERROR_REFUSED, "its challenge isn't Base64", error);
    if (octets && is_too_much(client, (const char *)octets))
        return refuse(client, SASL_CLIENT_ERROR_REFUSED,
                      "it asks for more rounds than any honest server does", error);
    client->steps++;
    if (client->done)
        return g_strdup("");
    int code = gsasl_step(client->session, octets ? (const char *)octets : "", octets ? length : 0,
                          &output, &size);
    if (code != GSASL_OK && code != GSASL_NEEDS_MORE)
        return refuse(client, meaning_of(client, code), words_for(client, code), error);
    client->done = code == GSASL_OK;
    return encode(output, size);
}

char *sasl_client_step(SaslClient *client, const char *challenge, GError **error)
{
    return client->session ? library_step(client, challenge, error) : token_message(client);
}

char *sasl_client_initial(SaslClient *client, GError **error)
{
    return client->mechanism & LATER ? NULL : sasl_client_step(client, "", error);
}

gboolean sasl_client_proved_nothing(const SaslClient *client)
{
    return client->steps == 0 ? !client->begun
                              : client->steps == 1 && (client->mechanism & SASL_SCRAM) != 0;
}

gboolean sasl_client_finish(SaslClient *client, GError **error)
{
    if (client->done)
        return TRUE;
    refuse(client, SASL_CLIENT_ERROR_REFUSED,
           "it lets one in without having proved that it knows the password", error);
    return FALSE;
}
