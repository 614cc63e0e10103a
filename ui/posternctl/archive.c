/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files that mail is exported to: which folder is where, and what their names mean. */
#include "ui/posternctl/archive-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Of one level of a folder's name; the rest of what a file system takes is for what stands around it. */
#define LEVEL_MAX 200

struct CtlArchive {
    char *dir;
    CtlFormat format;
    int lock;
    GHashTable *folders; /* name → ArchiveFolder */
    gboolean changed;    /* the index isn't as it should be */
};

static void archive_folder_free(ArchiveFolder *folder)
{
    g_free(folder->about.path);
    g_free(folder->about.name);
    g_free(folder->full);
    g_hash_table_unref(folder->files);
    g_ptr_array_unref(folder->keywords);
    if (folder->fd >= 0)
        close(folder->fd);
    g_free(folder);
}

/* ---- names ------------------------------------------------------------------------------------- */

/* A level of a folder's name as a file's: nothing that means something to a file system, or to a
 * Maildir or Thunderbird. */
static void append_level(GString *path, const char *level, gsize length)
{
    static const char *const taken[] = {
        "cur", "new", "tmp", CTL_ARCHIVE_INDEX, "dovecot-keywords", "postern-keywords"};
    gsize start = path->len;
    gboolean reserved = length >= 4 && g_ascii_strncasecmp(level + length - 4, ".sbd", 4) == 0;

    for (guint i = 0; i < G_N_ELEMENTS(taken); i++)
        reserved |= length == strlen(taken[i]) && strncmp(level, taken[i], length) == 0;
    for (gsize i = 0; i < length; i++) {
        gboolean plain = (guchar)level[i] >= 0x20 && level[i] != 0x7f && !strchr("/%", level[i]);
        if (!plain || (i == 0 && level[i] == '.') || (i + 1 == length && reserved))
            g_string_append_printf(path, "%%%02X", (guchar)level[i]);
        else
            g_string_append_c(path, level[i]);
    }
    if (length == 0)
        g_string_append(path, "%");
    if (path->len - start <= LEVEL_MAX)
        return;
    /* The index has the whole name. */
    g_autofree char *digest =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)level, length);
    g_string_truncate(path, start + LEVEL_MAX - 20);
    while (path->len > start && ((guchar)path->str[path->len - 1] & 0x80))
        g_string_truncate(path, path->len - 1);
    g_string_append_printf(path, "%%%.16s", digest);
}

/* "Archive/2024", or "Archive.sbd/2024" for mbox. */
static char *path_of(const char *name, char delimiter, CtlFormat format)
{
    GString *path = g_string_new(NULL);

    for (const char *at = name;;) {
        const char *end = delimiter ? strchr(at, delimiter) : NULL;
        append_level(path, at, end ? (gsize)(end - at) : strlen(at));
        if (!end)
            return g_string_free(path, FALSE);
        g_string_append(path, format == CTL_MBOX ? ".sbd/" : "/");
        at = end + 1;
    }
}

/* ---- the index --------------------------------------------------------------------------------- */

static void about_free(CtlArchiveFolder *about)
{
    g_free(about->path);
    g_free(about->name);
    g_free(about);
}

/* "maildir\tUIDVALIDITY\tDELIMITER\tPATH\tNAME", names escaped as in URLs. */
static CtlArchiveFolder *parse_line(const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, "\t", 5);

    if (g_strv_length(words) != 5)
        return NULL;
    CtlArchiveFolder *about = g_new0(CtlArchiveFolder, 1);
    about->format = strcmp(words[0], "mbox") == 0 ? CTL_MBOX : CTL_MAILDIR;
    about->uidvalidity = (guint32)g_ascii_strtoull(words[1], NULL, 10);
    about->delimiter = words[2][0];
    about->path = g_strdup(words[3]);
    about->name = g_uri_unescape_string(words[4], NULL);
    if (about->name && !g_path_is_absolute(about->path) && !strstr(about->path, ".."))
        return about;
    about_free(about);
    return NULL;
}

