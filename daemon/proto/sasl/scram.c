/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SCRAM-SHA-256, the server's side: messages and arithmetic. */
#include "daemon/proto/sasl/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "daemon/proto/sasl/base64.h"

/* ---- arithmetic ------------------------------------------------------------------------------ */

static void hmac(const guint8 key[SCRAM_KEY_SIZE], const char *text, guint8 out[SCRAM_KEY_SIZE])
{
    guint length = SCRAM_KEY_SIZE;
    HMAC(EVP_sha256(), key, SCRAM_KEY_SIZE, (const guint8 *)text, strlen(text), out, &length);
}

static void digest(const guint8 in[SCRAM_KEY_SIZE], guint8 out[SCRAM_KEY_SIZE])
{
    EVP_Digest(in, SCRAM_KEY_SIZE, out, NULL, EVP_sha256(), NULL);
}

void scram_verifier_make(const char *password, GBytes *salt, guint iterations,
                         ScramVerifier *verifier)
{
    guint8 salted[SCRAM_KEY_SIZE], client_key[SCRAM_KEY_SIZE];
    gsize salt_length;
    const guint8 *salt_data = g_bytes_get_data(salt, &salt_length);

    PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt_data, (int)salt_length, (int)iterations,
                      EVP_sha256(), sizeof salted, salted);
    hmac(salted, "Client Key", client_key);
    digest(client_key, verifier->stored_key);
    hmac(salted, "Server Key", verifier->server_key);
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client_key, sizeof client_key);
}

gboolean scram_verifier_equal(const ScramVerifier *a, const ScramVerifier *b)
{
    return CRYPTO_memcmp(a->stored_key, b->stored_key, SCRAM_KEY_SIZE) == 0;
}

gboolean scram_check_proof(const ScramVerifier *verifier, const char *auth_message,
                           const guint8 proof[SCRAM_KEY_SIZE])
{
    guint8 key[SCRAM_KEY_SIZE], stored[SCRAM_KEY_SIZE];

    hmac(verifier->stored_key, auth_message, key); /* ClientSignature */
    for (guint i = 0; i < SCRAM_KEY_SIZE; i++)
        key[i] ^= proof[i]; /* ClientKey */
    digest(key, stored);
    OPENSSL_cleanse(key, sizeof key);
    return CRYPTO_memcmp(stored, verifier->stored_key, SCRAM_KEY_SIZE) == 0;
}

char *scram_server_final(const ScramVerifier *verifier, const char *auth_message)
{
    guint8 signature[SCRAM_KEY_SIZE];

    hmac(verifier->server_key, auth_message, signature);
    g_autofree char *encoded = g_base64_encode(signature, sizeof signature);
    return g_strconcat("v=", encoded, NULL);
}

/* ---- messages (RFC 5802, 7) ------------------------------------------------------------------ */

void scram_client_first_clear(ScramClientFirst *first)
{
    g_free(first->gs2_header);
    g_free(first->binding);
    g_free(first->authzid);
    g_free(first->user);
    g_free(first->nonce);
    g_free(first->bare);
    *first = (ScramClientFirst){0};
}

void scram_client_final_clear(ScramClientFinal *final)
{
    g_free(final->binding);
    g_free(final->nonce);
    g_free(final->without_proof);
    *final = (ScramClientFinal){0};
}

/* saslname: "=2C" is a comma, "=3D" an equals sign, any other "=" an error (NULL). */
static char *decode_name(const char *text)
{
    g_autoptr(GString) name = g_string_new(NULL);

    for (const char *c = text; *c; c++) {
        if (*c != '=') {
            g_string_append_c(name, *c);
        } else if (strncmp(c, "=2C", 3) == 0 || strncmp(c, "=3D", 3) == 0) {
            g_string_append_c(name, c[1] == '2' ? ',' : '=');
            c += 2;
        } else {
            return NULL;
        }
    }
    return name->len > 0 ? g_strdup(name->str) : NULL;
}

/* printable = %x21-2B / %x2D-7E */
static gboolean is_nonce(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c < 0x21 || *c > 0x7e || *c == ',')
            return FALSE;
    return *text != 0;
}

/* What stands behind "k=", or NULL. */
static const char *attribute(const char *field, char key)
{
    return field && field[0] == key && field[1] == '=' ? field + 2 : NULL;
}

static gboolean parse_gs2(const char *flag, const char *authzid, ScramClientFirst *first)
{
    const char *binding = attribute(flag, 'p'), *name = attribute(authzid, 'a');

    if (!binding && !g_str_equal(flag, "n") && !g_str_equal(flag, "y"))
        return FALSE;
    if (!name && *authzid)
        return FALSE;
    first->flag = flag[0];
    first->binding = g_strdup(binding);
    first->authzid = name ? decode_name(name) : NULL;
    return !name || first->authzid;
}

gboolean scram_parse_client_first(const char *text, ScramClientFirst *first)
{
    *first = (ScramClientFirst){0};
    g_auto(GStrv) fields = g_strsplit(text, ",", -1);

    if (!g_utf8_validate(text, -1, NULL) || g_strv_length(fields) < 4 ||
        !parse_gs2(fields[0], fields[1], first))
        return FALSE;
    const char *user = attribute(fields[2], 'n'), *nonce = attribute(fields[3], 'r');
    if (!user || !nonce || !is_nonce(nonce))
        return FALSE;
    first->user = decode_name(user);
    first->nonce = g_strdup(nonce);
    gsize header = strlen(fields[0]) + strlen(fields[1]) + 2;
    first->gs2_header = g_strndup(text, header);
    first->bare = g_strdup(text + header);
    return first->user != NULL;
}

char *scram_server_first(const char *nonce, GBytes *salt, guint iterations)
{
    gsize length;
    const guint8 *data = g_bytes_get_data(salt, &length);
    g_autofree char *encoded = g_base64_encode(data, length);
    return g_strdup_printf("r=%s,s=%s,i=%u", nonce, encoded, iterations);
}

gboolean scram_parse_client_final(const char *text, ScramClientFinal *final)
{
    *final = (ScramClientFinal){0};
    const char *comma = strrchr(text, ',');
    const char *proof = comma ? attribute(comma + 1, 'p') : NULL;
    if (!proof)
        return FALSE;
    final->without_proof = g_strndup(text, (gsize)(comma - text));

    g_auto(GStrv) fields = g_strsplit(final->without_proof, ",", -1);
    if (g_strv_length(fields) < 2)
        return FALSE;
    const char *binding = attribute(fields[0], 'c'), *nonce = attribute(fields[1], 'r');
    gsize length = 0;
    g_autofree guint8 *decoded = base64_decode_strict(proof, &length);
    if (!binding || !nonce || !decoded || length != SCRAM_KEY_SIZE)
        return FALSE;
    memcpy(final->proof, decoded, SCRAM_KEY_SIZE);
    final->binding = base64_decode_strict(binding, &final->binding_length);
    final->nonce = g_strdup(nonce);
    return final->binding != NULL;
}
