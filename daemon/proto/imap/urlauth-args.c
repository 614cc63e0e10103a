/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of GENURLAUTH, RESETKEY and URLFETCH.
 */
#include "daemon/proto/imap/urlauth-args.h"

/* Whether one more of them may be there; `count` are. */
static gboolean more(const ImapLexer *lexer, guint count)
{
    return count < lexer->limits->list_items && !imap_lexer_at_end(lexer);
}

/* ---- GENURLAUTH -------------------------------------------------------------------------------*/

static gboolean read_urlauth_pair(ImapLexer *lexer, GPtrArray *words, GError **error)
{
    char *url, *mechanism;

    if (!imap_lexer_space(lexer, error) ||
        (url = imap_lexer_astring(lexer, "a URL", error)) == NULL)
        return FALSE;
    g_ptr_array_add(words, url);
    if (!imap_lexer_space(lexer, error) ||
        (mechanism = imap_lexer_atom(lexer, "a mechanism", error)) == NULL)
        return FALSE;
    g_ptr_array_add(words, mechanism);
    return TRUE;
}

GPtrArray *imap_genurlauth_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

    do
        if (!read_urlauth_pair(lexer, words, error))
            return NULL;
    while (more(lexer, words->len / 2));
    return imap_lexer_end(lexer, error) ? g_steal_pointer(&words) : NULL;
}

/* ---- RESETKEY ---------------------------------------------------------------------------------*/

gboolean imap_resetkey_args_parse(ImapLexer *lexer, char **mailbox, GError **error)
{
    g_autofree char *name = NULL;

    *mailbox = NULL;
    if (!imap_lexer_more(lexer))
        return imap_lexer_end(lexer, error);
    if ((name = imap_lexer_mailbox(lexer, error)) == NULL)
        return FALSE;
    for (guint count = 0; more(lexer, count); count++) {
        g_autofree char *mechanism =
            imap_lexer_space(lexer, error) ? imap_lexer_atom(lexer, "a mechanism", error) : NULL;

        if (mechanism == NULL)
            return FALSE;
    }
    if (!imap_lexer_end(lexer, error))
        return FALSE;
    *mailbox = g_steal_pointer(&name);
    return TRUE;
}

/* ---- URLFETCH ---------------------------------------------------------------------------------*/

static const struct {
    const char *name;
    ImapUrlfetchParameter bit;
} parameters[] = {
    {"BODY", IMAP_URLFETCH_BODY},
    {"BINARY", IMAP_URLFETCH_BINARY},
    {"BODYPARTSTRUCTURE", IMAP_URLFETCH_STRUCTURE},
};

static gboolean read_urlauth_parameter(ImapLexer *lexer, ImapUrlfetch *fetch, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(parameters); i++)
        if (imap_lexer_take_word(lexer, parameters[i].name)) {
            fetch->parameters |= parameters[i].bit;
            return TRUE;
        }
    return imap_lexer_fail(lexer, "BODY, BINARY or BODYPARTSTRUCTURE", error);
}

/* "URL", or "(URL BODYPARTSTRUCTURE BINARY)" */
static gboolean read_fetch(ImapLexer *lexer, ImapUrlfetch *fetch, GError **error)
{
    const guint both = IMAP_URLFETCH_BODY | IMAP_URLFETCH_BINARY;
    gboolean extended;

    if (!imap_lexer_space(lexer, error))
        return FALSE;
    extended = imap_lexer_take(lexer, '(');
    fetch->url = imap_lexer_astring(lexer, "a URL", error);
    if (fetch->url == NULL || !extended)
        return fetch->url != NULL;
    while (imap_lexer_more(lexer))
        if (!read_urlauth_parameter(lexer, fetch, error))
            return FALSE;
    if ((fetch->parameters & both) == both)
        return imap_lexer_fail(lexer, "one of BODY and BINARY", error);
    return imap_lexer_expect(lexer, ')', error);
}

static void clear_fetch(gpointer data)
{
    g_free(((ImapUrlfetch *)data)->url);
}

GArray *imap_urlfetch_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(GArray) fetches = g_array_new(FALSE, TRUE, sizeof(ImapUrlfetch));

    g_array_set_clear_func(fetches, clear_fetch);
    do {
        g_array_set_size(fetches, fetches->len + 1);
        if (!read_fetch(lexer, &g_array_index(fetches, ImapUrlfetch, fetches->len - 1), error))
            return NULL;
    } while (more(lexer, fetches->len));
    return imap_lexer_end(lexer, error) ? g_steal_pointer(&fetches) : NULL;
}
