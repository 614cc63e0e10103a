# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of what both sides may do to each other, run with random operations.

Each round cuts the line to the provider, lets clients and the provider change things at random, perhaps
kills the daemon, mends the line and syncs. Then the cache, the provider and the model must hold the same
messages with the same flags, and every local UID ever shown must still mean the same message.

Several clients stay connected all the while. What each was told is all that it knows of its folder, and
that must be what is there: at each sequence number the UID it was told of, with the flags it was told of.

A flag that only one side has changed since the last round has that side's value; a bit that both have
changed can only have one new value. So the outcome of a round is exact, whatever the order was.

The seed is printed when a test fails; POSTERN_SEED=N runs it again."""

import os
import random
import re
import unittest

from harness import LONG, Case, Link, fill
from harness.rawimap import fetch_items

ROUNDS = 200 if LONG else 25
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "Work", "$Label1")
FOLDERS = ("INBOX", "Archive", "Lists/One")


def mail(name):
    return (f"From: bob@example.org\r\nTo: ada@example.org\r\nSubject: {name}\r\n"
            f"Message-ID: <{name}@model.test>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
            f"\r\nThe text of {name}.\r\n").encode()


def name_of(header):
    return header.partition(b"Message-ID: <")[2].partition(b"@")[0].decode()


class Model:
    """What the provider must hold once all is quiet: {folder: {name: set of flags}}."""

    def __init__(self):
        self.base = {folder: {} for folder in FOLDERS}
        self.here = {folder: {} for folder in FOLDERS}
        self.there = {folder: {} for folder in FOLDERS}

    def merge(self):
        """The outcome of a round, which becomes the base of the next."""
        merged = {}
        for folder, base in self.base.items():
            merged[folder] = {}
            for name, flags in self.there[folder].items():
                if name in base and name not in self.here[folder]:
                    continue  # deleted here, whatever happened to it there
                before = base.get(name, flags)
                mine = self.here[folder].get(name, before)
                changed = mine ^ before
                merged[folder][name] = (flags - changed) | (mine & changed)
            for name in self.here[folder].keys() - base.keys():
                merged[folder][name] = self.here[folder][name]
        self.base = merged
        self.here = {folder: {name: set(flags) for name, flags in messages.items()}
                     for folder, messages in merged.items()}
        self.there = {folder: {name: set(flags) for name, flags in messages.items()}
                      for folder, messages in merged.items()}


class Session:
    """A client that stays, and knows of its folder what it was told."""

    def __init__(self, imap, folder, qresync):
        self.imap, self.folder, self.qresync = imap, folder, qresync
        self.messages = []  # [uid, flags] by sequence number; None: not told yet
        if qresync:
            imap.ok("ENABLE QRESYNC")
        result = imap.select(folder)
        self.validity = result.code("UIDVALIDITY")
        self.hear(result)
        self.look()

    def hear(self, result, numbers_stay=False):
        """Takes in what an answer says; a FETCH or STORE by numbers must not change them (RFC 3501, 7.4.1)."""
        for line in result.untagged:
            found = re.match(rb"(?:(\d+) )?(EXISTS|EXPUNGE|VANISHED|FETCH)\b ?", line)
            if not found:
                continue
            number, word, rest = int(found[1] or 0), found[2], line[found.end():]
            if word in (b"EXPUNGE", b"VANISHED"):
                assert not numbers_stay, line
                assert (word == b"VANISHED") == self.qresync, line
            if word == b"EXISTS":
                assert number >= len(self.messages), line
                self.messages += [[None, None] for _ in range(number - len(self.messages))]
            elif word == b"EXPUNGE":
                self.messages.pop(number - 1)
            elif word == b"VANISHED":
                for uid in uids_of(rest):
                    self.messages.remove(next(entry for entry in self.messages if entry[0] == uid))
            else:
                self.hear_fetch(self.messages[number - 1], fetch_items(rest), line)

    def hear_fetch(self, known, items, line):
        if "UID" in items:
            assert known[0] in (None, int(items["UID"])), f"{known} was told, and now {line}"
            known[0] = int(items["UID"])
        if "FLAGS" in items:
            known[1] = {flag.decode().lower() for flag in items["FLAGS"]} - {"\\recent"}

    def look(self):
        """What is there must be what was told; the rest is learnt."""
        told = [(uid, flags and set(flags)) for uid, flags in self.messages]
        if told:
            self.hear(self.imap.ok("FETCH 1:* (UID FLAGS)"), numbers_stay=True)
        for (uid, flags), now in zip(told, self.messages, strict=True):
            assert now[0] is not None and uid in (None, now[0]), f"{self.folder}: {uid} is {now}"
            assert flags is None or flags == now[1], f"{self.folder}: {uid} had {flags}, has {now}"
        uids = [uid for uid, _ in self.messages]
        assert uids == sorted(set(uids)), uids

    def check(self):
        self.hear(self.imap.ok("NOOP"))
        self.look()


def uids_of(text):
    """The UIDs of a set without `*`."""
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        yield from range(int(first), int(last or first) + 1)


class RandomChanges:
    time_limit = 600
    without = ()

    def setUp(self):
        self.seed = int(os.environ.get("POSTERN_SEED") or random.randrange(1 << 32))
        self.chance = random.Random(self.seed)
        self.server = self.provider(without=self.without)
        self.model = Model()
        self.count = 0
        for folder in FOLDERS:
            names = [self.new_name() for _ in range(12)]
            fill(self.server, map(mail, names), folder, flags="")
            self.model.base[folder] = {name: set() for name in names}
        self.model.here = self.model.there = self.model.base
        self.model.merge()
        self.link = Link(self.server.imaps)
        self.addCleanup(self.link.close)
        self.daemon = self.postern(self.server, incoming_port=self.link.port)
        self.there = self.upstream(self.server)
        self.meaning = {}
        self.sessions = []
        self.daemon.sync()
        self.addCleanup(self.leave)
        self.join()

    def new_name(self):
        self.count += 1
        return f"m{self.count}"

    def known(self, imap, folder, verb="SELECT"):
        """{name: uid} and {name: flags} of a folder, as a connection shows them."""
        validity = imap.select(folder, verb).code("UIDVALIDITY")
        uids, flags = {}, {}
        for uid, items in imap.fetch("1:*", "(UID FLAGS BODY.PEEK[HEADER])").items():
            name = name_of(items["BODY[HEADER]"])
            self.assertNotIn(name, uids, f"{name} is twice in {folder}; seed {self.seed}")
            uids[name] = uid
            flags[name] = {flag.decode().lower() for flag in items["FLAGS"]} - {"\\recent"}
        return validity, uids, flags

    # What may happen

    def join(self):
        """Two clients in one folder, and one elsewhere; one of them knows QRESYNC."""
        shared, other = self.chance.sample(FOLDERS, 2)
        for folder, qresync in ((shared, False), (shared, True), (other, self.chance.random() < 0.5)):
            self.sessions.append(Session(self.daemon.imap(), folder, qresync))
        for session in self.sessions:
            for uid, items in session.imap.fetch("1:*", "(BODY.PEEK[HEADER])").items():
                self.meaning.setdefault((session.folder, session.validity, uid), name_of(items["BODY[HEADER]"]))

    def leave(self):
        for session in self.sessions:
            session.imap.close()
        self.sessions.clear()

    def names(self, session):
        """{name: sequence number} of what the session has been told, and what is still so in the model."""
        found = {}
        for number, (uid, _) in enumerate(session.messages, 1):
            if uid is None:
                continue
            name = self.meaning.get((session.folder, session.validity, uid))
            if name in self.model.here[session.folder]:
                found[name] = number
        return found

    def session_stores(self):
        """By sequence numbers: if they were others than this client was told, other messages would change."""
        session = self.chance.choice(self.sessions)
        names = self.names(session)
        if names:
            result = self.store(session.imap, names, self.model.here[session.folder], "STORE", names)
            session.hear(result, numbers_stay=True)

    def session_expunges(self):
        session = self.chance.choice(self.sessions)
        names = self.names(session)
        if len(names) < 4:
            return
        name = self.chance.choice(sorted(names))
        uid = session.messages[names[name] - 1][0]
        session.hear(session.imap.ok(f"UID STORE {uid} +FLAGS (\\Deleted)"))
        session.hear(session.imap.ok(f"UID EXPUNGE {uid}"))
        del self.model.here[session.folder][name]

    def session_appends(self):
        session = self.chance.choice(self.sessions)
        name = self.new_name()
        data = mail(name)
        result = session.imap.ok(f"APPEND {session.folder} () {{{len(data)}+}}\r\n".encode() + data)
        session.hear(result)
        validity, uid = result.code("APPENDUID").split()
        self.meaning[session.folder, validity, int(uid)] = name
        self.model.here[session.folder][name] = set()

    def session_listens(self):
        self.chance.choice(self.sessions).check()

    def client_stores(self):
        folder = self.chance.choice(FOLDERS)
        messages = self.model.here[folder]
        if not messages:
            return
        here = self.daemon.imap()
        try:
            _, uids, _ = self.known(here, folder)
            self.store(here, uids, messages)
        finally:
            here.close()

    def provider_stores(self):
        folder = self.chance.choice(FOLDERS)
        messages = self.model.there[folder]
        if messages:
            _, uids, _ = self.known(self.there, folder)
            self.store(self.there, uids, messages)

    def store(self, imap, uids, messages, verb="UID STORE", among=None):
        among = sorted(among or messages)
        names = self.chance.sample(among, min(len(among), self.chance.randint(1, 6)))
        flags = self.chance.sample(FLAGS, self.chance.randint(1, 3))
        kind = self.chance.choice(("+FLAGS", "-FLAGS", "FLAGS"))
        silent = "" if verb == "STORE" else ".SILENT"
        result = imap.ok(f"{verb} {','.join(str(uids[name]) for name in names)} {kind}{silent} "
                         f"({' '.join(flags)})")
        given = {flag.lower() for flag in flags}
        for name in names:
            before = messages[name]
            messages[name] = {"+FLAGS": before | given, "-FLAGS": before - given,
                              "FLAGS": given}[kind]
        return result

    def provider_appends(self):
        folder = self.chance.choice(FOLDERS)
        name = self.new_name()
        flags = self.chance.sample(FLAGS, self.chance.randint(0, 2))
        self.there.append(folder, mail(name), " ".join(flags))
        self.model.there[folder][name] = {flag.lower() for flag in flags}

    def provider_expunges(self):
        folder = self.chance.choice(FOLDERS)
        messages = self.model.there[folder]
        if len(messages) < 4:
            return
        name = self.chance.choice(sorted(messages))
        _, uids, _ = self.known(self.there, folder)
        self.there.ok(f"UID STORE {uids[name]} +FLAGS.SILENT (\\Deleted)")
        self.there.ok(f"UID EXPUNGE {uids[name]}")
        del messages[name]

    def daemon_dies(self):
        self.leave()
        self.daemon.kill()
        self.daemon.start()
        self.join()

    OPERATIONS = ((client_stores, 2), (session_stores, 4), (session_expunges, 1), (session_appends, 1),
                  (session_listens, 3), (provider_stores, 4), (provider_appends, 2),
                  (provider_expunges, 1), (daemon_dies, 0.4))

    # The rounds

    def test_all_sides_agree_after_every_round(self):
        operations, weights = zip(*self.OPERATIONS)
        try:
            for _ in range(ROUNDS):
                self.link.cut()
                self.daemon.wait_state("offline", "error", "connecting")
                for operation in self.chance.choices(operations, weights,
                                                     k=self.chance.randint(1, 10)):
                    operation(self)
                self.link.mend()
                self.daemon.control("online")
                self.daemon.sync()
                self.model.merge()
                self.check()
        except BaseException:
            print(f"POSTERN_SEED={self.seed} repeats this")
            raise

    def check(self):
        here = self.daemon.imap()
        try:
            for folder in FOLDERS:
                expected = self.model.base[folder]
                _, _, theirs = self.known(self.there, folder, "EXAMINE")
                self.assertEqual(expected, theirs, f"{folder} at the provider")
                validity, uids, ours = self.known(here, folder, "EXAMINE")
                self.assertEqual(expected, ours, f"{folder} here")
                for name, uid in uids.items():
                    meant = self.meaning.setdefault((folder, validity, uid), name)
                    self.assertEqual(meant, name, f"UID {uid} of {folder} changed its meaning")
        finally:
            here.close()
        for session in self.sessions:
            session.check()
            self.assertEqual(sorted(self.names(session)), sorted(self.model.base[session.folder]))


class WithQresync(RandomChanges, Case):
    pass


class WithCondstoreOnly(RandomChanges, Case):
    without = ("QRESYNC",)


class WithNeither(RandomChanges, Case):
    without = ("QRESYNC", "CONDSTORE")


if __name__ == "__main__":
    unittest.main()
