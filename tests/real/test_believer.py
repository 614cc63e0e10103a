# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that believes everything it is told and loses its connection at any moment, before a running
posternd: four other clients and the provider append, flag, move and expunge meanwhile, and synchronizing
takes each side's changes to the other.

It knows the mailbox by QRESYNC, by QRESYNC with UIDONLY, or by CONDSTORE, and keeps over connections no more
than RFC 7162, 6 lets it keep. It searches, sorts, saves results, has searches kept up to date (CONTEXT, RFC
5267), asks for parts, and has NOTIFY tell it more or less. What it knows when it has come back, and before it
leaves, has to be what is there; and what is told in between has to be possible.

The seed is printed when a test fails; POSTERN_SEED=N runs the same actions again, but others' come when they
come."""

import contextlib
import os
import random
import re
import threading
import time
import unittest

from harness import LONG, PATIENCE, Case, fill
from harness.rawimap import fetch_items, parse

ROUNDS = 1500 if LONG else 40
MAIL = b"From: a@example.org\r\nSubject: %s\r\nMessage-ID: <%s@believer.test>\r\n\r\nhello\r\n"
NOTIFY = ("NOTIFY SET (SELECTED (MessageNew (UID FLAGS MODSEQ) MessageExpunge FlagChange))",
          "NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))",
          "NOTIFY SET (SELECTED (MessageNew MessageExpunge))",
          "NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge)) (SELECTED (MessageNew MessageExpunge FlagChange))",
          "NOTIFY NONE")


def members(text):
    """The numbers of "1:3,7", as they stand there."""
    for part in text.decode().split(","):
        first, _, last = part.partition(":")
        first, last = int(first), int(last or first)
        yield from range(first, last + 1) if first <= last else range(first, last - 1, -1)


class Unbelievable(AssertionError):
    """What was told can't be."""


