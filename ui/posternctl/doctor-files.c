/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl doctor: the configuration, the data directory, the disk, the local certificate.
 */
#include "ui/posternctl/doctor.h"

#include "daemon/config/config.h"
#include "daemon/config/paths.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Below these a disk is nearly full, or as good as full. */
#define LITTLE_ROOM (512 * 1024 * 1024ULL)
#define NO_ROOM     (32 * 1024 * 1024ULL)

static gboolean make_private(Ctl *ctl, const char *path, GError **error)
{
    if (chmod(path, g_file_test(path, G_FILE_TEST_IS_DIR) ? 0700 : 0600) == 0)
        return TRUE;
    return ctl_fail(error, "%s can't be made private: %s", path, g_strerror(errno));
}

/* Whether nobody but the user can read or write it; a finding where others can. What isn't there is as
 * private as can be. */
static gboolean check_private(GPtrArray *findings, const char *about, const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0 || (status.st_mode & 0077) == 0)
        return TRUE;
    g_autofree char *quoted = g_shell_quote(path);
    g_autofree char *remedy = g_strdup_printf("chmod go= %s", quoted);
    doctor_find(findings, DOCTOR_WARNING, about, remedy, "others on this machine can look into %s",
                path);
    doctor_can_fix(findings, make_private, path);
    return FALSE;
}

static void check_accounts(GPtrArray *findings, const Config *config)
{
    for (guint i = 0; i < config->warnings->len; i++)
        doctor_find(findings, DOCTOR_WARNING, "configuration",
                    "correct the line; postern.conf(5) explains it", "%s",
                    (char *)config->warnings->pdata[i]);
    for (guint i = 0; i < config->accounts->len; i++) {
        const ConfigAccount *account = config->accounts->pdata[i];
        if (account->error)
            doctor_find(findings, DOCTOR_BAD, "configuration",
                        "correct the line, then 'posternctl sync'", "%s", account->error);
    }
    if (config->accounts->len == 0)
        doctor_find(findings, DOCTOR_WARNING, "configuration", "posternctl account add ADDRESS",
                    "there is no account yet");
}

static void check_config(GPtrArray *findings, const char *path)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(Config) config = config_load(path, &failure);

    if (!config) {
        doctor_find(findings, DOCTOR_BAD, "configuration",
                    "correct it; postern.conf(5) explains the file", "%s", failure->message);
        return;
    }
    guint before = findings->len;
    check_accounts(findings, config);
    if (check_private(findings, "configuration", path) && findings->len == before)
        doctor_find(findings, DOCTOR_WELL, "configuration", NULL, "%s", path);
}

static void check_disk(GPtrArray *findings, const char *directory)
{
    struct statvfs disk;

    if (statvfs(directory, &disk) < 0)
        return;
    guint64 left = (guint64)disk.f_bavail * disk.f_frsize;
    g_autofree char *size = ctl_size(left);
    if (disk.f_flag & ST_RDONLY)
        doctor_find(findings, DOCTOR_BAD, "disk", "mount it for writing",
                    "the disk that holds %s can only be read", directory);
    else if (left < LITTLE_ROOM)
        doctor_find(findings, left < NO_ROOM ? DOCTOR_BAD : DOCTOR_WARNING, "disk",
                    "make room, or keep less: 'posternctl account set ID prefetch=90d'",
                    "%s are left on the disk that holds %s", size, directory);
    else
        doctor_find(findings, DOCTOR_WELL, "disk", NULL, "%s are left", size);
}

/* Clients see this one; the daemon makes another a while before it ends. */
static void check_certificate(GPtrArray *findings, const char *directory)
{
    g_autofree char *path = g_build_filename(directory, "tls", "certificate.pem", NULL);
    g_autoptr(GError) failure = NULL;

    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return;
    g_autoptr(GTlsCertificate) certificate = g_tls_certificate_new_from_file(path, &failure);
    g_autoptr(GDateTime) begin =
        certificate ? g_tls_certificate_get_not_valid_before(certificate) : NULL;
    g_autoptr(GDateTime) end =
        certificate ? g_tls_certificate_get_not_valid_after(certificate) : NULL;
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *date = end ? g_date_time_format(end, "%F") : NULL;
    if (failure)
        doctor_find(findings, DOCTOR_BAD, "certificate",
                    "move it away; posternd makes another when it starts", "%s can't be read: %s",
                    path, failure->message);
    else if (begin && g_date_time_compare(now, begin) < 0)
        doctor_find(findings, DOCTOR_BAD, "clock", "timedatectl set-ntp true",
                    "Postern's own certificate isn't valid yet: this machine's clock is behind");
    else if (end && g_date_time_compare(now, end) > 0)
        doctor_find(findings, DOCTOR_BAD, "certificate", "restart posternd, which makes another",
                    "Postern's own certificate ended on %s", date);
    else
        doctor_find(findings, DOCTOR_WELL, "certificate", NULL, "Postern's own is good until %s",
                    date ? date : "an unknown day");
}

/* The authority's file is DIR/tls/authority.pem. */
static char *data_directory(GVariant *manager)
{
    const char *authority = manager ? ctl_string(manager, "Authority") : "";
    g_autofree char *tls = *authority ? g_path_get_dirname(authority) : NULL;

    return tls ? g_path_get_dirname(tls) : paths_data();
}

void doctor_look_at_files(GPtrArray *findings, GVariant *manager)
{
    const char *told = manager ? ctl_string(manager, "ConfigFile") : "";
    g_autofree char *config = *told ? g_strdup(told) : paths_config();
    g_autofree char *data = data_directory(manager);

    check_config(findings, config);
    if (!g_file_test(data, G_FILE_TEST_IS_DIR))
        return;
    if (check_private(findings, "data", data))
        doctor_find(findings, DOCTOR_WELL, "data", NULL, "%s", data);
    check_disk(findings, data);
    check_certificate(findings, data);
}
