/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of GETMETADATA and SETMETADATA.
 */
#include "daemon/proto/imap/metadata-args.h"

#include <string.h>

void imap_getmetadata_args_free(ImapGetMetadataArgs *args)
{
    if (args == NULL)
        return;
    g_free(args->mailbox);
    g_ptr_array_unref(args->entries);
    g_free(args);
}

void imap_setmetadata_args_free(ImapSetMetadataArgs *args)
{
    if (args == NULL)
        return;
    g_free(args->mailbox);
    g_ptr_array_unref(args->entries);
    g_ptr_array_unref(args->values);
    g_free(args);
}

/* ---- entries ----------------------------------------------------------------------------------*/

static gboolean has_root(const char *entry, const char *root)
{
    gsize length = strlen(root);

    return g_ascii_strncasecmp(entry, root, length) == 0 &&
           (entry[length] == 0 || entry[length] == '/');
}

gboolean imap_metadata_entry_check(const char *entry, GError **error)
{
    gboolean sound = has_root(entry, "/private") || has_root(entry, "/shared");

    for (const char *c = entry; *c != 0; c++)
        sound &= (guint8)*c >= 0x20 && (guint8)*c < 0x7f && *c != '*' && *c != '%' &&
                 (*c != '/' || (c[1] != '/' && c[1] != 0));
    if (!sound)
        g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                    "an entry's name looks like /private/comment or /shared/comment (RFC 5464)");
    return sound;
}

static gboolean read_metadata_entry(ImapLexer *lexer, gpointer data, GError **error)
{
    g_autofree char *entry = imap_lexer_astring(lexer, "a METADATA entry", error);

    if (entry == NULL || !imap_metadata_entry_check(entry, error))
        return FALSE;
    g_ptr_array_add(data, g_steal_pointer(&entry));
    return TRUE;
}

/* "(/shared/comment /private/comment)"; without parentheses, as an example of 4.4.1 has it, too. */
static gboolean read_entries(ImapLexer *lexer, GPtrArray *entries, GError **error)
{
    if (imap_lexer_peek(lexer) == '(')
        return imap_lexer_list(lexer, "METADATA entries", FALSE, read_metadata_entry, entries,
                               error);
    do {
        if (!read_metadata_entry(lexer, entries, error))
            return FALSE;
    } while (imap_lexer_more(lexer));
    return TRUE;
}

/* ---- GETMETADATA ------------------------------------------------------------------------------*/

static gboolean read_max_size(ImapLexer *lexer, ImapGetMetadataArgs *args, GError **error)
{
    return imap_lexer_number64(lexer, &args->max_size, error);
}

static gboolean read_depth(ImapLexer *lexer, ImapGetMetadataArgs *args, GError **error)
{
    static const struct {
        const char *name;
        guint depth;
    } depths[] = {{"0", 0}, {"1", 1}, {"INFINITY", G_MAXUINT}};

    for (gsize i = 0; i < G_N_ELEMENTS(depths); i++) {
        if (!imap_lexer_take_word(lexer, depths[i].name))
            continue;
        args->depth = depths[i].depth;
        return TRUE;
    }
    return imap_lexer_fail(lexer, "0, 1 or infinity", error);
}

static gboolean read_option(ImapLexer *lexer, gpointer data, GError **error)
{
    static const struct {
        const char *name;
        gboolean (*read)(ImapLexer *lexer, ImapGetMetadataArgs *args, GError **error);
    } options[] = {{"MAXSIZE", read_max_size}, {"DEPTH", read_depth}};

    for (gsize i = 0; i < G_N_ELEMENTS(options); i++)
        if (imap_lexer_take_word(lexer, options[i].name))
            return imap_lexer_space(lexer, error) && options[i].read(lexer, data, error);
    return imap_lexer_fail(lexer, "MAXSIZE or DEPTH", error);
}

/* "(DEPTH 1) ", if it is there: before the mailbox, as the grammar has it, or behind it, as the
 * examples of 4.2 have it. Entries begin with a slash, options never do. */
static gboolean read_metadata_options(ImapLexer *lexer, ImapGetMetadataArgs *args, GError **error)
{
    ImapLexer ahead = *lexer;

    if (!imap_lexer_take(&ahead, '(') ||
        (!imap_lexer_take_word(&ahead, "MAXSIZE") && !imap_lexer_take_word(&ahead, "DEPTH")))
        return TRUE;
    return imap_lexer_list(lexer, "GETMETADATA options", FALSE, read_option, args, error) &&
           imap_lexer_space(lexer, error);
}

ImapGetMetadataArgs *imap_getmetadata_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapGetMetadataArgs) args = g_new0(ImapGetMetadataArgs, 1);

    args->entries = g_ptr_array_new_with_free_func(g_free);
    args->max_size = G_MAXUINT64;
    if (!imap_lexer_space(lexer, error) || !read_metadata_options(lexer, args, error))
        return NULL;
    args->mailbox = imap_lexer_mailbox(lexer, error);
    if (args->mailbox == NULL || !imap_lexer_space(lexer, error) ||
        !read_metadata_options(lexer, args, error) || !read_entries(lexer, args->entries, error) ||
        !imap_lexer_end(lexer, error))
        return NULL;
    return g_steal_pointer(&args);
}

/* ---- SETMETADATA ------------------------------------------------------------------------------*/

static gboolean read_metadata_pair(ImapLexer *lexer, gpointer data, GError **error)
{
    ImapSetMetadataArgs *args = data;
    GBytes *value;

    if (!read_metadata_entry(lexer, args->entries, error) || !imap_lexer_space(lexer, error) ||
        !imap_lexer_nbytes(lexer, &value, "a value or NIL", error))
        return FALSE;
    g_ptr_array_add(args->values, value);
    return TRUE;
}

static void free_value(gpointer value)
{
    if (value != NULL)
        g_bytes_unref(value);
}

ImapSetMetadataArgs *imap_setmetadata_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapSetMetadataArgs) args = g_new0(ImapSetMetadataArgs, 1);

    args->entries = g_ptr_array_new_with_free_func(g_free);
    args->values = g_ptr_array_new_with_free_func(free_value);
    if (!imap_lexer_space(lexer, error))
        return NULL;
    args->mailbox = imap_lexer_mailbox(lexer, error);
    if (args->mailbox == NULL || !imap_lexer_space(lexer, error) ||
        !imap_lexer_list(lexer, "entries and values", FALSE, read_metadata_pair, args, error) ||
        !imap_lexer_end(lexer, error))
        return NULL;
    return g_steal_pointer(&args);
}
