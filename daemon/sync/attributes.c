/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asking for what messages are like. */
#include "daemon/sync/attributes.h"

#include "daemon/index/render.h"
#include "daemon/proto/mime/date.h"
#include <string.h>

/* Rows that one batch has: they are written in one transaction. */
#define BATCH 1500

/* Octets of a command, and commands that are spent on what isn't told. */
#define BUDGET 64

/* What a new connection costs of that. */
#define BREAK_COST 3

static void clear_server_message(gpointer data)
{
    SyncServerMessage *message = data;

    g_clear_pointer(&message->remote_id, g_free);
    g_clear_pointer(&message->message_id, g_free);
}

GArray *sync_server_messages_new(void)
{
    GArray *messages = g_array_new(FALSE, TRUE, sizeof(SyncServerMessage));

    g_array_set_clear_func(messages, clear_server_message);
    return messages;
}

/* ---- items --------------------------------------------------------------------------------- */

#define NEEDED (IMAP_GOT_FLAGS | IMAP_GOT_INTERNALDATE | IMAP_GOT_SIZE)

/* A message of which not all has come yet. */
typedef struct {
    SyncServerMessage message;
    guint got;
    char *header; /* of those without a date: Received and Date */
} Partial;

typedef struct {
    SyncContext *context;
    GArray *batch;        /* SyncServerMessage */
    GHashTable *partials; /* UID -> Partial */
    ImapSet *complete;    /* UIDs that were in a batch */
    SyncArrivalFunc func;
    gpointer data;
} AttributeFetch;

static void free_partial(gpointer data)
{
    Partial *partial = data;

    clear_server_message(&partial->message);
    g_free(partial->header);
    g_free(partial);
}

