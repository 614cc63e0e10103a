/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Passwords from stdin or the terminal; wiped after use.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_LIMIT 4096

static char *read_line(void)
{
    char line[PASSWORD_LIMIT + 2];
    char *password = NULL;

    if (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (*line)
            password = g_strdup(line);
    }
    explicit_bzero(line, sizeof line);
    return password;
}

static char *ask(const char *prompt)
{
    struct termios normal, unseen;

    if (tcgetattr(STDIN_FILENO, &normal) < 0)
        return NULL;
    unseen = normal;
    unseen.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(stderr, "%s: ", prompt);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
    char *password = read_line();
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &normal);
    fprintf(stderr, "\n");
    return password;
}

char *ctl_read_password(gboolean from_stdin, const char *prompt, GError **error)
{
    char *password = NULL;

    if (from_stdin)
        password = read_line();
    else if (isatty(STDIN_FILENO))
        password = ask(prompt);
    else
        ctl_usage(error, "give a password: --password-stdin, or --password-command CMD");
    if (!password && error && !*error)
        ctl_usage(error, "the password is empty");
    return password;
}

void ctl_wipe(char *password)
{
    if (!password)
        return;
    explicit_bzero(password, strlen(password));
    g_free(password);
}
