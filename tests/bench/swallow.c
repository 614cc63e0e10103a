/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The cheapest IMAP client there is, for comparing servers: logs in, sends each command in turn,
 * throws the answer away, and prints a line for each: seconds, bytes, and the tagged answer. It
 * parses nothing, so what it measures is the server's.
 *
 *   swallow PORT|PATH USER PASSWORD COMMAND...
 *
 * A PATH is a Unix socket that greets with PREAUTH. A COMMAND "@FILE" is replaced by the lines of
 * FILE, whose times are not printed one by one, but as median, 99th percentile and sum.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char buffer[256 * 1024 + 1];

static void fail(const char *what)
{
    fprintf(stderr, "swallow: %s\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int connect_to(const char *where)
{
    int fd;
    if (strchr(where, '/') != NULL) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s", where);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
            fail("can't connect");
        return fd;
    }
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)atoi(where))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("can't connect");
    return fd;
}

/* Reads until a line begins with `tag`; the bytes read. Leaves that line in `answer`. */
static size_t read_answer(int fd, const char *tag, char *answer, size_t size)
{
    char pattern[40];
    size_t kept = 0, total = 0;
    size_t length = (size_t)snprintf(pattern, sizeof pattern, "\n%s ", tag);
    buffer[kept++] = '\n';
    for (;;) {
        ssize_t n = read(fd, buffer + kept, sizeof buffer - 1 - kept);
        if (n <= 0)
            fail("the server closed the connection");
        total += (size_t)n;
        size_t end = kept + (size_t)n;
        char *hit = memmem(buffer, end, pattern, length);
        if (hit != NULL && memchr(hit + 1, '\n', end - (size_t)(hit + 1 - buffer)) != NULL) {
            snprintf(answer, size, "%.*s", (int)strcspn(hit + 1, "\r\n"), hit + 1);
            return total;
        }
        /* The tag's line may have come in part: keep what could be its beginning. */
        kept = hit != NULL ? end - (size_t)(hit - buffer) : end < length ? end : length;
        memmove(buffer, buffer + end - kept, kept);
    }
}

static size_t run(int fd, int number, const char *command, char *answer, size_t size)
{
    char tag[32];
    snprintf(tag, sizeof tag, "Swallow%dTag", number);
    dprintf(fd, "%s %s\r\n", tag, command);
    size_t bytes = read_answer(fd, tag, answer, size);
    if (strstr(answer, "Tag OK") == NULL)
        fail(answer);
    return bytes;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_file(int fd, const char *path)
{
    static double times[100000];
    char line[1000], answer[1000];
    double sum = 0;
    size_t bytes = 0;
    int count = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail(path);
    while (count < 100000 && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        double start = now();
        bytes += run(fd, 1000 + count, line, answer, sizeof answer);
        times[count] = now() - start;
        sum += times[count++];
    }
    fclose(file);
    qsort(times, (size_t)count, sizeof times[0], compare);
    printf("%.6f %zu median=%.6f p99=%.6f\n", sum, bytes, times[count / 2],
           times[count * 99 / 100]);
}

int main(int argc, char **argv)
{
    char answer[1000], login[1000];
    if (argc < 5)
        fail("usage: swallow PORT|PATH USER PASSWORD COMMAND...");
    int fd = connect_to(argv[1]);
    if (strchr(argv[1], '/') == NULL) {
        snprintf(login, sizeof login, "LOGIN \"%s\" \"%s\"", argv[2], argv[3]);
        run(fd, 0, login, answer, sizeof answer);
    } else {
        run(fd, 0, "NOOP", answer, sizeof answer);
    }
    for (int i = 4; i < argc; i++) {
        if (argv[i][0] == '@') {
            run_file(fd, argv[i] + 1);
            continue;
        }
        double start = now();
        size_t bytes = run(fd, i, argv[i], answer, sizeof answer);
        printf("%.6f %zu %s\n", now() - start, bytes, strchr(answer, ' ') + 1);
    }
    return 0;
}
