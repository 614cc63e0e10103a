/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl import: sends the mail in files to the daemon, which puts what isn't there yet into
 * folders.
 */
#include "ui/posternctl/import.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    CtlStream *stream;
    guint64 all, done; /* bytes */
    guint too_large;
} Import;

/* Without its size it is a folder. */
static GBytes *describe(const ImportMessage *message, gboolean sized)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "Folder");
    json_builder_add_string_value(builder, message->folder);
    if (message->dated) {
        json_builder_set_member_name(builder, "Date");
        json_builder_add_int_value(builder, message->date);
        json_builder_set_member_name(builder, "Zone");
        json_builder_add_int_value(builder, message->zone);
    }
    json_builder_set_member_name(builder, "Flags");
    json_builder_begin_array(builder);
    for (guint i = 0; i < message->flags->len; i++)
        if (g_utf8_validate(message->flags->pdata[i], -1, NULL))
            json_builder_add_string_value(builder, message->flags->pdata[i]);
    json_builder_end_array(builder);
    if (sized) {
        json_builder_set_member_name(builder, "Size");
        json_builder_add_int_value(builder, (gint64)message->length);
    }
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, FALSE);
    char *line = g_strconcat(text, "\n", NULL);
    return g_bytes_new_take(line, strlen(line));
}

static gboolean send_message(const ImportMessage *message, gpointer data, GError **error)
{
    Import *import = data;
    GError *failure = NULL;

    if (message->length > IMPORT_SIZE_MAX) {
        import->too_large++;
        return TRUE;
    }
    g_autoptr(GBytes) line = describe(message, TRUE);
    if (ctl_stream_write(import->stream, g_bytes_get_data(line, NULL), g_bytes_get_size(line),
                         &failure) &&
        ctl_stream_write(import->stream, message->data, message->length, &failure))
        return TRUE;
    if (failure)
        g_propagate_error(error, failure);
    return FALSE;
}

/* A folder is made even where nothing is in it. */
static gboolean send_folder(Import *import, const char *folder, GError **error)
{
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    g_autoptr(GBytes) line = describe(&(ImportMessage){.folder = folder, .flags = none}, FALSE);

    return ctl_stream_write(import->stream, g_bytes_get_data(line, NULL), g_bytes_get_size(line),
                            error);
}

static gboolean read_sources(Import *import, const GPtrArray *sources, ImportQuoting quoting,
                             GError **error)
{
    const char *folder = "";

    for (guint i = 0; i < sources->len; i++) {
        const ImportSource *source = sources->pdata[i];
        if (strcmp(folder, source->folder) != 0 && !send_folder(import, source->folder, error))
            return FALSE;
        folder = source->folder;
        if (!(source->kind == IMPORT_MBOX
                  ? import_read_mbox(source, quoting, send_message, import, error)
                  : import_read_file(source, send_message, import, error)))
            return FALSE;
        import->done += source->size;
        if (import->all && (i % 64 == 0 || source->kind == IMPORT_MBOX))
            ctl_progress("Importing", (double)import->done / (double)import->all);
    }
    return TRUE;
}

static void tell_imported(Ctl *ctl, GVariant *summary, guint too_large)
{
    gint64 refused = ctl_number(summary, "Refused") + too_large;

    if (ctl->json)
        ctl_print_json(g_variant_ref(summary), FALSE);
    else
        printf("%" G_GINT64_FORMAT " messages imported, %" G_GINT64_FORMAT " were there already\n",
               ctl_number(summary, "Messages"), ctl_number(summary, "Known"));
    if (refused)
        fprintf(stderr,
                "posternctl: %" G_GINT64_FORMAT " can't be mail and were left out: they are empty, "
                "have a NUL in them, or more than 256 MiB\n",
                refused);
    ctl->failed = refused > 0;
}

static gboolean read_quoting(const char *name, ImportQuoting *quoting, GError **error)
{
    static const struct {
        const char *name;
        ImportQuoting quoting;
    } known[] = {{"mboxo", IMPORT_MBOXO},
                 {"mboxrd", IMPORT_MBOXRD},
                 {"mboxcl", IMPORT_MBOXRD},
                 {"mboxcl2", IMPORT_MBOXCL2}};

    *quoting = IMPORT_AUTO;
    for (guint i = 0; name && i < G_N_ELEMENTS(known); i++)
        if (strcmp(known[i].name, name) == 0)
            *quoting = known[i].quoting;
    return !name || *quoting != IMPORT_AUTO ||
           ctl_usage(error, "“%s” is no kind of mbox file: mboxo, mboxrd, mboxcl or mboxcl2", name);
}

static GVariant *import_parameters(void)
{
    GVariantBuilder options;

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&options, "{sv}", "Delimiter", g_variant_new_string(IMPORT_DELIMITER_S));
    return g_variant_new("(a{sv}h)", &options, 0);
}

gboolean cmd_import(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *folder = NULL, *mbox = NULL;
    ImportQuoting quoting;
    const GOptionEntry entries[] = {
        {"folder", 0, 0, G_OPTION_ARG_STRING, &folder, "Put it into this folder, and below it",
         "NAME"},
        {"mbox", 0, 0, G_OPTION_ARG_STRING, &mbox,
         "How mbox files are made, if it can't be seen: mboxo, mboxrd, mboxcl or mboxcl2", "KIND"},
        {NULL}};
    if (!ctl_parse(ctl, &(CtlUsage){entries, 2, 2}, &argc, &argv, error) ||
        !read_quoting(mbox, &quoting, error))
        return FALSE;
    g_autoptr(GPtrArray) sources = import_walk(argv[2], folder, error);
    Import import = {0};
    import.stream =
        sources ? ctl_stream_begin(ctl, argv[1], "Import", import_parameters(), error) : NULL;
    if (!import.stream)
        return FALSE;
    for (guint i = 0; i < sources->len; i++)
        import.all += ((const ImportSource *)sources->pdata[i])->size;
    GError *failure = NULL;
    gboolean ok = read_sources(&import, sources, quoting, &failure);
    ctl_progress("Importing", -1);
    g_autoptr(GVariant) summary = ctl_stream_end(import.stream, failure ? NULL : error);
    if (failure) {
        g_propagate_error(error, failure);
        return FALSE;
    }
    if (!summary)
        return FALSE;
    if (!ok)
        return ctl_fail(error, "posternd took only a part of it; do it again");
    tell_imported(ctl, summary, import.too_large);
    return TRUE;
}
