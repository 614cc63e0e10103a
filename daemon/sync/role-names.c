/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking up folders' names by language. */
#include "daemon/sync/role-names.h"

#include "daemon/sync/role-table.h"
#include <string.h>

G_STATIC_ASSERT(G_N_ELEMENTS(sync_role_table) == SYNC_ROLE_LANGUAGES);

/* Letters whose accent Unicode doesn't take for one. */
static gunichar without_stroke(gunichar c)
{
    static const struct {
        gunichar with, without;
    } strokes[] = {{0x131, 'i'}, {0x142, 'l'}, {0xf8, 'o'},
                   {0x111, 'd'}, {0xf0, 'd'},  {0x167, 't'}};

    for (guint i = 0; i < G_N_ELEMENTS(strokes); i++)
        if (c == strokes[i].with)
            return strokes[i].without;
    return c;
}

static gboolean is_accent(gunichar c)
{
    return c >= 0x300 && c <= 0x36f;
}

/* A name without case, accents, spaces and punctuation, so that variants of it are one. */
static char *role_key(const char *name)
{
    g_autofree char *whole = g_utf8_normalize(name, -1, G_NORMALIZE_ALL);
    g_autofree char *folded = g_utf8_casefold(whole ? whole : "", -1);
    g_autofree char *plain = g_utf8_normalize(folded, -1, G_NORMALIZE_NFKD);
    GString *key = g_string_new(NULL);

    for (const char *at = plain; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (!is_accent(c) && (g_unichar_isalnum(c) || g_unichar_ismark(c)))
            g_string_append_unichar(key, without_stroke(c));
    }
    return g_string_free(key, FALSE);
}

static void clear_fits(gpointer fits)
{
    g_array_unref(fits);
}

static void add_fit(GHashTable *index, const char *name, SyncRoleFit fit)
{
    g_autofree char *key = role_key(name);
    GArray *fits = g_hash_table_lookup(index, key);

    if (!fits) {
        fits = g_array_new(FALSE, FALSE, sizeof(SyncRoleFit));
        g_hash_table_insert(index, g_steal_pointer(&key), fits);
    }
    g_array_append_val(fits, fit);
}

/* Key -> GArray of SyncRoleFit. */
static GHashTable *make_index(void)
{
    static const CacheRole roles[] = {CACHE_ROLE_SENT, CACHE_ROLE_DRAFTS, CACHE_ROLE_TRASH,
                                      CACHE_ROLE_JUNK, CACHE_ROLE_ARCHIVE};
    GHashTable *index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, clear_fits);

    for (guint language = 0; language < SYNC_ROLE_LANGUAGES; language++)
        for (guint i = 0; i < G_N_ELEMENTS(roles); i++) {
            g_auto(GStrv) known = g_strsplit(sync_role_table[language].names[i], "|", -1);
            for (guint rank = 0; known[rank]; rank++)
                add_fit(index, known[rank], (SyncRoleFit){language, roles[i], rank + 1});
        }
    return index;
}

static gpointer make_index_once(gpointer data)
{
    return make_index();
}

const GArray *sync_role_fits(const char *name)
{
    static GOnce once = G_ONCE_INIT;
    g_autofree char *key = role_key(name);

    return g_hash_table_lookup(g_once(&once, make_index_once, NULL), key);
}