class Believer:
    def __init__(self, connect, mode, chance):
        self.connect, self.mode, self.chance = connect, mode, chance
        self.imap = None
        # Kept over connections
        self.uidvalidity, self.uidnext, self.modseq = None, 1, 0
        self.picture = {}  # {uid: set of flags}
        self.gone = set()
        self.history = []

    # ---- what is heard -----------------------------------------------------------------------------

    def insist(self, condition, what):
        if not condition:
            raise Unbelievable(what)

    def hear(self, line):
        for code, value in re.findall(rb"\[(HIGHESTMODSEQ|UIDVALIDITY) (\d+)\]", line):
            if code == b"HIGHESTMODSEQ":
                self.told = int(value)
            else:
                self.uidvalidity = int(value)
        for tag in re.findall(rb'\[NOUPDATE "([^"]+)"\]', line):
            self.contexts.pop(tag, None)
        found = re.match(rb"\* (?:(\d+) )?([A-Z]+) ?", line)
        if not found:
            return
        number, word, rest = int(found[1] or 0), found[2], line[found.end():-2]
        if word == b"EXISTS":
            self.insist(number >= len(self.list), "EXISTS takes messages away")
            self.list += [None] * (number - len(self.list))
        elif word == b"EXPUNGE":
            self.insist(self.mode == "CONDSTORE", "EXPUNGE with QRESYNC")
            self.insist(not self.numbers_stay, "an EXPUNGE in the middle of numbers")
            self.insist(0 < number <= len(self.list), "EXPUNGE of a number that isn't")
            self.forget(self.list.pop(number - 1))
        elif word == b"VANISHED":
            self.hear_vanished(rest)
        elif word in (b"FETCH", b"UIDFETCH"):
            self.insist((word == b"UIDFETCH") == (self.mode == "UIDONLY"), word)
            self.hear_fetch(number, word == b"UIDFETCH", fetch_items(rest))
        elif word == b"ESEARCH":
            self.hear_esearch(parse(b"(" + rest + b")")[0])
        elif word == b"SEARCH":
            self.hear_search([int(item) for item in rest.partition(b"(")[0].split()])

    def forget(self, uid):
        if uid is not None:
            self.picture.pop(uid, None)
            self.gone.add(uid)

    def place(self, uid):
        """Where in the list a message is; one whose number wasn't told is between its neighbours."""
        if uid in self.list:
            return self.list.index(uid)
        if self.mode == "UIDONLY":
            return self.list.index(None) if None in self.list else None
        at = next((i for i, other in enumerate(self.list) if other is not None and other > uid), len(self.list))
        return at - 1 if at and self.list[at - 1] is None else None

    def hear_vanished(self, rest):
        earlier = rest.startswith(b"(EARLIER) ")
        self.insist(self.mode != "CONDSTORE", "VANISHED without QRESYNC")
        self.insist(earlier or not self.numbers_stay, "a VANISHED in the middle of numbers")
        for uid in members(rest.split()[-1]):
            known = uid in self.picture
            numbered = uid in self.list
            self.forget(uid)
            if earlier:
                self.insist(self.selecting or not numbered, f"{uid} went earlier and has a number")
                continue
            self.insist(known or numbered or uid >= self.uidnext, f"{uid} went twice")
            at = self.place(uid)
            self.insist(at is not None, f"{uid} has no number")
            del self.list[at]

    def hear_fetch(self, number, is_uid, items):
        uid = number if is_uid else int(items["UID"]) if "UID" in items else None
        if is_uid:
            at = self.place(uid)
            self.insist(at is not None, f"UIDFETCH of {uid}, which isn't there")
            self.list[at] = uid
        else:
            self.insist(0 < number <= len(self.list), f"FETCH of {number}, of {len(self.list)}")
            if uid is None:
                uid = self.list[number - 1]
            else:
                self.learn(number, uid)
        if "MODSEQ" in items:
            self.highest = max(self.highest, int(items["MODSEQ"][0]))
        if uid is None:
            return
        self.insist(uid not in self.gone, f"{uid} came back")
        if "FLAGS" in items:
            self.picture[uid] = {flag.decode().lower() for flag in items["FLAGS"]} - {"\\recent"}
        elif "MODSEQ" in items and uid == self.silent and uid in self.picture:
            self.picture[uid].add("\\answered")  # a silent STORE has succeeded

    def learn(self, number, uid):
        self.insist(self.list[number - 1] in (None, uid), f"{uid} has the number of {self.list[number - 1]}")
        self.list[number - 1] = uid
        known = [other for other in self.list if other is not None]
        self.insist(known == sorted(set(known)), "numbers don't ascend with UIDs")

    def hear_search(self, found):
        if not self.listing:
            # Numbers, of messages that the client knows to be there.
            self.insist(not found or found[-1] <= len(self.list), "more is found than is there")
            return
        self.insist(not self.gone.intersection(found), "what is gone is found")
        self.insist(len(found) <= len(self.list), "more is found than is there")
        self.list[:len(found)] = found
        for uid in set(self.picture).difference(found):
            self.forget(uid)

    def hear_esearch(self, values):
        tag = values.pop(0)[1]
        if values and values[0] == b"UID":
            values.pop(0)
        answer = {values[i].decode(): values[i + 1] for i in range(0, len(values), 2)}
        context = self.contexts.get(tag)
        for what in ("ADDTO", "REMOVEFROM"):
            if what in answer and context is not None:
                pairs = answer[what]
                for position, uids in zip(pairs[::2], pairs[1::2]):
                    if context.whole:
                        self.change(context, what, int(position), list(members(uids)))
                    else:
                        context.early.append((what, int(position), list(members(uids))))
        if "ADDTO" not in answer and "REMOVEFROM" not in answer:
            self.answers[tag] = answer
            if "ALL" in answer:
                self.insist(not self.gone.intersection(members(answer["ALL"])), "what is gone is found")

    def change(self, context, what, position, uids):
        for i, uid in enumerate(uids):
            if what == "ADDTO":
                self.insist(uid not in context, f"{uid} is added twice")
                context.insert(position - 1 + i if position else len(context), uid)
            else:
                self.insist(uid in context, f"{uid} isn't there to be taken away")
                self.insist(not position or context[position - 1] == uid, f"{uid} isn't at {position}")
                context.remove(uid)

    # ---- commands ----------------------------------------------------------------------------------

    def run(self, command, lines=None, silent=None, by_number=False, selecting=False):
        """Hears all that comes, or so many lines, up to the tagged answer; gives its status."""
        self.silent, self.selecting = silent, selecting
        self.numbers_stay = by_number
        tag = self.imap.start(command)
        self.note(f"C: {tag} {command}")
        if command == "IDLE":
            time.sleep(self.chance.random() / 50)
            self.imap.send("DONE\r\n")
        while lines is None or lines > 0:
            line = self.imap.read_response()
            self.note(f"S: {line[:300].decode(errors='replace').rstrip()}")
            lines = lines and lines - 1
            self.hear(line)
            if line.startswith(tag.encode() + b" "):
                status = line.split()[1]
                self.insist(status != b"BAD", command)
                self.conclude()
                return tag.encode(), status.decode()
        return None, None

    def note(self, line):
        self.history.append(line)
        del self.history[:-400]

    def conclude(self):
        """RFC 7162, 6"""
        self.modseq = self.told if self.told is not None else max(self.modseq, self.highest)
        self.told, self.highest = None, 0

    def come_back(self):
        self.imap = self.connect()
        self.list, self.contexts, self.answers, self.listing = [], {}, {}, False
        self.told, self.highest, self.blind = None, 0, False
        first = self.uidvalidity is None
        self.note("-- connects")
        if self.mode != "CONDSTORE":
            self.run("ENABLE QRESYNC")
        if self.mode == "UIDONLY":
            self.run("ENABLE UIDONLY")
        since = self.modseq
        if self.mode == "CONDSTORE":
            self.run("SELECT INBOX (CONDSTORE)", selecting=True)
        elif first:
            self.run("SELECT INBOX", selecting=True)
        else:
            self.run(f"SELECT INBOX (QRESYNC ({self.uidvalidity} {since}))", selecting=True)
        if self.mode == "CONDSTORE":
            self.resynchronize(since)
        else:
            self.insist(len(self.picture) <= len(self.list), "what has gone isn't told of")
        self.fetch_new()
        if first:
            self.run("UID FETCH 1:* (FLAGS)")

    def resynchronize(self, since):
        """Without QRESYNC what isn't found any more has gone (RFC 4549, 4.2.1)."""
        self.listing = True
        self.run("UID SEARCH ALL")
        self.listing = False
        self.run(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {max(since, 1)})")

    def fetch_new(self):
        self.run(f"UID FETCH {self.uidnext}:* (FLAGS)")
        if self.picture:
            self.uidnext = max(self.uidnext, max(self.picture) + 1)

    def leave(self):
        self.imap.close()

    # ---- what clients do ---------------------------------------------------------------------------

    def some(self):
        uid = self.chance.choice(sorted(self.picture)) if self.picture else 1
        return uid, self.chance.randint(1, max(1, len(self.list)))

    def act(self, lines=None):
        """One of the things that clients do; the connection may break in the middle of its answer."""
        numbers = self.mode != "UIDONLY"
        uid, number = self.some()
        since = max(1, self.modseq - self.chance.randrange(20))
        vanished = "" if self.mode == "CONDSTORE" else " VANISHED"
        simple = [
            "NOOP", "IDLE", f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since}{vanished})",
            "UID FETCH 1:* (UID FLAGS MODSEQ)", f"UID FETCH {uid} (BODY[TEXT])",
            f"UID FETCH 1:* (FLAGS) (PARTIAL {self.chance.choice(('1:9', '-1:-9'))})",
            f"UID STORE {uid} -FLAGS (\\Answered)", f"UID STORE {uid} (UNCHANGEDSINCE {since}) FLAGS (Mine)",
            f"UID STORE {uid} +FLAGS (\\Deleted)", "EXPUNGE", f"UID EXPUNGE {uid}", f"UID MOVE {uid} Archive",
            f"UID COPY {uid} Archive", f"UID COPY {uid} INBOX", "STATUS Archive (HIGHESTMODSEQ MESSAGES)",
            "STATUS INBOX (HIGHESTMODSEQ MESSAGES)",
        ]
        by_number = [f"FETCH 1:{number} (UID FLAGS MODSEQ)", f"STORE {number} -FLAGS (\\Answered)",
                     f"STORE {number} (UNCHANGEDSINCE {since}) +FLAGS (Mine)", "SEARCH MODSEQ 1 FLAGGED"]
        which = self.chance.random()
        if lines is not None or which < 0.45:
            return self.run(self.chance.choice(simple), lines)
        if which < 0.6 and numbers and not self.blind:
            return self.run(self.chance.choice(by_number), lines, by_number=True)
        if which < 0.65:
            return self.run(f"UID STORE {uid} +FLAGS.SILENT (\\Answered)", silent=uid)
        if which < 0.72:
            return self.notify()
        return self.chance.choice((self.search, self.sort, self.keep_searched, self.save))()

    def notify(self):
        command = self.chance.choice(NOTIFY)
        self.run(command)
        # Not told of flags, or of anything; or told when numbers are on their way.
        self.blind = True

    def search(self):
        """All that one answer says is of one moment."""
        program = self.chance.choice(("FLAGGED", "UNSEEN", "MODSEQ 1 NOT DELETED", "TEXT hello", "ALL"))
        tag, status = self.run(f"UID SEARCH RETURN (MIN MAX COUNT ALL) {program}")
        answer = self.answers[tag]
        uids = list(members(answer["ALL"])) if "ALL" in answer else []
        self.insist(status == "OK" and int(answer["COUNT"]) == len(uids), "COUNT")
        self.insist(uids == sorted(set(uids)), "ALL")
        if uids:
            self.insist((int(answer["MIN"]), int(answer["MAX"])) == (uids[0], uids[-1]), "MIN and MAX")

    def sort(self):
        tag, _ = self.run("UID SORT RETURN (MIN MAX COUNT ALL) (REVERSE ARRIVAL) UTF-8 UNDELETED")
        answer = self.answers[tag]
        uids = list(members(answer["ALL"])) if "ALL" in answer else []
        self.insist(int(answer["COUNT"]) == len(uids) == len(set(uids)), "COUNT")
        if uids:
            self.insist((int(answer["MIN"]), int(answer["MAX"])) == (uids[0], uids[-1]), "MIN and MAX")

    def keep_searched(self):
        """RFC 5267, 4.3"""
        if len(self.contexts) > 2:
            tag = self.chance.choice(sorted(self.contexts))
            self.run(f'CANCELUPDATE "{tag.decode()}"')
            del self.contexts[tag]
        sorted_one = self.chance.random() < 0.5
        # What is told in the same answer is of it already.
        tag = f"A{self.imap.number + 1}".encode()
        self.contexts[tag] = Context(sorted_one)
        _, status = self.run("UID SORT RETURN (UPDATE ALL) (SIZE) UTF-8 FLAGGED" if sorted_one
                             else "UID SEARCH RETURN (UPDATE ALL) FLAGGED")
        if tag in self.contexts:
            self.insist(status == "OK" and tag in self.answers, "a context without an answer")
            first = self.answers[tag]
            context = Context(sorted_one, list(members(first["ALL"])) if "ALL" in first else [])
            for what, position, uids in self.contexts[tag].early:
                self.change(context, what, position, uids)
            self.contexts[tag] = context

    def save(self):
        """RFC 5182"""
        tag, _ = self.run("UID SEARCH RETURN (SAVE COUNT) FLAGGED")
        count = int(self.answers[tag]["COUNT"])
        before = len(self.list)
        tag, _ = self.run("UID SEARCH RETURN (ALL COUNT) $")
        now = int(self.answers[tag]["COUNT"])
        self.insist(now <= count, f"{count} were saved, and now there are {now} (of {before})")

    # ---- the truth ---------------------------------------------------------------------------------

    def compare(self, truth, flagged):
        self.run("NOOP")
        self.fetch_new()
        there = truth()
        return self.differences(there, flagged), there

    def differences(self, there, flagged):
        mine = {uid: sorted(flags) for uid, flags in self.picture.items()}
        found = [f"{uid}: {mine.get(uid)}, is {there.get(uid)}"
                 for uid in sorted(mine.keys() | there.keys()) if mine.get(uid) != there.get(uid)]
        if len(self.list) != len(there):
            found.append(f"{len(self.list)} numbers for {len(there)} messages")
        for tag, context in self.contexts.items():
            if sorted(context) != sorted(flagged(context.sorted)):
                found.append(f"context {tag}: {context}, is {flagged(context.sorted)}")
            elif context.sorted and list(context) != flagged(True):
                found.append(f"order of {tag}: {context}, is {flagged(True)}")
        return found


