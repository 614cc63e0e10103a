# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that are driven by their own library."""

import json
import re
import subprocess
import time
from pathlib import Path

from desk import Failed, corpus, mail

_CAMEL = Path(__file__).resolve().parent / "camel.py"


def _camel_command(desk, action, *arguments, tls=False):
    settings = {"user": desk.user, "password": desk.password, "tls": tls,
                "imap": desk.ports["imaps" if tls else "imap"],
                "smtp": desk.ports["submissions" if tls else "submission"],
                "directory": str(desk.home / ("camel-tls" if tls else "camel"))}
    return ["/usr/bin/python3", str(_CAMEL), json.dumps(settings), action, *arguments]


def _answer(output):
    found = [line for line in output.splitlines() if line.startswith('{"value"')]
    if not found:
        raise Failed(output[-400:])
    return json.loads(found[-1])


def _camel(desk, action, *arguments, tls=False):
    return _answer(desk.run(*_camel_command(desk, action, *arguments, tls=tls), timeout=90))["value"]


def _letter(subject):
    return (f"From: Ada <ada@example.org>\r\nTo: bob@example.net\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject}@clients.test>\r\nDate: Tue, 24 Nov 2026 11:00:00 +0000\r\n"
            "\r\nhello from Evolution\r\n")


def _read(desk, path, tls=False):
    """All messages as Evolution got them; it puts a line of its own at the header's end."""
    own = rb"^X-Evolution-Source: .*\r\n"
    got = [re.sub(own, b"", corpus.crlf(text.encode("latin-1")), flags=re.M)
           for text in _camel(desk, "read", path, tls=tls)]
    wanted = desk.bodies(path)
    same = sum(body in got for body in wanted)
    bodies = [data.partition(b"\r\n\r\n")[2] for data in got]
    texts = sum(body.partition(b"\r\n\r\n")[2] in bodies for body in wanted)
    if len(got) != len(wanted):
        raise Failed(f"{len(got)} of {len(wanted)} messages")
    return f"{len(got)} messages, {same} byte for byte, {texts} with the same body"


def evolution(desk):
    def with_tls():
        seen = _read(desk, "INBOX", tls=True)
        _camel(desk, "send", _letter("evolution-tls"), "ada@example.org", "bob@example.net", tls=True)
        return f"{seen}; {desk.wait_sent('evolution-tls', copies=False)}"

    def search():
        found = _camel(desk, "search", "INBOX", "needle2")
        if found != ["Mail 2"]:
            raise Failed(f"found {found}")
        return "just the message with the word"

    def flag():
        _camel(desk, "flag", "INBOX", "Mail 1")
        return desk.wait_there("Mail 1 seen, flagged and $Labelwork",
                               lambda now: {"\\flagged", "\\seen", "$labelwork"} <= now["Mail 1"])

    def transfer(subject, moves):
        _camel(desk, "transfer", "INBOX", subject, "Archive", "move" if moves else "copy")
        desk.wait_there(f"{subject} in Archive", lambda now: subject in now, "Archive")
        return desk.wait_there(f"{subject} {'out of' if moves else 'also in'} INBOX",
                               lambda now: (subject in now) != moves)

    def delete():
        _camel(desk, "delete", "INBOX", "Mail 0")
        return desk.wait_there("Mail 0 gone", lambda now: "Mail 0" not in now)

    def draft():
        _camel(desk, "append", "Drafts", _letter("a draft"))
        return desk.wait_there("the draft, with its flag (drafts wait for 30 s of quiet)",
                               lambda now: "\\draft" in now.get("a draft", ()), "Drafts", 45)

    def make_folders():
        _camel(desk, "make", "Žába")
        desk.wait(lambda: "&AX0A4Q-ba" in desk.there.folders(), "the folder at the provider")
        _camel(desk, "rename", "Žába", "Krtek")
        desk.wait(lambda: "Krtek" in desk.there.folders(), "its new name at the provider")
        _camel(desk, "remove", "Krtek")
        desk.wait(lambda: "Krtek" not in desk.there.folders(), "it to be gone at the provider")
        return "made, renamed and deleted at the provider"

    def news():
        count = len(desk.bodies("INBOX")) + 1
        watching = subprocess.Popen(_camel_command(desk, "watch", "INBOX", str(count)), text=True,
                                    env=desk.environment, cwd=desk.home, stdout=subprocess.PIPE)
        while watching.stdout.readline().strip() != "watching":
            if watching.poll() is not None:
                raise Failed("it ended")
        started = time.monotonic()
        desk.there.append("INBOX", mail(8, "Brand new"))
        got = _answer(watching.communicate(timeout=60)[0])["value"]
        if got != count or time.monotonic() - started > 30:
            raise Failed(f"{got} messages of {count}")
        return "told by NOTIFY"

    desk.step("set up with TLS as in the README, read INBOX, send", with_tls)
    desk.step("list folders", lambda: ", ".join(_camel(desk, "folders")))
    desk.step("list messages", lambda: ", ".join(sorted(_camel(desk, "subjects", "INBOX"))))
    for what, do in (
            ("read INBOX", lambda: _read(desk, "INBOX")),
            ("read another folder", lambda: _read(desk, "Lists/Real")),
            ("search in texts on the server", search),
            ("mark as read, flag, tag", flag), ("copy", lambda: transfer("Mail 4", False)),
            ("move", lambda: transfer("Mail 3", True)), ("delete", delete), ("save a draft", draft),
            ("make, rename and delete a folder with letters of another alphabet", make_folders),
            ("hear of a new message", news)):
        desk.step(what, do)
