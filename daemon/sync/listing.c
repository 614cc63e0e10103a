/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asking for the list of folders. */
#include "daemon/sync/listing.h"

#include "daemon/config/choice.h"
#include "daemon/proto/imap/rights.h"
#include <string.h>

/* STATUS or MYRIGHTS commands under way where LIST doesn't tell it: Exchange answers BAD to 50. */
#define PIPELINE 25

/* A command about a folder that has ended so many connections in a row is left out for the rest of the day. */
#define MAX_BREAKS    2
#define BREAK_SECONDS (24 * 60 * 60)

/* Providers with more folders than this are not believed. */
#define MAX_FOLDERS 100000
#define MAX_OCTETS  (32 * 1024 * 1024)

static void listed_free(gpointer data)
{
    SyncListed *listed = data;

    g_free(listed->name);
    g_free(listed->wire);
    g_free(listed->mailboxid);
    g_free(listed);
}

static SyncListing *listing_new(void)
{
    SyncListing *listing = g_new0(SyncListing, 1);

    listing->folders = g_ptr_array_new_with_free_func(listed_free);
    listing->subscriptions = g_ptr_array_new_with_free_func(g_free);
    listing->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    return listing;
}

/* Takes the folder over; its name must not be there yet. */
static void listing_add(SyncListing *listing, SyncListed *listed)
{
    g_ptr_array_add(listing->folders, listed);
    g_hash_table_insert(listing->by_name, listed->name, listed);
}

void sync_listing_free(SyncListing *listing)
{
    if (!listing)
        return;
    g_hash_table_unref(listing->by_name);
    g_ptr_array_unref(listing->folders);
    g_clear_pointer(&listing->subscriptions, g_ptr_array_unref);
    g_free(listing->refusal);
    g_free(listing);
}

SyncListed *sync_listing_find(const SyncListing *listing, const char *name)
{
    return g_hash_table_lookup(listing->by_name, name);
}

gboolean sync_listed_selectable(const SyncListed *listed)
{
    return !(listed->attributes & (IMAP_ATTR_NOSELECT | IMAP_ATTR_NONEXISTENT));
}

/* ---- answers --------------------------------------------------------------------------------- */

typedef struct {
    SyncContext *context;
    SyncListing *listing;
    gboolean subscribed; /* the answers name subscriptions */
} Answers;

static gboolean count_listed(SyncListing *listing, const ImapListData *data, GError **error)
{
    listing->octets += strlen(data->name) + strlen(data->wire);
    if (MAX(listing->folders->len, listing->subscriptions->len) < MAX_FOLDERS &&
        listing->octets <= MAX_OCTETS)
        return TRUE;
    g_set_error_literal(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_PROTOCOL,
                        "the server lists too many folders");
    return FALSE;
}

static gboolean note_list(Answers *answers, const ImapResponse *response, GError **error)
{
    SyncListing *listing = answers->listing;
    g_autoptr(ImapListData) data = imap_list_data_parse(response, FALSE, error);

    if (!data)
        return FALSE;
    if (!*data->name)
        return TRUE;
    if (strlen(data->name) > CACHE_FOLDER_NAME) {
        listing->unkept += !answers->subscribed;
        return TRUE;
    }
    if (!count_listed(listing, data, error))
        return FALSE;
    if (answers->subscribed || (data->attributes & IMAP_ATTR_SUBSCRIBED)) {
        /* LSUB shows \Noselect for names that are only above subscribed ones (RFC 3501, 6.3.9). */
        if (!answers->subscribed || !g_str_equal(response->name, "LSUB") ||
            !(data->attributes & IMAP_ATTR_NOSELECT))
            g_ptr_array_add(listing->subscriptions, g_strdup(data->name));
    }
    if (answers->subscribed || (data->attributes & IMAP_ATTR_NONEXISTENT) ||
        sync_listing_find(listing, data->name))
        return TRUE;
    SyncListed *listed = g_new0(SyncListed, 1);
    listed->name = g_steal_pointer(&data->name);
    listed->wire = g_steal_pointer(&data->wire);
    listed->delimiter = data->delimiter;
    listed->attributes = data->attributes;
    listing_add(listing, listed);
    return TRUE;
}

static gboolean note_listing_status(Answers *answers, const ImapResponse *response, GError **error)
{
    g_autoptr(ImapStatusData) data = imap_status_data_parse(response, FALSE, error);

    if (!data)
        return FALSE;
    SyncListed *listed = sync_listing_find(answers->listing, data->name);
    if (!listed)
        return TRUE;
    listed->has_status = TRUE;
    listed->messages = data->messages;
    listed->uidnext = data->uidnext;
    listed->uidvalidity = data->uidvalidity;
    listed->highestmodseq = data->highestmodseq;
    g_free(listed->mailboxid);
    listed->mailboxid = g_steal_pointer(&data->mailboxid);
    return TRUE;
}