class Context(list):
    """What a search that is kept up to date holds; the changes that come before its answer wait."""

    def __init__(self, sorted_one, uids=None):
        super().__init__(uids or [])
        self.sorted = sorted_one
        self.whole = uids is not None
        self.early = []


class Others:
    """Who changes the mailbox, until told to stop; they rest while `still` is held."""

    def __init__(self, case):
        self.case = case
        self.stop = threading.Event()
        self.lock = threading.Condition()
        self.resting = False
        self.busy = 0
        self.top = 40
        self.threads = []
        self.failed = []

    def start(self, connect, seed, pause):
        thread = threading.Thread(target=self.live, args=(connect(), random.Random(seed), pause), daemon=True)
        self.threads.append(thread)
        thread.start()

    @contextlib.contextmanager
    def still(self):
        with self.lock:
            self.resting = True
            self.lock.wait_for(lambda: not self.busy)
        yield
        with self.lock:
            self.resting = False
            self.lock.notify_all()

    def end(self):
        self.stop.set()
        with self.lock:
            self.resting = False
            self.lock.notify_all()
        for thread in self.threads:
            thread.join(20 * PATIENCE)

    def live(self, imap, chance, pause):
        folder = "INBOX"
        try:
            imap.select(folder)
            while not self.stop.is_set():
                with self.lock:
                    self.lock.wait_for(lambda: not self.resting)
                    self.busy += 1
                try:
                    folder = self.act(imap, chance, folder)
                finally:
                    with self.lock:
                        self.busy -= 1
                        self.lock.notify_all()
                time.sleep(chance.random() * pause)
        except Exception as error:  # pylint: disable=broad-except
            self.failed.append(repr(error))
        finally:
            imap.close()

    def act(self, imap, chance, folder):
        uid = max(1, self.top - chance.randrange(60))
        flag = chance.choice(("\\Flagged", "\\Seen", "Work", "\\Draft"))
        which = chance.randrange(11)
        if which < 3:
            self.top += 1
            name = b"%d.%d" % (self.top, chance.randrange(1 << 30))
            imap.append(folder, MAIL % (name, name), flag)
        elif which == 3:
            imap.command(f"UID STORE {uid}:{uid + chance.randrange(4)} +FLAGS ({flag})")
        elif which == 4:
            imap.command(f"UID STORE {uid} -FLAGS.SILENT ({flag})")
        elif which == 5:
            imap.command(f"UID STORE {uid}:{uid + 2} +FLAGS (\\Deleted)")
        elif which == 6:
            imap.command("EXPUNGE" if chance.random() < 0.5 else f"UID EXPUNGE {uid}")
        elif which == 7:
            imap.command(f"UID MOVE {uid}:{uid + 1} {'Archive' if folder == 'INBOX' else 'INBOX'}")
        elif which == 8:
            imap.command(f"UID COPY {uid} {'Archive' if folder == 'INBOX' else 'INBOX'}")
        elif which == 9:
            folder = "Archive" if folder == "INBOX" and chance.random() < 0.3 else "INBOX"
            imap.select(folder)
        else:
            imap.command("NOOP")
        return folder


