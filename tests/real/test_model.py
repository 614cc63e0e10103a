# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of what both sides may do to each other, run with random operations.

Each round cuts the line to the provider, lets clients and the provider change things at random, perhaps
kills the daemon, mends the line and syncs. Then the cache, the provider and the model must hold the same
messages with the same flags, and every local UID ever shown must still mean the same message.

A flag that only one side has changed since the last round has that side's value; a bit that both have
changed can only have one new value. So the outcome of a round is exact, whatever the order was.

The seed is printed when a test fails; POSTERN_SEED=N runs it again."""

import os
import random
import unittest

from harness import LONG, Case, Link, fill

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
                before = base.get(name, flags)
                mine = self.here[folder].get(name, before)
                changed = mine ^ before
                merged[folder][name] = (flags - changed) | (mine & changed)
        self.base = merged
        self.here = {folder: {name: set(flags) for name, flags in messages.items()}
                     for folder, messages in merged.items()}
        self.there = {folder: {name: set(flags) for name, flags in messages.items()}
                      for folder, messages in merged.items()}


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
        self.model.there = self.model.base
        self.model.merge()
        self.link = Link(self.server.imaps)
        self.addCleanup(self.link.close)
        self.daemon = self.postern(self.server, incoming_port=self.link.port)
        self.there = self.upstream(self.server)
        self.meaning = {}

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

    def store(self, imap, uids, messages):
        names = self.chance.sample(sorted(messages), min(len(messages), self.chance.randint(1, 6)))
        flags = self.chance.sample(FLAGS, self.chance.randint(1, 3))
        kind = self.chance.choice(("+FLAGS", "-FLAGS", "FLAGS"))
        imap.ok(f"UID STORE {','.join(str(uids[name]) for name in names)} {kind}.SILENT "
                f"({' '.join(flags)})")
        given = {flag.lower() for flag in flags}
        for name in names:
            before = messages[name]
            messages[name] = {"+FLAGS": before | given, "-FLAGS": before - given,
                              "FLAGS": given}[kind]

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
        self.daemon.kill()
        self.daemon.start()

    OPERATIONS = ((client_stores, 5), (provider_stores, 4), (provider_appends, 2),
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


class WithQresync(RandomChanges, Case):
    pass


class WithCondstoreOnly(RandomChanges, Case):
    without = ("QRESYNC",)


class WithNeither(RandomChanges, Case):
    without = ("QRESYNC", "CONDSTORE")


if __name__ == "__main__":
    unittest.main()
