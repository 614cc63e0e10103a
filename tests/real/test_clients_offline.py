# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail programs that people use change their mail while the provider is away, and go on when it is back:
what they did is there then, once, as is what happened there meanwhile."""

import os
import shlex
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import PATIENCE, Case, Link, fill, find_program
from test_sync import mail, mails


class Away(Case):
    """A provider with six messages, whose line is cut once a client knows them."""

    def setUp(self):
        self.server = self.provider()
        fill(self.server, mails(6), flags="")
        self.there = self.upstream(self.server)
        self.there.ok("CREATE Archive")
        self.link = Link(self.server.imap)
        self.addCleanup(self.link.close)
        self.daemon = self.postern(self.server, incoming="imap+insecure",
                                   outgoing="submission+insecure", incoming_port=self.link.port)
        self.home = Path(tempfile.mkdtemp(prefix="postern-away-"))
        self.addCleanup(shutil.rmtree, self.home, True)
        self.tunnel = f"{find_program('posternctl')} connect imap work"

    def run_client(self, *command, good=(0,)):
        done = subprocess.run(list(map(str, command)), cwd=self.home, stdin=subprocess.DEVNULL,
                              env=dict(self.daemon.environment, HOME=str(self.home), TERM="xterm",
                                       LINES="24", COLUMNS="80"),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60 * PATIENCE)
        self.assertIn(done.returncode, good, done.stdout[-3000:].decode(errors="replace"))

    def write(self, name, text):
        path = self.home / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def cut(self):
        self.link.cut()
        self.daemon.wait_state("offline", "error")

    def meanwhile(self):
        """What someone else does at the provider."""
        self.there.append("INBOX", mail("theirs"), "\\Flagged")
        self.there.select()
        self.there.ok("STORE 5 +FLAGS (\\Answered)")

    def mend(self):
        self.link.mend()
        self.daemon.sync()
        self.daemon.sync()
        self.assertEqual(self.daemon.pending(), 0)

    def state(self, imap, folder):
        """[(subject, flags)], so that doubles show."""
        imap.select(folder, "EXAMINE")
        flags = imap.flags()
        return sorted((body.split(b"Subject: Mail ")[1].split(b"\r\n")[0].decode(),
                       sorted(flags[uid])) for uid, body in imap.bodies().items())

    def assert_ended(self, **folders):
        """Both sides hold just this: folder: {subject: flags}."""
        for folder, messages in folders.items():
            wanted = sorted((subject, sorted(flags)) for subject, flags in messages.items())
            self.assertEqual(self.state(self.there, folder), wanted, f"{folder} at the provider")
            self.assertEqual(self.state(self.local(self.daemon), folder), wanted, f"{folder} here")

    # A Maildir as the programs below keep it

    def file_of(self, folder, subject):
        return next(path for kind in ("cur", "new") for path in (folder / kind).iterdir()
                    if f"Subject: Mail {subject}\n".encode()
                    in path.read_bytes().replace(b"\r\n", b"\n"))

    def mark(self, folder, subject, letters):
        path = self.file_of(folder, subject)
        name, _, old = path.name.partition(":2,")
        path.rename(folder / "cur" / f"{name}:2,{''.join(sorted(set(old + letters)))}")

    def add(self, folder, subject):
        (folder / "new" / f"1.{subject}.here").write_bytes(mail(subject).replace(b"\r\n", b"\n"))


class Mbsync(Away):
    def mbsync(self):
        self.run_client("mbsync", "--config", self.home / "mbsyncrc", "all")

    def test_two_way_while_the_provider_is_away(self):
        self.write("mbsyncrc", f"""
IMAPStore far
Tunnel "{self.tunnel}"

