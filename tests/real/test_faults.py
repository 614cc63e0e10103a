# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider that does several things wrong at once, with mail coming and going on both sides.

Each round takes a random provider (what it can, which folders and mails it has), a working account, and one to
three faults of the grammar (harness/faults.py). While they last, mail is appended, flagged, moved, copied and
deleted here and there, each message by one side only, so that it is known what has to come of it. In some rounds the
account's process is killed at random steps, and started again. Then:

- what the faults don't touch is complete and in step on both sides after a few minutes of the account's time;
- what isn't is said: by `sync --wait`, a problem, a folder's state or progress below 1;
- nothing is lost and nothing is there twice at any moment after that;
- once the faults are over, both sides are equal, and nothing is said any more.

A short run takes as many rounds as fit into SECONDS, and AT_LEAST so many; POSTERN_LONG=1 takes 2,000. POSTERN_SEED=N plays that round
alone, POSTERN_FAULTS=Name,Name only these faults."""

import collections
import os
import random
import time
import unittest

from harness import LONG, Case, FakeImap, faults
from harness.fakeimap import CAPABILITIES
from harness.syncaccount import SyncAccount, SyncError

SECONDS = 40
AT_LEAST = 10
ROUNDS = 2000 if LONG else None
KILLED = 0.3  # so many rounds, as a share
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "Work", "$Junk")
FOLDERS = ("INBOX", "Archive", "Work", "Sent")


def mail(name, size):
    return (f"Received: from a by b; Sat, 07 Nov 2026 10:00:00 +0000\r\nDate: Sat, 07 Nov 2026 09:59:00 +0000\r\n"
            f"From: bob@example.org\r\nSubject: {name}\r\nMessage-ID: <{name}@faults.test>\r\n\r\n{name}\r\n" +
            ("x" * 70 + "\r\n") * (size // 72)).encode()


# ---- the grammar: a fault for this provider, with all its parameters at random -----------------------------------------


def some_uid(chance, server, folder):
    return chance.choice(server.folders[folder].uids() or [1])


def span(chance):
    """How long a fault lasts: always, some times, or for a while."""
    return chance.choice([{}, {}, {"times": chance.randint(1, 3)}, {"seconds": chance.choice([30, 300])},
                          {"skip": chance.randint(1, 5)}])


ODD_VALUES = {"FLAGS": (b"NIL", b"()x", lambda value: value[:-1] + b" a(b)", lambda value: value[:-1] + b' "x y")'),
              "RFC822.SIZE": (b"NIL", b"-1", b"9.3e+06", b"99999999999999999999"), "MODSEQ": (b"(-1)", b"NIL", b"7", b"()"),
              "INTERNALDATE": (b"NIL", b'"00-Jan-0000 00:00:00 +0000"', b'"31-Jun-2026 10:00:00 +0000"', None)}
WORDS = ("NO [SERVERBUG] internal error", "NO [UNAVAILABLE] try later", "NO [INUSE] busy", "NO [LIMIT] too fast", "NO no",
         "NO [OVERQUOTA] quota exceeded", "NO [NOPERM] not you", "NO [CANNOT] never", "BAD what?", "NO [EXPIRED] x", "BAD")
ODD_LINES = ("", ")", "* OK", "*", "* 5", "* 3 FETCH", "* X-NEW (a", "A999999 OK what", "* LIST", "* BAD hm", "* -1 EXISTS")


def item(chance, server, folder):
    name = chance.choice(list(ODD_VALUES))
    return faults.Item(name, chance.choice(ODD_VALUES[name]), folder=folder, uid=some_uid(chance, server, folder), **span(chance))


def refusal(commands, **more):
    return lambda chance, server, folder: faults.Refuse(chance.choice(commands), chance.choice(WORDS), folder=folder, **more,
                                                        **span(chance))


GRAMMAR = {
    "Item": item,
    "Split": lambda chance, server, folder: faults.Split(folder=folder, **span(chance)),
    "Twice": lambda chance, server, folder: faults.Twice(folder=folder, **span(chance)),
    "Disorder": lambda chance, server, folder: faults.Disorder(seed=chance.choice([None, 3]), folder=folder),
    "Says": lambda chance, server, folder: faults.Says(chance.choice(ODD_LINES), **span(chance)),
    "Hides": lambda chance, server, folder: faults.Hides(folder="INBOX"),
    "LeavesOut": lambda chance, server, folder: faults.LeavesOut(
        chance.choice([None, "NO [SERVERBUG] Error in message", "NO Some messages are gone"]), only=chance.choice(["", "BODY"]),
        folder=folder, uid=some_uid(chance, server, folder), **span(chance)),
    "BodyBreaks": lambda chance, server, folder: faults.BodyBreaks(folder=folder, uid=some_uid(chance, server, folder), **span(chance)),
    "BodyTooLarge": lambda chance, server, folder: faults.BodyTooLarge(folder=folder, uid=some_uid(chance, server, folder)),
    "BodyEmpty": lambda chance, server, folder: faults.BodyEmpty(chance.choice([b"{0}\r\n", b"NIL"]), folder=folder,
                                                                 uid=some_uid(chance, server, folder), times=1),
    "RefuseSelect": refusal(["SELECT|EXAMINE", "SELECT"]),
    "RefuseStatus": refusal(["STATUS"], touches="nothing"),
    "RefuseFetch": refusal(["UID FETCH", "UID FETCH .*BODY"]),
    "RefuseStore": refusal(["UID STORE"], touches="push"),
    "RefuseAppend": refusal(["APPEND"], touches="push"),
    "RefuseMove": refusal(["UID (MOVE|COPY)"], touches="folder"),
    "RefuseExpunge": refusal(["UID EXPUNGE|EXPUNGE"], touches="push"),
    "BreakSelect": lambda chance, server, folder: faults.Break("SELECT|EXAMINE", folder=folder, **span(chance)),
    "BreakPush": lambda chance, server, folder: faults.Break(
        "UID (STORE|MOVE|COPY|EXPUNGE)|APPEND", when=chance.choice(["before", "after"]), folder=folder, times=chance.randint(1, 2)),
    "BreakFetch": lambda chance, server, folder: faults.Break("UID FETCH", when=chance.choice(["before", "middle", "after"]),
                                                              folder=folder, times=chance.randint(1, 3)),
    "BreaksAt": lambda chance, server, folder: faults.BreaksAt(chance.randint(1, 12), when=chance.choice(["before", "after"]),
                                                               times=chance.randint(1, 4)),
    "NoConnection": lambda chance, server, folder: faults.NoConnection(chance.choice([None, "too many connections"]),
                                                                       times=chance.randint(1, 3)),
    "ForgetsFlags": lambda chance, server, folder: faults.ForgetsFlags(chance.choice(FLAGS), folder=folder),
    "Renumbers": lambda chance, server, folder: faults.Renumbers(folder=folder),
    "ReadOnly": lambda chance, server, folder: faults.ReadOnly(folder=folder, **span(chance)),
    "Lags": lambda chance, server, folder: faults.Lags(folder=folder, counted=chance.random() < 0.5,
                                                       uid=chance.choice([None, some_uid(chance, server, folder)]), **span(chance)),
    "LagsFrom": lambda chance, server, folder: faults.LagsFrom(
        chance.choice(["UID STORE", "UID EXPUNGE|EXPUNGE", "UID MOVE|UID COPY", "UID SEARCH", "UID FETCH", "APPEND", "SELECT"]),
        folder=folder, counted=chance.random() < 0.3, uid=chance.choice([None, some_uid(chance, server, folder)]), **span(chance)),
    "StorageAway": lambda chance, server, folder: faults.Lags(seconds=60, skip=chance.randint(0, 9)),
    "ModseqBack": lambda chance, server, folder: faults.Rewrite(
        r"HIGHESTMODSEQ (\d+)", lambda found: b"HIGHESTMODSEQ %d" % (int(found.group(1)) - min(7, int(found.group(1)) // 2)), **span(chance)),
    "NoModseq": lambda chance, server, folder: faults.Rewrite(r"^\* OK \[HIGHESTMODSEQ.*", "* OK [NOMODSEQ] none", **span(chance)),
    "OddStatus": lambda chance, server, folder: faults.Rewrite(
        *chance.choice([(r"UIDNEXT \d+", "UIDNEXT -1"), (r"UIDNEXT \d+ ?", ""), (r"UIDVALIDITY \d+\)", "UIDVALIDITY 1234567890123)"),
                        (r"HIGHESTMODSEQ \d+", "HIGHESTMODSEQ 0"), (r"MESSAGES \d+", "MESSAGES NIL"), (r"^\* STATUS.*", None)]),
        **span(chance)),
    "OtherIds": lambda chance, server, folder: faults.Rewrite(
        r"EMAILID \((\w+)\)", lambda found: b"EMAILID (%sx%d)" % (found.group(1), chance.randint(0, 1)), **span(chance)),
    "RefuseLogin": lambda chance, server, folder: faults.Refuse(
        "LOGIN|AUTHENTICATE", chance.choice(["NO [OVERQUOTA] Account exceeded command or bandwidth limits", "BAD busy",
                                             "NO Maximum number of connections from user+IP exceeded", "NO [UNAVAILABLE] later"]),
        touches="account", times=chance.randint(1, 3)),
    "Hushed": lambda chance, server, folder: faults.Rewrite(r"^\* (\d+ EXPUNGE|VANISHED [\d:,]+|\d+ EXISTS)$", None, **span(chance)),
    "ExpungedMeanwhile": lambda chance, server, folder: faults.ExpungedMeanwhile(folder=folder, uid=some_uid(chance, server, folder)),
    "LateAppend": lambda chance, server, folder: faults.LateAppend(chance.choice([0, 5, 75]), times=chance.randint(1, 2)),
    "Throttled": lambda chance, server, folder: faults.Refuse(
        "UID|SELECT|APPEND|STATUS", "BAD Request is throttled. Suggested Backoff Time: 5000 milliseconds", touches="account", seconds=30),
    "NoLsub": lambda chance, server, folder: faults.Refuse("LSUB|LIST .SUBSCRIBED", "BAD unknown", touches="nothing"),
    "NoUidnext": lambda chance, server, folder: faults.Rewrite(r"^\* OK \[UIDNEXT.*", None),
    "AppendUid": lambda chance, server, folder: faults.AnswersUid(lambda code: code.replace("UID ", "UID 1", 1),
                                                                  times=chance.randint(1, 3)),
}


class World:
    """Both sides of a round, and what should be: {folder: {name: flags}}."""

    def __init__(self, seed, names=None):
        self.seed, self.chance = seed, random.Random(seed)
        self.server = FakeImap(without=self.chance.choice([(), (), ("QRESYNC",), ("CONDSTORE",), ("UIDPLUS",), ("MOVE",),
                                                           ("LIST-STATUS",), ("LIST-EXTENDED", "LITERAL+")]),
                               also=self.chance.choice([(), ("OBJECTID",)]))
        self.wanted = {name: {} for name in FOLDERS + ("Drafts", "Trash")}
        self.untouched = collections.defaultdict(list)  # names nobody has done anything to yet
        self.count = 0
        for name in FOLDERS:
            if name not in self.server.folders:
                self.server.create(name)
            for _ in range(self.chance.randint(2, 14)):
                self.put(name, old=True)
        chosen = names or self.chance.sample(list(GRAMMAR), self.chance.randint(1, 3))
        self.faults = [GRAMMAR[name](self.chance, self.server, self.chance.choice(FOLDERS)) for name in chosen]
        for fault in self.faults:
            if isinstance(fault, faults.ExpungedMeanwhile):
                self.leave_to(fault)
        self.account = SyncAccount(self.server.imap, plain=True)
        # What kills are decided by is apart, so that rounds with and without them are the same else.
        self.fate = random.Random(~seed)
        self.kills = self.fate.randint(1, 3) if self.fate.random() < KILLED else 0

    def __repr__(self):
        return (f"POSTERN_SEED={self.seed} without {sorted(set(CAPABILITIES) - set(self.server.capabilities))}, {self.faults}" +
                f", {self.kills} kills" * bool(self.kills))

    def close(self):
        self.account.close()
        self.server.close()

    # Changes

    def leave_to(self, fault):
        """What it deletes nobody else changes."""
        names = {uid: message.name for uid, message in self.server.folders[fault.folder].messages.items() if uid in fault.uids}
        for name in names.values():
            if name in self.untouched[fault.folder]:
                self.untouched[fault.folder].remove(name)
        fault.gone = lambda folder, name: self.wanted[folder].pop(name)

    def put(self, folder, old=False):
        self.count += 1
        name, flags = f"m{self.count}", set(self.chance.sample(FLAGS, self.chance.randint(0, 2)))
        self.server.put(folder, mail(name, self.chance.choice([0, 0, 500, 20000])), flags)
        self.wanted[folder][name] = flags
        if old:
            self.untouched[folder].append(name)

    def pick(self, folder):
        """A message that nobody has touched yet: (name, its UID there, its UID here), or None."""
        while self.untouched[folder]:
            name = self.untouched[folder].pop(self.chance.randrange(len(self.untouched[folder])))
            there = [uid for uid, message in self.server.folders[folder].messages.items() if message.name == name]
            here = [uid for uid, (found, _, _) in self.account.messages(folder).items() if found == f"<{name}@faults.test>"]
            if there and here:
                return name, there[0], here[0]
        return None

    def change_here(self):
        """A change by a mail program; where the provider doesn't allow it, as far as is known, nothing happens."""
        try:
            self.really_change_here()
        except SyncError as error:
            if not str(error).startswith("not allowed"):
                raise

    def really_change_here(self):
        folder, other = self.chance.sample(FOLDERS, 2)
        kind = self.chance.choice(["append", "flag", "unflag", "move", "copy", "expunge"])
        if kind == "append":
            self.count += 1
            name, flags = f"n{self.count}", set(self.chance.sample(FLAGS, self.chance.randint(0, 2)))
            self.account.append(folder, mail(name, self.chance.choice([0, 500, 20000])), " ".join(flags))
            self.wanted[folder][name] = flags
            return
        found = self.pick(folder)
        if not found:
            return
        name, _, uid = found
        if kind in ("flag", "unflag"):
            flag = self.chance.choice(FLAGS)
            self.account("store", folder, uid, ("+" if kind == "flag" else "-") + flag)
            self.wanted[folder][name] = self.wanted[folder][name] | {flag} if kind == "flag" else self.wanted[folder][name] - {flag}
        elif kind == "copy":
            self.account("copy", folder, uid, other)
            self.wanted[other][name] = set(self.wanted[folder][name])
        elif kind == "move":
            self.account("move", folder, uid, other)
            self.wanted[other][name] = self.wanted[folder].pop(name)
        else:
            self.account("expunge", folder, uid)
            del self.wanted[folder][name]

    def change_there(self):
        folder = self.chance.choice(FOLDERS)
        kind = self.chance.choice(["put", "put", "flag", "remove"])
        if kind == "put":
            self.put(folder)
            return
        found = self.pick(folder)
        if not found:
            return
        name, uid, _ = found
        if kind == "flag":
            self.wanted[folder][name] = set(self.chance.sample(FLAGS, 2))
            self.server.set_flags(folder, uid, self.wanted[folder][name])
        else:
            self.server.remove(folder, uid)
            del self.wanted[folder][name]

    # Time, and what is seen

    def advance(self, seconds):
        self.server.clock.advance(seconds)
        self.server.tick()
        self.account("advance", seconds)

    def sync_killed(self):
        """Syncs, and is killed at some step of it: before or after something is written, or sent."""
        self.kills -= 1
        self.account("abort-at", self.fate.choice([self.fate.randint(1, 10), self.fate.randint(1, 60)]))
        try:
            self.account("sync")
            self.account("abort-at", 0)
            return
        except SyncError:
            if not self.account.ended:
                self.account("abort-at", 0)
                return
        self.account.restart()
        self.account("advance", int(self.server.clock.ahead))

    def sync(self):
        """What `sync --wait` says; None: all is well."""
        try:
            self.account("sync")
        except SyncError as error:
            if self.account.ended:
                raise AssertionError(f"sync-account died: {error}; {self!r}") from None
            return str(error)
        return None

    def here(self, bodies=True):
        """{folder: [(name, flags)]}, sorted; with bodies of what is whole only."""
        return {folder: sorted((name.strip("<>").split("@")[0], tuple(sorted(flags)))
                               for name, flags, digest in self.account.messages(folder).values() if digest != "-" or not bodies)
                for folder in self.account.folders()}

    def there(self):
        return {folder: [(name, flags) for name, flags, _ in found] for folder, found in self.server.state().items()}

    def said(self):
        """What is said to be wrong: by sync, what waits to be sent, problems, folders, progress."""
        reason = self.sync()
        pending = self.account("pending")
        missing = sum(int(line[5]) for line in self.account("folders"))
        troubles = [line[6] for line in self.account("folders") if len(line) > 6 and line[6]]
        state, progress, _ = self.account.state()
        return [reason or "", int(pending[0][0]), pending[1:], missing, troubles, progress < 1]

    def is_silent(self):
        return not any(self.said())


