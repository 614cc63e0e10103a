/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The SASL mechanisms for the local servers, as tables of steps. They are Postern's own because GNU
 * SASL's server knows one SCRAM verifier per login where Postern tries several, and passes over
 * the initial response that many clients send with LOGIN.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "daemon/proto/sasl/base64.h"
#include "daemon/serve/login-private.h"

#define MESSAGE_MAX 4096 /* base64 letters; what any of these mechanisms needs is far less */

typedef struct Mechanism Mechanism;

struct ServeSasl {
    const Mechanism *mechanism;
    NetStream *stream;
    ServeFindVerifiers find;
    gpointer data;

    guint round; /* client's messages so far */
    gboolean ended;
    char *login;
    gboolean verified; /* SCRAM: the proof was good; the client only has to hear it */

    ScramClientFirst first;
    char *nonce, *server_first;
};

/* One message of the client's, decoded and with a NUL behind it. A challenge in *output is plain
 * text. */
typedef ServeSaslResult (*Step)(ServeSasl *sasl, const char *input, gsize length, char **output);

struct Mechanism {
    const char *name;
    const char *prompt; /* sent where the client begins without an initial response */
    Step step;
    gboolean binds; /* to the TLS channel */
};

static ServeSaslResult check_password(ServeSasl *sasl, const char *login, const char *password)
{
    ServeVerifiers *verifiers = sasl->find(login, sasl->data);

    if (!serve_verifiers_check(verifiers, password))
        return SERVE_SASL_FAILED;
    g_free(sasl->login);
    sasl->login = g_strdup(login);
    return SERVE_SASL_OK;
}

/* Nobody may act for others, but an account has two names. */
static gboolean may_act_for(ServeSasl *sasl, const char *login, const char *authzid)
{
    if (!authzid || !*authzid || g_str_equal(login, authzid))
        return TRUE;
    ServeVerifiers *verifiers = sasl->find(login, sasl->data);
    return verifiers && sasl->find(authzid, sasl->data) == verifiers;
}

/* ---- PLAIN (RFC 4616) ------------------------------------------------------------------------ */

static ServeSaslResult step_plain(ServeSasl *sasl, const char *input, gsize length, char **output)
{
    const char *end = input + length;
    const char *login = memchr(input, 0, length);
    const char *password = login ? memchr(login + 1, 0, (gsize)(end - login - 1)) : NULL;

    /* authzid NUL authcid NUL passwd, and no other NUL. */
    if (!password || memchr(password + 1, 0, (gsize)(end - password - 1)))
        return SERVE_SASL_FAILED;
    ServeSaslResult result = check_password(sasl, login + 1, password + 1);
    if (result == SERVE_SASL_OK && !may_act_for(sasl, login + 1, input))
        return SERVE_SASL_UNAUTHORIZED;
    return result;
}

/* ---- LOGIN ----------------------------------------------------------------------------------- */

static ServeSaslResult step_login(ServeSasl *sasl, const char *input, gsize length, char **output)
{
    if (memchr(input, 0, length))
        return SERVE_SASL_FAILED;
    if (sasl->round == 1) {
        sasl->login = g_strdup(input);
        *output = g_strdup("Password:");
        return SERVE_SASL_CONTINUE;
    }
    g_autofree char *login = g_steal_pointer(&sasl->login);
    return check_password(sasl, login, input);
}

/* ---- SCRAM-SHA-256, SCRAM-SHA-256-PLUS (RFC 5802, 7677) -------------------------------------- */

/* Logins that don't exist get parameters of their own, and fail at the end, as a wrong password
 * would. */
static void find_parameters(ServeSasl *sasl, const char *login, GBytes **salt, guint *iterations)
{
    ServeVerifiers *verifiers = sasl->find(login, sasl->data);

    if (verifiers)
        serve_verifiers_parameters(verifiers, salt, iterations);
    else
        serve_decoy_parameters(login, salt, iterations);
}

static gboolean accept_binding(ServeSasl *sasl, const ScramClientFirst *first)
{
    if (sasl->mechanism->binds) {
        g_autoptr(GBytes) data =
            first->binding ? net_stream_channel_binding(sasl->stream, first->binding) : NULL;
        return first->flag == 'p' && data;
    }
    /* 'y': the client can bind and saw no -PLUS. If it was offered, someone has removed it. */
    gboolean offered = strstr(serve_sasl_mechanisms(sasl->stream), "-PLUS") != NULL;
    return first->flag == 'n' || (first->flag == 'y' && !offered);
}

static ServeSaslResult scram_first(ServeSasl *sasl, const char *input, char **output)
{
    g_autoptr(GBytes) salt = NULL;
    guint iterations;
    guint8 random[18];

    if (!scram_parse_client_first(input, &sasl->first) || !accept_binding(sasl, &sasl->first) ||
        RAND_bytes(random, sizeof random) != 1)
        return SERVE_SASL_FAILED;
    find_parameters(sasl, sasl->first.user, &salt, &iterations);
    g_autofree char *mine = g_base64_encode(random, sizeof random);
    sasl->nonce = g_strconcat(sasl->first.nonce, mine, NULL);
    sasl->server_first = scram_server_first(sasl->nonce, salt, iterations);
    *output = g_strdup(sasl->server_first);
    return SERVE_SASL_CONTINUE;
}

