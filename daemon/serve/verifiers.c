/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An account's named local passwords, kept as SCRAM-SHA-256 verifiers in a key file:
 *
 *     [scram-sha-256]
 *     salt=...
 *     iterations=4096
 *     [password 1]
 *     name=mutt
 *     stored-key=...
 *     server-key=...
 *
 * Passwords are generated with 130 bits, so the iteration count needn't slow anyone down: it is the
 * least that RFC 7677 allows.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

#include "daemon/config/file.h"
#include "daemon/proto/sasl/base64.h"
#include "daemon/serve/login-private.h"

#define ITERATIONS      4096
#define SALT_SIZE       16
#define PASSWORD_LENGTH 26
#define NAME_LENGTH_MAX 64
#define PASSWORDS_MAX   64
#define GROUP           "scram-sha-256"
#define PASSWORD_GROUP  "password "

typedef struct {
    char *name;
    ScramVerifier verifier;
} Named;

struct ServeVerifiers {
    gint refs; /* atomic */
    char *path;
    pthread_mutex_t lock;
    GBytes *salt;
    guint iterations;
    GArray *passwords; /* Named */
};

static void named_clear(gpointer data)
{
    g_free(((Named *)data)->name);
}

static ServeVerifiers *verifiers_new(const char *path)
{
    ServeVerifiers *verifiers = g_new0(ServeVerifiers, 1);
    guint8 salt[SALT_SIZE];

    if (RAND_bytes(salt, sizeof salt) != 1)
        g_error("no randomness");
    verifiers->refs = 1;
    verifiers->path = g_strdup(path);
    pthread_mutex_init(&verifiers->lock, NULL);
    verifiers->salt = g_bytes_new(salt, sizeof salt);
    verifiers->iterations = ITERATIONS;
    verifiers->passwords = g_array_new(FALSE, FALSE, sizeof(Named));
    g_array_set_clear_func(verifiers->passwords, named_clear);
    return verifiers;
}

ServeVerifiers *serve_verifiers_ref(ServeVerifiers *verifiers)
{
    if (verifiers)
        g_atomic_int_inc(&verifiers->refs);
    return verifiers;
}

void serve_verifiers_unref(ServeVerifiers *verifiers)
{
    if (!verifiers || !g_atomic_int_dec_and_test(&verifiers->refs))
        return;
    g_bytes_unref(verifiers->salt);
    g_array_unref(verifiers->passwords);
    pthread_mutex_destroy(&verifiers->lock);
    g_free(verifiers->path);
    g_free(verifiers);
}

/* ---- the file -------------------------------------------------------------------------------- */

static gboolean read_bytes(GKeyFile *file, const char *group, const char *key, gsize length,
                           guint8 *out)
{
    g_autofree char *text = g_key_file_get_string(file, group, key, NULL);
    gsize got = 0;
    g_autofree guint8 *bytes = text ? base64_decode_strict(text, &got) : NULL;

    if (!bytes || got != length)
        return FALSE;
    memcpy(out, bytes, length);
    return TRUE;
}

static gboolean read_password(ServeVerifiers *verifiers, GKeyFile *file, const char *group)
{
    Named named = {.name = g_key_file_get_string(file, group, "name", NULL)};

    if (!named.name ||
        !read_bytes(file, group, "stored-key", SCRAM_KEY_SIZE, named.verifier.stored_key) ||
        !read_bytes(file, group, "server-key", SCRAM_KEY_SIZE, named.verifier.server_key)) {
        g_free(named.name);
        return FALSE;
    }
    g_array_append_val(verifiers->passwords, named);
    return TRUE;
}

static gboolean read_file(ServeVerifiers *verifiers, GKeyFile *file)
{
    guint8 salt[SALT_SIZE];
    int iterations = g_key_file_get_integer(file, GROUP, "iterations", NULL);

    if (iterations < ITERATIONS || iterations > 10000000 ||
        !read_bytes(file, GROUP, "salt", SALT_SIZE, salt))
        return FALSE;
    g_bytes_unref(verifiers->salt);
    verifiers->salt = g_bytes_new(salt, sizeof salt);
    verifiers->iterations = (guint)iterations;

    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    for (char **group = groups; *group; group++)
        if (g_str_has_prefix(*group, PASSWORD_GROUP) && !read_password(verifiers, file, *group))
            return FALSE;
    return TRUE;
}

ServeVerifiers *serve_verifiers_load(const char *path, GError **error)
{
    g_autoptr(ServeVerifiers) verifiers = verifiers_new(path);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) failure = NULL;
    g_autofree char *text = NULL;

    if (!config_file_read(path, &text, &failure)) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return g_steal_pointer(&verifiers);
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    if (!g_key_file_load_from_data(file, text, (gsize)-1, G_KEY_FILE_NONE, NULL) ||
        !read_file(verifiers, file)) {
        g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                    "%s is damaged. Remove it and make new local passwords.", path);
        return NULL;
    }
    return g_steal_pointer(&verifiers);
}

