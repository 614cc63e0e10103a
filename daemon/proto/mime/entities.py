# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes entities.c, the table of HTML's named character references, from Python's own copy of the
standard's: python3 daemon/proto/mime/entities.py >daemon/proto/mime/entities.c"""

from html.entities import html5

HEAD = """/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The named character references of HTML (html.spec.whatwg.org, 13.5). Made by entities.py. */
#include "daemon/proto/mime/entities.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
/* By name, as strcmp() orders them. */
static const MimeEntity entities[] = {
"""
FOOT = """};
/* clang-format on */

static int compare(const void *key, const void *entity)
{
    return strcmp(key, ((const MimeEntity *)entity)->name);
}

const MimeEntity *mime_entity_find(const char *name)
{
    return bsearch(name, entities, G_N_ELEMENTS(entities), sizeof *entities, compare);
}
"""


def quoted(text):
    """C's escapes for the bytes of UTF-8; a digit behind one can't become a part of it."""
    return "".join(f"\\{byte:03o}" for byte in text.encode())


def main():
    rows = []
    for name in sorted(name[:-1] for name in html5 if name.endswith(";")):
        legacy = "TRUE" if name in html5 else "FALSE"
        rows.append(f'{{"{name}", "{quoted(html5[name + ";"])}", {legacy}}},')
    line = "   "
    print(HEAD, end="")
    for row in rows:
        if len(line) + 1 + len(row) > 100:
            print(line)
            line = "   "
        line += " " + row
    print(line)
    print(FOOT, end="")


if __name__ == "__main__":
    main()
