/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Finds mail below a directory: Maildirs (Maildir++ as well), mbox files, folders of EML files,
 * Thunderbird's profiles and folders (X.sbd, X.msf), Apple Mail's X.mbox/mbox, and what 'export' wrote.
 * Links to directories aren't followed.
 */
#include "ui/posternctl/archive.h"
#include "ui/posternctl/import.h"

#include "daemon/proto/imap/mailbox-name.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEEP_MAX 50

typedef struct {
    GPtrArray *sources;
    guint depth;
} Walk;

static gboolean walk_dir(Walk *walk, const char *dir, const char *folder, GError **error);

static void source_free(ImportSource *source)
{
    g_free(source->path);
    g_free(source->folder);
    g_free(source->more);
    g_clear_pointer(&source->keywords, g_ptr_array_unref);
    g_free(source);
}

static ImportSource *add_source(Walk *walk, ImportKind kind, const char *path, const char *folder)
{
    ImportSource *source = g_new0(ImportSource, 1);
    struct stat file;

    source->kind = kind;
    source->path = g_strdup(path);
    source->folder = g_strdup(folder);
    source->size = stat(path, &file) == 0 ? (guint64)file.st_size : 0;
    g_ptr_array_add(walk->sources, source);
    return source;
}

static gboolean is_dir(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static gboolean has(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static gboolean is_maildir(const char *dir)
{
    g_autofree char *cur = g_build_filename(dir, "cur", NULL);
    return is_dir(cur);
}

static gboolean begins_with_from(const char *path)
{
    char start[5];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    gboolean found = fd >= 0 && read(fd, start, sizeof start) == sizeof start &&
                     memcmp(start, "From ", sizeof start) == 0;

    if (fd >= 0)
        close(fd);
    return found;
}

/* "X" below "A". */
static char *below(const char *folder, const char *level)
{
    return *folder ? g_strconcat(folder, IMPORT_DELIMITER_S, level, NULL) : g_strdup(level);
}

static char *without_suffix(const char *name, const char *suffix)
{
    gsize length = strlen(name), tail = strlen(suffix);
    gboolean has_it = length > tail && g_ascii_strcasecmp(name + length - tail, suffix) == 0;
    return g_strndup(name, has_it ? length - tail : length);
}

static gboolean ends_with(const char *name, const char *suffix)
{
    gsize length = strlen(name), tail = strlen(suffix);
    return length > tail && g_ascii_strcasecmp(name + length - tail, suffix) == 0;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in it, sorted. */
static GPtrArray *list_dir(const char *dir, GError **error)
{
    g_autoptr(GDir) listing = g_dir_open(dir, 0, error);
    GPtrArray *names = listing ? g_ptr_array_new_with_free_func(g_free) : NULL;

    for (const char *name; listing && (name = g_dir_read_name(listing));)
        g_ptr_array_add(names, g_strdup(name));
    if (names)
        g_ptr_array_sort(names, compare_names);
    return names;
}

/* ---- Maildirs ---------------------------------------------------------------------------------- */

/* "0 Work\n1 Junk\n" */
static GPtrArray *read_keywords(const char *dir)
{
    g_autofree char *path = g_build_filename(dir, "dovecot-keywords", NULL);
    g_autofree char *text = NULL;
    GPtrArray *keywords = g_ptr_array_new_with_free_func(g_free);

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return keywords;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        const char *space = strchr(*line, ' ');
        guint64 number = g_ascii_strtoull(*line, NULL, 10);
        if (!space || number >= 26)
            continue;
        while (keywords->len <= number)
            g_ptr_array_add(keywords, NULL);
        g_free(keywords->pdata[number]);
        keywords->pdata[number] = g_strdup(space + 1);
    }
    return keywords;
}

/* Of an export: the keywords that have no letter, by the name of the file. */
static GHashTable *read_more(const char *dir)
{
    g_autofree char *path = g_build_filename(dir, "postern-keywords", NULL);
    g_autofree char *text = NULL;
    GHashTable *more = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return more;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char *tab = strchr(*line, '\t');
        if (tab)
            g_hash_table_replace(more, g_strndup(*line, (gsize)(tab - *line)), g_strdup(tab + 1));
    }
    return more;
}

static gboolean add_maildir(Walk *walk, const char *dir, const char *folder, GError **error)
{
    static const char *const parts[] = {"cur", "new"};
    g_autoptr(GPtrArray) keywords = read_keywords(dir);
    g_autoptr(GHashTable) more = read_more(dir);

    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *part = g_build_filename(dir, parts[i], NULL);
        g_autoptr(GPtrArray) names = is_dir(part) ? list_dir(part, error) : g_ptr_array_new();
        if (!names)
            return FALSE;
        for (guint k = 0; k < names->len; k++) {
            const char *name = names->pdata[k];
            if (*name == '.')
                continue;
            g_autofree char *path = g_build_filename(part, name, NULL);
            g_auto(GStrv) halves = g_strsplit(name, ":2,", 2);
            ImportSource *source = add_source(walk, IMPORT_FILE, path, folder);
            source->keywords = g_ptr_array_ref(keywords);
            source->more = g_strdup(g_hash_table_lookup(more, halves[0]));
        }
    }
    return TRUE;
}

