/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The steps of a round; which message is which is maildrop-match.c's to say. */
#include "daemon/sync/maildrop.h"

#include "cache/change.h"
#include "cache/problem.h"
#include "daemon/index/render.h"
#include "daemon/proto/mime/date.h"
#include "daemon/proto/mime/header.h"
#include "daemon/sync/aside.h"
#include "daemon/sync/maildrop-match.h"
#include "daemon/sync/notes.h"

#include <string.h>

/* What is written in one transaction, so that others don't wait long. */
#define BATCH_MESSAGES 50
#define BATCH_OCTETS   (8 * 1024 * 1024)

/* Octets that may be under way. */
#define WINDOW (4 * 1024 * 1024)

/* Without TOP a message of that size is fetched to be looked at. */
#define LOOK_OCTETS (64 * 1024)

/* A provider that shows a part of the maildrop at a time has more as soon as that was fetched. */
#define PART_LEAST 100

/* How long names aren't believed where one has come to mean another message. */
#define DISTRUST (7 * 24 * 60 * 60)

/* A message that has come and isn't written yet. */
typedef struct {
    guint entry;
    guint64 size;
    CacheContentWriter *writer;
    CacheRendered rendered;
    ImapDateTime date;
    guint8 looks[CACHE_DROP_DIGEST];
} Arrived;

typedef struct {
    SyncContext *context;
    Pop3Client *client;
    gint64 inbox, now;
    GPtrArray *drops;
    GArray *messages;
    MaildropMatch *match;
    GArray *batch; /* Arrived */
    guint64 batch_size;
    guint arrived;
    guint fetched, to_fetch; /* messages */
    GArray *suspects;        /* entries whose looks, by TOP, aren't those of their names */
    gboolean top_fails;      /* there is no TOP, or it lies */
    gboolean distrusted;     /* a name is that of another message: all is matched anew */
    char *refusal;           /* the words of the first refusal to do something about deleting */
} Round;

static void arrived_clear(gpointer data)
{
    Arrived *arrived = data;

    cache_content_writer_free(arrived->writer);
    cache_rendered_clear(&arrived->rendered);
}

static MaildropEntry *maildrop_entry_of(const Round *round, guint i)
{
    return &g_array_index(round->match->entries, MaildropEntry, i);
}

static void round_clear(Round *round)
{
    g_clear_pointer(&round->match, maildrop_match_free);
    g_clear_pointer(&round->drops, g_ptr_array_unref);
    g_clear_pointer(&round->messages, g_array_unref);
    g_clear_pointer(&round->batch, g_array_unref);
    g_clear_pointer(&round->suspects, g_array_unref);
    g_free(round->refusal);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Round, round_clear)

static gboolean is_refusal(const GError *error)
{
    return g_error_matches(error, POP3_CLIENT_ERROR, POP3_CLIENT_ERROR_REFUSED);
}

/* ---- meta "maildrop": whose it is, and until when its names aren't believed ------------------ */

/* Gmail shows another choice of the same messages to "recent:NAME". */
static char *identity_of(const AccountSettings *settings)
{
    const char *user = settings->user;

    user += g_str_has_prefix(user, "recent:") ? strlen("recent:") : 0;
    return g_strdup_printf("%s@%s", user, settings->incoming->host);
}

