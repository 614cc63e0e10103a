/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the desktop is told of an account that somebody has to sign in to: one notification for each time, taken back when
 * it is done with. Everything else that is wrong stands in the account's properties.
 */
#include "daemon/bus/private.h"

#include "daemon/words/words.h"

#include <string.h>

#define NAME      "org.freedesktop.Notifications"
#define PATH      "/org/freedesktop/Notifications"
#define WORDS_MAX 300 /* characters of a provider's words */

/* An account that has to be signed in to. */
typedef struct {
    guint32 number;    /* the desktop's, of the notification; 0: none yet */
    gboolean asking;   /* the desktop hasn't answered yet */
    gboolean parts[2]; /* which isn't let in: incoming, outgoing */
} Notice;

void bus_notice_init(Bus *bus)
{
    bus->notices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

/* ---- words --------------------------------------------------------------------------------- */

/* Some desktops read a body as markup, and none needs line ends. */
static char *plain(const char *words)
{
    g_autofree char *valid = words_line(words, -1);
    GString *text = g_string_new(NULL);
    guint count = 0;

    for (const char *c = valid; *c && count < WORDS_MAX; c = g_utf8_next_char(c), count++) {
        gunichar letter = g_utf8_get_char(c);
        if (letter == '<' || letter == '>' || letter == '&')
            letter = ' ';
        g_string_append_unichar(text, letter);
    }
    return g_string_free(text, FALSE);
}

/* What there is to do. */
static char *remedy_for(const AccountSettings *settings, const char *id)
{
    if (settings && settings->goa)
        return g_strdup("Sign in again in GNOME's settings, Online Accounts.");
    if (settings && settings->token_command)
        return g_strdup("What token-command prints isn't taken.");
    if (settings && settings->password_command)
        return g_strdup("What password-command prints isn't taken.");
    return g_strdup_printf("Run: posternctl account authorize %s", id);
}

static GVariant *notification_for(const Account *account)
{
    const ConfigAccount *config = account_config(account);
    const AccountSettings *settings = config->settings;
    const AccountStatus *status = account_status(account);
    const char *error =
        status->incoming == ACCOUNT_AUTH_REQUIRED ? status->incoming_error : status->outgoing_error;
    const char *address = settings && settings->address ? settings->address : config->id;
    g_autofree char *title = g_strdup_printf("Sign-in needed for %s", address);
    g_autofree char *words = plain(error ? error : "");
    g_autofree char *remedy = remedy_for(settings, config->id);
    g_autofree char *body = g_strdup_printf("Account %s: %s\n%s", config->id, words, remedy);
    g_autofree char *safe_title = plain(title);
    GVariantBuilder hints;

    g_variant_builder_init(&hints, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&hints, "{sv}", "desktop-entry",
                          g_variant_new_string("org.postern.Postern"));
    return g_variant_new("(susss@asa{sv}i)", "Postern", 0, "org.postern.Postern", safe_title, body,
                         g_variant_new_strv(NULL, 0), &hints, -1);
}

/* ---- the desktop --------------------------------------------------------------------------- */

/* Nobody waits for the answer. */
static void take_back(Bus *bus, guint32 number)
{
    if (number)
        g_dbus_connection_call(bus->connection, NAME, PATH, NAME, "CloseNotification",
                               g_variant_new("(u)", number), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START,
                               -1, NULL, NULL, NULL);
}

typedef struct {
    Bus *bus;
    char *id;
} Telling;

static void told(GObject *source, GAsyncResult *result, gpointer data)
{
    Telling *telling = data;
    Bus *bus = telling->bus;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    Notice *notice = g_hash_table_lookup(bus->notices, telling->id);
    guint32 number = 0;

    if (answer)
        g_variant_get(answer, "(u)", &number);
    else
        g_debug("The desktop shows no notification: %s", error->message);
    /* Meanwhile it may have been done with, and have happened again: that one is shown by the next change. */
    if (notice && notice->asking) {
        notice->asking = FALSE;
        notice->number = number;
    } else {
        take_back(bus, number);
    }
    bus_ran(bus);
    g_free(telling->id);
    g_free(telling);
}

static void tell(Bus *bus, const Account *account)
{
    Telling *telling = g_new0(Telling, 1);

    telling->bus = bus;
    telling->id = g_strdup(account_config(account)->id);
    bus->tasks++;
    g_dbus_connection_call(bus->connection, NAME, PATH, NAME, "Notify", notification_for(account),
                           G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, bus->stop, told,
                           telling);
}

/* ---- when ---------------------------------------------------------------------------------- */

/* A new attempt to sign in is under way while it connects, or waits for the network: only who is in is in. */
static void note_part(AccountState state, gboolean *needed)
{
    if (state == ACCOUNT_AUTH_REQUIRED)
        *needed = TRUE;
    else if (state == ACCOUNT_IDLE || state == ACCOUNT_SYNCING || state == ACCOUNT_DISABLED)
        *needed = FALSE;
}

void bus_notice_update(Bus *bus, const Account *account)
{
    const char *id = account_config(account)->id;
    const AccountStatus *status = account_status(account);
    Notice *notice = g_hash_table_lookup(bus->notices, id);
    Notice fresh = {0};
    Notice *now = notice ? notice : &fresh;

    note_part(status->incoming, &now->parts[0]);
    note_part(status->outgoing, &now->parts[1]);
    if (!now->parts[0] && !now->parts[1]) {
        bus_notice_forget(bus, account);
    } else if (!notice) {
        fresh.asking = TRUE;
        g_hash_table_insert(bus->notices, g_strdup(id), g_memdup2(&fresh, sizeof fresh));
        tell(bus, account);
    }
}

void bus_notice_forget(Bus *bus, const Account *account)
{
    const char *id = account_config(account)->id;
    const Notice *notice = g_hash_table_lookup(bus->notices, id);

    if (notice)
        take_back(bus, notice->number);
    g_hash_table_remove(bus->notices, id);
}

void bus_notice_clear(Bus *bus)
{
    GHashTableIter iter;
    gpointer notice;

    g_hash_table_iter_init(&iter, bus->notices);
    while (bus->connection && g_hash_table_iter_next(&iter, NULL, &notice))
        take_back(bus, ((const Notice *)notice)->number);
    g_hash_table_unref(bus->notices);
}