/* ".Lists.Deep" beside cur: levels separated by dots, in modified UTF-7. */
static char *maildirpp_name(const char *name)
{
    char *decoded = imap_name_from_wire(name + 1, strlen(name + 1));
    char *levels = decoded ? decoded : g_strdup(name + 1);
    return g_strdelimit(levels, ".", IMPORT_DELIMITER);
}

static gboolean add_maildir_tree(Walk *walk, const char *dir, const char *folder, GError **error)
{
    g_autoptr(GPtrArray) names = list_dir(dir, error);

    if (!names || !add_maildir(walk, dir, folder, error))
        return FALSE;
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autofree char *path = g_build_filename(dir, name, NULL);
        if (*name != '.' || !name[1] || !is_maildir(path))
            continue;
        g_autofree char *levels = maildirpp_name(name);
        gboolean is_inbox = g_ascii_strcasecmp(folder, "INBOX") == 0;
        g_autofree char *whole = is_inbox ? g_strdup(levels) : below(folder, levels);
        if (!add_maildir(walk, path, whole, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- trees ------------------------------------------------------------------------------------- */

/* What Thunderbird has beside mail, and others do. */
static gboolean is_beside_mail(const char *name)
{
    static const char *const endings[] = {".msf",    ".dat", ".html", ".json",
                                          ".sqlite", ".log", ".js",   "~"};

    for (guint i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(name, endings[i]))
            return TRUE;
    return *name == '.';
}

static void take_plain_file(Walk *walk, const char *dir, const char *name, const char *folder)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *index = g_strconcat(name, ".msf", NULL);
    g_autofree char *level = without_suffix(name, ".mbox");
    g_autofree char *target = below(folder, level);

    if (ends_with(name, ".eml"))
        add_source(walk, IMPORT_FILE, path, folder);
    else if (begins_with_from(path) || has(dir, index))
        add_source(walk, IMPORT_MBOX, path, target);
}

static gboolean take_dir(Walk *walk, const char *dir, const char *name, const char *folder,
                         GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *level = without_suffix(name, ends_with(name, ".sbd") ? ".sbd" : ".mbox");
    g_autofree char *target = below(folder, level);
    g_autofree char *apple = g_build_filename(path, "mbox", NULL);

    if (ends_with(name, ".mbox") && begins_with_from(apple)) {
        add_source(walk, IMPORT_MBOX, apple, target);
        return TRUE;
    }
    return walk_dir(walk, path, target, error);
}

/* A profile of Thunderbird's: only where mail is. */
static gboolean is_wanted(const char *dir, const char *name)
{
    return !has(dir, "prefs.js") || strcmp(name, "Mail") == 0 || strcmp(name, "ImapMail") == 0;
}

static gboolean take_entries(Walk *walk, const char *dir, const char *folder, GError **error)
{
    g_autoptr(GPtrArray) names = list_dir(dir, error);

    for (guint i = 0; names && i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autofree char *path = g_build_filename(dir, name, NULL);
        if (is_beside_mail(name) || !is_wanted(dir, name))
            continue;
        if (!is_dir(path))
            take_plain_file(walk, dir, name, folder);
        else if (!g_str_equal(name, "cur") && !g_str_equal(name, "new") &&
                 !g_str_equal(name, "tmp") && !take_dir(walk, dir, name, folder, error))
            return FALSE;
    }
    return names != NULL;
}

static gboolean walk_dir(Walk *walk, const char *dir, const char *folder, GError **error)
{
    if (walk->depth == DEEP_MAX)
        return ctl_fail(error, "%s: folders are nested too deep", dir);
    walk->depth++;
    gboolean ok = (!is_maildir(dir) || add_maildir_tree(walk, dir, folder, error)) &&
                  take_entries(walk, dir, folder, error);
    walk->depth--;
    return ok;
}

/* ---- what 'export' wrote ----------------------------------------------------------------------- */

static gboolean take_index(Walk *walk, const char *dir, const GPtrArray *index, const char *folder,
                           GError **error)
{
    for (guint i = 0; i < index->len; i++) {
        const CtlArchiveFolder *about = index->pdata[i];
        g_autofree char *path = g_build_filename(dir, about->path, NULL);
        g_autofree char *levels = g_strdup(about->name);
        for (char *at = levels; about->delimiter && *at; at++)
            if (*at == about->delimiter)
                *at = IMPORT_DELIMITER;
        g_autofree char *target = below(folder, levels);
        if (about->format == CTL_MBOX)
            add_source(walk, IMPORT_MBOX, path, target);
        else if (!add_maildir(walk, path, target, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* What the mail that lies at the top itself belongs to. */
static char *own_name(const char *path, const char *folder)
{
    g_autofree char *full = g_canonicalize_filename(path, NULL);
    g_autofree char *name = g_path_get_basename(full);

    if (folder)
        return g_strdup(folder);
    if (g_ascii_strcasecmp(name, "Maildir") == 0 || g_ascii_strcasecmp(name, ".maildir") == 0)
        return g_strdup("INBOX");
    return without_suffix(name, ".mbox");
}

/* Sources at the top have no name yet. */
static void name_top(Walk *walk, const char *path, const char *folder)
{
    for (guint i = 0; i < walk->sources->len; i++) {
        ImportSource *source = walk->sources->pdata[i];
        if (*source->folder)
            continue;
        g_free(source->folder);
        source->folder = own_name(path, folder);
    }
}

static gboolean walk_file(Walk *walk, const char *path, const char *folder, GError **error)
{
    gboolean mbox = begins_with_from(path);
    g_autofree char *name = own_name(path, folder);

    if (!mbox && !folder)
        return ctl_usage(
            error, "%s is a single message: say which folder it goes to, with --folder", path);
    add_source(walk, mbox ? IMPORT_MBOX : IMPORT_FILE, path, name);
    return TRUE;
}

static gboolean walk_top(Walk *walk, const char *path, const char *folder, GError **error)
{
    g_autoptr(GPtrArray) index = ctl_archive_index(path, error);
    g_autofree char *name = own_name(path, folder);
    const char *top = folder ? folder : "";

    if (!index)
        return FALSE;
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return ctl_fail(error, "there is no %s", path);
    if (!g_file_test(path, G_FILE_TEST_IS_DIR))
        return walk_file(walk, path, folder, error);
    if (index->len)
        return take_index(walk, path, index, top, error);
    /* A Maildir's own folders are beside it, not below. */
    if (is_maildir(path) && !folder)
        return add_maildir_tree(walk, path, name, error) && take_entries(walk, path, "", error);
    return walk_dir(walk, path, top, error);
}

GPtrArray *import_walk(const char *path, const char *folder, GError **error)
{
    g_autoptr(GPtrArray) sources = g_ptr_array_new_with_free_func((GDestroyNotify)source_free);
    Walk walk = {.sources = sources};

    if (!walk_top(&walk, path, folder, error))
        return NULL;
    name_top(&walk, path, folder);
    if (sources->len)
        return g_steal_pointer(&sources);
    ctl_fail(error, "there is no mail in %s: no Maildir, no mbox file, no .eml file", path);
    return NULL;
}
