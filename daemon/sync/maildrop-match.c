/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names first, looks where names don't do. */
#include "daemon/sync/maildrop-match.h"

#include "daemon/config/settings.h"
#include "daemon/proto/mime/header.h"

#include <string.h>

#define DAY (24 * 60 * 60)

/* So many messages without known names are a reset of names more likely than new mail. */
#define MANY_UNNAMED 5

/* ---- looks --------------------------------------------------------------------------------- */

/* Servers with mbox files add these to what was delivered, and change them. */
static const char *const changing_fields[] = {
    "Status",     "X-Status",   "X-UIDL",     "X-UID",          "X-IMAP", "Lines",
    "X-IMAPbase", "X-Keywords", "X-KEYWORDS", "Content-Length", NULL};

static gboolean is_changing(const MimeField *field)
{
    for (guint i = 0; changing_fields[i]; i++)
        if (mime_field_is(field, changing_fields[i]))
            return TRUE;
    return FALSE;
}

void maildrop_looks(const char *text, gsize length, guint8 looks[CACHE_DROP_DIGEST])
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    const char *at = text, *end = text + length;
    gsize size = CACHE_DROP_DIGEST;
    MimeField field;

    while (mime_field_next(&at, end, &field) == MIME_FIELD_MORE)
        if (!is_changing(&field))
            g_checksum_update(checksum, (const guchar *)field.line,
                              (gssize)(field.line_length - field.newline));
    g_checksum_get_digest(checksum, looks, &size);
}

static guint looks_hash(gconstpointer looks)
{
    guint hash;
    memcpy(&hash, looks, sizeof hash);
    return hash;
}

static gboolean looks_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, CACHE_DROP_DIGEST) == 0;
}

/* Whether a listed size may be that of the same message: servers count line ends differently. */
static gboolean may_have_size(guint64 a, guint64 b)
{
    guint64 apart = a > b ? a - b : b - a;
    return apart <= MAX(a, b) / 25 + 64;
}

/* ---- matching by names --------------------------------------------------------------------- */

/* Names that are just the numbers of this session say nothing. */
static gboolean are_numbers(const GArray *messages)
{
    for (guint i = 0; i < messages->len; i++) {
        const Pop3Message *message = &g_array_index(messages, Pop3Message, i);
        g_autofree char *number = g_strdup_printf("%u", message->number);
        if (g_strcmp0(message->uidl, number) != 0)
            return FALSE;
    }
    return messages->len > 0;
}

/* How often each name is in the listing. */
static GHashTable *count_names(const GArray *messages)
{
    GHashTable *counts = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < messages->len; i++) {
        char *uidl = g_array_index(messages, Pop3Message, i).uidl;
        if (uidl)
            g_hash_table_insert(
                counts, uidl,
                GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(counts, uidl)) + 1));
    }
    return counts;
}

/* A name that several had says nothing (NULL). */
static GHashTable *index_names(GPtrArray *drops)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < drops->len; i++) {
        CacheDrop *drop = drops->pdata[i];
        if (drop->uidl)
            g_hash_table_insert(names, drop->uidl,
                                g_hash_table_contains(names, drop->uidl) ? NULL : drop);
    }
    return names;
}

static void take(MaildropMatch *match, MaildropEntry *entry, CacheDrop *drop, MaildropFate fate)
{
    entry->drop = drop;
    entry->fate = fate;
    g_hash_table_insert(match->taken, drop, entry);
}

/* `highest`: the last one that came of those before it. */
static MaildropFate believe(const MaildropEntry *entry, const CacheDrop *drop, gint64 highest)
{
    if (drop->state == CACHE_DROP_ASIDE || !drop->known_digest)
        return MAILDROP_KNOWN;
    gboolean odd = entry->message->size != drop->size || !drop->listed || drop->id < highest;
    return odd ? MAILDROP_DOUBTFUL : MAILDROP_KNOWN;
}

static void match_names(MaildropMatch *match, const GArray *messages)
{
    g_autoptr(GHashTable) counts = count_names(messages);
    g_autoptr(GHashTable) names = index_names(match->drops);
    MaildropEntry *last = NULL;
    gint64 highest = 0;

    for (guint i = 0; i < match->entries->len; i++) {
        MaildropEntry *entry = &g_array_index(match->entries, MaildropEntry, i);
        const char *uidl = entry->message->uidl;
        gboolean own = uidl && GPOINTER_TO_UINT(g_hash_table_lookup(counts, uidl)) == 1;
        CacheDrop *drop = own ? g_hash_table_lookup(names, uidl) : NULL;
        entry->named = own;
        if (!drop)
            continue;
        last = entry; /* a name that is used again is at the end of what is known */
        take(match, entry, drop, believe(entry, drop, highest));
        highest = MAX(highest, drop->id);
    }
    if (last && last->fate == MAILDROP_KNOWN && last->drop->state != CACHE_DROP_ASIDE &&
        last->drop->known_digest)
        last->fate = MAILDROP_UNSURE;
}

/* Those that the server doesn't give have no looks. */
static void match_aside(MaildropMatch *match)
{
    for (guint i = 0; i < match->drops->len; i++) {
        CacheDrop *drop = match->drops->pdata[i];
        for (guint j = 0; drop->state == CACHE_DROP_ASIDE && j < match->entries->len; j++) {
            MaildropEntry *entry = &g_array_index(match->entries, MaildropEntry, j);
            if (entry->drop || entry->message->size != drop->size ||
                g_strcmp0(entry->message->uidl, drop->uidl) != 0)
                continue;
            take(match, entry, drop, MAILDROP_KNOWN);
            break;
        }
    }
}

