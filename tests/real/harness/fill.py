# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills a provider's folders quickly."""

import itertools
import os
import time
from pathlib import Path

from . import corpus
from .rawimap import RawImap

#: Flags in turn, so that searches by flag find something.
_FLAGS = ("\\Seen", "\\Seen", "", "\\Seen \\Answered", "\\Flagged", "\\Seen $Forwarded", "\\Seen",
          "\\Draft")
_BATCH = 4 << 20


def fill(provider, mails, folder="INBOX", user=None, flags=None, dates=True):
    """Appends `mails` (an iterable of bytes, made CRLF) to a folder, created if it isn't there.

    flags  a flag list for all, such as "\\Seen"; None varies them
    Returns how many there were."""
    user = user or next(iter(provider.users))
    turn = itertools.cycle(_FLAGS if flags is None else [flags])
    count = 0
    with RawImap(provider.imap, timeout=600) as imap:
        imap.login(user, provider.users[user])
        if folder.upper() != "INBOX" and folder not in imap.folders():
            imap.ok(f'CREATE "{folder}"')
            imap.ok(f'SUBSCRIBE "{folder}"')
        batch, size = [], 0
        for data in mails:
            data = corpus.crlf(data)
            when = f'"{corpus.received_date(data, count)}" ' if dates else ""
            batch.append(f"({next(turn)}) {when}{{{len(data)}+}}\r\n".encode() + data)
            size += len(data)
            count += 1
            if size > _BATCH or len(batch) == 500:
                imap.ok(f'APPEND "{folder}" '.encode() + b" ".join(batch))
                batch, size = [], 0
        if batch:
            imap.ok(f'APPEND "{folder}" '.encode() + b" ".join(batch))
    return count


def fill_real(provider, folder="INBOX", limit=None, user=None):
    """All real mails (or `limit` of them, evenly spread) into one folder."""
    return fill(provider, corpus.real(limit).values(), folder, user)


def fill_demo(provider, user=None):
    """All real mails, the way a person's mailbox looks: a few folders, the newest in INBOX."""
    names = {"easy-ham-1": "INBOX", "easy-ham-2": "Lists/Easy", "hard-ham-1": "Lists/Hard",
             "spam-1": "Junk", "spam-2": "Junk"}
    folders = {}
    for name, data in corpus.real().items():
        folders.setdefault(names[name.partition("/")[0]], []).append(data)
    return sum(fill(provider, mails, folder, user) for folder, mails in folders.items())


def fill_many(provider, count, folder="INBOX", user=None):
    """`count` messages: the real mails over and over, each with a Message-ID of its own."""
    real = list(corpus.real().values())

    def numbered():
        for i in range(count):
            yield b"X-Copy: %d\r\n" % (i // len(real)) + real[i % len(real)]
    return fill(provider, numbered(), folder, user)


def write_maildir(provider, mails, folder="INBOX", user=None):
    """Puts files into a Maildir as they are: what APPEND would refuse (empty) or change (line ends).

    Only for a Provider with storage="maildir"; the account's Maildir is made if need be."""
    home = provider.home(user)
    base = home / "Maildir" if folder == "INBOX" else home / "Maildir" / f".{folder.replace('/', '.')}"
    for name in ("cur", "new", "tmp"):
        (base / name).mkdir(parents=True, exist_ok=True)
    start = int(time.time()) - len(mails)
    for i, data in enumerate(mails):
        path = Path(base) / "cur" / f"{start + i}.M{i:06}P1.test:2,"
        path.write_bytes(data)
        os.utime(path, (start + i, start + i))
    provider.own(home.parent)
    return len(mails)
