/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How states, times and sizes read. No widgets here. */
#include "ui/window/text.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

/* "5 minutes ago" */
static char *since_then(gint64 when)
{
    gint64 seconds = g_get_real_time() / G_USEC_PER_SEC - when;

    if (seconds < 60)
        return g_strdup(_("just now"));
    if (seconds < 3600)
        return g_strdup_printf(ngettext("%d minute ago", "%d minutes ago", seconds / 60),
                               (int)(seconds / 60));
    if (seconds < 86400)
        return g_strdup_printf(ngettext("%d hour ago", "%d hours ago", seconds / 3600),
                               (int)(seconds / 3600));
    return g_strdup_printf(ngettext("%d day ago", "%d days ago", seconds / 86400),
                           (int)(seconds / 86400));
}

/* ---- accounts ------------------------------------------------------------------------------ */

static const struct {
    const char *state, *text, *icon;
    gboolean wrong;
} states[] = {
    {"disabled", N_("Turned off"), "action-unavailable-symbolic", FALSE},
    {"offline", N_("Offline"), "network-offline-symbolic", FALSE},
    {"opening", N_("Opening…"), "emblem-synchronizing-symbolic", FALSE},
    {"connecting", N_("Connecting…"), "network-transmit-receive-symbolic", FALSE},
    {"syncing", N_("Getting mail"), "emblem-synchronizing-symbolic", FALSE},
    {"idle", N_("Up to date"), "emblem-ok-symbolic", FALSE},
    {"locked", N_("The password can’t be read now"), "dialog-password-symbolic", TRUE},
    {"auth-required", N_("The provider wants you to sign in again"), "dialog-password-symbolic",
     TRUE},
    {"no-space", N_("The disk is full"), "drive-harddisk-symbolic", TRUE},
    {"error", N_("Something is wrong"), "dialog-error-symbolic", TRUE},
};

static guint find(const char *state)
{
    guint i = 0;
    while (i < G_N_ELEMENTS(states) - 1 && g_strcmp0(states[i].state, state) != 0)
        i++;
    return i;
}

gboolean text_account_is_wrong(const char *state)
{
    return states[find(state)].wrong;
}

static guint count_of(PosternAccount *account, const char *key)
{
    GVariant *counts = postern_account_get_pending_changes(account);
    guint count = 0;

    if (counts)
        g_variant_lookup(counts, key, "u", &count);
    return count;
}

/* An account that is idle, and still isn't as it should be, isn't called up to date. */
static char *idle_text(PosternAccount *account)
{
    guint64 missing = postern_account_get_missing(account);
    guint refused = count_of(account, "Problems");
    const char *error = postern_account_get_last_error(account);
    gint64 last = postern_account_get_last_sync(account);

    if (refused)
        return g_strdup_printf(ngettext("%u thing needs a look", "%u things need a look", refused),
                               refused);
    if (missing)
        return g_strdup_printf(ngettext("%" PRIu64 " message isn’t here yet",
                                        "%" PRIu64 " messages aren’t here yet", missing),
                               missing);
    if (error && *error)
        return g_strdup(error);
    if (!last)
        return g_strdup(_("Up to date"));
    g_autofree char *ago = since_then(last);
    return g_strdup_printf(_("Up to date, checked %s"), ago);
}

const char *text_account_icon(PosternAccount *account)
{
    const char *state = postern_account_get_state(account);
    const char *error = postern_account_get_last_error(account);

    if (g_strcmp0(state, "idle") == 0 &&
        (count_of(account, "Problems") || postern_account_get_missing(account) ||
         (error && *error)))
        return "dialog-warning-symbolic";
    return states[find(state)].icon;
}

char *text_account_state(PosternAccount *account)
{
    const char *state = postern_account_get_state(account);
    const char *activity = postern_account_get_activity(account);
    int percent = (int)(postern_account_get_progress(account) * 100);

    if (activity && *activity) {
        char *text = g_strdup_printf("%s: %d %%", activity, percent);
        text[0] = g_ascii_toupper(text[0]);
        return text;
    }
    if (g_strcmp0(state, "syncing") == 0)
        return g_strdup_printf(_("Getting mail: %d %%"), percent);
    if (g_strcmp0(state, "idle") == 0)
        return idle_text(account);
    return g_strdup(_(states[find(state)].text));
}

