/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GENURLAUTH and RESETKEY (RFC 4467): URLs that let others read a message, or a part of one.
 *
 * A token is the HMAC-SHA-256, by the mailbox's key, of the URL up to the mechanism. Keys are kept
 * with the mailbox, locally: made when first needed, never shown, and gone with RESETKEY, which
 * revokes all that was authorized with them. The one mechanism is INTERNAL. How often that was done
 * to a mailbox is counted, so that the other sessions that have it selected can be told.
 */
#include "daemon/serve/imap/urlauth.h"

#include "cache/annotation.h"
#include "cache/folder.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/proto/imap/urlauth-args.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#define KEY_ENTRY    "urlauth-key" /* no slash: no client sees it */
#define KEY_OCTETS   32
#define RESETS_ENTRY "urlauth-resets"

static ServeAccount *refuse_url(const char *why, GError **error)
{
    g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, why);
    return NULL;
}

/* ---- keys and tokens ------------------------------------------------------------------------- */

/* `make`: where there is none yet; `txn` writes then. */
static GBytes *mailbox_key(CacheTxn *txn, const char *mailbox, gboolean make, GError **error)
{
    g_autoptr(CacheFolder) folder = cache_folder_find(txn, mailbox, error);
    g_autoptr(GBytes) key = folder ? cache_annotation_get(txn, folder->id, KEY_ENTRY) : NULL;
    guint8 octets[KEY_OCTETS];
    if (!folder || key)
        return g_steal_pointer(&key);
    if (!make || RAND_bytes(octets, sizeof octets) != 1) {
        g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "The mailbox has no key");
        return NULL;
    }
    key = g_bytes_new(octets, sizeof octets);
    return cache_annotation_set(txn, folder->id, KEY_ENTRY, key, error) ? g_steal_pointer(&key)
                                                                        : NULL;
}

/* In hexadecimal, as RFC 4467 wants it (enc-urlauth, at least 32 digits). */
static char *make_token(GBytes *key, const char *text, gsize length)
{
    return g_compute_hmac_for_data(G_CHECKSUM_SHA256, g_bytes_get_data(key, NULL),
                                   g_bytes_get_size(key), (const guchar *)text, length);
}

static gboolean is_genuine(ServeAccount *account, const ImapUrl *url, const char *text,
                           GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(account->cache, CACHE_READ, error);
    g_autoptr(GBytes) key = txn ? mailbox_key(txn, url->mailbox, FALSE, error) : NULL;
    if (!key)
        return FALSE;
    g_autofree char *token = make_token(key, text, url->rump_length);
    g_autofree char *given = g_ascii_strdown(url->token, -1);
    return (strlen(given) == strlen(token) && CRYPTO_memcmp(given, token, strlen(token)) == 0) ||
           refuse_url("The URL isn't genuine", error);
}

/* ---- who may --------------------------------------------------------------------------------- */

static ServeAccount *account_named(ImapSession *session, const char *login)
{
    return session->daemon->find_account(login, session->daemon->data, NULL);
}

static gboolean is_user(ImapSession *session, const char *login)
{
    g_autoptr(ServeAccount) account = login ? account_named(session, login) : NULL;
    return account && account->cache == session->account->cache;
}

/* Nobody logs in to IMAP as a submission server here ("submit+"). */
static gboolean grants(ImapSession *session, const ImapUrl *url)
{
    if (!url->access_user)
        return g_str_equal(url->access, "anonymous") || g_str_equal(url->access, "authuser");
    return g_str_equal(url->access, "user") && is_user(session, url->access_user);
}

static gboolean is_known_access(const ImapUrl *url)
{
    if (!url->access_user)
        return g_str_equal(url->access, "anonymous") || g_str_equal(url->access, "authuser");
    return g_str_equal(url->access, "user") || g_str_equal(url->access, "submit");
}

/* Clients know this machine by these names; the port says nothing. */
static gboolean is_this_host(const char *host)
{
    return g_ascii_strcasecmp(host, "localhost") == 0 || g_str_has_prefix(host, "127.") ||
           g_str_equal(host, "[::1]");
}

ServeAccount *imap_urlauth_verify(ImapSession *session, const ImapUrl *url, const char *text,
                                  GError **error)
{
    if (!url->token || g_ascii_strcasecmp(url->mechanism, IMAP_URLAUTH_MECHANISM) != 0)
        return refuse_url("The URL isn't authorized", error);
    if (url->expires && url->expires < g_get_real_time() / G_USEC_PER_SEC)
        return refuse_url("The URL has expired", error);
    if (!is_this_host(url->host) || !grants(session, url))
        return refuse_url("The URL isn't for you", error);
    g_autoptr(ServeAccount) account = account_named(session, url->user);
    if (!account)
        return refuse_url("The URL isn't genuine", error);
    return is_genuine(account, url, text, error) ? g_steal_pointer(&account) : NULL;
}

/* ---- GENURLAUTH ------------------------------------------------------------------------------ */