static gboolean write_distrust(Round *round, gint64 until, GError **error)
{
    g_autofree char *identity = identity_of(round->context->settings);
    g_autofree char *value = g_strdup_printf("%" G_GINT64_FORMAT " %s", until, identity);
    g_autoptr(CacheTxn) txn = cache_begin(round->context->cache, CACHE_WRITE_FULL, error);

    return txn && cache_meta_set(txn, "maildrop", value, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* Those of another maildrop may have the same names. */
static gboolean forget_listing(Round *round, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(round->context->cache, CACHE_WRITE_FULL, error);

    for (guint i = 0; txn && i < round->drops->len; i++) {
        CacheDrop *drop = round->drops->pdata[i];
        drop->listed = FALSE;
        if (!cache_drop_put(txn, drop, error))
            return FALSE;
    }
    return txn && cache_commit(g_steal_pointer(&txn), error) && write_distrust(round, 0, error);
}

static gboolean maildrop_load(Round *round, gboolean *trust, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(round->context->cache, CACHE_READ, error);
    g_autoptr(CacheFolder) inbox = txn ? cache_folder_find(txn, "INBOX", error) : NULL;
    g_autofree char *identity = identity_of(round->context->settings);
    g_autofree char *known = inbox ? cache_meta_get(txn, "maildrop") : NULL;

    round->drops = inbox ? cache_drop_list(txn, error) : NULL;
    g_clear_pointer(&txn, cache_end);
    if (!round->drops)
        return FALSE;
    round->inbox = inbox->id;
    const char *owner = known ? strchr(known, ' ') : NULL;
    gboolean same = owner && g_str_equal(owner + 1, identity);
    *trust = !same || g_ascii_strtoll(known, NULL, 10) <= round->now;
    return same || forget_listing(round, error);
}

/* ---- several questions under way ----------------------------------------------------------- */

typedef struct {
    gboolean (*ask)(Round *round, guint entry, GError **error);
    gboolean (*read)(Round *round, guint entry, GError **error);
} Exchange;

/* Asks about entries (guint), as many at a time as the server takes, and reads all the answers. When
 * names have turned out to be wrong nothing more is asked. */
static gboolean exchange(Round *round, const GArray *entries, const Exchange *what, GError **error)
{
    const guint depth = pop3_client_depth(round->client);
    guint64 under_way = 0;
    guint asked = 0;

    for (guint done = 0; done < entries->len; done++) {
        while (asked < entries->len && !round->distrusted && asked - done < depth &&
               (asked == done || under_way < WINDOW)) {
            guint next = g_array_index(entries, guint, asked++);
            under_way += maildrop_entry_of(round, next)->message->size;
            if (!what->ask(round, next, error))
                return FALSE;
        }
        if (asked == done)
            return TRUE;
        guint entry = g_array_index(entries, guint, done);
        under_way -= maildrop_entry_of(round, entry)->message->size;
        if (!what->read(round, entry, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean ask_retr(Round *round, guint entry, GError **error)
{
    return pop3_client_ask_retr(round->client, maildrop_entry_of(round, entry)->message->number,
                                error);
}

static gboolean ask_top(Round *round, guint entry, GError **error)
{
    return pop3_client_ask_top(round->client, maildrop_entry_of(round, entry)->message->number, 0,
                               error);
}

static gboolean ask_dele(Round *round, guint entry, GError **error)
{
    return pop3_client_ask_dele(round->client, maildrop_entry_of(round, entry)->message->number,
                                error);
}

static GByteArray *read_text(Round *round, guint entry, GError **error)
{
    return pop3_client_read_text(round->client, maildrop_entry_of(round, entry)->message->size,
                                 error);
}

/* ---- looking ------------------------------------------------------------------------------- */

/* Nothing is lost where TOP is refused: messages are fetched to see what they are. */
static gboolean read_top(Round *round, guint entry, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GByteArray) text = read_text(round, entry, &failure);
    guint8 looks[CACHE_DROP_DIGEST];

    if (!text && is_refusal(failure)) {
        round->top_fails |= !(pop3_client_capabilities(round->client)->bits & POP3_CAP_TOP);
        return TRUE;
    }
    if (!text) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    maildrop_looks((const char *)text->data, text->len, looks);
    if (!maildrop_match_settle(round->match, entry, looks))
        g_array_append_val(round->suspects, entry);
    return TRUE;
}

/* What can't be looked at isn't deleted, and what isn't deleted is said. */
static void note_refusal(Round *round, const GError *failure)
{
    if (!round->refusal)
        round->refusal = g_strdup(failure->message);
}

/* A name is that of another message only if the whole message says so, too. */
static gboolean read_suspect(Round *round, guint entry, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GByteArray) text = read_text(round, entry, &failure);
    guint8 looks[CACHE_DROP_DIGEST];

    if (!text && is_refusal(failure)) {
        note_refusal(round, failure);
        return TRUE;
    }
    if (!text) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    maildrop_looks((const char *)text->data, text->len, looks);
    if (maildrop_match_settle(round->match, entry, looks))
        round->top_fails = TRUE;
    else
        round->distrusted = TRUE;
    return TRUE;
}

/* Learns the looks of entries by TOP, and where these don't fit, of the whole message. */
static gboolean look_at(Round *round, const GArray *entries, GError **error)
{
    static const Exchange top = {ask_top, read_top}, retr = {ask_retr, read_suspect};

    g_array_set_size(round->suspects, 0);
    return (round->top_fails || exchange(round, entries, &top, error)) &&
           exchange(round, round->suspects, &retr, error);
}

static gboolean maildrop_identify(Round *round, GError **error)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < round->match->entries->len; i++)
        if (maildrop_match_wants_looks(round->match, i))
            g_array_append_val(entries, i);
    return look_at(round, entries, error);
}

/* ---- what has come ------------------------------------------------------------------------- */

/* When it arrived at the provider: the topmost Received says so, else its Date; never later than
 * now. */
static ImapDateTime date_of(const char *text, gsize length, gint64 now)
{
    gsize header = mime_header_length(text, length);
    ImapDateTime date;
    MimeField field;

    if (mime_header_find(text, header, "Received", &field)) {
        const char *at = memrchr(field.value, ';', field.value_length);
        const char *end = field.value + field.value_length;
        if (at && mime_date_parse(at + 1, (gsize)(end - at - 1), &date) && date.time <= now)
            return date;
    }
    if (mime_header_find(text, header, "Date", &field) &&
        mime_date_parse(field.value, field.value_length, &date) && date.time <= now)
        return date;
    return (ImapDateTime){now, 0};
}

static void count_progress(Round *round)
{
    SyncContext *context = round->context;

    if (context->progressed)
        context->progressed((double)++round->fetched / (double)round->to_fetch,
                            context->progressed_data);
}

static CacheDrop *drop_of(Round *round, const Arrived *arrived, CacheDrop *known)
{
    const MaildropEntry *entry = maildrop_entry_of(round, arrived->entry);
    CacheDrop *drop = known ? known : g_new0(CacheDrop, 1);

    if (!known)
        drop->uidl = g_strdup(entry->message->uidl);
    drop->since = known ? known->since : round->now;
    drop->known_digest = TRUE;
    memcpy(drop->digest, arrived->looks, sizeof drop->digest);
    drop->size = entry->message->size;
    drop->state = CACHE_DROP_HERE;
    drop->listed = TRUE;
    drop->changed = round->now;
    return drop;
}

static gboolean write_arrived(Round *round, CacheTxn *txn, Arrived *arrived, CacheDrop *drop,
                              GError **error)
{
    const CacheAppend append = {{0, 0}, arrived->date.time, (gint16)arrived->date.zone};

    drop->uid = cache_append(txn, round->inbox, arrived->writer, &arrived->rendered, append, error);
    return drop->uid && cache_drop_put(txn, drop, error);
}

/* The entries are what they are said to be only when this has been committed. FALSE: *culprit is the
 * arrival that it failed at, or how many there are: none of them. */
static gboolean write_batch(Round *round, GPtrArray *drops, guint *culprit, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(round->context->cache, CACHE_WRITE_FULL, error);

    *culprit = round->batch->len;
    for (guint i = 0; txn && i < round->batch->len; i++)
        if (!write_arrived(round, txn, &g_array_index(round->batch, Arrived, i), drops->pdata[i],
                           error)) {
            *culprit = i;
            return FALSE;
        }
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

static void note_maildrop_known(Round *round, guint i, CacheDrop *drop)
{
    MaildropEntry *entry = maildrop_entry_of(round, i);

    entry->drop = drop;
    entry->fate = MAILDROP_KNOWN;
    entry->seen = TRUE;
    g_hash_table_insert(round->match->taken, drop, entry);
}

static gboolean try_flush(Round *round, guint *culprit, GError **error)
{
    g_autoptr(GPtrArray) drops = g_ptr_array_new();
    gboolean done = TRUE;

    for (guint i = 0; i < round->batch->len; i++) {
        const Arrived *arrived = &g_array_index(round->batch, Arrived, i);
        CacheDrop *known = maildrop_entry_of(round, arrived->entry)->drop;
        g_ptr_array_add(drops, drop_of(round, arrived, known));
    }
    if (drops->len)
        done = write_batch(round, drops, culprit, error);
    for (guint i = 0; i < drops->len; i++) {
        guint entry = g_array_index(round->batch, Arrived, i).entry;
        gboolean known = maildrop_entry_of(round, entry)->drop != NULL;
        if (!known && done)
            g_ptr_array_add(round->drops, drops->pdata[i]);
        else if (!known)
            cache_drop_free(drops->pdata[i]);
        if (done)
            note_maildrop_known(round, entry, drops->pdata[i]);
        if (done && known)
            done = sync_clear_aside(round->context, round->inbox,
                                    (guint32)maildrop_entry_of(round, entry)->drop->id, error);
    }
    round->arrived += done ? drops->len : 0;
    return done;
}

/* Without a row of its own a message that isn't given has no number to be known by. */
static gboolean put_maildrop_aside(Round *round, guint i, const char *words, GError **error)
{
    MaildropEntry *entry = maildrop_entry_of(round, i);
    CacheDrop *drop = entry->drop;

    if (!drop) {
        drop = g_new0(CacheDrop, 1);
        drop->uidl = g_strdup(entry->message->uidl);
        drop->state = CACHE_DROP_ASIDE;
        drop->listed = TRUE;
        drop->since = drop->changed = round->now;
        g_ptr_array_add(round->drops, drop);
    }
    drop->size = entry->message->size;
    g_autoptr(CacheTxn) txn = cache_begin(round->context->cache, CACHE_WRITE_FULL, error);
    if (!txn || !cache_drop_put(txn, drop, error) || !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    note_maildrop_known(round, i, drop);
    return sync_set_aside(round->context, round->inbox, (guint32)drop->id, words, error);
}

/* What no database can hold is that message's trouble, not the others'. */
static gboolean leave_out(Round *round, guint culprit, const char *words, GError **error)
{
    guint i = g_array_index(round->batch, Arrived, culprit).entry;
    CacheDrop *known = maildrop_entry_of(round, i)->drop;

    if (known)
        known->state = CACHE_DROP_ASIDE;
    g_array_remove_index(round->batch, culprit);
    return put_maildrop_aside(round, i, words, error);
}

static gboolean flush(Round *round, GError **error)
{
    g_autoptr(GError) reason = NULL;
    guint culprit = 0;
    gboolean done;

    while (!(done = try_flush(round, &culprit, &reason))) {
        if (culprit == round->batch->len ||
            !g_error_matches(reason, CACHE_ERROR, CACHE_ERROR_TOO_BIG)) {
            g_propagate_error(error, g_steal_pointer(&reason));
            break;
        }
        if (!leave_out(round, culprit, reason->message, error))
            break;
        g_clear_error(&reason);
    }
    g_array_set_size(round->batch, 0);
    round->batch_size = 0;
    return done;
}

/* ---- fetching ------------------------------------------------------------------------------ */

/* The note of an entry that has broken a connection. */
static char *breaks_key(Round *round, guint i)
{
    const Pop3Message *message = maildrop_entry_of(round, i)->message;

    return g_strdup_printf("pop3 %s %" G_GUINT64_FORMAT, message->uidl ? message->uidl : "",
                           message->size);
}

/* The entry has broken the connection: the second time, be it after another start, it is set aside. */
static gboolean note_entry_broke(Round *round, guint i, const char *words, GError **error)
{
    g_autofree char *key = breaks_key(round, i);

    return sync_note(round->context, key) ? put_maildrop_aside(round, i, words, error)
                                          : sync_set_note(round->context, NULL, key, 1, error);
}

static gboolean note_entry_came(Round *round, guint i, GError **error)
{
    g_autofree char *key = breaks_key(round, i);

    return sync_set_note(round->context, NULL, key, 0, error);
}

static gboolean fetch_failed(Round *round, guint i, GError *failure, GError **error)
{
    if (is_refusal(failure))
        return put_maildrop_aside(round, i, failure->message, error);
    gboolean cancelled = g_error_matches(failure, NET_ERROR, NET_ERROR_CANCELLED) ||
                         g_error_matches(failure, NET_ERROR, NET_ERROR_STALE);
    /* What came before it may have ended too early. */
    if (g_error_matches(failure, POP3_CLIENT_ERROR, POP3_CLIENT_ERROR_PROTOCOL) &&
        round->batch->len > 0)
        g_array_set_size(round->batch, round->batch->len - 1);
    if (!flush(round, error))
        return FALSE;
    if (!cancelled && !note_entry_broke(round, i, failure->message, error))
        return FALSE;
    g_propagate_error(error, g_error_copy(failure));
    return FALSE;
}

static gboolean add_maildrop_arrived(Round *round, guint i, const GByteArray *text,
                                     const guint8 *looks, GError **error)
{
    const char *data = (const char *)text->data;
    Arrived arrived = {.entry = i,
                       .size = text->len,
                       .writer = cache_content_writer_new(round->context->cache),
                       .date = date_of(data, text->len, round->now)};

    memcpy(arrived.looks, looks, sizeof arrived.looks);
    if (!cache_content_writer_add(arrived.writer, data, text->len, error)) {
        arrived_clear(&arrived);
        return FALSE;
    }
    cache_content_writer_end(arrived.writer);
    render_message(data, text->len, TRUE, &arrived.rendered);
    g_array_append_val(round->batch, arrived);
    round->batch_size += text->len;
    return (round->batch->len < BATCH_MESSAGES && round->batch_size < BATCH_OCTETS) ||
           flush(round, error);
}

static gboolean read_message(Round *round, guint i, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GByteArray) text = read_text(round, i, &failure);
    MaildropEntry *entry = maildrop_entry_of(round, i);
    guint8 looks[CACHE_DROP_DIGEST];

    if (!text)
        return fetch_failed(round, i, failure, error);
    count_progress(round);
    if (!note_entry_came(round, i, error))
        return FALSE;
    if (text->len == 0 && entry->message->size > 0)
        return put_maildrop_aside(round, i, "the provider sends nothing of the message", error);
    maildrop_looks((const char *)text->data, text->len, looks);
    if (!maildrop_match_settle(round->match, i, looks)) {
        round->distrusted = TRUE;
        return TRUE;
    }
    gboolean here = entry->fate == MAILDROP_KNOWN && entry->drop->state != CACHE_DROP_ASIDE;
    return here || add_maildrop_arrived(round, i, text, looks, error);
}

static gboolean is_wanted(const Round *round, guint i)
{
    const MaildropEntry *entry = maildrop_entry_of(round, i);

    if (entry->drop && entry->drop->state == CACHE_DROP_ASIDE)
        return !sync_is_aside(round->context, round->inbox, (guint32)entry->drop->id);
    if (entry->fate == MAILDROP_UNSURE && round->top_fails)
        return entry->message->size <= LOOK_OCTETS;
    return maildrop_match_wants_fetch(round->match, i);
}

static gboolean was_set_aside(const Round *round, guint i)
{
    const CacheDrop *drop = maildrop_entry_of(round, i)->drop;

    return drop && drop->state == CACHE_DROP_ASIDE;
}

/* What was set aside may break the connection again, so all else comes first. */
static void collect_wanted(const Round *round, GArray *entries)
{
    for (gboolean aside = FALSE; aside <= TRUE; aside++)
        for (guint i = 0; i < round->match->entries->len; i++)
            if (was_set_aside(round, i) == aside && is_wanted(round, i))
                g_array_append_val(entries, i);
}

static gboolean fetch(Round *round, GError **error)
{
    static const Exchange retr = {ask_retr, read_message};
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(guint));

    collect_wanted(round, entries);
    round->fetched = 0;
    round->to_fetch = entries->len;
    return exchange(round, entries, &retr, error) && flush(round, error);
}

/* ---- what is there now --------------------------------------------------------------------- */

/* What the listing says of a drop; FALSE: nothing new. */
static gboolean maildrop_follow(CacheDrop *drop, const MaildropEntry *entry, gint64 now)
{
    const char *uidl = entry && entry->message->uidl ? entry->message->uidl : drop->uidl;
    guint64 size = entry ? entry->message->size : drop->size;
    gboolean listed = entry != NULL;

    if (g_strcmp0(uidl, drop->uidl) == 0 && size == drop->size && listed == drop->listed)
        return FALSE;
    if (g_strcmp0(uidl, drop->uidl) != 0) {
        g_free(drop->uidl);
        drop->uidl = g_strdup(uidl);
    }
    if (listed != drop->listed)
        drop->changed = now;
    drop->size = size;
    drop->listed = listed;
    return TRUE;
}

/* Names that others have now. */
static void release_names(Round *round, GHashTable *entries)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < round->match->entries->len; i++) {
        const MaildropEntry *entry = maildrop_entry_of(round, i);
        if (entry->drop)
            g_hash_table_insert(entries, entry->drop, (gpointer)entry);
        if (entry->message->uidl)
            g_hash_table_add(names, entry->message->uidl);
    }
    for (guint i = 0; i < round->drops->len; i++) {
        CacheDrop *drop = round->drops->pdata[i];
        const MaildropEntry *entry = g_hash_table_lookup(entries, drop);
        if (drop->uidl && g_hash_table_contains(names, drop->uidl) &&
            (!entry || g_strcmp0(entry->message->uidl, drop->uidl) != 0)) {
            g_clear_pointer(&drop->uidl, g_free);
            drop->listed = !entry; /* so that it is written */
        }
    }
}

