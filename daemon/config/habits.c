/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whose habits an account has to reckon with. */
#include "daemon/config/habits.h"

#include "daemon/config/providers.h"
#include <pthread.h>
#include <string.h>

struct AccountHabits {
    gint refs;
    GKeyFile *table; /* or NULL */
    char *own;       /* quirks= of the account, or NULL */
    gboolean named;  /* the server's name has told which group is right */

    pthread_mutex_t lock;
    char *group; /* of the table, or NULL */
    Quirks quirks;
    gboolean sent_by_client;
    GHashTable *ended; /* step -> how often in a row it has ended the connection */
};

/* ---- the record ------------------------------------------------------------------------------ */

static void add_group(AccountHabits *habits)
{
    g_autofree char *names = g_key_file_get_string(habits->table, habits->group, "quirks", NULL);
    g_autofree char *sent = g_key_file_get_string(habits->table, habits->group, "sent", NULL);
    g_autoptr(GError) error = NULL;

    if (g_strcmp0(sent, "provider") == 0)
        habits->quirks.switches |= QUIRK_FILES_SENT;
    habits->sent_by_client = g_strcmp0(sent, "client") == 0;
    if (names && !quirks_add(&habits->quirks, names, &error))
        g_warning("providers.ini, [%s] quirks: %s", habits->group, error->message);
}

/* Under the lock, or before anybody has it. */
static void make_record(AccountHabits *habits)
{
    memset(&habits->quirks, 0, sizeof habits->quirks);
    habits->sent_by_client = FALSE;
    if (habits->group)
        add_group(habits);
    if (habits->own)
        quirks_add(&habits->quirks, habits->own, NULL);
}

AccountHabits *account_habits_new(const AccountSettings *settings)
{
    AccountHabits *habits = g_new0(AccountHabits, 1);

    habits->refs = 1;
    habits->own = g_strdup(settings->quirks);
    habits->ended = g_hash_table_new(g_str_hash, g_str_equal);
    pthread_mutex_init(&habits->lock, NULL);
    if (settings->providers) {
        habits->table = g_key_file_ref(settings->providers);
        habits->group = providers_find(habits->table, settings->incoming, settings->address);
    }
    habits->named = habits->group != NULL;
    make_record(habits);
    return habits;
}

AccountHabits *account_habits_ref(AccountHabits *habits)
{
    g_atomic_int_inc(&habits->refs);
    return habits;
}

void account_habits_unref(AccountHabits *habits)
{
    if (!g_atomic_int_dec_and_test(&habits->refs))
        return;
    g_clear_pointer(&habits->table, g_key_file_unref);
    g_free(habits->own);
    g_free(habits->group);
    g_hash_table_unref(habits->ended);
    pthread_mutex_destroy(&habits->lock);
    g_free(habits);
}

/* ---- what servers say of themselves ---------------------------------------------------------- */

static gboolean fits(GKeyFile *table, const char *group, const char *key, const char *text)
{
    g_auto(GStrv) patterns = g_key_file_get_string_list(table, group, key, NULL, NULL);

    for (char **pattern = patterns; text && pattern && *pattern; pattern++)
        if (g_pattern_match_simple(*pattern, text))
            return TRUE;
    return FALSE;
}

static gboolean fits_capability(GKeyFile *table, const char *group, const char *const *capabilities)
{
    for (; capabilities && *capabilities; capabilities++)
        if (fits(table, group, "capability", *capabilities))
            return TRUE;
    return FALSE;
}

static const char *group_that_fits(GKeyFile *table, char **groups, const ServerTells *tells)
{
    for (char **group = groups; *group; group++)
        if (fits(table, *group, "greeting", tells->greeting) ||
            fits_capability(table, *group, tells->capabilities) ||
            fits(table, *group, "id", tells->id))
            return *group;
    return NULL;
}

void account_habits_tell(AccountHabits *habits, const ServerTells *tells)
{
    if (habits->named || !habits->table)
        return;
    g_auto(GStrv) groups = g_key_file_get_groups(habits->table, NULL);
    const char *group = group_that_fits(habits->table, groups, tells);

    pthread_mutex_lock(&habits->lock);
    if (g_strcmp0(group, habits->group) != 0) {
        g_free(habits->group);
        habits->group = g_strdup(group);
        make_record(habits);
    }
    pthread_mutex_unlock(&habits->lock);
}

void account_habits_get(AccountHabits *habits, Quirks *quirks)
{
    memset(quirks, 0, sizeof *quirks);
    if (!habits)
        return;
    pthread_mutex_lock(&habits->lock);
    *quirks = habits->quirks;
    pthread_mutex_unlock(&habits->lock);
}

AccountSentHabit account_habits_sent(AccountHabits *habits)
{
    if (!habits)
        return ACCOUNT_SENT_UNKNOWN;
    pthread_mutex_lock(&habits->lock);
    AccountSentHabit habit = quirks_have(&habits->quirks, QUIRK_FILES_SENT)
                                 ? ACCOUNT_SENT_BY_PROVIDER
                             : habits->sent_by_client ? ACCOUNT_SENT_BY_CLIENT
                                                      : ACCOUNT_SENT_UNKNOWN;
    pthread_mutex_unlock(&habits->lock);
    return habit;
}

/* ---- what ends connections ------------------------------------------------------------------- */

#define ENDS_TO_AVOID 2

void account_habits_note_end(AccountHabits *habits, const char *step, gboolean ended)
{
    if (!habits)
        return;
    pthread_mutex_lock(&habits->lock);
    guint times = ended ? GPOINTER_TO_UINT(g_hash_table_lookup(habits->ended, step)) + 1 : 0;
    g_hash_table_insert(habits->ended, (gpointer)step, GUINT_TO_POINTER(times));
    pthread_mutex_unlock(&habits->lock);
    if (times == ENDS_TO_AVOID)
        g_message("a provider ends connections at %s, which is left out from now on", step);
}

gboolean account_habits_avoid(AccountHabits *habits, const char *step)
{
    if (!habits)
        return FALSE;
    pthread_mutex_lock(&habits->lock);
    guint times = GPOINTER_TO_UINT(g_hash_table_lookup(habits->ended, step));
    pthread_mutex_unlock(&habits->lock);
    return times >= ENDS_TO_AVOID;
}

char *account_habits_provider(AccountHabits *habits)
{
    pthread_mutex_lock(&habits->lock);
    char *group = g_strdup(habits->group);
    pthread_mutex_unlock(&habits->lock);
    return group;
}
