/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TLS settings for both sides, and what is said when a handshake fails. */
#include "daemon/net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "daemon/net/stream.h"
#include "daemon/net/tls-private.h"
#include "daemon/words/words.h"

struct NetTlsClient {
    atomic_int refs;
    SSL_CTX *context;
};

struct NetTlsServer {
    atomic_int refs;
    SSL_CTX *context;
};

static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason != NULL ? reason : "unknown reason";
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL)
        g_error("OpenSSL can't start: %s", openssl_reason());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Compression would leak passwords (CRIME), renegotiation is of no use to mail. */
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    return context;
}

/*
 * OpenSSL forgets the certificate of a handshake that failed; what is wrong with it is told by
 * keeping the one that the verification stopped at with the SSL.
 */
static int refused_index = -1;

static void refused_free(void *parent, void *certificate, CRYPTO_EX_DATA *data, int index,
                         long argl, void *argp)
{
    X509_free(certificate);
}

static void refused_init(void)
{
    refused_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, refused_free);
}

static int verified(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    if (!ok && certificate != NULL && SSL_get_ex_data(ssl, refused_index) == NULL &&
        X509_up_ref(certificate))
        SSL_set_ex_data(ssl, refused_index, certificate);
    return ok;
}

NetTlsClient *net_tls_client_new(const char *ca_file, GError **error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, refused_init);
    g_autoptr(NetTlsClient) tls = g_new0(NetTlsClient, 1);
    tls->refs = 1;
    tls->context = new_context(TLS_client_method());
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, verified);
    SSL_CTX_set_default_verify_paths(tls->context);
    ERR_clear_error();
    if (ca_file != NULL && SSL_CTX_load_verify_file(tls->context, ca_file) != 1) {
        g_set_error(
            error, NET_ERROR, NET_ERROR_TLS,
            "tls-ca-file %s can't be used: %s. It has to be a readable file of PEM certificates",
            ca_file, openssl_reason());
        return NULL;
    }
    return g_steal_pointer(&tls);
}

gboolean net_tls_client_identify(NetTlsClient *tls, const char *file, GError **error)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(tls->context, file) == 1 &&
        SSL_CTX_use_PrivateKey_file(tls->context, file, SSL_FILETYPE_PEM) == 1)
        return TRUE;
    g_set_error(
        error, NET_ERROR, NET_ERROR_TLS,
        "%s can't be used: %s. It has to be a readable PEM file with a certificate and its key, "
        "without a passphrase",
        file, openssl_reason());
    return FALSE;
}

NetTlsClient *net_tls_client_ref(NetTlsClient *tls)
{
    tls->refs++;
    return tls;
}

void net_tls_client_unref(NetTlsClient *tls)
{
    if (tls == NULL || --tls->refs > 0)
        return;
    SSL_CTX_free(tls->context);
    g_free(tls);
}

SSL_CTX *net_tls_client_context(NetTlsClient *tls)
{
    return tls->context;
}

