/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A cache remembers its kind in meta "kind"; those of IMAP accounts have none. */
#include "daemon/account/kind.h"

#include "cache/folder.h"
#include "cache/subscription.h"
#include "daemon/account/switch.h"

static const char *const kind_names[] = {
    [ACCOUNT_IMAP] = "imap", [ACCOUNT_POP3] = "pop3", [ACCOUNT_LOCAL] = "local"};

static const struct {
    const char *name;
    CacheRole role;
} usual_folders[] = {
    {"INBOX", CACHE_ROLE_INBOX}, {"Archive", CACHE_ROLE_ARCHIVE}, {"Drafts", CACHE_ROLE_DRAFTS},
    {"Junk", CACHE_ROLE_JUNK},   {"Sent", CACHE_ROLE_SENT},       {"Trash", CACHE_ROLE_TRASH},
};

/* The kind of the cache; NULL without an error: it is new. */
static char *read_kind(Cache *cache, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    g_autoptr(GPtrArray) folders = txn ? cache_folder_list(txn, error) : NULL;

    if (!folders)
        return NULL;
    char *kind = cache_meta_get(txn, "kind");
    return kind || folders->len == 0 ? kind : g_strdup(kind_names[ACCOUNT_IMAP]);
}

static gboolean make_folders(CacheTxn *txn, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(usual_folders); i++)
        if (!cache_folder_create(txn, usual_folders[i].name, usual_folders[i].role, error) ||
            !cache_subscribe(txn, usual_folders[i].name, TRUE, error))
            return FALSE;
    return TRUE;
}

static gboolean make(Cache *cache, AccountKind kind, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE_FULL, error);

    return txn && cache_meta_set(txn, "kind", kind_names[kind], error) &&
           cache_meta_set(txn, "new-folders", "local", error) && make_folders(txn, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

gboolean kind_prepare(Cache *cache, const AccountSettings *settings, GError **error)
{
    const AccountKind kind = settings->kind;
    g_autoptr(GError) failure = NULL;
    g_autofree char *known = read_kind(cache, &failure);

    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (!known)
        return kind == ACCOUNT_IMAP || make(cache, kind, error);
    if (g_str_equal(known, kind_names[kind]))
        return TRUE;
    if (kind == ACCOUNT_IMAP && g_str_equal(known, kind_names[ACCOUNT_POP3]))
        return account_switch_to_imap(cache, settings, error);
    g_set_error(
        error, CACHE_ERROR, CACHE_ERROR_INVALID,
        "the mail that is here belongs to an account of the kind %s, and incoming= makes it "
        "one of the kind %s; set incoming= back, and give the new server an account of its "
        "own",
        known, kind_names[kind]);
    return FALSE;
}
