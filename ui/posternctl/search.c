/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl search: what is found is printed as it comes, or written to files.
 */
#include "ui/posternctl/archive.h"

#include <stdio.h>
#include <string.h>

enum { FLAGS, DATE, FROM, SUBJECT, FOLDER, COLUMNS };

typedef struct {
    Ctl *ctl;
    CtlArchive *archive; /* NULL: they are listed */
    CtlStream *stream;   /* that they come from */
    int widths[COLUMNS];
    gboolean fits; /* to a line of that width */
    guint count;
} Listing;

/* Columns of a list whose rows aren't known yet: who and about what share what is left. */
static void choose_widths(Listing *listing)
{
    int line = ctl_line_width();
    int left = MAX(line - 3 - 10 - 2 * (COLUMNS - 1), 12);

    listing->fits = line > 0;
    listing->widths[FLAGS] = 3;
    listing->widths[DATE] = 10;
    listing->widths[FROM] = left / 4;
    listing->widths[FOLDER] = MIN(left / 4, 20);
    listing->widths[SUBJECT] = left - listing->widths[FROM] - listing->widths[FOLDER];
}

/* "NFA": new, flagged, answered. */
static void append_marks(const CtlRecord *record, char *marks)
{
    g_autofree const char **flags = ctl_record_flags(record);

    if (!g_strv_contains(flags, "\\Seen"))
        *marks++ = 'N';
    if (g_strv_contains(flags, "\\Flagged"))
        *marks++ = 'F';
    if (g_strv_contains(flags, "\\Answered"))
        *marks++ = 'A';
    *marks = '\0';
}

static void print_found(const Listing *listing, const CtlRecord *record)
{
    g_autoptr(GDateTime) when = g_date_time_new_from_unix_local(ctl_record_number(record, "Date"));
    g_autofree char *date = when ? g_date_time_format(when, "%Y-%m-%d") : g_strdup("");
    char marks[4];

    append_marks(record, marks);
    const char *cells[COLUMNS] = {[FLAGS] = marks,
                                  [DATE] = date,
                                  [FROM] = ctl_record_text(record, "From"),
                                  [SUBJECT] = ctl_record_text(record, "Subject"),
                                  [FOLDER] = ctl_record_text(record, "Folder")};
    ctl_print_row(listing->fits ? listing->widths : NULL, COLUMNS, cells);
}

/* One document: an array, whose items come one by one. */
static void print_found_json(const Listing *listing, const CtlRecord *record)
{
    gsize length;
    const char *line = g_bytes_get_data(record->line, &length);
    g_autofree char *text = g_strndup(line, length);
    g_autofree char *safe = ctl_escape(text);

    printf("%s%s", listing->count ? ",\n" : "[\n", safe);
}

static gboolean take_found(Listing *listing, const CtlRecord *record, GError **error)
{
    if (listing->archive)
        return ctl_archive_take(listing->archive, record, error);
    if (listing->ctl->json)
        print_found_json(listing, record);
    else
        print_found(listing, record);
    return !ferror(stdout) || ctl_fail(error, "the output can't be written");
}

static gboolean take_and_flush(const CtlRecord *record, gpointer data, GError **error)
{
    Listing *listing = data;
    gboolean ok = take_found(listing, record, error);

    listing->count++;
    if (!ctl_stream_is_ready(listing->stream))
        fflush(stdout);
    return ok;
}

/* What isn't in the answer is said. */
static void tell_rest(Ctl *ctl, const Listing *listing, GVariant *summary)
{
    gint64 unsearched = ctl_number(summary, "Unsearched"), missing = ctl_number(summary, "Missing");

    if (ctl->json && !listing->archive)
        printf(listing->count ? "\n]\n" : "[]\n");
    else if (ctl->json)
        ctl_print_json(g_variant_ref(summary), FALSE);
    else if (listing->archive)
        printf("%u messages found\n", listing->count);
    else if (!listing->count)
        ctl_nothing(ctl, "Nothing was found.");
    if (unsearched)
        fprintf(stderr,
                "posternctl: %" G_GINT64_FORMAT " messages aren't here and can't be had now: they "
                "were not searched\n",
                unsearched);
    if (missing)
        fprintf(stderr,
                "posternctl: %" G_GINT64_FORMAT " messages aren't here and can't be had now: they "
                "were not written\n",
                missing);
    ctl->failed = unsearched || missing;
}

static GVariant *search_parameters(char **words, gboolean content)
{
    GVariantBuilder options;

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    if (content)
        g_variant_builder_add(&options, "{sv}", "Content", g_variant_new_boolean(TRUE));
    return g_variant_new("(^asa{sv}h)", words, &options, 0);
}

gboolean cmd_search(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *dir = NULL;
    const GOptionEntry entries[] = {{"export", 0, 0, G_OPTION_ARG_FILENAME, &dir,
                                     "Write what is found into Maildirs there", "DIR"},
                                    {NULL}};
    if (!ctl_parse(ctl, &(CtlUsage){entries, 1, -1}, &argc, &argv, error))
        return FALSE;
    Listing listing = {.ctl = ctl};
    g_autoptr(CtlArchive) archive = dir ? ctl_archive_open(dir, CTL_MAILDIR, error) : NULL;
    if (dir && !archive)
        return FALSE;
    listing.archive = archive;
    choose_widths(&listing);
    CtlStream *stream =
        ctl_stream_begin(ctl, argv[1], "Search", search_parameters(argv + 2, dir != NULL), error);
    if (!stream)
        return FALSE;
    GError *failure = NULL;
    listing.stream = stream;
    gboolean ok = ctl_stream_each(stream, take_and_flush, &listing, &failure);
    g_autoptr(GVariant) summary = ctl_stream_end(stream, ok ? error : NULL);
    if (!ok)
        g_propagate_error(error, failure);
    if (!ok || !summary || (archive && !ctl_archive_close(archive, error)))
        return FALSE;
    tell_rest(ctl, &listing, summary);
    return TRUE;
}