/* Refuses who wants to speak something else, as RFC 7301, 3.2, asks. */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                           const unsigned char *offered, unsigned length, void *data)
{
    const char *ours = SSL_get_app_data(ssl);
    for (unsigned at = 0; ours != NULL && at < length; at += offered[at] + 1u) {
        if (offered[at] != strlen(ours) || offered[at] >= length - at ||
            memcmp(offered + at + 1, ours, offered[at]) != 0)
            continue;
        *out = offered + at + 1;
        *out_length = offered[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

NetTlsServer *net_tls_server_new(const char *certificate_file, const char *key_file, GError **error)
{
    g_autoptr(NetTlsServer) tls = g_new0(NetTlsServer, 1);
    tls->refs = 1;
    tls->context = new_context(TLS_server_method());
    SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(tls->context, select_protocol, NULL);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(tls->context, certificate_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls->context, key_file, SSL_FILETYPE_PEM) != 1) {
        g_set_error(error, NET_ERROR, NET_ERROR_TLS, "%s and %s can't be used for TLS: %s",
                    certificate_file, key_file, openssl_reason());
        return NULL;
    }
    return g_steal_pointer(&tls);
}

NetTlsServer *net_tls_server_ref(NetTlsServer *tls)
{
    tls->refs++;
    return tls;
}

void net_tls_server_unref(NetTlsServer *tls)
{
    if (tls == NULL || --tls->refs > 0)
        return;
    SSL_CTX_free(tls->context);
    g_free(tls);
}

SSL_CTX *net_tls_server_context(NetTlsServer *tls)
{
    return tls->context;
}

void net_tls_expect_host(SSL *ssl, const char *host)
{
    struct in6_addr address;
    if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
        return;
    }
    SSL_set_tlsext_host_name(ssl, host);
    /* RFC 9525, 2: a name stands in the SAN; the subject's CN is for people. */
    SSL_set_hostflags(ssl,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    SSL_set1_host(ssl, host);
}

/* "2026-11-24" of a certificate's time. */
static char *format_date(const ASN1_TIME *time)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return g_strdup("an unreadable date");
    return g_strdup_printf("%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

/* The names a certificate is for: "a.example, b.example". */
static char *format_names(X509 *certificate)
{
    g_autoptr(GString) text = g_string_new(NULL);
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && text->len < 200; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        g_string_append_printf(text, "%s%.*s", text->len > 0 ? ", " : "",
                               ASN1_STRING_length(name->d.dNSName),
                               (const char *)ASN1_STRING_get0_data(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
    return text->len > 0 ? words_line(text->str, (gssize)MIN(text->len, 300))
                         : g_strdup("no host name");
}

static char *explain_certificate(X509 *certificate, long result, const char *host)
{
    g_autofree char *date = NULL;
    g_autofree char *names = NULL;
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        date = format_date(X509_get0_notAfter(certificate));
        return g_strdup_printf(
            "it expired on %s. Check this computer's clock; else the provider has to renew it",
            date);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        date = format_date(X509_get0_notBefore(certificate));
        return g_strdup_printf("it is not valid before %s. Check this computer's clock", date);
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        names = format_names(certificate);
        return g_strdup_printf(
            "it is for %s, not for %s. Use the name the provider gives for its server", names,
            host);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return g_strdup_printf("%s. If it is from your organisation's own authority, name that "
                               "authority's certificate as tls-ca-file",
                               X509_verify_cert_error_string(result));
    default:
        return g_strdup(X509_verify_cert_error_string(result));
    }
}

void net_tls_handshake_error(SSL *ssl, const char *name, const char *host, GError **error)
{
    long result = SSL_get_verify_result(ssl);
    int system_error = errno;
    if (host != NULL && result != X509_V_OK) {
        X509 *certificate = SSL_get_ex_data(ssl, refused_index);
        g_autofree char *reason = certificate != NULL
                                      ? explain_certificate(certificate, result, host)
                                      : g_strdup(X509_verify_cert_error_string(result));
        g_set_error(error, NET_ERROR, NET_ERROR_CERTIFICATE,
                    "the certificate of %s is not acceptable: %s", name, reason);
        return;
    }
    unsigned long code = ERR_peek_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    if (reason == NULL)
        reason = system_error != 0 ? g_strerror(system_error) : "the connection was closed";
    g_set_error(error, NET_ERROR, NET_ERROR_TLS, "TLS with %s failed: %s", name, reason);
}

/* RFC 5929, 4: the hash of the server's certificate, by its signature's hash, SHA-256 for weaker
 * ones. */
static GBytes *server_end_point(SSL *ssl)
{
    X509 *certificate =
        SSL_is_server(ssl) ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
    int digest = NID_undef;
    if (certificate == NULL || X509_get_signature_info(certificate, &digest, NULL, NULL, NULL) != 1)
        return NULL;
    if (digest == NID_md5 || digest == NID_sha1 || digest == NID_undef)
        digest = NID_sha256;
    guint8 hash[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (X509_digest(certificate, EVP_get_digestbynid(digest), hash, &length) != 1)
        return NULL;
    return g_bytes_new(hash, length);
}

/* The first Finished message (RFC 5929, 3), which TLS 1.3 has no such thing for, and which isn't safe
 * without the extended master secret. The client's comes first, but for a resumed session. */
static GBytes *unique(SSL *ssl)
{
    guint8 data[EVP_MAX_MD_SIZE];
    gboolean ours = SSL_is_server(ssl) == SSL_session_reused(ssl);

    if (SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) != 1)
        return NULL;
    gsize length = ours ? SSL_get_finished(ssl, data, sizeof data)
                        : SSL_get_peer_finished(ssl, data, sizeof data);
    return length > 0 && length <= sizeof data ? g_bytes_new(data, length) : NULL;
}

GBytes *net_tls_channel_binding(SSL *ssl, const char *type)
{
    static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266, 2 */
    guint8 data[32];
    if (strcmp(type, "tls-server-end-point") == 0)
        return server_end_point(ssl);
    if (strcmp(type, "tls-unique") == 0)
        return unique(ssl);
    if (strcmp(type, "tls-exporter") != 0)
        return NULL;
    /* Unique per connection only with TLS 1.3, or with the extended master secret before it. */
    if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
        return NULL;
    if (SSL_export_keying_material(ssl, data, sizeof data, label, strlen(label), (const guint8 *)"",
                                   0, 1) != 1)
        return NULL;
    return g_bytes_new(data, sizeof data);
}