class Believing(Case):
    def believe(self, mode):
        seed = int(os.environ.get("POSTERN_SEED") or random.randrange(1 << 32))
        chance = random.Random(seed)
        provider = self.provider()
        upstream = self.upstream(provider)
        upstream.command("CREATE Archive")
        fill(provider, [MAIL % (b"%d" % i, b"%d" % i) for i in range(40)], "INBOX", flags="")
        postern = self.postern(provider)
        others = Others(self)
        for i in range(4):
            others.start(postern.imap, seed + i, 0.02)
        others.start(lambda: self.upstream(provider), seed + 4, 0.1)
        self.addCleanup(others.end)
        witness = self.local(postern)
        witness.ok("EXAMINE INBOX")
        believer = Believer(postern.imap, mode, chance)
        try:
            for _ in range(ROUNDS):
                believer.come_back()
                with others.still():
                    self.check(believer, witness)
                for _ in range(chance.randrange(8)):
                    believer.act()
                if not believer.blind:
                    with others.still():
                        self.check(believer, witness)
                believer.act(lines=chance.randrange(6))
                believer.leave()
                self.assertFalse(others.failed)
        except (AssertionError, ValueError, KeyError, OSError, EOFError) as error:
            history = "\n".join(believer.history[-150:])
            raise AssertionError(f"seed {seed}, {mode}: {error!r}\n{history}") from error

    def check(self, believer, witness):
        """Synchronizing doesn't rest: what is compared is of a moment at which nothing changed."""
        def modseq():
            return witness.ok("STATUS INBOX (HIGHESTMODSEQ)").untagged[-1]

        def truth():
            witness.ok("EXAMINE INBOX")
            return {uid: sorted(flags) for uid, flags in witness.flags().items()}

        def flagged(in_order):
            command = "UID SORT (SIZE) UTF-8 FLAGGED" if in_order else "UID SEARCH FLAGGED"
            return witness.ok(command).numbers("SORT" if in_order else "SEARCH")

        for _ in range(200):
            before = modseq()
            differences, _ = believer.compare(truth, flagged)
            if modseq() == before:
                self.assertFalse(differences)
                return
        self.fail("it never rests")

    def test_by_qresync(self):
        self.believe("QRESYNC")

    def test_by_qresync_without_numbers(self):
        self.believe("UIDONLY")

    def test_by_condstore(self):
        self.believe("CONDSTORE")


if __name__ == "__main__":
    unittest.main()
