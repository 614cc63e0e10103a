/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl export: an account's mail as files, with a bar.
 */
#include "ui/posternctl/archive.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    CtlArchive *archive;
    gint64 all, done; /* messages */
} Export;

static gboolean take_record(const CtlRecord *record, gpointer data, GError **error)
{
    Export *export = data;

    if (ctl_record_number(record, "Uid"))
        export->done++;
    else
        export->all += ctl_record_number(record, "Messages");
    if (export->all && export->done % 64 == 0)
        ctl_progress("Exporting", (double)export->done / (double)export->all);
    return ctl_archive_take(export->archive, record, error);
}

static void tell_exported(Ctl *ctl, GVariant *summary)
{
    gint64 messages = ctl_number(summary, "Messages"), known = ctl_number(summary, "Known");
    gint64 missing = ctl_number(summary, "Missing");

    if (ctl->json)
        ctl_print_json(g_variant_ref(summary), FALSE);
    else
        printf("%" G_GINT64_FORMAT " messages written, %" G_GINT64_FORMAT " were there already\n",
               messages - known - missing, known);
    if (missing)
        fprintf(stderr,
                "posternctl: %" G_GINT64_FORMAT " messages aren't here and can't be had now; do it "
                "again when the account is online\n",
                missing);
    ctl->failed = missing > 0;
}

static gboolean read_format(const char *name, CtlFormat *format, GError **error)
{
    *format = name && strcmp(name, "mbox") == 0 ? CTL_MBOX : CTL_MAILDIR;
    return !name || *format == CTL_MBOX || strcmp(name, "maildir") == 0 ||
           ctl_usage(error, "“%s” is no format: maildir or mbox", name);
}

static GVariant *export_parameters(char **folders, GVariant *have)
{
    GVariantBuilder options;

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    if (folders)
        g_variant_builder_add(&options, "{sv}", "Folders",
                              g_variant_new_strv((const char *const *)folders, -1));
    g_variant_builder_add(&options, "{sv}", "Have", have);
    return g_variant_new("(a{sv}h)", &options, 0);
}

gboolean cmd_export(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *name = NULL;
    g_auto(GStrv) folders = NULL;
    CtlFormat format;
    const GOptionEntry entries[] = {
        {"format", 0, 0, G_OPTION_ARG_STRING, &name, "maildir (if not said otherwise) or mbox",
         "FORMAT"},
        {"folder", 0, 0, G_OPTION_ARG_STRING_ARRAY, &folders,
         "Only this folder, or what matches it with * and ? (may be repeated)", "NAME"},
        {NULL}};
    if (!ctl_parse(ctl, &(CtlUsage){entries, 2, 2}, &argc, &argv, error) ||
        !read_format(name, &format, error))
        return FALSE;
    g_autoptr(CtlArchive) archive = ctl_archive_open(argv[2], format, error);
    GVariant *have = archive ? ctl_archive_have(archive, error) : NULL;
    CtlStream *stream =
        have ? ctl_stream_begin(ctl, argv[1], "Export", export_parameters(folders, have), error)
             : NULL;
    if (!stream)
        return FALSE;
    Export export = {.archive = archive};
    GError *failure = NULL;
    gboolean ok = ctl_stream_each(stream, take_record, &export, &failure);
    ctl_progress("Exporting", -1);
    g_autoptr(GVariant) summary = ctl_stream_end(stream, ok ? error : NULL);
    if (!ok)
        g_propagate_error(error, failure);
    if (!ok || !summary || !ctl_archive_close(archive, error))
        return FALSE;
    tell_exported(ctl, summary);
    return TRUE;
}