static gboolean write_maildrop_listing(Round *round, GError **error)
{
    g_autoptr(GHashTable) entries = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) gone = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(CacheTxn) txn = cache_begin(round->context->cache, CACHE_WRITE_FULL, error);

    release_names(round, entries);
    for (guint i = 0; txn && i < round->drops->len; i++) {
        CacheDrop *drop = round->drops->pdata[i];
        const MaildropEntry *entry = g_hash_table_lookup(entries, drop);
        guint32 id = (guint32)drop->id;
        if (!entry && drop->state == CACHE_DROP_ASIDE) {
            g_array_append_val(gone, id);
            if (!cache_drop_remove(txn, drop->id, error))
                return FALSE;
        } else if (maildrop_follow(drop, entry, round->now) && !cache_drop_put(txn, drop, error)) {
            return FALSE;
        }
    }
    if (!txn || !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    for (guint i = 0; i < gone->len; i++)
        if (!sync_clear_aside(round->context, round->inbox, g_array_index(gone, guint32, i), error))
            return FALSE;
    return TRUE;
}

/* ---- deleting ------------------------------------------------------------------------------ */

/* A refusal ends nothing else. */
static gboolean read_deleted(Round *round, guint i, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (pop3_client_read_status(round->client, &failure))
        return TRUE;
    maildrop_entry_of(round, i)->seen = FALSE;
    if (!is_refusal(failure)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    note_refusal(round, failure);
    return TRUE;
}

/* Without TOP the whole message is looked at: nothing is deleted on the strength of a name. */
static gboolean look_before_deleting(Round *round, const GArray *due, GError **error)
{
    static const Exchange retr = {ask_retr, read_suspect};
    g_autoptr(GArray) unseen = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GArray) rest = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < due->len; i++)
        if (!maildrop_entry_of(round, g_array_index(due, guint, i))->seen)
            g_array_append_vals(unseen, &g_array_index(due, guint, i), 1);
    if (!look_at(round, unseen, error))
        return FALSE;
    for (guint i = 0; i < unseen->len; i++)
        if (!maildrop_entry_of(round, g_array_index(unseen, guint, i))->seen)
            g_array_append_vals(rest, &g_array_index(unseen, guint, i), 1);
    return exchange(round, rest, &retr, error);
}

