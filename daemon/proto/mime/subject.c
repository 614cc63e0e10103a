/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Base subjects. See subject.h. The steps are those of RFC 5256, 2.1; the text is in capitals by
 * then. */
#include "daemon/proto/mime/subject.h"

#include "daemon/proto/mime/text.h"

#include <string.h>

typedef struct {
    char *start;
    char *end; /* where the NUL is */
    gboolean reply;
} Subject;

static void cut_end(Subject *subject, gsize length)
{
    subject->end -= length;
    *subject->end = '\0';
}

/* Step 1, behind the decoding. */
static void squeeze_spaces(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        gboolean space = strchr(" \t\r\n", *from) != NULL;

        if (!space)
            *to++ = *from;
        else if (to == text || to[-1] != ' ')
            *to++ = ' ';
    }
    *to = '\0';
}

/* Step 2: subj-trailer */
static void cut_trailers(Subject *subject)
{
    while (subject->end > subject->start) {
        if (subject->end[-1] == ' ') {
            cut_end(subject, 1);
        } else if (subject->end - subject->start >= 5 &&
                   memcmp(subject->end - 5, "(FWD)", 5) == 0) {
            cut_end(subject, 5);
            subject->reply = TRUE;
        } else {
            break;
        }
    }
}

/* subj-blob. What is behind it, or NULL when text doesn't start with one. */
static char *behind_blob(char *text)
{
    if (*text != '[')
        return NULL;
    text++;
    text += strcspn(text, "[]");
    if (*text != ']')
        return NULL;
    text++;
    return *text == ' ' ? text + 1 : text;
}

/* Whether it begins with that. g_str_has_prefix() measures all of the text in newer versions of GLib, which is
 * too much for each of many nested leaders. */
static gboolean begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* subj-leader without its leading space: blobs and a "RE:", "FW:" or "FWD:" that may have a blob of
 * its own. */
static char *behind_leader(char *text)
{
    static const char *const words[] = {"RE", "FWD", "FW"};
    char *behind;

    while (*text == '[') {
        text = behind_blob(text);
        if (text == NULL)
            return NULL;
    }
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!begins(text, words[i]))
            continue;
        behind = text + strlen(words[i]);
        if (*behind == ' ')
            behind++;
        if (*behind == '[')
            behind = behind_blob(behind);
        return behind != NULL && *behind == ':' ? behind + 1 : NULL;
    }
    return NULL;
}

/* Steps 3 to 5. A leader takes the blobs before it along, so blobs alone are left when there is no
 * further one. */
static void cut_leaders(Subject *subject)
{
    char *behind;

    for (;;) {
        if (*subject->start == ' ')
            subject->start++;
        behind = behind_leader(subject->start);
        if (behind == NULL)
            break;
        subject->start = behind;
        subject->reply = TRUE;
    }
    while ((behind = behind_blob(subject->start)) != NULL && *behind != '\0')
        subject->start = behind;
}

/* Step 6: "[fwd: ... ]" */
static gboolean cut_forward(Subject *subject)
{
    if (!begins(subject->start, "[FWD:") || subject->end[-1] != ']')
        return FALSE;
    subject->start += strlen("[FWD:");
    cut_end(subject, 1);
    subject->reply = TRUE;
    return TRUE;
}

char *mime_subject_base(const char *value, gsize length, gboolean *reply)
{
    g_autofree char *decoded = mime_text_decode_header(value, length);
    g_autofree char *text = mime_text_collate(decoded);

    squeeze_spaces(text);

    Subject subject = {text, text + strlen(text), FALSE};

    do {
        cut_trailers(&subject);
        cut_leaders(&subject);
    } while (cut_forward(&subject));
    if (reply != NULL)
        *reply = subject.reply;
    return g_strdup(subject.start);
}
