/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl doctor: what the daemon tells of itself and of its accounts, and the services that it needs.
 */
#include "ui/posternctl/doctor.h"

#include <string.h>

#define DAY (24 * 60 * 60)

/* ---- the daemon ---------------------------------------------------------------------------- */

static void check_listener(GPtrArray *findings, GVariant *listener)
{
    guint port = (guint)ctl_number(listener, "Port");
    g_autofree char *about = g_strdup_printf("port %u", port);
    const char *error = ctl_string(listener, "Error");

    if (*error)
        doctor_find(findings, DOCTOR_BAD, about,
                    "end that program, or give another port in [listen]; posternd tries again by "
                    "itself",
                    "%s", error);
}

static void check_listeners(GPtrArray *findings, GVariant *manager)
{
    g_autoptr(GVariant) list = ctl_child(manager, "Listeners");
    guint before = findings->len;

    for (gsize i = 0; list && i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) listener = g_variant_get_child_value(list, i);
        check_listener(findings, listener);
    }
    if (list && findings->len == before)
        doctor_find(findings, DOCTOR_WELL, "ports", NULL, "%" G_GSIZE_FORMAT " are open",
                    g_variant_n_children(list));
}

static void check_version(GPtrArray *findings, GVariant *manager)
{
    const char *version = ctl_string(manager, "Version");

    if (strcmp(version, POSTERN_VERSION) == 0)
        doctor_find(findings, DOCTOR_WELL, "daemon", NULL, "posternd %s is running", version);
    else
        doctor_find(findings, DOCTOR_WARNING, "daemon", "systemctl --user restart postern",
                    "posternd %s is running, but %s is installed", version, POSTERN_VERSION);
}

static gboolean enable(Ctl *ctl, const char *argument, GError **error)
{
    return ctl_enable_at_login(ctl, error);
}

/* Whether it starts at login: where there is systemd, and accounts to start it for. */
static void check_unit(GPtrArray *findings, Ctl *ctl)
{
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        ctl->connection, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager", "GetUnitFileState", g_variant_new("(s)", CTL_UNIT),
        NULL, G_DBUS_CALL_FLAGS_NONE, 5000, NULL, NULL);
    const char *state = NULL;

    if (!answer)
        return;
    g_variant_get(answer, "(&s)", &state);
    if (g_str_has_prefix(state, "enabled")) {
        doctor_find(findings, DOCTOR_WELL, "at login", NULL, "posternd starts");
        return;
    }
    doctor_find(findings, DOCTOR_WARNING, "at login", "systemctl --user enable " CTL_UNIT,
                "posternd doesn't start by itself (%s is %s)", CTL_UNIT, state);
    doctor_can_fix(findings, enable, NULL);
}

static void check_network(GPtrArray *findings, GVariant *manager)
{
    if (ctl_bool(manager, "ForcedOffline"))
        doctor_find(findings, DOCTOR_WARNING, "network", "posternctl online",
                    "Postern is offline, as you wished");
    else if (!ctl_bool(manager, "Online"))
        doctor_find(findings, DOCTOR_WARNING, "network", "connect to one",
                    "the system has no network");
    else
        doctor_find(findings, DOCTOR_WELL, "network", NULL, "there is one");
}

static void check_queue(GPtrArray *findings, GVariant *manager)
{
    g_autoptr(GVariant) counts = ctl_child(manager, "QueueCounts");
    gint64 failed = counts ? ctl_number(counts, "failed") : 0;

    if (failed)
        doctor_find(findings, DOCTOR_BAD, "outgoing mail", "posternctl queue list --state failed",
                    "%" G_GINT64_FORMAT " couldn't be sent", failed);
    else if (counts)
        doctor_find(findings, DOCTOR_WELL, "outgoing mail", NULL, "none has failed");
}

void doctor_look_at_daemon(GPtrArray *findings, Ctl *ctl, GVariant *manager)
{
    g_autoptr(GVariant) problems = ctl_child(manager, "Problems");
    GVariantIter iter;
    const char *text;

    check_version(findings, manager);
    check_unit(findings, ctl);
    check_network(findings, manager);
    check_listeners(findings, manager);
    check_queue(findings, manager);
    g_variant_iter_init(&iter, problems);
    while (g_variant_iter_next(&iter, "&s", &text))
        doctor_find(findings, DOCTOR_BAD, "daemon", NULL, "%s", text);
}

