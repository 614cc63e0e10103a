/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The local server's certificate and the authority that signed it. Clients are told to trust the
 * authority, so it is made harmless: it may only speak for this machine's loopback names (critical
 * name constraints), and its key lives in memory just long enough to sign one certificate.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/net/stream.h"

#define VALID_DAYS 800 /* some clients refuse server certificates of more than 825 days */
#define RENEW_DAYS 30

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free)

static gboolean openssl_failed(const char *what, GError **error)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    g_set_error(error, NET_ERROR, NET_ERROR_TLS, "can't %s: %s", what,
                reason != NULL ? reason : "unknown reason");
    return FALSE;
}

static gboolean add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL)
        return FALSE;
    int added = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added == 1;
}

/* A certificate with everything but extensions and signature. */
static X509 *new_certificate(const char *common_name, EVP_PKEY *key, X509 *issuer)
{
    guint8 serial[16];
    X509 *certificate = X509_new();
    RAND_bytes(serial, sizeof serial);
    serial[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    X509_set_version(certificate, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_time_adj_ex(X509_getm_notAfter(certificate), VALID_DAYS, 0, NULL);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const guint8 *)common_name, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer != NULL ? issuer : certificate));
    return certificate;
}

static X509 *make_authority(EVP_PKEY *key)
{
    /* The serial in the name keeps authorities of several machines apart in a client's trust store.
     */
    guint32 id;
    RAND_bytes((guint8 *)&id, sizeof id);
    g_autofree char *name = g_strdup_printf("Postern on this computer %08x", id);
    g_autoptr(X509) authority = new_certificate(name, key, NULL);
    if (!add_extension(authority, authority, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(authority, authority, NID_key_usage, "critical,keyCertSign") ||
        !add_extension(authority, authority, NID_subject_key_identifier, "hash") ||
        !add_extension(authority, authority, NID_name_constraints,
                       "critical,permitted;DNS:localhost,permitted;IP:127.0.0.1/255.255.255.255,"
                       "permitted;IP:0:0:0:0:0:0:0:1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") ||
        X509_sign(authority, key, EVP_sha256()) == 0)
        return NULL;
    return g_steal_pointer(&authority);
}

static X509 *make_leaf(EVP_PKEY *key, X509 *authority, EVP_PKEY *authority_key)
{
    g_autoptr(X509) leaf = new_certificate("localhost", key, authority);
    if (!add_extension(leaf, authority, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(leaf, authority, NID_key_usage, "critical,digitalSignature") ||
        !add_extension(leaf, authority, NID_ext_key_usage, "serverAuth") ||
        !add_extension(leaf, authority, NID_subject_alt_name,
                       "DNS:localhost,IP:127.0.0.1,IP:::1") ||
        !add_extension(leaf, authority, NID_subject_key_identifier, "hash") ||
        !add_extension(leaf, authority, NID_authority_key_identifier, "keyid:always") ||
        X509_sign(leaf, authority_key, EVP_sha256()) == 0)
        return NULL;
    return g_steal_pointer(&leaf);
}

/* Writes what `bio` holds to `path`, mode 0600, complete or not at all. */
static gboolean write_pem(const char *path, BIO *bio, GError **error)
{
    char *data = NULL;
    long length = BIO_get_mem_data(bio, &data);
    return g_file_set_contents_full(path, data, length,
                                    G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                    0600, error);
}

static gboolean write_certificate(const char *path, X509 *certificate, GError **error)
{
    g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
    if (PEM_write_bio_X509(bio, certificate) != 1)
        return openssl_failed("encode a certificate", error);
    return write_pem(path, bio, error);
}

static gboolean write_key(const char *path, EVP_PKEY *key, GError **error)
{
    g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
    if (PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return openssl_failed("encode a key", error);
    return write_pem(path, bio, error);
}

static gboolean make_credentials(const char *authority_file, const char *certificate_file,
                                 const char *key_file, GError **error)
{
    ERR_clear_error();
    g_autoptr(EVP_PKEY) authority_key = EVP_EC_gen("P-256");
    g_autoptr(EVP_PKEY) key = EVP_EC_gen("P-256");
    if (authority_key == NULL || key == NULL)
        return openssl_failed("make a key for the local servers", error);
    g_autoptr(X509) authority = make_authority(authority_key);
    g_autoptr(X509) leaf = authority != NULL ? make_leaf(key, authority, authority_key) : NULL;
    if (leaf == NULL)
        return openssl_failed("make a certificate for the local servers", error);
    /* The certificate goes last: as long as it is missing or old, all three are made again. */
    return write_key(key_file, key, error) && write_certificate(authority_file, authority, error) &&
           write_certificate(certificate_file, leaf, error);
}

/* Whether the certificate is there, belongs to the key, and is good for another while. */
static gboolean usable(const char *certificate_file, const char *key_file,
                       const char *authority_file)
{
    g_autoptr(BIO) certificate_bio = BIO_new_file(certificate_file, "r");
    g_autoptr(BIO) key_bio = BIO_new_file(key_file, "r");
    if (certificate_bio == NULL || key_bio == NULL ||
        !g_file_test(authority_file, G_FILE_TEST_IS_REGULAR))
        return FALSE;
    g_autoptr(X509) certificate = PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL);
    g_autoptr(EVP_PKEY) key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    if (certificate == NULL || key == NULL || X509_check_private_key(certificate, key) != 1)
        return FALSE;
    int days = 0, seconds = 0;
    return ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) == 1 &&
           days >= RENEW_DAYS;
}

NetTlsServer *net_tls_local(const char *dir, GError **error)
{
    g_autofree char *authority = g_build_filename(dir, "authority.pem", NULL);
    g_autofree char *certificate = g_build_filename(dir, "certificate.pem", NULL);
    g_autofree char *key = g_build_filename(dir, "key.pem", NULL);
    if (g_mkdir_with_parents(dir, 0700) != 0) {
        g_set_error(error, NET_ERROR, NET_ERROR_TLS, "can't make the directory %s: %s", dir,
                    g_strerror(errno));
        return NULL;
    }
    if (!usable(certificate, key, authority) &&
        !make_credentials(authority, certificate, key, error)) {
        g_prefix_error(error, "local TLS: ");
        return NULL;
    }
    ERR_clear_error();
    return net_tls_server_new(certificate, key, error);
}