GPtrArray *ctl_archive_index(const char *dir, GError **error)
{
    g_autofree char *path = g_build_filename(dir, CTL_ARCHIVE_INDEX, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    GPtrArray *index = g_ptr_array_new_with_free_func((GDestroyNotify)about_free);

    if (!g_file_get_contents(path, &text, NULL, &failure)) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
            g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOTDIR))
            return index;
        g_propagate_error(error, g_steal_pointer(&failure));
        g_ptr_array_unref(index);
        return NULL;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        CtlArchiveFolder *about = parse_line(*line);
        if (about)
            g_ptr_array_add(index, about);
    }
    return index;
}

static gboolean write_index(CtlArchive *archive, GError **error)
{
    g_autofree char *path = g_build_filename(archive->dir, CTL_ARCHIVE_INDEX, NULL);
    g_autofree char *fresh = g_strconcat(path, ".new", NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    GHashTableIter iter;
    ArchiveFolder *folder;

    if (!archive->changed)
        return TRUE;
    g_hash_table_iter_init(&iter, archive->folders);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&folder)) {
        g_autofree char *name = g_uri_escape_string(folder->about.name, " /", TRUE);
        g_string_append_printf(text, "%s\t%u\t%.1s\t%s\t%s\n",
                               archive->format == CTL_MBOX ? "mbox" : "maildir",
                               folder->about.uidvalidity, (char[]){folder->about.delimiter, 0},
                               folder->about.path, name);
    }
    if (!g_file_set_contents(fresh, text->str, (gssize)text->len, error))
        return FALSE;
    if (g_rename(fresh, path) != 0)
        return archive_fail(path, error);
    archive->changed = FALSE;
    return TRUE;
}

/* ---- opening and closing ----------------------------------------------------------------------- */

static ArchiveFolder *add_folder(CtlArchive *archive, const char *name, char delimiter,
                                 guint32 uidvalidity, const char *path)
{
    ArchiveFolder *folder = g_new0(ArchiveFolder, 1);

    folder->about.name = g_strdup(name);
    folder->about.delimiter = delimiter;
    folder->about.uidvalidity = uidvalidity;
    folder->about.format = archive->format;
    folder->about.path = path ? g_strdup(path) : path_of(name, delimiter, archive->format);
    folder->full = g_build_filename(archive->dir, folder->about.path, NULL);
    folder->files = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    folder->keywords = g_ptr_array_new_with_free_func(g_free);
    folder->fd = -1;
    g_hash_table_replace(archive->folders, g_strdup(name), folder);
    return folder;
}

static gboolean scan(CtlArchive *archive, ArchiveFolder *folder, GError **error)
{
    if (folder->scanned)
        return TRUE;
    folder->scanned = TRUE;
    return archive->format == CTL_MBOX ? archive_mbox_scan(folder, error)
                                       : archive_maildir_scan(folder, error);
}

static gboolean read_index(CtlArchive *archive, GError **error)
{
    g_autoptr(GPtrArray) index = ctl_archive_index(archive->dir, error);

    for (guint i = 0; index && i < index->len; i++) {
        const CtlArchiveFolder *about = index->pdata[i];
        if (about->format != archive->format)
            return ctl_fail(error, "%s holds an export of another format; choose another folder",
                            archive->dir);
        add_folder(archive, about->name, about->delimiter, about->uidvalidity, about->path);
    }
    return index != NULL;
}

static gboolean take_lock(CtlArchive *archive, GError **error)
{
    archive->lock = open(archive->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (archive->lock < 0)
        return archive_fail(archive->dir, error);
    return flock(archive->lock, LOCK_EX | LOCK_NB) == 0 ||
           ctl_fail(error, "somebody else is exporting to %s; wait for that to end", archive->dir);
}

CtlArchive *ctl_archive_open(const char *dir, CtlFormat format, GError **error)
{
    g_autoptr(CtlArchive) archive = g_new0(CtlArchive, 1);

    archive->dir = g_canonicalize_filename(dir, NULL);
    archive->format = format;
    archive->lock = -1;
    archive->folders =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)archive_folder_free);
    if (g_mkdir_with_parents(archive->dir, 0700) != 0) {
        archive_fail(archive->dir, error);
        return NULL;
    }
    return take_lock(archive, error) && read_index(archive, error) ? g_steal_pointer(&archive)
                                                                   : NULL;
}