static gboolean note_rights(Answers *answers, const ImapResponse *response, GError **error)
{
    g_autofree char *letters = NULL;
    g_autofree char *name = imap_myrights_parse(response, FALSE, &letters, error);
    SyncListed *listed = name ? sync_listing_find(answers->listing, name) : NULL;

    if (listed)
        listed->rights = CACHE_RIGHTS_TOLD |
                         imap_rights_parse(letters, sync_has(answers->context, IMAP_CAP_RIGHTS));
    return name != NULL;
}

static gboolean note(const ImapResponse *response, gpointer data, GError **error)
{
    Answers *answers = data;

    if (!response->name)
        return TRUE;
    if (g_str_equal(response->name, "LIST") || g_str_equal(response->name, "LSUB"))
        return note_list(answers, response, error);
    if (g_str_equal(response->name, "MYRIGHTS"))
        return note_rights(answers, response, error);
    return !g_str_equal(response->name, "STATUS") || note_listing_status(answers, response, error);
}

/* ---- what breaks connections ------------------------------------------------------------------- */

/* A command that has ended connections. */
typedef struct {
    guint times;
    gint64 until; /* Unix seconds: left out so long, once it has been often enough */
} Break;

static gboolean breaks_connections(SyncContext *context, const char *key)
{
    const Break *found = g_hash_table_lookup(context->breaks, key);

    return found && found->times >= MAX_BREAKS && sync_time(context) < found->until;
}

/* Servers obey in order: the first command that isn't answered when a connection ends has ended it. */
static void note_break(SyncContext *context, const char *key, const GError *error)
{
    Break *found = g_hash_table_lookup(context->breaks, key);

    if (!imap_client_was_ended(error))
        return;
    if (!found) {
        found = g_new0(Break, 1);
        g_hash_table_insert(context->breaks, g_strdup(key), found);
    }
    found->until = sync_time(context) + BREAK_SECONDS;
    if (++found->times == MAX_BREAKS)
        g_message("%s: the provider ends the connection at %s; it isn't asked for that today",
                  context->settings->id, key);
}

/* ---- commands -------------------------------------------------------------------------------- */

static char *status_items(SyncContext *context)
{
    return g_strdup_printf("(MESSAGES UIDNEXT UIDVALIDITY%s%s)",
                           sync_has(context, IMAP_CAP_CONDSTORE) ? " HIGHESTMODSEQ" : "",
                           sync_has(context, IMAP_CAP_OBJECTID) ? " MAILBOXID" : "");
}

static gboolean listing_is_refused(const GError *error)
{
    return g_error_matches(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_REFUSED);
}

/* One command for the names, and all else that LIST can tell with them. */
static gboolean list_extended(Answers *answers, GError **error)
{
    SyncContext *context = answers->context;
    g_autofree char *items = status_items(context);
    g_autoptr(GString) options = g_string_new(NULL);

    if (sync_has(context, IMAP_CAP_SPECIAL_USE | IMAP_CAP_LIST_EXTENDED))
        g_string_append(options, " SPECIAL-USE");
    if (sync_has(context, IMAP_CAP_LIST_STATUS))
        g_string_append_printf(options, " STATUS %s", items);
    /* RFC 8440; one command for all of them, if all of them are wanted. */
    if (sync_has(context, IMAP_CAP_LIST_EXTENDED | IMAP_CAP_LIST_MYRIGHTS) &&
        g_hash_table_size(context->rights_asked) == 0)
        g_string_append(options, " MYRIGHTS");
    if (options->len == 0)
        return TRUE;
    return imap_client_run_with(context->imap, note, answers, NULL, error,
                                "LIST \"\" \"*\" RETURN (%s)", options->str + 1);
}

static gboolean list_plainly(Answers *answers, GError **error)
{
    return imap_client_run_with(answers->context->imap, note, answers, NULL, error,
                                "LIST \"\" \"*\"");
}

static void note_refusal(SyncListing *listing, const char *why)
{
    g_free(listing->refusal);
    listing->refusal = g_strdup(why);
}

/* FALSE and no error: the server refuses, didn't say all, or ends the connection at `key`; why
 * is in the listing. */
