/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Deciding which folder has which role. */
#include "daemon/sync/roles.h"

#include "daemon/sync/role-names.h"
#include <string.h>

/* ---- as the provider says -------------------------------------------------------------------- */

static const struct {
    guint attribute;
    CacheRole role;
} uses[] = {
    {IMAP_ATTR_ALL, CACHE_ROLE_ALL},       {IMAP_ATTR_ARCHIVE, CACHE_ROLE_ARCHIVE},
    {IMAP_ATTR_DRAFTS, CACHE_ROLE_DRAFTS}, {IMAP_ATTR_FLAGGED, CACHE_ROLE_FLAGGED},
    {IMAP_ATTR_JUNK, CACHE_ROLE_JUNK},     {IMAP_ATTR_SENT, CACHE_ROLE_SENT},
    {IMAP_ATTR_TRASH, CACHE_ROLE_TRASH},   {IMAP_ATTR_IMPORTANT, CACHE_ROLE_IMPORTANT},
};

static SyncListed *listed_at(const SyncListing *listing, guint i)
{
    return listing->folders->pdata[i];
}

static CacheRole role_by_attributes(const SyncListed *listed)
{
    if (g_str_equal(listed->name, "INBOX"))
        return CACHE_ROLE_INBOX;
    for (guint i = 0; i < G_N_ELEMENTS(uses); i++)
        if (listed->attributes & uses[i].attribute)
            return uses[i].role;
    return CACHE_ROLE_NONE;
}

static gboolean names_uses(const SyncListing *listing)
{
    for (guint i = 0; i < listing->folders->len; i++)
        if (listed_at(listing, i)->attributes & IMAP_ATTR_ROLES)
            return TRUE;
    return FALSE;
}

/* ---- as the user says ------------------------------------------------------------------------ */

static const CacheRole roles[ACCOUNT_ROLES] = {
    [ACCOUNT_ROLE_SENT] = CACHE_ROLE_SENT,       [ACCOUNT_ROLE_DRAFTS] = CACHE_ROLE_DRAFTS,
    [ACCOUNT_ROLE_TRASH] = CACHE_ROLE_TRASH,     [ACCOUNT_ROLE_JUNK] = CACHE_ROLE_JUNK,
    [ACCOUNT_ROLE_ARCHIVE] = CACHE_ROLE_ARCHIVE,
};

static SyncListed *owner_of(const SyncListing *listing, CacheRole role)
{
    for (guint i = 0; i < listing->folders->len; i++)
        if (listed_at(listing, i)->role == role)
            return listed_at(listing, i);
    return NULL;
}

static void give_by_hand(SyncListing *listing, CacheRole role, const char *name)
{
    SyncListed *chosen = sync_listing_find(listing, name);

    if (!chosen || chosen->role == CACHE_ROLE_INBOX)
        return;
    for (guint i = 0; i < listing->folders->len; i++)
        if (listed_at(listing, i)->role == role)
            listed_at(listing, i)->role = CACHE_ROLE_NONE;
    chosen->role = role;
}

/* ---- by name --------------------------------------------------------------------------------- */

/* The name where a folder's name tells its use: of the highest level, or below INBOX, or where Gmail has
 * its own; NULL: further down, where it may be anybody's "Sent". */
static const char *telling_name(const SyncListed *listed)
{
    static const char *const tops[] = {"INBOX", "[Gmail]", "[Google Mail]"};
    const char *name = listed->name;

    for (guint i = 0; i < G_N_ELEMENTS(tops); i++) {
        gsize length = strlen(tops[i]);
        if (listed->delimiter && g_ascii_strncasecmp(name, tops[i], length) == 0 &&
            name[length] == listed->delimiter) {
            name += length + 1;
            break;
        }
    }
    return listed->delimiter && strchr(name, listed->delimiter) ? NULL : name;
}

/* A folder whose name is one of the table's. */
typedef struct {
    SyncListed *listed;
    CacheRole before; /* the role it has in the cache */
    const GArray *fits;
} Named;

/* Nobody has more folders with such names. */
#define MAX_NAMED 1000

