/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How states, times and sizes read. No widgets here. */
#include "ui/window/text.h"

#include <string.h>

static char *count(const char *format_one, const char *format_many, gint64 n)
{
    return n == 1 ? g_strdup(format_one) : g_strdup_printf(format_many, (int)n);
}

/* "5 minutes ago"; the caller frees. */
static char *since_then(gint64 when)
{
    gint64 seconds = g_get_real_time() / G_USEC_PER_SEC - when;

    if (when == 0)
        return g_strdup("never");
    if (seconds < 60)
        return g_strdup("just now");
    if (seconds < 3600)
        return count("a minute ago", "%d minutes ago", seconds / 60);
    if (seconds < 86400)
        return count("an hour ago", "%d hours ago", seconds / 3600);
    return count("yesterday", "%d days ago", seconds / 86400);
}

static const struct {
    const char *state, *text, *icon;
} states[] = {
    {"disabled", "Turned off", "action-unavailable-symbolic"},
    {"offline", "Offline", "network-offline-symbolic"},
    {"opening", "Opening…", "emblem-synchronizing-symbolic"},
    {"connecting", "Connecting…", "network-transmit-receive-symbolic"},
    {"syncing", "Syncing", "emblem-synchronizing-symbolic"},
    {"idle", "Up to date", "emblem-ok-symbolic"},
    {"locked", "The password can’t be read now", "dialog-password-symbolic"},
    {"auth-required", "The provider refuses the password", "dialog-password-symbolic"},
    {"no-space", "The disk is full", "drive-harddisk-symbolic"},
    {"error", "Something is wrong", "dialog-error-symbolic"},
};

static guint find(const char *state)
{
    guint i = 0;
    while (i < G_N_ELEMENTS(states) - 1 && strcmp(states[i].state, state) != 0)
        i++;
    return i;
}

char *text_account_state(const char *state, double progress, gint64 last_sync)
{
    const char *text = states[find(state)].text;

    if (strcmp(state, "syncing") == 0)
        return g_strdup_printf("%s: %d %%", text, (int)(progress * 100));
    if (strcmp(state, "idle") == 0 && last_sync) {
        g_autofree char *ago = since_then(last_sync);
        return g_strdup_printf("%s, checked %s", text, ago);
    }
    return g_strdup(text);
}

char *text_account_activity(const char *activity, double progress)
{
    if (!activity || !*activity)
        return NULL;
    g_autofree char *text = g_strdup_printf("%s: %d %%", activity, (int)(progress * 100));
    text[0] = g_ascii_toupper(text[0]);
    return g_steal_pointer(&text);
}

const char *text_account_icon(const char *state)
{
    return states[find(state)].icon;
}

char *text_queue_state(const char *state, gint64 next_attempt, gint64 send_at)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC, due = MAX(next_attempt, send_at);

    if (strcmp(state, "waiting") == 0 && due > now) {
        g_autoptr(GDateTime) when = g_date_time_new_from_unix_local(due);
        return g_date_time_format(when, due - now < 86400 ? "Goes out at %H:%M"
                                                          : "Goes out on %e %B, %H:%M");
    }
    if (strcmp(state, "waiting") == 0)
        return g_strdup("Waits to be sent");
    if (strcmp(state, "sending") == 0)
        return g_strdup("Is being sent");
    if (strcmp(state, "held") == 0)
        return g_strdup("Held");
    return g_strdup(strcmp(state, "failed") == 0 ? "Refused" : "Sent");
}