/* c= has to hold the GS2 header again, and the channel's data where the client binds to it. */
static gboolean check_binding(ServeSasl *sasl, const ScramClientFinal *final)
{
    g_autoptr(GByteArray) expected = g_byte_array_new();

    g_byte_array_append(expected, (const guint8 *)sasl->first.gs2_header,
                        (guint)strlen(sasl->first.gs2_header));
    if (sasl->first.binding) {
        g_autoptr(GBytes) data = net_stream_channel_binding(sasl->stream, sasl->first.binding);
        if (!data)
            return FALSE;
        g_byte_array_append(expected, g_bytes_get_data(data, NULL), (guint)g_bytes_get_size(data));
    }
    return expected->len == final->binding_length &&
           CRYPTO_memcmp(expected->data, final->binding, expected->len) == 0;
}

static ServeSaslResult scram_final(ServeSasl *sasl, const char *input, char **output)
{
    g_auto(ScramClientFinal) final = {0};
    ScramVerifier match;

    if (!scram_parse_client_final(input, &final) || !g_str_equal(final.nonce, sasl->nonce) ||
        !check_binding(sasl, &final))
        return SERVE_SASL_FAILED;
    g_autofree char *message =
        g_strconcat(sasl->first.bare, ",", sasl->server_first, ",", final.without_proof, NULL);
    ServeVerifiers *verifiers = sasl->find(sasl->first.user, sasl->data);
    if (!serve_verifiers_match(verifiers, message, final.proof, &match))
        return SERVE_SASL_FAILED;
    if (!may_act_for(sasl, sasl->first.user, sasl->first.authzid))
        return SERVE_SASL_UNAUTHORIZED;
    *output = scram_server_final(&match, message);
    sasl->login = g_strdup(sasl->first.user);
    sasl->verified = TRUE;
    return SERVE_SASL_CONTINUE;
}

/* SMTP, POP3 and IMAP have no place for the server's last message in their OK: it goes as a
 * challenge, which the client answers with nothing. */
static ServeSaslResult step_scram(ServeSasl *sasl, const char *input, gsize length, char **output)
{
    if (strlen(input) != length)
        return SERVE_SASL_FAILED;
    if (sasl->round == 1)
        return scram_first(sasl, input, output);
    if (sasl->round == 2)
        return scram_final(sasl, input, output);
    return sasl->verified && length == 0 ? SERVE_SASL_OK : SERVE_SASL_FAILED;
}

/* ---- the exchange ---------------------------------------------------------------------------- */

static const Mechanism MECHANISMS[] = {
    {"PLAIN", "", step_plain, FALSE},
    {"LOGIN", "Username:", step_login, FALSE},
    {"SCRAM-SHA-256", "", step_scram, FALSE},
    {"SCRAM-SHA-256-PLUS", "", step_scram, TRUE},
};

static gboolean can_bind(NetStream *stream)
{
    g_autoptr(GBytes) end_point = net_stream_channel_binding(stream, "tls-server-end-point");
    return end_point != NULL;
}

const char *serve_sasl_mechanisms(NetStream *stream)
{
    return can_bind(stream) ? "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS"
                            : "PLAIN LOGIN SCRAM-SHA-256";
}

ServeSasl *serve_sasl_new(const char *mechanism, NetStream *stream, ServeFindVerifiers find,
                          gpointer data)
{
    for (guint i = 0; i < G_N_ELEMENTS(MECHANISMS); i++) {
        if (g_ascii_strcasecmp(MECHANISMS[i].name, mechanism) != 0 ||
            (MECHANISMS[i].binds && !can_bind(stream)))
            continue;
        ServeSasl *sasl = g_new0(ServeSasl, 1);
        sasl->mechanism = &MECHANISMS[i];
        sasl->stream = stream;
        sasl->find = find;
        sasl->data = data;
        return sasl;
    }
    return NULL;
}

void serve_sasl_free(ServeSasl *sasl)
{
    if (!sasl)
        return;
    scram_client_first_clear(&sasl->first);
    g_free(sasl->nonce);
    g_free(sasl->server_first);
    g_free(sasl->login);
    g_free(sasl);
}

static ServeSaslResult run_step(ServeSasl *sasl, const char *input, char **plain)
{
    gsize length = 0;

    if (!input) {
        *plain = g_strdup(sasl->mechanism->prompt);
        return sasl->round == 0 ? SERVE_SASL_CONTINUE : SERVE_SASL_FAILED;
    }
    if (g_str_equal(input, "=") && sasl->round == 0)
        input = "";
    if (strlen(input) > MESSAGE_MAX)
        return SERVE_SASL_FAILED;
    g_autofree guint8 *bytes = base64_decode_strict(input, &length); /* not "*" either */
    if (!bytes)
        return SERVE_SASL_FAILED;
    sasl->round++;
    ServeSaslResult result = sasl->mechanism->step(sasl, (const char *)bytes, length, plain);
    OPENSSL_cleanse(bytes, length);
    return result;
}

ServeSaslResult serve_sasl_step(ServeSasl *sasl, const char *input, char **output)
{
    g_autofree char *plain = NULL;

    *output = NULL;
    if (sasl->ended)
        return SERVE_SASL_FAILED;
    ServeSaslResult result = run_step(sasl, input, &plain);
    sasl->ended = result != SERVE_SASL_CONTINUE;
    if (result == SERVE_SASL_CONTINUE)
        *output = g_base64_encode((const guint8 *)plain, strlen(plain));
    return result;
}

const char *serve_sasl_login(ServeSasl *sasl)
{
    return sasl->login;
}
