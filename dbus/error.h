/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names that both ends of the bus use, and the errors as they travel over it:
 * org.postern.Postern1.Error.NAME ↔ POSTERN_ERROR_NAME.
 */
#pragma once

#include <gio/gio.h>

#define POSTERN_BUS_NAME           "org.postern.Postern1"
#define POSTERN_PATH               "/org/postern/Postern1"
#define POSTERN_ACCOUNT_PATH       POSTERN_PATH "/accounts/"
#define POSTERN_QUEUE_PATH         POSTERN_PATH "/queue"
#define POSTERN_MANAGER_INTERFACE  POSTERN_BUS_NAME ".Manager"
#define POSTERN_ACCOUNT_INTERFACE  POSTERN_BUS_NAME ".Account"
#define POSTERN_OUTGOING_INTERFACE POSTERN_BUS_NAME ".OutgoingMessage"

/* Registers the names; call once before errors are sent or received. */
#define POSTERN_ERROR (postern_error_quark())
GQuark postern_error_quark(void);

typedef enum {
    POSTERN_ERROR_FAILED,
    POSTERN_ERROR_NOT_FOUND,
    POSTERN_ERROR_EXISTS,
    POSTERN_ERROR_INVALID_ARGUMENT,
    POSTERN_ERROR_AUTH_REQUIRED,
    POSTERN_ERROR_LOCKED,
    POSTERN_ERROR_OFFLINE,
    POSTERN_ERROR_TOO_LATE,
    POSTERN_ERROR_NO_SPACE,
} PosternError;

/* The object path of account `id` (`_` for `-`); the caller frees. */
char *postern_account_path(const char *id);