/* Entries (guint) that are to be deleted. */
static gboolean find_due(Round *round, GArray *due, GError **error)
{
    const int leave_days = round->context->settings->leave_days;

    for (guint i = 0; i < round->match->entries->len; i++) {
        const MaildropEntry *entry = maildrop_entry_of(round, i);
        if (entry->drop && entry->drop->known_digest && entry->drop->state != CACHE_DROP_ASIDE &&
            maildrop_is_due(entry->drop, leave_days, round->now))
            g_array_append_val(due, i);
    }
    if (!look_before_deleting(round, due, error) ||
        (round->distrusted && !write_distrust(round, round->now + DISTRUST, error)))
        return FALSE;
    for (guint i = due->len; i > 0; i--)
        if (!maildrop_entry_of(round, g_array_index(due, guint, i - 1))->seen)
            g_array_remove_index(due, i - 1);
    return TRUE;
}

static gboolean write_maildrop_deleted(Round *round, const GArray *due, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(round->context->cache, CACHE_WRITE_FULL, error);

    for (guint i = 0; txn && i < due->len; i++) {
        const MaildropEntry *entry = maildrop_entry_of(round, g_array_index(due, guint, i));
        if (!entry->seen)
            continue;
        entry->drop->state = CACHE_DROP_DELETED;
        entry->drop->changed = round->now;
        if (!cache_drop_put(txn, entry->drop, error))
            return FALSE;
    }
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

/* What the provider says to being asked to delete is a problem of INBOX's, until it does it. */
static gboolean write_refusal(Round *round, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(round->context->cache, CACHE_WRITE_FULL, error);
    g_autoptr(GPtrArray) problems = txn ? cache_problem_list(txn, error) : NULL;
    CacheProblem problem = {.operation = (char *)"expunge",
                            .folder = round->inbox,
                            .text = round->refusal,
                            .since = round->now,
                            .retry = round->now};

    for (guint i = 0; problems && i < problems->len; i++) {
        const CacheProblem *known = problems->pdata[i];
        if (!g_str_equal(known->operation, "expunge") || known->folder != round->inbox)
            continue;
        problem.since = known->since;
        if (!cache_problem_clear(txn, known->id, error))
            return FALSE;
    }
    return problems && (!round->refusal || cache_problem_set(txn, &problem, error)) &&
           cache_commit(g_steal_pointer(&txn), error);
}

static gboolean delete_due(Round *round, GError **error)
{
    static const Exchange dele = {ask_dele, read_deleted};
    g_autoptr(GArray) due = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GError) failure = NULL;

    if (!find_due(round, due, error) || !exchange(round, due, &dele, error))
        return FALSE;
    if (!pop3_client_quit(round->client, &failure)) {
        /* Whoever deletes nothing needs no answer. */
        if (due->len == 0)
            return TRUE;
        if (!is_refusal(failure)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        note_refusal(round, failure);
        return write_refusal(round, error);
    }
    return write_maildrop_deleted(round, due, error) && write_refusal(round, error);
}

/* ---- the round ----------------------------------------------------------------------------- */

/* Names that don't count any more don't for a while. */
static gboolean match_and_fetch(Round *round, gboolean trust, GError **error)
{
    for (;; trust = FALSE) {
        g_clear_pointer(&round->match, maildrop_match_free);
        round->match = maildrop_match_new(round->drops, round->messages, trust);
        round->distrusted = FALSE;
        if (!maildrop_identify(round, error) || (!round->distrusted && !fetch(round, error)))
            return FALSE;
        if (!round->distrusted)
            return TRUE;
        g_message("%s: the provider gives messages the names that others had",
                  round->context->settings->id);
        if (!flush(round, error) || !write_distrust(round, round->now + DISTRUST, error))
            return FALSE;
    }
}

gboolean sync_maildrop(SyncContext *context, Pop3Client *client, GError **error)
{
    g_auto(Round) round = {.context = context,
                           .client = client,
                           .now = sync_time(context),
                           .batch = g_array_new(FALSE, FALSE, sizeof(Arrived)),
                           .suspects = g_array_new(FALSE, FALSE, sizeof(guint))};
    gboolean trust;

    g_array_set_clear_func(round.batch, arrived_clear);
    context->look_again = 0;
    if (!sync_load_notes(context, error) || !maildrop_load(&round, &trust, error) ||
        !sync_load_aside(context, error))
        return FALSE;
    round.messages = pop3_client_list(client, error);
    if (!round.messages || !match_and_fetch(&round, trust, error) ||
        !write_maildrop_listing(&round, error) || !delete_due(&round, error))
        return FALSE;
    if (round.arrived >= PART_LEAST || round.distrusted)
        sync_look_again(context, round.now);
    return TRUE;
}