static void write_bytes(GKeyFile *file, const char *group, const char *key, const guint8 *bytes,
                        gsize length)
{
    g_autofree char *text = g_base64_encode(bytes, length);
    g_key_file_set_string(file, group, key, text);
}

/* All of it, durably; the old file stays where that fails. */
static gboolean save(ServeVerifiers *verifiers, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    write_bytes(file, GROUP, "salt", g_bytes_get_data(verifiers->salt, NULL), SALT_SIZE);
    g_key_file_set_integer(file, GROUP, "iterations", (int)verifiers->iterations);
    for (guint i = 0; i < verifiers->passwords->len; i++) {
        const Named *named = &g_array_index(verifiers->passwords, Named, i);
        g_autofree char *group = g_strdup_printf(PASSWORD_GROUP "%u", i + 1);
        g_key_file_set_string(file, group, "name", named->name);
        write_bytes(file, group, "stored-key", named->verifier.stored_key, SCRAM_KEY_SIZE);
        write_bytes(file, group, "server-key", named->verifier.server_key, SCRAM_KEY_SIZE);
    }
    gsize length;
    g_autofree char *text = g_key_file_to_data(file, &length, NULL);
    return g_file_set_contents_full(verifiers->path, text, (gssize)length,
                                    G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                    0600, error);
}

/* ---- passwords ------------------------------------------------------------------------------- */

static gint find(ServeVerifiers *verifiers, const char *name)
{
    for (guint i = 0; i < verifiers->passwords->len; i++)
        if (g_str_equal(g_array_index(verifiers->passwords, Named, i).name, name))
            return (gint)i;
    return -1;
}

static gboolean name_is_good(const char *name)
{
    if (!*name || strlen(name) > NAME_LENGTH_MAX || !g_utf8_validate(name, -1, NULL))
        return FALSE;
    for (const char *c = name; *c; c = g_utf8_next_char(c))
        if (!g_unichar_isprint(g_utf8_get_char(c)))
            return FALSE;
    return TRUE;
}

/* 32 letters and digits that can't be taken for one another: 5 bits each. */
static char *generate(void)
{
    static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
    guint8 random[PASSWORD_LENGTH];
    char *password = g_malloc(PASSWORD_LENGTH + 1);

    if (RAND_bytes(random, sizeof random) != 1)
        g_error("no randomness");
    for (guint i = 0; i < PASSWORD_LENGTH; i++)
        password[i] = alphabet[random[i] & 31];
    password[PASSWORD_LENGTH] = 0;
    return password;
}

static gboolean check_new_name(ServeVerifiers *verifiers, const char *name, GError **error)
{
    if (!name_is_good(name))
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "A password's name has 1 to %d printable characters", NAME_LENGTH_MAX);
    else if (find(verifiers, name) >= 0)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_EXIST,
                    "There is a password named “%s” already. Revoke it, or choose another name.",
                    name);
    else if (verifiers->passwords->len >= PASSWORDS_MAX)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_MFILE,
                    "An account has at most %d local passwords. Revoke those that aren't in use.",
                    PASSWORDS_MAX);
    else
        return TRUE;
    return FALSE;
}

static char *verifier_add(ServeVerifiers *verifiers, const char *name, GError **error) /* locked */
{
    if (!check_new_name(verifiers, name, error))
        return NULL;
    char *password = generate();
    Named named = {.name = g_strdup(name)};
    scram_verifier_make(password, verifiers->salt, verifiers->iterations, &named.verifier);
    g_array_append_val(verifiers->passwords, named);
    if (save(verifiers, error))
        return password;
    g_array_set_size(verifiers->passwords, verifiers->passwords->len - 1);
    g_free(password);
    return NULL;
}

char *serve_verifiers_add(ServeVerifiers *verifiers, const char *name, GError **error)
{
    pthread_mutex_lock(&verifiers->lock);
    char *password = verifier_add(verifiers, name, error);
    pthread_mutex_unlock(&verifiers->lock);
    return password;
}

static gboolean remove_password(ServeVerifiers *verifiers, const char *name,
                                GError **error) /* locked */
{
    gint index = find(verifiers, name);

    if (index < 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "There is no password named “%s”",
                    name);
        return FALSE;
    }
    Named kept = g_array_index(verifiers->passwords, Named, index);
    g_array_index(verifiers->passwords, Named, index).name = NULL;
    g_array_remove_index(verifiers->passwords, (guint)index);
    if (save(verifiers, error)) {
        g_free(kept.name);
        return TRUE;
    }
    g_array_insert_val(verifiers->passwords, index, kept);
    return FALSE;
}

