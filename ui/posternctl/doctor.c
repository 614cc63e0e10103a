/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl doctor: what is wrong, and how to mend it.
 */
#include "ui/posternctl/doctor.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static const char *const state_words[] = {"ok", "warning", "bad"};

/* ---- what a report leaves out -------------------------------------------------------------- */

/* Words that tell whose mail it is, each with what stands in its place: pairs of char *. */
typedef struct {
    GPtrArray *words, *instead;
} Secrets;

static void secrets_add(Secrets *secrets, const char *word, const char *instead)
{
    if (strlen(word) < 2)
        return;
    g_ptr_array_add(secrets->words, g_strdup(word));
    g_ptr_array_add(secrets->instead, g_strdup(instead));
}

static void add_folders(Secrets *secrets, Ctl *ctl, const char *id)
{
    g_autoptr(GVariant) answer = ctl_account_call(ctl, id, "ListFolders", NULL, NULL);
    g_autoptr(GVariant) folders = answer ? g_variant_get_child_value(answer, 0) : NULL;

    for (gsize i = 0; folders && i < g_variant_n_children(folders); i++) {
        g_autoptr(GVariant) folder = g_variant_get_child_value(folders, i);
        if (strcmp(ctl_string(folder, "Name"), "INBOX") != 0)
            secrets_add(secrets, ctl_string(folder, "Name"), "FOLDER");
    }
}

static void add_account_words(Secrets *secrets, Ctl *ctl, GVariant *account, guint number)
{
    const char *address = ctl_string(account, "Address"), *at = strrchr(address, '@');
    g_autofree char *local = at ? g_strndup(address, (gsize)(at - address)) : g_strdup("");
    g_autofree char *instead = g_strdup_printf("ACCOUNT-%u", number);
    g_autoptr(GVariant) settings = ctl_child(account, "Settings");

    add_folders(secrets, ctl, ctl_string(account, "Id"));
    secrets_add(secrets, address, "ADDRESS");
    if (settings) {
        secrets_add(secrets, ctl_string(settings, "user"), "USER");
        secrets_add(secrets, ctl_string(settings, "outgoing-user"), "USER");
        secrets_add(secrets, ctl_string(settings, "name"), "NAME");
    }
    secrets_add(secrets, local, "USER");
    secrets_add(secrets, ctl_string(account, "Id"), instead);
}

/* The longest of the words at `text`: its length, and its place in the list. */
static gsize word_at(const Secrets *secrets, const char *text, guint *place)
{
    gsize longest = 0;

    for (guint i = 0; i < secrets->words->len; i++) {
        const char *word = secrets->words->pdata[i];
        gsize length = strlen(word);
        if (length > longest && g_ascii_strncasecmp(text, word, length) == 0) {
            longest = length;
            *place = i;
        }
    }
    return longest;
}

/* A character of an address beside its @. */
static gboolean is_address_char(char c)
{
    return g_ascii_isalnum(c) || (guchar)c >= 0x80 || strchr("!#$%&'*+-/=?^_`{|}~.", c);
}