gboolean ctl_archive_close(CtlArchive *archive, GError **error)
{
    if (!write_index(archive, error))
        return FALSE;
    return syncfs(archive->lock) == 0 || archive_fail(archive->dir, error);
}

void ctl_archive_free(CtlArchive *archive)
{
    g_hash_table_unref(archive->folders);
    if (archive->lock >= 0)
        close(archive->lock);
    g_free(archive->dir);
    g_free(archive);
}

/* ---- what is there ----------------------------------------------------------------------------- */

static int compare_uids(gconstpointer a, gconstpointer b)
{
    guint32 first = *(const guint32 *)a, second = *(const guint32 *)b;
    return (first > second) - (first < second);
}

/* "17 1:5,8" */
static char *uids_there(const ArchiveFolder *folder)
{
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    GString *text = g_string_new(NULL);
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, folder->files);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        guint32 uid = GPOINTER_TO_UINT(key);
        g_array_append_val(uids, uid);
    }
    g_array_sort(uids, compare_uids);
    g_string_append_printf(text, "%u ", folder->about.uidvalidity);
    for (guint i = 0, end; i < uids->len; i = end) {
        guint32 first = g_array_index(uids, guint32, i);
        for (end = i + 1;
             end < uids->len && g_array_index(uids, guint32, end) == first + (end - i);)
            end++;
        g_string_append_printf(text, "%s%u", i ? "," : "", first);
        if (end - i > 1)
            g_string_append_printf(text, ":%u", first + (end - i) - 1);
    }
    return g_string_free(text, FALSE);
}

GVariant *ctl_archive_have(CtlArchive *archive, GError **error)
{
    GVariantBuilder have;
    GHashTableIter iter;
    ArchiveFolder *folder;

    g_variant_builder_init(&have, G_VARIANT_TYPE("a{ss}"));
    g_hash_table_iter_init(&iter, archive->folders);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&folder)) {
        if (!scan(archive, folder, error)) {
            g_variant_builder_clear(&have);
            return NULL;
        }
        g_autofree char *uids = uids_there(folder);
        if (g_hash_table_size(folder->files))
            g_variant_builder_add(&have, "{ss}", folder->about.name, uids);
    }
    return g_variant_builder_end(&have);
}

/* ---- records ----------------------------------------------------------------------------------- */

/* The folder that a record is about, made and scanned. After another UIDVALIDITY its UIDs mean other
 * messages: what is there stays, and counts for nothing. */
static ArchiveFolder *folder_of(CtlArchive *archive, const CtlRecord *record, GError **error)
{
    const char *name = ctl_record_text(record, "Folder");
    guint32 uidvalidity = (guint32)ctl_record_number(record, "UidValidity");
    ArchiveFolder *folder = g_hash_table_lookup(archive->folders, name);

    if (!folder || folder->about.uidvalidity != uidvalidity) {
        g_autofree char *path = folder ? g_strdup(folder->about.path) : NULL;
        folder =
            add_folder(archive, name, ctl_record_text(record, "Delimiter")[0], uidvalidity, path);
        archive->changed = TRUE;
    }
    return scan(archive, folder, error) && write_index(archive, error) ? folder : NULL;
}

gboolean ctl_archive_take(CtlArchive *archive, const CtlRecord *record, GError **error)
{
    ArchiveFolder *folder = folder_of(archive, record, error);

    if (!folder || !ctl_record_number(record, "Uid"))
        return folder != NULL;
    return archive->format == CTL_MBOX ? archive_mbox_take(folder, record, error)
                                       : archive_maildir_take(folder, record, error);
}