gboolean serve_verifiers_revoke(ServeVerifiers *verifiers, const char *name, GError **error)
{
    pthread_mutex_lock(&verifiers->lock);
    gboolean ok = remove_password(verifiers, name, error);
    pthread_mutex_unlock(&verifiers->lock);
    return ok;
}

char **serve_verifiers_names(ServeVerifiers *verifiers)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    pthread_mutex_lock(&verifiers->lock);
    for (guint i = 0; i < verifiers->passwords->len; i++)
        g_strv_builder_add(names, g_array_index(verifiers->passwords, Named, i).name);
    pthread_mutex_unlock(&verifiers->lock);
    return g_strv_builder_end(names);
}

/* ---- checking -------------------------------------------------------------------------------- */

/*
 * For a name that no account has, the work and what is told are those of an account: neither how
 * long the answer takes nor its salt says which names there are.
 */
static struct {
    pthread_mutex_t lock;
    gboolean known;
    guint8 key[32];
} decoys = {.lock = PTHREAD_MUTEX_INITIALIZER};

void serve_decoys_keep(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize length = 0;

    pthread_mutex_lock(&decoys.lock);
    if (g_file_get_contents(path, &text, &length, NULL) && length == sizeof decoys.key)
        memcpy(decoys.key, text, sizeof decoys.key);
    else if (RAND_bytes(decoys.key, sizeof decoys.key) != 1)
        g_error("There is no randomness");
    else if (!g_file_set_contents_full(path, (const char *)decoys.key, sizeof decoys.key,
                                       G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
        g_message("What logins without an account are told will change with the next start: %s",
                  error->message);
    decoys.known = TRUE;
    pthread_mutex_unlock(&decoys.lock);
}

void serve_decoy_parameters(const char *login, GBytes **salt, guint *iterations)
{
    guint8 made[EVP_MAX_MD_SIZE];

    pthread_mutex_lock(&decoys.lock);
    if (!decoys.known && RAND_bytes(decoys.key, sizeof decoys.key) != 1)
        g_error("There is no randomness");
    decoys.known = TRUE;
    HMAC(EVP_sha256(), decoys.key, sizeof decoys.key, (const guint8 *)login, strlen(login), made,
         NULL);
    pthread_mutex_unlock(&decoys.lock);
    *salt = g_bytes_new(made, SALT_SIZE);
    *iterations = ITERATIONS;
}

gboolean serve_verifiers_check(ServeVerifiers *verifiers, const char *password)
{
    g_autoptr(GBytes) salt = NULL;
    guint iterations;
    ScramVerifier given;
    gboolean found = FALSE;

    if (verifiers)
        serve_verifiers_parameters(verifiers, &salt, &iterations);
    else
        serve_decoy_parameters("", &salt, &iterations);
    scram_verifier_make(password, salt, iterations, &given);
    if (!verifiers) {
        OPENSSL_cleanse(&given, sizeof given);
        return FALSE;
    }
    pthread_mutex_lock(&verifiers->lock);
    for (guint i = 0; i < verifiers->passwords->len; i++)
        found |=
            scram_verifier_equal(&given, &g_array_index(verifiers->passwords, Named, i).verifier);
    pthread_mutex_unlock(&verifiers->lock);
    OPENSSL_cleanse(&given, sizeof given);
    return found;
}

void serve_verifiers_parameters(ServeVerifiers *verifiers, GBytes **salt, guint *iterations)
{
    pthread_mutex_lock(&verifiers->lock);
    *salt = g_bytes_ref(verifiers->salt);
    *iterations = verifiers->iterations;
    pthread_mutex_unlock(&verifiers->lock);
}

gboolean serve_verifiers_match(ServeVerifiers *verifiers, const char *auth_message,
                               const guint8 proof[SCRAM_KEY_SIZE], ScramVerifier *match)
{
    static const ScramVerifier nobody;
    gboolean found = FALSE;

    if (verifiers)
        pthread_mutex_lock(&verifiers->lock);
    for (guint i = 0; i < PASSWORDS_MAX; i++) {
        gboolean there = verifiers && i < verifiers->passwords->len;
        const ScramVerifier *verifier =
            there ? &g_array_index(verifiers->passwords, Named, i).verifier : &nobody;
        if (scram_check_proof(verifier, auth_message, proof) && there) {
            *match = *verifier;
            found = TRUE;
        }
    }
    if (verifiers)
        pthread_mutex_unlock(&verifiers->lock);
    return found;
}