/* Base name -> CacheFolder. */
static GHashTable *index_rows(const GPtrArray *rows)
{
    GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < rows->len; i++) {
        const CacheFolder *row = rows->pdata[i];
        if (row->base_name)
            g_hash_table_insert(index, row->base_name, (gpointer)row);
    }
    return index;
}

static GArray *find_named(const SyncListing *listing, const GPtrArray *rows)
{
    g_autoptr(GHashTable) index = index_rows(rows);
    GArray *found = g_array_new(FALSE, FALSE, sizeof(Named));

    for (guint i = 0; i < listing->folders->len && found->len < MAX_NAMED; i++) {
        SyncListed *listed = listed_at(listing, i);
        const char *name = telling_name(listed);
        const CacheFolder *row = g_hash_table_lookup(index, listed->name);
        Named named = {listed, row ? row->role : CACHE_ROLE_NONE,
                       name ? sync_role_fits(name) : NULL};
        if (named.fits && sync_listed_selectable(listed))
            g_array_append_val(found, named);
    }
    return found;
}

/* 0: not at all. */
static guint rank_of(const Named *named, guint language, CacheRole role)
{
    for (guint i = 0; i < named->fits->len; i++) {
        const SyncRoleFit *fit = &g_array_index(named->fits, SyncRoleFit, i);
        if (fit->language == language && fit->role == role)
            return fit->rank;
    }
    return 0;
}

/* The folder without a role that fits best in that language, or NULL. */
static SyncListed *best_for(const GArray *all, guint language, CacheRole role)
{
    SyncListed *best = NULL;
    guint best_rank = 0;

    for (guint i = 0; i < all->len; i++) {
        const Named *named = &g_array_index(all, Named, i);
        guint rank = named->listed->role == CACHE_ROLE_NONE ? rank_of(named, language, role) : 0;
        if (rank == 0)
            continue;
        if (named->before == role)
            return named->listed;
        if (!best || rank < best_rank) {
            best = named->listed;
            best_rank = rank;
        }
    }
    return best;
}

/* The language in which most roles have a folder; the first of several. */
static guint language_of(const GArray *all)
{
    guint best = 0, most = 0;

    for (guint language = 0; language < SYNC_ROLE_LANGUAGES; language++) {
        guint count = 0;
        for (guint i = 0; i < ACCOUNT_ROLES; i++)
            count += best_for(all, language, roles[i]) != NULL;
        if (count > most) {
            most = count;
            best = language;
        }
    }
    return best;
}

static SyncListed *best_in_any(const GArray *all, CacheRole role)
{
    for (guint language = 0; language < SYNC_ROLE_LANGUAGES; language++) {
        SyncListed *found = best_for(all, language, role);
        if (found)
            return found;
    }
    return NULL;
}

/* One folder a role, one role a folder: first in the account's language, then in any. */
static void give_by_name(SyncListing *listing, const GPtrArray *rows)
{
    g_autoptr(GArray) all = find_named(listing, rows);
    guint language = language_of(all);

    for (guint i = 0; i < 2 * ACCOUNT_ROLES; i++) {
        CacheRole role = roles[i % ACCOUNT_ROLES];
        if (owner_of(listing, role))
            continue;
        SyncListed *found =
            i < ACCOUNT_ROLES ? best_for(all, language, role) : best_in_any(all, role);
        if (found)
            found->role = role;
    }
}

void sync_give_roles(SyncListing *listing, const AccountSettings *settings, const GPtrArray *rows)
{
    for (guint i = 0; i < listing->folders->len; i++)
        listed_at(listing, i)->role = role_by_attributes(listed_at(listing, i));
    for (guint i = 0; i < ACCOUNT_ROLES; i++)
        if (settings->role_folders[i])
            give_by_hand(listing, roles[i], settings->role_folders[i]);
    if (!names_uses(listing))
        give_by_name(listing, rows);
    for (guint i = 0; i < listing->folders->len; i++)
        listing->roles |= 1u << listed_at(listing, i)->role;
}