/* Other addresses than the accounts' own, such as recipients'. */
static char *without_addresses(const char *text)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (const char *c = text; *c; c++) {
        if (*c != '@') {
            g_string_append_c(out, *c);
            continue;
        }
        while (out->len && is_address_char(out->str[out->len - 1]))
            g_string_truncate(out, out->len - 1);
        g_string_append(out, "ADDRESS");
        while (c[1] && is_address_char(c[1]))
            c++;
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static void conceal(const Secrets *secrets, char **text)
{
    g_autoptr(GString) out = g_string_new(NULL);
    guint place = 0;

    if (!*text)
        return;
    g_autofree char *plain = without_addresses(*text);
    for (const char *c = plain; *c;) {
        gsize length = word_at(secrets, c, &place);
        if (length)
            g_string_append(out, secrets->instead->pdata[place]);
        else
            g_string_append_c(out, *c);
        c += MAX(length, 1);
    }
    g_free(*text);
    *text = g_string_free(g_steal_pointer(&out), FALSE);
}

static void conceal_all(GPtrArray *findings, Ctl *ctl, const GPtrArray *accounts)
{
    Secrets secrets = {g_ptr_array_new_with_free_func(g_free),
                       g_ptr_array_new_with_free_func(g_free)};

    secrets_add(&secrets, g_get_home_dir(), "~");
    secrets_add(&secrets, g_get_user_name(), "USER");
    secrets_add(&secrets, g_get_host_name(), "HOST");
    for (guint i = 0; accounts && i < accounts->len; i++)
        add_account_words(&secrets, ctl, accounts->pdata[i], i + 1);
    for (guint i = 0; i < findings->len; i++) {
        DoctorFinding *found = findings->pdata[i];
        conceal(&secrets, &found->about);
        conceal(&secrets, &found->text);
        conceal(&secrets, &found->remedy);
    }
    g_ptr_array_unref(secrets.words);
    g_ptr_array_unref(secrets.instead);
}

/* What a bug report says first. */
static void add_versions(GPtrArray *findings)
{
    g_autofree char *system = g_get_os_info(G_OS_INFO_KEY_PRETTY_NAME);
    struct utsname name = {0};

    uname(&name);
    doctor_find(findings, DOCTOR_WELL, "versions", NULL,
                "posternctl %s, GLib %u.%u.%u, %s, %s %s %s", POSTERN_VERSION, glib_major_version,
                glib_minor_version, glib_micro_version, system ? system : "an unknown system",
                name.sysname, name.release, name.machine);
}

/* ---- the command --------------------------------------------------------------------------- */

/* All that there is to look at. `accounts`: as the daemon has them; NULL: it can't be asked. */
static GPtrArray *look(Ctl *ctl, GPtrArray **accounts)
{
    GPtrArray *findings = doctor_findings_new();
    g_autoptr(GError) failure = NULL;
    g_autoptr(GVariant) manager = ctl_manager_properties(ctl, &failure);

    *accounts = manager ? ctl_accounts(ctl, &failure) : NULL;
    doctor_look_at_files(findings, manager);
    if (!*accounts) {
        doctor_find(findings, DOCTOR_BAD, "daemon",
                    "start it in a terminal, where it says what is wrong: posternd", "%s",
                    failure->message);
        return findings;
    }
    doctor_look_at_daemon(findings, ctl, manager);
    for (guint i = 0; i < (*accounts)->len; i++)
        doctor_look_at_account(findings, ctl, (*accounts)->pdata[i]);
    return findings;
}

/* Does what can be done safely; what can't is said there. */
static void mend(Ctl *ctl, GPtrArray *findings)
{
    for (guint i = 0; i < findings->len; i++) {
        DoctorFinding *found = findings->pdata[i];
        g_autoptr(GError) failure = NULL;
        if (!found->fix)
            continue;
        g_autofree char *before = g_steal_pointer(&found->text);
        gboolean mended = found->fix(ctl, found->argument, &failure);
        found->text = mended ? g_strdup_printf("mended: %s", before)
                             : g_strdup_printf("%s (%s)", before, failure->message);
        found->state = mended ? DOCTOR_WELL : found->state;
        if (mended)
            g_clear_pointer(&found->remedy, g_free);
    }
}

static void print_findings(const GPtrArray *findings)
{
    for (guint i = 0; i < findings->len; i++) {
        const DoctorFinding *found = findings->pdata[i];
        g_autofree char *about = ctl_escape(found->about), *text = ctl_escape(found->text);
        g_autofree char *remedy = found->remedy ? ctl_escape(found->remedy) : NULL;
        printf("%-8s %s: %s\n", state_words[found->state], about, text);
        if (remedy)
            printf("         → %s\n", remedy);
    }
}

static void print_json(const GPtrArray *findings)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < findings->len; i++) {
        const DoctorFinding *found = findings->pdata[i];
        g_variant_builder_open(&list, G_VARIANT_TYPE("a{sv}"));
        g_variant_builder_add(&list, "{sv}", "About", g_variant_new_string(found->about));
        g_variant_builder_add(&list, "{sv}", "State",
                              g_variant_new_string(state_words[found->state]));
        g_variant_builder_add(&list, "{sv}", "Text", g_variant_new_string(found->text));
        g_variant_builder_add(&list, "{sv}", "Remedy",
                              g_variant_new_string(found->remedy ? found->remedy : ""));
        g_variant_builder_close(&list);
    }
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_builder_end(&list));
    ctl_print_json(value, FALSE);
}

static gboolean is_any_bad(const GPtrArray *findings)
{
    for (guint i = 0; i < findings->len; i++)
        if (((const DoctorFinding *)findings->pdata[i])->state == DOCTOR_BAD)
            return TRUE;
    return FALSE;
}

gboolean cmd_doctor(Ctl *ctl, int argc, char **argv, GError **error)
{
    gboolean fix = FALSE, report = FALSE;
    const GOptionEntry entries[] = {
        {"fix", 0, 0, G_OPTION_ARG_NONE, &fix, "Do what is safe to do", NULL},
        {"report", 0, 0, G_OPTION_ARG_NONE, &report,
         "For a bug report: with versions, without addresses and names", NULL},
        {NULL}};
    g_autoptr(GPtrArray) accounts = NULL;

    if (!ctl_parse(ctl, &(CtlUsage){entries, 0, 0}, &argc, &argv, error))
        return FALSE;
    ctl->no_start = TRUE; /* who looks what is wrong wants to see it as it is */
    g_autoptr(GPtrArray) findings = look(ctl, &accounts);
    if (fix)
        mend(ctl, findings);
    if (report) {
        add_versions(findings);
        conceal_all(findings, ctl, accounts);
    }
    if (ctl->json)
        print_json(findings);
    else
        print_findings(findings);
    ctl->failed = is_any_bad(findings);
    return TRUE;
}