class Faults(Case):
    time_limit = 7200 if LONG else 300

    def test_what_faults_do_not_touch_goes_on_and_what_they_do_is_said(self):
        names = os.environ.get("POSTERN_FAULTS")
        names = names.split(",") if names else None
        if os.environ.get("POSTERN_SEED"):
            self.play(int(os.environ["POSTERN_SEED"]), names)
            return
        start, done = time.monotonic(), 0
        first = random.SystemRandom().randrange(10**9) if LONG else 1
        while done < (ROUNDS or AT_LEAST) or not ROUNDS and time.monotonic() < start + SECONDS:
            self.play(first + done, names)
            done += 1
        print(f"{done} rounds from {first} on, {(time.monotonic() - start) / done:.2f} s each")

    def play(self, seed, names):
        world = World(seed, names)
        # Whatever ends a round early is printed below this.
        print(f"{world!r}", flush=True)
        try:
            self.assertIsNone(world.sync(), world)
            self.play_faults(world)
            self.check_end(world)
            self.assertEqual(world.server.problems, [], world)
        finally:
            world.close()

    def play_faults(self, world):
        world.server.faults = list(world.faults)
        for _ in range(3):
            for _ in range(world.chance.randint(1, 4)):
                world.chance.choice([world.change_here, world.change_there])()
            if world.kills and world.fate.random() < 0.7:
                world.sync_killed()
            world.sync()
            world.advance(world.chance.choice([1, 20, 60]))
        for _ in range(4):
            world.advance(75)
            world.sync()
        self.check_rest(world)

    def check_rest(self, world):
        """What isn't touched is equal on both sides and as it should be; what isn't whole is said."""
        wide = [fault for fault in world.faults if fault.touches == "account" or fault.touches != "nothing" and fault.folder is None]
        touched = set(FOLDERS) if wide else {fault.folder for fault in world.faults if fault.touches != "nothing"}
        said = world.said()
        here, there = world.here(), world.there()
        expected = {folder: sorted((name, tuple(sorted(flags))) for name, flags in found.items())
                    for folder, found in world.wanted.items()}
        # Moves to and from a folder that is touched may wait; what is here has to be right all the same.
        sides = {"here": here, "there": there} if not touched.intersection(FOLDERS) else {"here": here}
        for folder in set(world.wanted) - touched:
            for side in sides.values():
                self.assertEqual(self.difference(side, side, {folder: expected[folder]}), [], world)
        # What a provider takes out of a folder for the time being looks like what it has deleted, and a change that it
        # doesn't tell is found when the folder is compared as a whole.
        hidden = {fault.folder: fault.hides for fault in world.faults if fault.hides != "nothing"}
        here, there, expected = ({folder: self.visible(found, hidden.get(folder)) for folder, found in side.items()}
                                 for side in (here, there, expected))
        if here != expected or there != expected:
            self.assertTrue(any(said), ("nothing is said", world, self.difference(here, there, expected)))

    @staticmethod
    def visible(found, hides):
        return {"messages": [], "flags": [(name, ()) for name, _ in found]}.get(hides, found)

    @staticmethod
    def difference(here, there, expected):
        """[(folder, name, {where: flags})] of what isn't the same everywhere, and what is twice."""
        found = []
        for folder in expected:
            sides = {"here": here.get(folder, []), "there": there.get(folder, []), "wanted": expected[folder]}
            for name in sorted({name for side in sides.values() for name, _ in side}):
                shown = {side: [flags for one, flags in listed if one == name] for side, listed in sides.items()}
                if not shown["here"] == shown["there"] == shown["wanted"]:
                    found.append((folder, name, shown))
        return found

    def check_end(self, world):
        """The faults are over: all is equal, each message once, and nothing is said."""
        world.server.faults = []
        expected = {folder: sorted((name, tuple(sorted(flags))) for name, flags in found.items())
                    for folder, found in world.wanted.items()}
        for turn in range(12):
            world.advance(600 * (turn + 1))
            if turn:
                world.account("retry")
            world.sync()
            if world.account.pending() == (0, 0, 0) and world.here() == world.there() == expected:
                break
        here, there = world.here(), world.there()
        self.assertEqual(self.difference(here, there, expected), [], (world, world.account("pending")))
        self.assertEqual(world.account.pending(), (0, 0, 0), (world, world.account("pending")))
        self.assertTrue(world.is_silent(), (world, world.said()))


if __name__ == "__main__":
    unittest.main()