/* What is deleted upstream for sure isn't what is there now. */
static void index_looks(MaildropMatch *match)
{
    for (guint i = 0; i < match->drops->len; i++) {
        CacheDrop *drop = match->drops->pdata[i];
        if (drop->state != CACHE_DROP_HERE || !drop->known_digest)
            continue;
        GPtrArray *same = g_hash_table_lookup(match->candidates, drop->digest);
        if (!same) {
            same = g_ptr_array_new();
            g_hash_table_insert(match->candidates, drop->digest, same);
        }
        g_ptr_array_add(same, drop);
    }
}

static gboolean has_candidates(const MaildropMatch *match)
{
    for (guint i = 0; i < match->drops->len; i++) {
        const CacheDrop *drop = match->drops->pdata[i];
        if (drop->state == CACHE_DROP_HERE && drop->known_digest &&
            !g_hash_table_contains(match->taken, drop))
            return TRUE;
    }
    return FALSE;
}

MaildropMatch *maildrop_match_new(GPtrArray *drops, const GArray *messages, gboolean trust)
{
    MaildropMatch *match = g_new0(MaildropMatch, 1);

    match->drops = drops;
    match->trust = trust && !are_numbers(messages);
    match->entries = g_array_sized_new(FALSE, FALSE, sizeof(MaildropEntry), messages->len);
    match->taken = g_hash_table_new(NULL, NULL);
    match->candidates =
        g_hash_table_new_full(looks_hash, looks_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    for (guint i = 0; i < messages->len; i++) {
        MaildropEntry entry = {.message = &g_array_index(messages, Pop3Message, i),
                               .fate = MAILDROP_UNNAMED};
        g_array_append_val(match->entries, entry);
    }
    if (match->trust)
        match_names(match, messages);
    match_aside(match);
    index_looks(match);
    gboolean any = has_candidates(match);
    for (guint i = 0; i < match->entries->len; i++) {
        MaildropEntry *entry = &g_array_index(match->entries, MaildropEntry, i);
        if (entry->fate == MAILDROP_UNNAMED && !any)
            entry->fate = MAILDROP_NEW;
        match->unnamed += entry->fate == MAILDROP_UNNAMED;
    }
    return match;
}

void maildrop_match_free(MaildropMatch *match)
{
    if (!match)
        return;
    g_array_unref(match->entries);
    g_hash_table_unref(match->taken);
    g_hash_table_unref(match->candidates);
    g_free(match);
}

/* ---- looking ------------------------------------------------------------------------------- */

gboolean maildrop_match_wants_looks(const MaildropMatch *match, guint i)
{
    const MaildropEntry *entry = &g_array_index(match->entries, MaildropEntry, i);

    if (entry->seen)
        return FALSE;
    if (entry->fate == MAILDROP_UNNAMED)
        return !entry->named || match->unnamed > MANY_UNNAMED;
    return entry->fate == MAILDROP_UNSURE || entry->fate == MAILDROP_DOUBTFUL;
}

gboolean maildrop_match_wants_fetch(const MaildropMatch *match, guint i)
{
    const MaildropEntry *entry = &g_array_index(match->entries, MaildropEntry, i);

    return entry->fate == MAILDROP_NEW || entry->fate == MAILDROP_UNNAMED ||
           entry->fate == MAILDROP_DOUBTFUL;
}

gboolean maildrop_match_settle(MaildropMatch *match, guint i, const guint8 *looks)
{
    MaildropEntry *entry = &g_array_index(match->entries, MaildropEntry, i);

    if (entry->drop) {
        gboolean same = !entry->drop->known_digest || looks_equal(entry->drop->digest, looks);
        entry->fate = same ? MAILDROP_KNOWN : entry->fate;
        entry->seen |= same;
        return same;
    }
    const GPtrArray *same = g_hash_table_lookup(match->candidates, looks);
    for (guint j = 0; same && j < same->len; j++) {
        CacheDrop *drop = same->pdata[j];
        const MaildropEntry *taker = g_hash_table_lookup(match->taken, drop);
        /* Which of the two it is, the name alone doesn't say. */
        if (taker && !taker->seen)
            return FALSE;
        if (taker || !may_have_size(drop->size, entry->message->size))
            continue;
        take(match, entry, drop, MAILDROP_KNOWN);
        entry->seen = TRUE;
        return TRUE;
    }
    entry->fate = MAILDROP_NEW;
    return TRUE;
}

/* ---- deleting ------------------------------------------------------------------------------ */

gboolean maildrop_is_due(const CacheDrop *drop, int leave_days, gint64 now)
{
    if (leave_days == ACCOUNT_LEAVE_ALWAYS || drop->state == CACHE_DROP_ASIDE)
        return FALSE;
    /* It was deleted, and is there: the server shows what it has deleted, or keeps it after all. */
    if (drop->state == CACHE_DROP_DELETED)
        return drop->changed + DAY <= now;
    return leave_days == 0 || drop->since + (gint64)leave_days * DAY <= now;
}