char *text_account_mail(PosternAccount *account)
{
    guint64 messages = postern_account_get_messages(account);
    guint64 missing = postern_account_get_missing(account);
    g_autofree char *size = g_format_size(postern_account_get_cached_bytes(account));
    g_autofree char *count = g_strdup_printf(
        ngettext("%" PRIu64 " message", "%" PRIu64 " messages", messages), messages);

    if (!missing)
        return g_strdup_printf(_("%s, %s on this computer"), count, size);
    return g_strdup_printf(ngettext("%s, %s on this computer; %" PRIu64 " isn’t here yet",
                                    "%s, %s on this computer; %" PRIu64 " aren’t here yet",
                                    missing),
                           count, size, missing);
}

char *text_account_changes(PosternAccount *account)
{
    guint changes = count_of(account, "Changes");

    return changes ? g_strdup_printf(ngettext("%u change waits for the provider",
                                              "%u changes wait for the provider", changes),
                                     changes)
                   : NULL;
}

char *text_folder(GVariant *folder)
{
    guint32 messages = 0, unseen = 0, missing = 0;
    guint64 size = 0;
    const char *error = "", *kept = "";

    g_variant_lookup(folder, "Messages", "u", &messages);
    g_variant_lookup(folder, "Unseen", "u", &unseen);
    g_variant_lookup(folder, "Missing", "u", &missing);
    g_variant_lookup(folder, "Size", "t", &size);
    g_variant_lookup(folder, "Error", "&s", &error);
    g_variant_lookup(folder, "Kept", "&s", &kept);
    g_autofree char *bytes = g_format_size(size);
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, ngettext("%u message", "%u messages", messages), messages);
    g_string_append_printf(text, _(", %u unread, %s"), unseen, bytes);
    if (missing)
        g_string_append_printf(
            text, ngettext("; %u isn’t here yet", "; %u aren’t here yet", missing), missing);
    if (strcmp(kept, "headers") == 0)
        g_string_append(text, _("; only headers are kept"));
    if (strcmp(kept, "nothing") == 0)
        g_string_append(text, _("; left out by the account’s settings"));
    if (*error)
        g_string_append_printf(text, "\n%s", error);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* ---- outgoing mail ------------------------------------------------------------------------- */

static char *outgoing_state(const char *state, gint64 due)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;

    if (strcmp(state, "waiting") == 0 && due > now) {
        g_autoptr(GDateTime) when = g_date_time_new_from_unix_local(due);
        return g_date_time_format(when, due - now < 86400 ? _("Goes out at %H:%M")
                                                          : _("Goes out on %e %B, %H:%M"));
    }
    if (strcmp(state, "waiting") == 0)
        return g_strdup(_("Waits to be sent"));
    if (strcmp(state, "sending") == 0)
        return g_strdup(_("Is being sent"));
    if (strcmp(state, "held") == 0)
        return g_strdup(_("On hold"));
    return g_strdup(strcmp(state, "failed") == 0 ? _("Refused") : _("Sent"));
}

static char *recipients_text(GVariant *entry)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(entry, "Recipients", NULL);
    gsize count = list ? g_variant_n_children(list) : 0;
    const char *address = "";

    if (count == 0)
        return g_strdup("");
    g_autoptr(GVariant) first = g_variant_get_child_value(list, 0);
    g_variant_lookup(first, "Address", "&s", &address);
    if (count == 1)
        return g_strdup_printf(_("To %s"), address);
    return g_strdup_printf(ngettext("To %s and %u more", "To %s and %u more", count - 1), address,
                           (guint)(count - 1));
}

char *text_outgoing(GVariant *entry)
{
    g_autofree char *to = recipients_text(entry);
    const char *error = "", *state = "";
    gint64 next = 0, send_at = 0;

    g_variant_lookup(entry, "State", "&s", &state);
    g_variant_lookup(entry, "LastError", "&s", &error);
    g_variant_lookup(entry, "NextAttempt", "x", &next);
    g_variant_lookup(entry, "SendAt", "x", &send_at);
    g_autofree char *what = outgoing_state(state, MAX(next, send_at));
    return g_strdup_printf("%s\n%s%s%s", to, what, *error ? ": " : "", error);
}

const char *text_outgoing_subject(GVariant *entry)
{
    const char *subject = "";

    g_variant_lookup(entry, "Subject", "&s", &subject);
    return *subject ? subject : _("(no subject)");
}
