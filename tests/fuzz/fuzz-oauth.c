/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzzes what signing in with OAuth 2 reads: a grant as the secret service gives it back (JSON), and
 * what a browser brings, which may come from any page. The first byte says which. Seeds:
 * tests/fuzz/seeds/oauth. */
#include "tests/fuzz/fuzz.h"

#include "daemon/oauth/redirect.h"
#include "daemon/oauth/token.h"

#include <string.h>

/* What was read is written and read as the same. */
static void run_grant(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(OauthGrant) grant = oauth_grant_from_text(text, &error);

    g_assert_true(!grant == !!error);
    if (!grant)
        return;
    g_autofree char *once = oauth_grant_to_text(grant);
    g_autoptr(OauthGrant) same = oauth_grant_from_text(once, NULL);
    g_assert_nonnull(same);
    g_autofree char *twice = oauth_grant_to_text(same);
    g_assert_cmpstr(once, ==, twice);
}

/* Only who knows our state brings a code. */
static void run_redirect(const char *query)
{
    g_autofree char *code = NULL;
    g_autoptr(GError) error = NULL;

    if (!oauth_redirect_read(query, "st4te", "https://issuer.example", &code, &error)) {
        g_assert_nonnull(error);
        g_assert_null(code);
        return;
    }
    g_assert_true(code && *code);
    g_assert_nonnull(strstr(query, "st"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536)
        return 0;
    g_autofree char *text = g_strndup((const char *)data + 1, size - 1);

    if (data[0] & 1)
        run_grant(text);
    else
        run_redirect(text);
    return 0;
}
