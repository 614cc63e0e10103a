# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client changes reaches the server exactly once: random operations here and, at the same time,
at the provider, while the line breaks at random bytes and the program is killed at random moments.

After each round, with the line up and all quiet: the view equals the provider, nothing is pending, no
message is lost or doubled, and every local UID ever shown still means the same message. What just one
side did to a message is exactly its outcome. Where both sides touched the same message within a round,
it must be somewhere unless one of them expunged it, and it is in no more places than both put it: that
is the one window in which a double is allowed.

The seed is printed when a test fails; POSTERN_SEED=N runs it again, POSTERN_ROUNDS=N sets how long."""

import collections
import os
import random
import threading
import time
import unittest

from harness import LONG, Case, Link, RawImap
from harness.courier import Courier, find_courier
from harness.syncaccount import SyncAccount, SyncError

ROUNDS = int(os.environ.get("POSTERN_ROUNDS", 4000 if LONG else 120))
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "Work", "$Label1")


def mail(name):
    return (f"From: bob@example.org\r\nTo: ada@example.org\r\nSubject: {name}\r\n"
            f"Message-ID: <{name}@model.test>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
            f"\r\nThe text of {name}.\r\n").encode()


def put(imap, folder, data, flags=()):
    """APPENDs, also where there is no LITERAL+."""
    imap.send(f'p APPEND "{folder}" ({" ".join(flags)}) {{{len(data)}}}\r\n')
    line = imap.read_line()
    while not line.startswith(b"+"):
        line = imap.read_line()
    imap.send(data + b"\r\n")
    while not line.startswith(b"p "):
        line = imap.read_line()
    assert line.startswith(b"p OK"), line


class Here:
    """What a client does, to the view."""

    def __init__(self, account, folders):
        self.account = account
        self.folders = folders

    def messages(self, folder):
        """{uid: (name, flags)}"""
        return {uid: (name.strip("<>").split("@")[0], flags)
                for uid, (name, flags, _) in self.account.messages(folder).items()}

    def state(self):
        """{folder: {uid: (name, flags)}}"""
        return {folder: self.messages(folder) for folder in self.folders}

    def store(self, folder, uid, sign, flag):
        self.account("store", folder, uid, sign + flag)

    def copy(self, folder, uid, target):
        self.account("copy", folder, uid, target)

    def move(self, folder, uid, target):
        self.account("move", folder, uid, target)

    def expunge(self, folder, uid):
        self.account("expunge", folder, uid)

    def append(self, folder, name, flags):
        self.account.append(folder, mail(name), " ".join(flags))


class There:
    """What someone else does, at the provider."""

    def __init__(self, imap, folders):
        self.imap = imap
        self.folders = folders

    def messages(self, folder):
        self.imap.ok(f'SELECT "{folder}"')
        result = self.imap.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
        messages = {}
        for items in result.fetched().values():
            header = next(value for key, value in items.items() if key.startswith("BODY["))
            name = header.decode().partition("<")[2].partition("@")[0]
            flags = {flag.decode() for flag in items["FLAGS"]} - {"\\Recent"}
            messages[int(items["UID"])] = (name, flags)
        return messages

    def state(self):
        return {folder: self.messages(folder) for folder in self.folders}

    def _do(self, folder, command):
        self.imap.ok(f'SELECT "{folder}"')
        self.imap.command(command)

    def store(self, folder, uid, sign, flag):
        self._do(folder, f"UID STORE {uid} {sign}FLAGS ({flag})")

    def copy(self, folder, uid, target):
        self._do(folder, f'UID COPY {uid} "{target}"')

    def move(self, folder, uid, target):
        self._do(folder, f'UID COPY {uid} "{target}"')
        self.expunge(folder, uid)

    def expunge(self, folder, uid):
        self._do(folder, f"UID STORE {uid} +FLAGS (\\Deleted)")
        self.imap.command("EXPUNGE")

    def append(self, folder, name, flags):
        data = mail(name)
        put(self.imap, folder, data, flags)


def placements(state):
    """{name: multiset of (folder, flags)}"""
    found = collections.defaultdict(collections.Counter)
    for folder, messages in state.items():
        for name, flags in messages.values():
            found[name][folder, frozenset(flags)] += 1
    return found


def folders_of(places):
    counts = collections.Counter()
    for (folder, _), count in places.items():
        counts[folder] += count
    return counts


class Model:
    """Knows what a round may end in."""

    def __init__(self, random_, folders):
        self.random = random_
        self.folders = folders
        self.number = 0

    def change(self, side, count):
        """Does `count` random operations on one side; returns {name: [operation, …]}."""
        done = collections.defaultdict(list)
        for _ in range(count):
            folder = self.random.choice(self.folders)
            kind = self.random.choice(("store", "store", "store", "move", "move", "copy", "expunge",
                                       "append"))
            messages = side.messages(folder)
            if kind == "append" or not messages:
                self.number += 1
                name = f"m{self.number}"
                side.append(folder, name, self.random.sample(FLAGS, self.random.randrange(3)))
                done[name].append("append")
                continue
            uid = self.random.choice(sorted(messages))
            name = messages[uid][0]
            done[name].append(kind)
            if kind == "store":
                side.store(folder, uid, self.random.choice("+-"), self.random.choice(FLAGS))
            elif kind == "expunge":
                side.expunge(folder, uid)
            else:
                target = self.random.choice([other for other in self.folders if other != folder])
                getattr(side, kind)(folder, uid, target)
        return done


class ExactlyOnce:
    time_limit = 400
    slower = 1
    folders = ("INBOX", "Archive", "Lists/One")
    without = ()

    def serve(self):
        """A RawImap at the provider; sets self.server."""
        self.server = self.provider(without=self.without)
        return self.upstream(self.server)

    def setUp(self):
        self.seed = int(os.environ.get("POSTERN_SEED", random.randrange(1 << 30)))
        self.random = random.Random(self.seed)
        imap = self.serve()
        for i in range(12):
            put(imap, "INBOX", mail(f"start{i}"))
        for folder in self.folders[1:]:
            imap.ok(f'CREATE "{folder}"')
        self.link = Link(self.server.imap)
        self.addCleanup(self.link.close)
        self.account = SyncAccount(self.link.port)
        self.addCleanup(lambda: self.assertEqual(self.account.close(), 0))
        self.here, self.there = Here(self.account, self.folders), There(imap, self.folders)
        self.model = Model(self.random, self.folders)
        self.meaning = {}
        self.round = f"seed {self.seed}: the first sync"
        self.sync()

    def sync(self, tries=60):
        """Lets it sync; with the line up it must succeed."""
        for attempt in range(tries):
            try:
                self.account("sync")
                if self.account.pending() == (0, 0, 0):
                    return
                self.account("advance", 60)
            except SyncError as error:
                reason = error
                time.sleep(0.02)
        self.fail(f"{self.round}: never in step: {self.account('pending')} {locals().get('reason')}")

    def disturb(self):
        """Syncs while the line breaks, perhaps several times, perhaps with the program killed."""
        self.troubles = []
        for _ in range(self.random.randrange(3)):
            trouble = self.random.choice(("down", "up", "kill"))
            self.troubles.append(trouble)
            if trouble == "kill":
                timer = threading.Timer(self.random.uniform(0, 0.05), self.account.kill)
                timer.start()
            else:
                self.link.cut_after(trouble, self.random.randrange(1, 4000))
            try:
                self.account("sync")
            except SyncError:
                pass
            if trouble == "kill":
                timer.join()
                self.account.restart()
        self.link._left = {"up": None, "down": None}

    def check_meanings(self):
        """Every local UID ever shown still means the same message."""
        validities = self.account.folders()
        for folder in self.folders:
            for uid, (name, _, digest) in self.account.messages(folder).items():
                key = (folder, validities[folder], uid)
                meaning = self.meaning.setdefault(key, (name, digest))
                self.assertEqual(meaning[0], name, f"{self.round}: {key} changed its meaning")
                if digest != "-" and meaning[1] != "-":
                    self.assertEqual(meaning[1], digest, f"{self.round}: {key} changed its bytes")

    def check(self, before, local, here, there, final):
        """`before` the round; what the clients' view was when they were done; what they did on each
        side; and what it has come to."""
        before, local, final = placements(before), placements(local), placements(final)
        for name in set(before) | set(final) | set(here) | set(there):
            was, now = before.get(name, {}), final.get(name, {})
            mine, theirs = here.get(name, []), there.get(name, [])
            note = f"{self.round}: {name}: {mine} here, {theirs} there: {dict(was)} -> {dict(now)}"
            if not mine and not theirs:
                self.assertEqual(was, now, note)
            elif not theirs:
                self.assertEqual(local.get(name, {}), now, note)
            elif not mine:
                self.assertEqual(self.upstream.get(name, {}), now, note)
            else:
                count = sum(now.values())
                if "expunge" not in mine and "expunge" not in theirs:
                    self.assertGreaterEqual(count, 1, f"lost: {note}")
                most = sum(was.values()) + sum(operation in ("copy", "append", "move")
                                               for operation in mine + theirs)
                self.assertLessEqual(count, most, f"doubled: {note}")

    def run_round(self):
        before = self.there.state()
        offline = self.random.random() < 0.5
        if offline:
            self.account("offline")
        here = self.model.change(self.here, self.random.randrange(5))
        local = self.here.state()
        there = self.model.change(self.there, self.random.randrange(4)) if offline else {}
        self.upstream = placements(self.there.state())
        if offline:
            self.account("online")
        self.disturb()
        self.sync()
        self.sync()
        final = self.there.state()
        self.check_meanings()
        view = placements(self.here.state())
        self.assertEqual(dict(placements(final)), dict(view),
                         f"{self.round}: view and provider; {dict(here)} here, {dict(there)} there, "
                         f"{self.troubles}")
        self.check(before, local, here, there, final)

    def test_random_changes_on_both_sides_end_the_same_on_both(self):
        for number in range(max(1, ROUNDS // self.slower)):
            self.round = f"seed {self.seed} round {number}"
            try:
                self.run_round()
            except SyncError as error:
                self.fail(f"{self.round}: {error}")


class WithEverything(ExactlyOnce, Case):
    pass


class WithoutQresync(ExactlyOnce, Case):
    without = ("QRESYNC",)


class WithoutCondstore(ExactlyOnce, Case):
    without = ("QRESYNC", "CONDSTORE")


class WithoutUidplusAndMove(ExactlyOnce, Case):
    without = ("UIDPLUS", "MOVE")


class WithNothing(ExactlyOnce, Case):
    without = ("QRESYNC", "CONDSTORE", "UIDPLUS", "MOVE", "LIST-EXTENDED", "LIST-STATUS", "LITERAL+")


class WithCourier(ExactlyOnce, Case):
    slower = 20
    folders = ("INBOX", "INBOX.Archive", "INBOX.Lists")

    def serve(self):
        if not find_courier():
            self.skipTest("Courier can't be had from Debian's packages now")
        self.server = Courier()
        self.addCleanup(self.server.close)
        imap = RawImap(self.server.imap)
        self.addCleanup(imap.close)
        return imap


if __name__ == "__main__":
    unittest.main()
