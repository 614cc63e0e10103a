/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The errors' names on the bus. See error.h. */
#include "dbus/error.h"

static const GDBusErrorEntry entries[] = {
    {POSTERN_ERROR_FAILED, "org.postern.Postern1.Error.Failed"},
    {POSTERN_ERROR_NOT_FOUND, "org.postern.Postern1.Error.NotFound"},
    {POSTERN_ERROR_EXISTS, "org.postern.Postern1.Error.Exists"},
    {POSTERN_ERROR_INVALID_ARGUMENT, "org.postern.Postern1.Error.InvalidArgument"},
    {POSTERN_ERROR_AUTH_REQUIRED, "org.postern.Postern1.Error.AuthRequired"},
    {POSTERN_ERROR_LOCKED, "org.postern.Postern1.Error.Locked"},
    {POSTERN_ERROR_OFFLINE, "org.postern.Postern1.Error.Offline"},
    {POSTERN_ERROR_TOO_LATE, "org.postern.Postern1.Error.TooLate"},
    {POSTERN_ERROR_NO_SPACE, "org.postern.Postern1.Error.NoSpace"},
};

GQuark postern_error_quark(void)
{
    static gsize quark;

    g_dbus_error_register_error_domain("postern-error", &quark, entries, G_N_ELEMENTS(entries));
    return (GQuark)quark;
}

char *postern_account_path(const char *id)
{
    char *path = g_strconcat(POSTERN_ACCOUNT_PATH, id, NULL);
    return g_strdelimit(path, "-", '_');
}