MaildirStore near
Path {self.home}/mail/
Inbox {self.home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX Archive
Create Both
Expunge Both
Sync All
SyncState *
""")
        (self.home / "mail").mkdir()
        self.mbsync()
        inbox, archive = self.home / "mail" / "INBOX", self.home / "mail" / "Archive"
        self.cut()
        self.mark(inbox, "0", "FS")
        self.mark(inbox, "1", "T")
        self.add(inbox, "new")
        moved = self.file_of(inbox, "2")
        (archive / "new" / "1.moved.here").write_bytes(moved.read_bytes())
        self.mark(inbox, "2", "T")
        here = self.local(self.daemon)
        here.select()
        here.ok("STORE 4 +FLAGS (\\Seen)")
        self.mbsync()
        self.assertTrue(self.file_of(inbox, "3").name.endswith(":2,S"))
        self.meanwhile()
        self.mend()
        ended = {"0": {"\\flagged", "\\seen"}, "3": {"\\seen"}, "4": {"\\answered"}, "5": set(),
                 "new": set(), "theirs": {"\\flagged"}}
        self.assert_ended(INBOX=ended, Archive={"2": set()})
        self.mbsync()
        self.mbsync()
        self.assert_ended(INBOX=ended, Archive={"2": set()})
        names = [path.name for kind in ("cur", "new") for path in (inbox / kind).iterdir()]
        self.assertEqual(len(names), len(ended), names)


class Offlineimap(Away):
    def offlineimap(self):
        self.run_client("offlineimap", "-o", "-u", "basic", "-c", self.home / "rc")

    def test_two_way_while_the_provider_is_away(self):
        self.write("rc", f"""
[general]
accounts = all
metadata = {self.home}/state
[Account all]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {self.home}/mail
[Repository far]
type = IMAP
preauthtunnel = {self.tunnel}
folderfilter = lambda name: name in ("INBOX", "Archive")
""")
        self.offlineimap()
        inbox = self.home / "mail" / "INBOX"
        self.cut()
        self.mark(inbox, "0", "FS")
        self.file_of(inbox, "1").unlink()
        self.add(inbox, "new")
        here = self.local(self.daemon)
        here.select()
        here.ok("STORE 4 +FLAGS (\\Seen)")
        self.offlineimap()
        self.assertTrue(self.file_of(inbox, "3").name.endswith(":2,S"))
        self.meanwhile()
        self.mend()
        ended = {"0": {"\\flagged", "\\seen"}, "2": set(), "3": {"\\seen"}, "4": {"\\answered"},
                 "5": set(), "new": set(), "theirs": {"\\flagged"}}
        self.assert_ended(INBOX=ended)
        self.offlineimap()
        self.assert_ended(INBOX=ended)
        self.assertEqual(sum(len(os.listdir(inbox / kind)) for kind in ("cur", "new")), len(ended))


class Neomutt(Away):
    def neomutt(self, keys):
        path = self.write("neomuttrc", f"""
set folder="imap://work@localhost/"
set spoolfile="imap://work@localhost/INBOX"
set tunnel="{self.tunnel}"
set header_cache=""
set confirmappend=no
set confirmcreate=no
set wait_key=no
set mark_old=no
set delete=yes
set move=no
set record=""
set sort=mailbox-order
set resolve=no
set quit=yes
push '{keys}'
""")
        # Under timeout(1) neomutt would be a background job wherever $SHELL doesn't exec: it'd stop.
        command = f"neomutt -n -F {shlex.quote(str(path))}"
        self.run_client("script", "-qec", command, os.devnull)

    def test_moving_deleting_and_flagging_while_the_provider_is_away(self):
        self.cut()
        self.neomutt("<jump>1<enter><flag-message><jump>2<enter><delete-message>"
                     "<jump>3<enter><save-message>=Archive<enter>"
                     "<jump>4<enter><copy-message>=Archive<enter>"
                     "<sync-mailbox><exit>")
        self.assertEqual([name for name, _ in self.state(self.local(self.daemon), "Archive")],
                         ["2", "3"])
        self.meanwhile()
        self.mend()
        for imap in (self.there, self.local(self.daemon)):
            inbox = dict(self.state(imap, "INBOX"))
            self.assertEqual(sorted(inbox), ["0", "3", "4", "5", "theirs"])
            self.assertIn("\\flagged", inbox["0"])
            self.assertIn("\\answered", inbox["4"])
            self.assertEqual([name for name, _ in self.state(imap, "Archive")], ["2", "3"])
        self.assertEqual(self.state(self.there, "INBOX"),
                         self.state(self.local(self.daemon), "INBOX"))


if __name__ == "__main__":
    unittest.main()
