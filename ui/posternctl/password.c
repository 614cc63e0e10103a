/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is asked for: passwords, from stdin or the terminal, which are wiped after use; and a yes.
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

gboolean ctl_agree(const char *question)
{
    char line[16];

    if (!isatty(STDIN_FILENO))
        return FALSE;
    fprintf(stderr, "%s [y/N] ", question);
    return fgets(line, sizeof line, stdin) && g_ascii_tolower(line[0]) == 'y';
}

void ctl_wipe(char *password)
{
    if (!password)
        return;
    explicit_bzero(password, strlen(password));
    g_free(password);
}
