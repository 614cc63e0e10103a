/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Providers' habits, by name: what a server does differently from what it announces, or from what is
 * usual. Plain data, which the few places that care look at. Which account has which is in habits.h;
 * what is right for all servers is no quirk, but done everywhere (postern.conf(5), QUIRKS).
 */
#pragma once

#include <glib.h>

/* Switches; bits. Of QUIRK_NO_…: the server has it, and it isn't to be used. */
typedef enum {
    QUIRK_NO_ACL = 1 << 0,
    QUIRK_NO_COMPRESS = 1 << 1,
    QUIRK_NO_CONDSTORE = 1 << 2,
    QUIRK_NO_ESEARCH = 1 << 3,
    QUIRK_NO_IDLE = 1 << 4,
    QUIRK_NO_LIST_EXTENDED = 1 << 5,
    QUIRK_NO_LIST_STATUS = 1 << 6,
    QUIRK_NO_LITERALS = 1 << 7, /* literals that don't wait: LITERAL+, LITERAL- */
    QUIRK_NO_MOVE = 1 << 8,
    QUIRK_NO_NAMESPACE = 1 << 9,
    QUIRK_NO_OBJECTID = 1 << 10,
    QUIRK_NO_QRESYNC = 1 << 11,
    QUIRK_NO_QUOTA = 1 << 12,
    QUIRK_NO_SPECIAL_USE = 1 << 13,
    QUIRK_NO_UIDPLUS = 1 << 14,
    QUIRK_NO_UNSELECT = 1 << 15,
    QUIRK_ID_FIRST = 1 << 16,        /* ID is wanted before SELECT, also unannounced */
    QUIRK_ESTIMATED_SIZES = 1 << 17, /* RFC822.SIZE is about that */
    QUIRK_ALL_MAIL_LAST = 1 << 18,   /* \All is fetched when the other folders are here */
    QUIRK_FILES_SENT = 1 << 19,      /* what is sent by SMTP is put into Sent there */
} Quirk;

typedef enum {
    QUIRK_PIPELINE,     /* commands under way at most */
    QUIRK_CONNECTIONS,  /* at once, at most */
    QUIRK_IDLE_MINUTES, /* IDLE is begun anew after as long */
    QUIRK_NUMBERS,
} QuirkNumber;

typedef struct {
    guint32 switches;             /* Quirk bits */
    guint numbers[QUIRK_NUMBERS]; /* 0: as usual */
} Quirks;

/* Adds the names in `text`, separated by commas, semicolons or spaces, to `quirks`. A name without its
 * "no-", or with one before it, takes a switch back, and a number of 0 does so with a number. FALSE:
 * a name isn't known, or a number isn't one; the rest holds. `error` may be NULL. */
gboolean quirks_add(Quirks *quirks, const char *text, GError **error);

/* The names again, NULL-terminated, in alphabetical order; the caller frees. */
char **quirks_names(const Quirks *quirks);

static inline gboolean quirks_have(const Quirks *quirks, Quirk quirk)
{
    return (quirks->switches & quirk) != 0;
}

/* Seconds after which IDLE is begun anew: `usual`, or fewer where the server wants it. */
guint quirks_idle_seconds(const Quirks *quirks, guint usual);