/* FALSE: the answer is set. */
static gboolean authorizable(ImapSession *session, const ImapUrl *url, const char *mechanism)
{
    const char *why = NULL;
    if (!url->access)
        why = "The URL doesn't say who may use it (;URLAUTH=)";
    else if (url->token)
        why = "The URL is authorized already";
    if (why) {
        imap_reply(session, IMAP_BAD, NULL, why);
        return FALSE;
    }
    if (g_ascii_strcasecmp(mechanism, IMAP_URLAUTH_MECHANISM) != 0)
        why = "The one mechanism is " IMAP_URLAUTH_MECHANISM;
    else if (!is_this_host(url->host) || !is_user(session, url->user))
        why = "The URL isn't of this server and user";
    else if (!is_known_access(url))
        why = "There is no such access identifier";
    if (why)
        imap_reply(session, IMAP_NO, "CANNOT", why);
    return why == NULL;
}

/* One URL; FALSE: the answer is set. */
static gboolean authorize(ImapSession *session, CacheTxn *txn, const char *text,
                          const char *mechanism, GString *answer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapUrl) url = imap_url_parse(text, &error);
    if (url && !authorizable(session, url, mechanism))
        return FALSE;
    g_autoptr(GBytes) key = url ? mailbox_key(txn, url->mailbox, TRUE, &error) : NULL;
    if (!key) {
        imap_reply_error(session, error);
        return FALSE;
    }
    g_autofree char *token = make_token(key, text, url->rump_length);
    g_autofree char *authorized = g_strdup_printf("%s:internal:%s", text, token);
    g_string_append_c(answer, ' ');
    imap_quote_append_string(answer, authorized, strlen(authorized), FALSE);
    return TRUE;
}

/* All or none. */
void imap_cmd_genurlauth(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) answer = g_string_new("* GENURLAUTH");
    g_autoptr(GPtrArray) words = imap_genurlauth_args_parse(lexer, &error);
    g_autoptr(CacheTxn) txn =
        words ? cache_begin(session->account->cache, CACHE_WRITE_FULL, &error) : NULL;
    if (!txn) {
        imap_reply_error(session, error);
        return;
    }
    for (guint i = 0; i + 1 < words->len; i += 2)
        if (!authorize(session, txn, words->pdata[i], words->pdata[i + 1], answer))
            return;
    if (cache_commit(g_steal_pointer(&txn), &error))
        g_string_append_printf(session->out, "%s\r\n", answer->str);
    else
        imap_reply_error(session, error);
}

/* ---- RESETKEY -------------------------------------------------------------------------------- */

guint64 imap_urlauth_resets(CacheTxn *txn, gint64 folder)
{
    g_autoptr(GBytes) value = cache_annotation_get(txn, folder, RESETS_ENTRY);
    guint64 resets = 0;
    if (value && g_bytes_get_size(value) == sizeof resets)
        memcpy(&resets, g_bytes_get_data(value, NULL), sizeof resets);
    return resets;
}

/* The mailbox's new count of resets goes to `resets`. Without a key everything that was authorized
 * with it isn't any more; the next one is another. */
static gboolean reset(CacheTxn *txn, gint64 folder, guint64 *resets, GError **error)
{
    *resets = imap_urlauth_resets(txn, folder) + 1;
    g_autoptr(GBytes) value = g_bytes_new(resets, sizeof *resets);
    return cache_annotation_set(txn, folder, KEY_ENTRY, NULL, error) &&
           cache_annotation_set(txn, folder, RESETS_ENTRY, value, error);
}

static void reset_one(ImapSession *session, CacheTxn *transaction, const char *mailbox)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CacheTxn) txn = transaction;
    g_autoptr(CacheFolder) folder = cache_folder_find(txn, mailbox, &error);
    guint64 resets;
    if (!folder || !reset(txn, folder->id, &resets, &error) ||
        !cache_commit(g_steal_pointer(&txn), &error)) {
        imap_reply_error(session, error);
        return;
    }
    /* The answer tells this session of it, so nothing else has to. */
    if (session->view && session->view->folder == folder->id)
        session->view->url_resets = resets;
    imap_reply(session, IMAP_OK, "URLMECH " IMAP_URLAUTH_MECHANISM, "The mailbox has a new key.");
}

static void reset_all(ImapSession *session, CacheTxn *transaction)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CacheTxn) txn = transaction;
    if (cache_annotation_remove_all(txn, KEY_ENTRY, &error) &&
        cache_commit(g_steal_pointer(&txn), &error))
        imap_reply(session, IMAP_OK, NULL, "All keys removed.");
    else
        imap_reply_error(session, error);
}

void imap_cmd_resetkey(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *mailbox = NULL;
    g_autoptr(CacheTxn) txn = imap_resetkey_args_parse(lexer, &mailbox, &error)
                                  ? cache_begin(session->account->cache, CACHE_WRITE_FULL, &error)
                                  : NULL;
    if (!txn)
        imap_reply_error(session, error);
    else if (mailbox)
        reset_one(session, g_steal_pointer(&txn), mailbox);
    else
        reset_all(session, g_steal_pointer(&txn));
}