static gboolean list_by(Answers *answers, const char *key,
                        gboolean (*how)(Answers *answers, GError **error), GError **error)
{
    SyncContext *context = answers->context;
    guint64 unread = imap_client_unread(context->imap);
    g_autoptr(GError) reason = NULL;

    if (breaks_connections(context, key)) {
        note_refusal(answers->listing, "it ends the connection when it is asked for them");
        return FALSE;
    }
    if (how(answers, &reason)) {
        g_hash_table_remove(context->breaks, key);
        note_refusal(answers->listing, NULL);
        return imap_client_unread(context->imap) == unread;
    }
    note_break(context, key, reason);
    note_refusal(answers->listing, reason->message);
    if (!listing_is_refused(reason))
        g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

/* Whether the listing has all folders that were there; FALSE as well when nothing is known yet. */
static gboolean names_all_known(const Answers *answers)
{
    g_autoptr(CacheTxn) txn = cache_begin(answers->context->cache, CACHE_READ, NULL);
    g_autoptr(GPtrArray) rows = txn ? cache_folder_list(txn, NULL) : NULL;
    gboolean synced = FALSE;

    for (guint i = 0; rows && i < rows->len; i++) {
        const CacheFolder *row = rows->pdata[i];
        synced |= row->synced;
        if (row->base_name && !sync_listing_find(answers->listing, row->base_name))
            return FALSE;
    }
    return synced;
}

/*
 * Some servers announce what they then refuse, answer with nothing (quirks: Proton Bridge, Strato), or
 * with some folders only, or end the connection: where INBOX didn't come along, or a folder that was
 * there, they are asked as if they didn't. What isn't named by an answer that was cut short may be there
 * all the same.
 */
static gboolean list(Answers *answers, GError **error)
{
    ImapClient *imap = answers->context->imap;
    const GPtrArray *folders = answers->listing->folders;
    g_autoptr(GError) reason = NULL;
    gboolean whole = list_by(answers, "LIST RETURN", list_extended, &reason);
    const guint count = folders->len;
    const gboolean trusted = whole && sync_listing_find(answers->listing, "INBOX");

    if (!reason && (!trusted || !names_all_known(answers))) {
        gboolean all = list_by(answers, "LIST", list_plainly, &reason);
        whole = trusted ? whole : all;
        if (trusted) /* the other was to see only whether there are more */
            note_refusal(answers->listing, NULL);
        if (!trusted || folders->len > count)
            imap_client_lacks(imap, IMAP_CAP_LIST_EXTENDED | IMAP_CAP_LIST_STATUS);
    }
    answers->listing->incomplete = !whole;
    if (!reason)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

/* INBOX always is, whether LIST names it or not; what it holds SELECT shows. */
static void add_inbox(Answers *answers)
{
    GPtrArray *folders = answers->listing->folders;
    SyncListed *inbox;

    if (sync_listing_find(answers->listing, "INBOX"))
        return;
    inbox = g_new0(SyncListed, 1);
    inbox->name = g_strdup("INBOX");
    inbox->wire = g_strdup("INBOX");
    inbox->delimiter = folders->len > 0 ? ((SyncListed *)folders->pdata[0])->delimiter : '\0';
    listing_add(answers->listing, inbox);
}

/* In the way the server knows: RFC 9051 has no LSUB, RFC 3501 no selection options. Where it knows
 * neither, subscriptions are kept here alone. */
static gboolean list_subscribed(Answers *answers, GError **error)
{
    static const char *const commands[] = {"LIST (SUBSCRIBED) \"\" \"*\"", "LSUB \"\" \"*\""};
    ImapClient *imap = answers->context->imap;
    guint first = sync_has(answers->context, IMAP_CAP_LIST_EXTENDED) ? 0 : 1;

    answers->subscribed = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        const char *command = commands[(first + i) % G_N_ELEMENTS(commands)];
        g_autoptr(GError) reason = NULL;
        if (breaks_connections(answers->context, command))
            continue;
        if (imap_client_run_with(imap, note, answers, NULL, &reason, "%s", command))
            return TRUE;
        note_break(answers->context, command, reason);
        if (!listing_is_refused(reason)) {
            g_propagate_error(error, g_steal_pointer(&reason));
            return FALSE;
        }
    }
    g_clear_pointer(&answers->listing->subscriptions, g_ptr_array_unref);
    return TRUE;
}

/* ---- about each folder ----------------------------------------------------------------------- */

typedef struct {
    guint number;
    const SyncListed *listed;
} Asked;

static char *break_key(const char *command, const SyncListed *listed)
{
    return g_strdup_printf("%s %s", command, listed->name);
}

static gboolean is_left_out(SyncContext *context, const char *command, const SyncListed *listed)
{
    g_autofree char *key = break_key(command, listed);

    return breaks_connections(context, key);
}

static gboolean finish_all(SyncContext *context, const char *command, GArray *asked, GError **error)
{
    for (guint i = 0; i < asked->len; i++) {
        const Asked *one = &g_array_index(asked, Asked, i);
        g_auto(ImapReply) reply = {0};
        g_autoptr(GError) reason = NULL;
        g_autofree char *key = break_key(command, one->listed);
        /* NO: the folder is gone, or may not be looked into; it is pulled without. */
        if (imap_client_finish(context->imap, one->number, &reply, &reason)) {
            g_hash_table_remove(context->breaks, key);
            continue;
        }
        note_break(context, key, reason);
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    g_array_set_size(asked, 0);
    return TRUE;
}

/* One command about each folder that `wants` it, pipelined; `items` behind the name. */
static gboolean ask_each(Answers *answers, const char *name, const char *items,
                         gboolean (*wants)(SyncContext *context, const SyncListed *listed),
                         GError **error)
{
    SyncContext *context = answers->context;
    const SyncListing *listing = answers->listing;
    g_autoptr(GArray) asked = g_array_new(FALSE, FALSE, sizeof(Asked));

    for (guint i = 0; i < listing->folders->len; i++) {
        const SyncListed *listed = listing->folders->pdata[i];
        if (!wants(context, listed) || is_left_out(context, name, listed))
            continue;
        ImapClientCommand *command = imap_client_command(context->imap, name);
        imap_client_command_mailbox(command, listed->name);
        imap_client_command_text(command, items);
        Asked one = {imap_client_send_with(context->imap, command, note, answers, error), listed};
        if (one.number == 0)
            return FALSE;
        g_array_append_val(asked, one);
        if (asked->len >= PIPELINE && !finish_all(context, name, asked, error))
            return FALSE;
    }
    return finish_all(context, name, asked, error);
}

static gboolean wants_status(SyncContext *context, const SyncListed *listed)
{
    return !listed->has_status && !account_leaves_out(context->settings, listed->name) &&
           sync_listed_selectable(listed);
}

static gboolean ask_statuses(Answers *answers, GError **error)
{
    g_autofree char *items = status_items(answers->context);
    g_autofree char *text = g_strconcat(" ", items, NULL);

    return ask_each(answers, "STATUS", text, wants_status, error);
}

static gboolean wants_rights(SyncContext *context, const SyncListed *listed)
{
    return listed->rights == 0 && !g_hash_table_contains(context->rights_asked, listed->name);
}

/* RFC 4314, 3.5; what LIST hasn't told already. */
static gboolean ask_rights(Answers *answers, GError **error)
{
    SyncContext *context = answers->context;
    const SyncListing *listing = answers->listing;

    if (!sync_has(context, IMAP_CAP_ACL))
        return TRUE;
    if (!ask_each(answers, "MYRIGHTS", "", wants_rights, error))
        return FALSE;
    for (guint i = 0; i < listing->folders->len; i++) {
        const SyncListed *listed = listing->folders->pdata[i];
        g_hash_table_add(context->rights_asked, g_strdup(listed->name));
    }
    return TRUE;
}

/* What isn't to be here is a name that nobody may do anything with: nothing is pushed into it, nobody
 * deletes what only seems to be empty. */
static void shut_left_out(const Answers *answers)
{
    const AccountSettings *settings = answers->context->settings;

    for (guint i = 0; settings->folders && i < answers->listing->folders->len; i++) {
        SyncListed *listed = answers->listing->folders->pdata[i];
        if (account_leaves_out(settings, listed->name))
            listed->rights = CACHE_RIGHTS_TOLD | CACHE_RIGHT_LOOKUP;
    }
}

static void renew_rights(SyncContext *context)
{
    gint64 now = g_get_monotonic_time();

    if (now - context->rights_since > SYNC_RIGHTS_SECONDS * (gint64)G_USEC_PER_SEC)
        sync_forget_rights(context);
    if (g_hash_table_size(context->rights_asked) == 0)
        context->rights_since = now;
}

/* STATUS of a selected folder isn't reliable (RFC 3501, 6.3.10). */
static gboolean unselect(SyncContext *context, GError **error)
{
    if (context->selected == 0 || !sync_has(context, IMAP_CAP_UNSELECT))
        return TRUE;
    context->selected = 0;
    g_auto(ImapReply) reply = {0};
    return imap_client_run(context->imap, &reply, error, "UNSELECT");
}

SyncListing *sync_listing_fetch(SyncContext *context, GError **error)
{
    g_autoptr(SyncListing) listing = listing_new();
    Answers answers = {context, listing, FALSE};

    if (!unselect(context, error))
        return NULL;
    renew_rights(context);
    if (!list(&answers, error))
        return NULL;
    add_inbox(&answers);
    gboolean ok = list_subscribed(&answers, error) && ask_statuses(&answers, error) &&
                  ask_rights(&answers, error);
    shut_left_out(&answers);
    return ok ? g_steal_pointer(&listing) : NULL;
}