/* ---- accounts ------------------------------------------------------------------------------ */

/* Where passwords are to come from. */
static void check_secrets(GPtrArray *findings, Ctl *ctl, const char *about, GVariant *upstream)
{
    static const char service[] = "org.freedesktop.secrets";
    gboolean there = FALSE;

    if (strcmp(ctl_string(upstream, "Secret"), "the secret service") != 0)
        return;
    g_autoptr(GVariant) owned = g_dbus_connection_call_sync(
        ctl->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "NameHasOwner", g_variant_new("(s)", service), NULL, G_DBUS_CALL_FLAGS_NONE, 5000, NULL,
        NULL);
    g_autoptr(GVariant) names = g_dbus_connection_call_sync(
        ctl->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "ListActivatableNames", NULL, NULL, G_DBUS_CALL_FLAGS_NONE, 5000, NULL, NULL);
    g_autofree const char **startable = NULL;
    if (owned)
        g_variant_get(owned, "(b)", &there);
    if (names)
        g_variant_get(names, "(^a&s)", &startable);
    if (!there && !(startable && g_strv_contains(startable, service)))
        doctor_find(findings, DOCTOR_BAD, about,
                    "start one, such as GNOME Keyring or KWallet, or give a password-command",
                    "its password is in the secret service, and none is there");
}

/* The remedies of states that have one of their own; what LastError says has its remedy in it. */
static char *remedy_of(const char *id, const char *state)
{
    if (strcmp(state, "auth-required") == 0)
        return g_strdup_printf("posternctl account authorize %s", id);
    if (strcmp(state, "no-space") == 0)
        return g_strdup("make room on the disk");
    return strcmp(state, "locked") == 0 ? g_strdup("unlock the keyring") : NULL;
}

static gboolean is_bad(const char *state)
{
    static const char *const bad[] = {"error", "locked", "auth-required", "no-space", NULL};
    return g_strv_contains(bad, state);
}

/* What doesn't come along. */
static void check_behind(GPtrArray *findings, const char *about, const char *id, GVariant *account)
{
    g_autoptr(GVariant) pending = ctl_child(account, "PendingChanges");
    gint64 last = ctl_number(account, "LastSync"), missing = ctl_number(account, "Missing");
    gint64 refused = pending ? ctl_number(pending, "Problems") : 0;
    g_autofree char *list = g_strdup_printf("posternctl pending %s", id);
    g_autofree char *ago = ctl_ago(last);

    if (last && g_get_real_time() / G_USEC_PER_SEC - last > DAY)
        doctor_find(findings, DOCTOR_WARNING, about, "posternctl sync --wait",
                    "it was in step with the provider %s", ago);
    if (last > g_get_real_time() / G_USEC_PER_SEC + DAY)
        doctor_find(findings, DOCTOR_WARNING, "clock", "timedatectl set-ntp true",
                    "this machine's clock was ahead, or is behind now");
    if (missing && *ctl_string(account, "LastError"))
        doctor_find(findings, DOCTOR_WARNING, about, NULL,
                    "%" G_GINT64_FORMAT " messages aren't here that should be", missing);
    if (refused)
        doctor_find(findings, DOCTOR_WARNING, about, list,
                    "%" G_GINT64_FORMAT " changes were refused by the provider", refused);
}

void doctor_look_at_account(GPtrArray *findings, Ctl *ctl, GVariant *account)
{
    const char *id = ctl_string(account, "Id"), *state = ctl_string(account, "State");
    const char *error = ctl_string(account, "LastError");
    g_autofree char *about = g_strdup_printf("account %s", id);
    g_autofree char *remedy = remedy_of(id, state);
    g_autoptr(GVariant) upstream = ctl_child(account, "Upstream");
    guint before = findings->len;

    if (upstream)
        check_secrets(findings, ctl, about, upstream);
    if (is_bad(state) || *error)
        doctor_find(findings, is_bad(state) ? DOCTOR_BAD : DOCTOR_WARNING, about, remedy, "%s%s%s",
                    is_bad(state) ? state : "", is_bad(state) && *error ? ": " : "", error);
    if (strcmp(state, "disabled") == 0)
        doctor_find(findings, DOCTOR_WARNING, about, NULL, "it is disabled (enabled=false)");
    check_behind(findings, about, id, account);
    if (findings->len == before)
        doctor_find(findings, DOCTOR_WELL, about, NULL, "%s", state);
}
