/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rights: letters and bits. */
#include "daemon/proto/imap/rights.h"

#include <string.h>

/* RFC 4314, 2.1.1: what "c" and "d" were split into: here, at most, and at least. */
static const struct {
    char letter;
    const char *members, *may_be, *at_least;
} obsolete[] = {{'c', "kx", "kx", "k"}, {'d', "te", "tex", "te"}};

static guint32 bits_of(const char *letters)
{
    guint32 rights = 0;

    for (const char *letter = letters; *letter; letter++) {
        const char *place = strchr(IMAP_RIGHTS, *letter);
        if (place != NULL)
            rights |= 1u << (place - IMAP_RIGHTS);
    }
    return rights;
}

guint32 imap_rights_parse(const char *letters, gboolean current)
{
    guint32 rights = bits_of(letters);
    gboolean old = (rights & bits_of(IMAP_RIGHTS_NEW)) == 0;

    for (guint i = 0; !current && i < G_N_ELEMENTS(obsolete); i++)
        if (strchr(letters, obsolete[i].letter) != NULL)
            rights |= bits_of(old ? obsolete[i].may_be : obsolete[i].at_least);
    return rights;
}

void imap_rights_format(guint32 rights, GString *out)
{
    gsize start = out->len;

    for (guint i = 0; IMAP_RIGHTS[i]; i++)
        if (rights & 1u << i)
            g_string_append_c(out, IMAP_RIGHTS[i]);
    for (guint i = 0; i < G_N_ELEMENTS(obsolete); i++)
        if (rights & bits_of(obsolete[i].members))
            g_string_append_c(out, obsolete[i].letter);
    if (out->len == start)
        g_string_append(out, "\"\"");
}

gboolean imap_rights_valid(const char *letters, char *wrong)
{
    *wrong = letters[strspn(letters, IMAP_RIGHTS "cd")];
    return *wrong == 0;
}