static void attribute_fetch_clear(AttributeFetch *fetch)
{
    g_clear_pointer(&fetch->batch, g_array_unref);
    g_clear_pointer(&fetch->partials, g_hash_table_unref);
    g_clear_pointer(&fetch->complete, imap_set_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AttributeFetch, attribute_fetch_clear)

static void attribute_fetch_init(AttributeFetch *fetch)
{
    fetch->batch = sync_server_messages_new();
    fetch->partials = g_hash_table_new_full(NULL, NULL, NULL, free_partial);
    fetch->complete = imap_set_new();
}

static gboolean flush_batch(AttributeFetch *fetch, GError **error)
{
    gboolean ok = fetch->batch->len == 0 || fetch->func(fetch->batch, fetch->data, error);

    g_array_set_size(fetch->batch, 0);
    return ok;
}

static gboolean add_to_batch(AttributeFetch *fetch, Partial *partial, GError **error)
{
    imap_set_add(fetch->complete, partial->message.uid);
    partial->message.flagless = !(partial->got & IMAP_GOT_FLAGS);
    g_array_append_val(fetch->batch, partial->message);
    partial->message.remote_id = partial->message.message_id = NULL;
    return fetch->batch->len < BATCH || flush_batch(fetch, error);
}

static char *remote_id_of(const ImapFetchData *fetch)
{
    if ((fetch->got & IMAP_GOT_EMAILID) && fetch->emailid)
        return g_strndup(fetch->emailid->text, fetch->emailid->length);
    if (fetch->got & IMAP_GOT_GM_MSGID)
        return imap_gm_msgid_format(fetch->gm_msgid);
    return NULL;
}

static gboolean merge_items(SyncContext *context, Partial *partial, const ImapFetchData *fetch,
                            GError **error)
{
    SyncServerMessage *message = &partial->message;
    g_autoptr(GBytes) header = NULL;

    message->uid = fetch->uid;
    if ((fetch->got & IMAP_GOT_FLAGS) && !sync_flags_of(context, fetch, &message->flags, error))
        return FALSE;
    if (fetch->got & IMAP_GOT_INTERNALDATE) {
        message->date = fetch->date.time;
        message->zone = (gint16)fetch->date.zone;
    }
    if (fetch->got & IMAP_GOT_SIZE)
        message->size = fetch->size;
    if (!message->remote_id)
        message->remote_id = remote_id_of(fetch);
    if (fetch->got & IMAP_GOT_GM_THRID)
        message->thread = fetch->gm_thrid;
    if ((fetch->got & IMAP_GOT_BODY) && !partial->header &&
        imap_fetch_data_section(fetch, "HEADER.FIELDS (RECEIVED DATE)", &header) && header)
        partial->header = g_strndup(g_bytes_get_data(header, NULL), g_bytes_get_size(header));
    partial->got |= fetch->got;
    return TRUE;
}

/* Whether it has all that was asked for: object ids may come in an answer of their own, too. */
static gboolean attribute_is_complete(const AttributeFetch *fetch, const Partial *partial)
{
    guint name = sync_has(fetch->context, IMAP_CAP_GMAIL)      ? IMAP_GOT_GM_MSGID
                 : sync_has(fetch->context, IMAP_CAP_OBJECTID) ? IMAP_GOT_EMAILID
                                                               : 0;
    guint needed = NEEDED | name;

    return (partial->got & needed) == needed;
}

static gboolean note_attributes(const ImapResponse *response, gpointer data, GError **error)
{
    AttributeFetch *fetch = data;
    ImapFetchData items;

    if (!response->name || !g_str_equal(response->name, "FETCH"))
        return TRUE;
    if (!imap_fetch_data_parse(response, &items, error))
        return FALSE;
    if (!(items.got & IMAP_GOT_UID) || items.uid == 0)
        return TRUE;
    gpointer uid = GUINT_TO_POINTER(items.uid);
    Partial *known = g_hash_table_lookup(fetch->partials, uid);
    if (known) {
        if (!merge_items(fetch->context, known, &items, error))
            return FALSE;
        if (!attribute_is_complete(fetch, known))
            return TRUE;
        gboolean ok = add_to_batch(fetch, known, error);
        g_hash_table_remove(fetch->partials, uid);
        return ok;
    }
    Partial first = {0};
    if (!merge_items(fetch->context, &first, &items, error))
        return FALSE;
    if (attribute_is_complete(fetch, &first))
        return add_to_batch(fetch, &first, error);
    g_hash_table_insert(fetch->partials, uid, g_memdup2(&first, sizeof first));
    return TRUE;
}

/* ---- what isn't told ----------------------------------------------------------------------- */

/* What follows the last ";" of a Received field that isn't in a comment or in quotes (RFC 5322, 3.6.7); ""
 * where there is none. */
static const char *received_date(const char *value)
{
    const char *date = "";
    gboolean quoted = FALSE;
    guint depth = 0;

    for (const char *c = value; *c; c++) {
        if (*c == '\\' && c[1] && (quoted || depth))
            c++;
        else if (*c == '"' && !depth)
            quoted = !quoted;
        else if (*c == '(' && !quoted)
            depth++;
        else if (*c == ')' && !quoted && depth)
            depth--;
        else if (*c == ';' && !quoted && !depth)
            date = c + 1;
    }
    return date;
}

/* The date of the topmost Received line, else of Date. */
static gboolean date_of_header(const char *header, ImapDateTime *date)
{
    g_auto(GStrv) lines = NULL;
    g_autoptr(GString) unfolded = g_string_new(header);

    g_string_replace(unfolded, "\r\n ", " ", 0);
    g_string_replace(unfolded, "\r\n\t", " ", 0);
    lines = g_strsplit(unfolded->str, "\r\n", -1);
    for (guint pass = 0; pass < 2; pass++)
        for (guint i = 0; lines[i]; i++) {
            const char *name = pass ? "Date:" : "Received:";
            const char *value = lines[i] + strlen(name);
            if (g_ascii_strncasecmp(lines[i], name, strlen(name)) != 0)
                continue;
            if (pass == 0)
                value = received_date(value);
            if (mime_date_parse(value, strlen(value), date))
                return TRUE;
        }
    return FALSE;
}

static void give_date(AttributeFetch *fetch, Partial *partial)
{
    ImapDateTime date = {.time = sync_time(fetch->context)};

    if (partial->header)
        date_of_header(partial->header, &date);
    partial->message.date = date.time;
    partial->message.zone = (gint16)date.zone;
}

/* Messages without a date are asked for the lines of their headers that have one. */
static gboolean ask_dates(AttributeFetch *fetch, GError **error)
{
    g_autoptr(ImapSet) dateless = imap_set_new();
    GHashTableIter iter;
    gpointer uid, value;

    g_hash_table_iter_init(&iter, fetch->partials);
    while (g_hash_table_iter_next(&iter, &uid, &value))
        if (!(((Partial *)value)->got & IMAP_GOT_INTERNALDATE))
            imap_set_add(dateless, GPOINTER_TO_UINT(uid));
    if (imap_set_is_empty(dateless))
        return TRUE;
    g_auto(SyncAsk) ask = {.context = fetch->context,
                           .items = "UID BODY.PEEK[HEADER.FIELDS (RECEIVED DATE)]",
                           .handler = note_attributes,
                           .data = fetch};
    return sync_ask(&ask, dateless, error);
}

/* What was told of, but not all of it, is there. News of messages that were complete add only
 * flags. */
static gboolean complete_partials(AttributeFetch *fetch, GError **error)
{
    GHashTableIter iter;
    gpointer uid, value;

    if (g_hash_table_size(fetch->partials) == 0)
        return TRUE;
    if (!ask_dates(fetch, error))
        return FALSE;
    g_hash_table_iter_init(&iter, fetch->partials);
    while (g_hash_table_iter_next(&iter, &uid, &value)) {
        Partial *partial = value;
        if (!(partial->got & IMAP_GOT_FLAGS) &&
            imap_set_contains(fetch->complete, GPOINTER_TO_UINT(uid)))
            continue;
        if (!(partial->got & IMAP_GOT_INTERNALDATE))
            give_date(fetch, partial);
        if (!add_to_batch(fetch, partial, error))
            return FALSE;
    }
    g_hash_table_remove_all(fetch->partials);
    return TRUE;
}

/* ---- asking -------------------------------------------------------------------------------- */

static char *attribute_items(SyncContext *context)
{
    const char *more = sync_has(context, IMAP_CAP_GMAIL)      ? " X-GM-MSGID X-GM-THRID"
                       : sync_has(context, IMAP_CAP_OBJECTID) ? " EMAILID"
                                                              : "";

    return g_strconcat("UID FLAGS INTERNALDATE RFC822.SIZE", more, NULL);
}

/* One command about the selected folder. A refusal, and a connection that breaks while the network
 * is there, are no failure: *words are set. */
static gboolean run_surviving(SyncAsk *ask, const char *set, gboolean *refused, GError **error)
{
    SyncContext *context = ask->context;
    gint64 folder = context->selected;
    g_autoptr(GError) failure = NULL;
    g_auto(ImapReply) reply = {0};

    *refused = FALSE;
    if (imap_client_run_with(context->imap, ask->handler, ask->data, &reply, &failure,
                             "UID FETCH %s (%s)", set, ask->items)) {
        if (reply.cond == IMAP_COND_OK)
            return TRUE;
        g_clear_error(&failure);
        imap_reply_to_error(&reply, &failure);
    } else if (!sync_survives(context, failure, error) ||
               !sync_select_epoch(context, folder, error)) {
        return FALSE;
    } else {
        ask->budget -= MIN(ask->budget, BREAK_COST);
    }
    *refused = TRUE;
    g_free(ask->words);
    ask->words = g_strdup(failure->message);
    return TRUE;
}

gboolean sync_fetch_attributes(SyncContext *context, const char *set, SyncArrivalFunc func,
                               gpointer data, char **words, GError **error)
{
    g_auto(AttributeFetch) fetch = {.context = context, .func = func, .data = data};
    g_autofree char *items = attribute_items(context);
    g_auto(SyncAsk)
        ask = {.context = context, .items = items, .handler = note_attributes, .data = &fetch};
    gboolean refused;

    attribute_fetch_init(&fetch);
    if (!run_surviving(&ask, set, &refused, error) || !complete_partials(&fetch, error) ||
        !flush_batch(&fetch, error))
        return FALSE;
    if (refused) {
        g_free(*words);
        *words = g_steal_pointer(&ask.words);
    }
    return TRUE;
}

/* ---- halving ------------------------------------------------------------------------------- */

void sync_ask_clear(SyncAsk *ask)
{
    g_clear_pointer(&ask->told, imap_set_free);
    g_clear_pointer(&ask->untold, imap_set_free);
    g_clear_pointer(&ask->words, g_free);
}

/* Passes an answer on, and notes whose it was. */
static gboolean note_told(const ImapResponse *response, gpointer data, GError **error)
{
    SyncAsk *ask = data;
    ImapFetchData items;

    if (!ask->handler(response, ask->data, error))
        return FALSE;
    if (response->name && g_str_equal(response->name, "FETCH") &&
        imap_fetch_data_parse(response, &items, NULL) && (items.got & IMAP_GOT_UID))
        imap_set_add(ask->told, items.uid);
    return TRUE;
}

static gboolean ask_once(SyncAsk *ask, const ImapSet *uids, GError **error)
{
    SyncAsk noting = *ask;
    guint range = 0;

    noting.handler = note_told;
    noting.data = ask;
    for (;;) {
        g_autoptr(GString) set = g_string_new(NULL);
        gboolean no;
        if (!imap_set_format_some(uids, &range, IMAP_CLIENT_SET, set))
            return TRUE;
        noting.words = NULL;
        if (!run_surviving(&noting, set->str, &no, error))
            return FALSE;
        ask->budget = noting.budget;
        if (no) {
            g_free(ask->words);
            ask->words = noting.words;
        }
    }
}

static void split_set(const ImapSet *set, ImapSet *first, ImapSet *second)
{
    guint32 half = imap_set_count(set) / 2, uid;
    ImapSetIter iter;

    imap_set_iter_init(&iter, set);
    for (guint32 i = 0; imap_set_iter_next(&iter, &uid); i++)
        imap_set_add(i < half ? first : second, uid);
}

/* What wasn't told of `uids`, which were asked for already. */
static gboolean ask_attribute_rest(SyncAsk *ask, const ImapSet *uids, GError **error)
{
    g_autoptr(ImapSet) rest = imap_set_subtract(uids, ask->told);

    if (imap_set_is_empty(rest))
        return TRUE;
    if (ask->budget == 0 || imap_set_count(uids) == 1) {
        imap_set_add_set(ask->untold, rest);
        return TRUE;
    }
    g_autoptr(ImapSet) first = imap_set_new();
    g_autoptr(ImapSet) second = imap_set_new();
    split_set(rest, first, second);
    ask->budget -= MIN(ask->budget, 1);
    return (imap_set_is_empty(first) ||
            (ask_once(ask, first, error) && ask_attribute_rest(ask, first, error))) &&
           ask_once(ask, second, error) && ask_attribute_rest(ask, second, error);
}

gboolean sync_ask(SyncAsk *ask, const ImapSet *uids, GError **error)
{
    if (!ask->told)
        ask->told = imap_set_new();
    if (!ask->untold)
        ask->untold = imap_set_new();
    if (ask->budget == 0)
        ask->budget = BUDGET;
    return ask_once(ask, uids, error) && ask_attribute_rest(ask, uids, error);
}

gboolean sync_ask_attributes(SyncContext *context, const ImapSet *uids, SyncArrivalFunc func,
                             gpointer data, ImapSet **untold, char **words, GError **error)
{
    g_auto(AttributeFetch) fetch = {.context = context, .func = func, .data = data};
    g_autofree char *items = attribute_items(context);
    g_auto(SyncAsk)
        ask = {.context = context, .items = items, .handler = note_attributes, .data = &fetch};

    attribute_fetch_init(&fetch);
    if (!sync_ask(&ask, uids, error) || !complete_partials(&fetch, error) ||
        !flush_batch(&fetch, error))
        return FALSE;
    *untold = g_steal_pointer(&ask.untold);
    *words = g_steal_pointer(&ask.words);
    return TRUE;
}

/* ---- Message-IDs --------------------------------------------------------------------------- */

static gboolean note_message_id(const ImapResponse *response, gpointer data, GError **error)
{
    GHashTable *ids = data;
    ImapFetchData fetch;
    g_autoptr(GBytes) header = NULL;
    gsize length;

    if (!response->name || !g_str_equal(response->name, "FETCH"))
        return TRUE;
    if (!imap_fetch_data_parse(response, &fetch, error))
        return FALSE;
    if (!(fetch.got & IMAP_GOT_UID) ||
        !imap_fetch_data_section(&fetch, "HEADER.FIELDS (MESSAGE-ID)", &header) || !header)
        return TRUE;
    const char *octets = g_bytes_get_data(header, &length);
    char *id = render_message_id(octets, length);
    g_hash_table_insert(ids, GUINT_TO_POINTER(fetch.uid), id ? id : g_strdup(""));
    return TRUE;
}

GHashTable *sync_fetch_message_ids(SyncContext *context, const ImapSet *uids, GError **error)
{
    g_autoptr(GHashTable) ids = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    g_auto(SyncAsk) ask = {.context = context,
                           .items = "UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]",
                           .handler = note_message_id,
                           .data = ids};

    return sync_ask(&ask, uids, error) ? g_steal_pointer(&ids) : NULL;
}

/* ---- a whole folder ------------------------------------------------------------------------ */

static gboolean take_messages(GArray *messages, gpointer data, GError **error)
{
    GArray *all = data;

    for (guint i = 0; i < messages->len; i++) {
        SyncServerMessage *message = &g_array_index(messages, SyncServerMessage, i);
        g_array_append_val(all, *message);
        message->remote_id = message->message_id = NULL;
    }
    return TRUE;
}

static void add_uids(const GArray *messages, ImapSet *uids)
{
    for (guint i = 0; i < messages->len; i++)
        imap_set_add(uids, g_array_index(messages, SyncServerMessage, i).uid);
}

gboolean sync_fetch_whole(SyncContext *context, GArray *messages, ImapSet *uids, GError **error)
{
    g_autofree char *words = NULL;
    g_autofree char *why = NULL;
    g_autoptr(ImapSet) untold = NULL;

    if (imap_client_exists(context->imap) == 0)
        return TRUE;
    if (!sync_fetch_attributes(context, "1:*", take_messages, messages, &words, error))
        return FALSE;
    add_uids(messages, uids);
    if (messages->len >= imap_client_exists(context->imap))
        return TRUE;
    g_autoptr(ImapSet) all = imap_client_search(context->imap, "ALL", NULL, error);
    if (!all)
        return FALSE;
    g_autoptr(ImapSet) rest = imap_set_subtract(all, uids);
    if (imap_set_is_empty(rest))
        return TRUE;
    if (!sync_ask_attributes(context, rest, take_messages, messages, &untold, &why, error))
        return FALSE;
    add_uids(messages, uids);
    return TRUE;
}
