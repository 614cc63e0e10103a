/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HTML reduced to the text that it shows. */
#pragma once

#include "daemon/proto/mime/stop.h"

G_BEGIN_DECLS

/* Appends the text of html (valid UTF-8): without tags, comments, scripts and styles, with what is
 * said in the place of images, character references resolved, and a line end where a block ends;
 * with_links: behind it a line for each target of a link, title and other alt, for who searches.
 * Any input will do; the output is at most a fifth longer than the input, and the work in proportion to
 * it. */
void mime_html_to_text(const char *html, gsize length, gboolean with_links, MimeStop *stop,
                       GString *out);

G_END_DECLS
