/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who listens on a port that is taken: /proc/net/tcp says whose the socket is, and /proc/PID/fd which
 * process has it, where that may be read (one's own, or all for root).
 */
#include "daemon/net/listen.h"

#include "daemon/words/words.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATE_LISTEN   0x0a /* linux/tcp_states.h */
#define NAME_MAX_SHOWN 64

typedef struct {
    guint uid;
    unsigned long inode;
} Holder;

/* The address as /proc/net has it: words of 32 bits in the machine's order, as hexadecimal. */
static gboolean table_address(const char *host, char text[33])
{
    guint32 words[4];

    if (inet_pton(AF_INET, host, words) == 1) {
        g_snprintf(text, 33, "%08X", words[0]);
        return TRUE;
    }
    if (inet_pton(AF_INET6, host, words) != 1)
        return FALSE;
    g_snprintf(text, 33, "%08X%08X%08X%08X", words[0], words[1], words[2], words[3]);
    return TRUE;
}

/* One that listens on all addresses has the port of each. */
static gboolean is_same_or_any(const char *address, const char *wanted)
{
    return g_str_equal(address, wanted) || strspn(address, "0") == strlen(address);
}

static gboolean find_in_table(const char *path, const char *address, guint16 port, Holder *holder)
{
    FILE *table = fopen(path, "re");
    char line[512];
    gboolean found = FALSE;

    while (table && !found && fgets(line, sizeof line, table)) {
        char local[33];
        unsigned local_port, state;
        if (sscanf(line,
                   " %*u: %32[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %u %*u %lu",
                   local, &local_port, &state, &holder->uid, &holder->inode) == 5)
            found = state == STATE_LISTEN && local_port == port && is_same_or_any(local, address);
    }
    if (table)
        fclose(table);
    return found;
}

/* A socket for all addresses of IPv6 mostly holds those of IPv4 as well. */
static gboolean find_holder(const char *host, guint16 port, Holder *holder)
{
    char address[33];

    if (!table_address(host, address))
        return FALSE;
    if (strchr(host, ':'))
        return find_in_table("/proc/net/tcp6", address, port, holder);
    return find_in_table("/proc/net/tcp", address, port, holder) ||
           find_in_table("/proc/net/tcp6", "any", port, holder);
}

static gboolean has_socket(const char *pid, unsigned long inode)
{
    g_autofree char *path = g_build_filename("/proc", pid, "fd", NULL);
    g_autofree char *wanted = g_strdup_printf("socket:[%lu]", inode);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    gboolean found = FALSE;

    for (const char *name; dir && !found && (name = g_dir_read_name(dir));) {
        g_autofree char *link = g_build_filename(path, name, NULL);
        char target[64] = "";
        ssize_t length = readlink(link, target, sizeof target - 1);
        found = length > 0 && g_str_equal(target, wanted);
    }
    return found;
}

/* "dovecot (process 123)"; a program may call itself what it likes, and this goes into a line. */
static char *name_process(const char *pid)
{
    g_autofree char *path = g_build_filename("/proc", pid, "comm", NULL);
    g_autofree char *name = NULL;

    if (!g_file_get_contents(path, &name, NULL, NULL))
        return g_strdup_printf("process %s", pid);
    g_autofree char *valid = words_line(name, -1);
    GString *shown = g_string_new(NULL);
    for (const char *c = valid; *c && shown->len < NAME_MAX_SHOWN; c = g_utf8_next_char(c)) {
        gunichar letter = g_utf8_get_char(c);
        g_string_append_unichar(shown, g_unichar_isgraph(letter) ? letter : ' ');
    }
    g_string_append_printf(shown, " (process %s)", pid);
    return g_string_free(shown, FALSE);
}

static char *find_process(unsigned long inode)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);

    for (const char *pid; dir && (pid = g_dir_read_name(dir));)
        if (g_ascii_isdigit(*pid) && has_socket(pid, inode))
            return name_process(pid);
    return NULL;
}

static char *name_user(uid_t uid)
{
    struct passwd entry, *found = NULL;
    char buffer[4096];

    if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found)
        return g_strdup(found->pw_name);
    return g_strdup_printf("%u", (guint)uid);
}

char *net_port_holder(const char *host, guint16 port)
{
    Holder holder;

    if (!find_holder(host, port, &holder))
        return g_strdup("another program");
    g_autofree char *process = find_process(holder.inode);
    g_autofree char *user = name_user(holder.uid);
    if (holder.uid == getuid())
        return process ? g_steal_pointer(&process) : g_strdup("a program of yours");
    return g_strdup_printf(
        "%s of the user %s, who would be told the password of whoever logs in there",
        process ? process : "a program", user);
}
