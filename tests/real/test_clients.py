# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail programs that people use do their daily work through Postern."""

import imaplib
import os
import shlex
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import (ControlError, Postern, Provider, RawImap, SharedCase, account, fill_real, find_program,
                     trusting)

COUNT = 60


class Clients(SharedCase):
    @classmethod
    def prepare(cls):
        cls.shared_provider = provider = Provider()
        fill_real(provider, limit=COUNT)
        cls.shared_postern = postern = Postern({"work": account(provider)})
        postern.sync()
        cls.user, cls.password = postern.login()
        cls.ca = postern.local_ca()
        there = RawImap(provider.imap).login("ada@example.org", "lovelace")
        there.select("INBOX", "EXAMINE")
        cls.bodies = list(there.bodies().values())

    def setUp(self):
        self.home = Path(tempfile.mkdtemp(prefix="postern-client-"))
        self.addCleanup(shutil.rmtree, self.home, True)
        self.ports = self.shared_postern.ports
        self.environment = dict(self.shared_postern.environment, HOME=str(self.home))

    def run_client(self, *command, data=None, good=(0,), timeout=180):
        source = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
        done = subprocess.run(list(map(str, command)), env=self.environment, cwd=self.home,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, **source)
        self.assertIn(done.returncode, good, f"{command[0]}: {done.stdout[-2000:]!r} "
                                             f"{done.stderr[-2000:]!r}")
        return done.stdout

    def tunnel(self, protocol="imap"):
        """The command line that joins a client to the account's Unix socket."""
        return f"{find_program('posternctl')} connect {protocol} work"

    def write(self, name, text):
        path = self.home / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    # curl

    def curl(self, *arguments, **options):
        return self.run_client("curl", "--silent", "--show-error", "--cacert", self.ca,
                               "--user", f"{self.user}:{self.password}", *arguments, **options)

    def test_curl_reads_mail_over_imaps(self):
        data = self.curl(f"imaps://localhost:{self.ports['imaps']}/INBOX;MAILINDEX=3")
        self.assertEqual(data, self.bodies[2])

    def test_curl_reads_mail_after_starttls(self):
        data = self.curl("--ssl-reqd", f"imap://localhost:{self.ports['imap']}/INBOX;UID=4")
        self.assertEqual(data, self.bodies[3])

    def test_curl_lists_folders_and_searches(self):
        self.assertIn(b"INBOX", self.curl(f"imaps://localhost:{self.ports['imaps']}/"))
        found = self.curl(f"imaps://localhost:{self.ports['imaps']}/INBOX?ALL")
        self.assertEqual(len(found.split()), COUNT + 2)

    def test_curl_reads_mail_over_pop3s(self):
        data = self.curl(f"pop3s://localhost:{self.ports['pop3s']}/5")
        self.assertEqual(data, self.bodies[4])

    def test_curl_sends_mail(self):
        self.sends(lambda data: self.curl(
            f"smtps://localhost:{self.ports['submissions']}", "--mail-from", "ada@example.org",
            "--mail-rcpt", "bob@example.net", "--upload-file", "-", data=data))

    def sends(self, send):
        before = len(self.shared_provider.relay.deliveries)
        data = b"From: ada@example.org\r\nTo: bob@example.net\r\nSubject: sent\r\n" \
               b"Message-ID: <sent@clients.test>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n" \
               b"\r\n.dot\r\nhello\r\n"
        send(data)
        self.shared_provider.relay.wait_for(before + 1, 60)
        delivery = self.shared_provider.relay.deliveries[before]
        self.assertEqual(delivery.recipients, ["bob@example.net"])
        return delivery

    # Python

    def test_imaplib_reads_flags_and_searches(self):
        imap = imaplib.IMAP4_SSL("localhost", self.ports["imaps"], ssl_context=trusting(self.ca))
        imap.login(self.user, self.password)
        self.assertEqual(imap.select("INBOX"), ("OK", [b"%d" % COUNT]))
        self.assertEqual(imap.fetch("7", "(BODY.PEEK[])")[1][0][1], self.bodies[6])
        status, numbers = imap.search(None, "ALL")
        self.assertEqual((status, len(numbers[0].split())), ("OK", COUNT))
        self.assertEqual(imap.store("7", "+FLAGS", "(\\Flagged)")[0], "OK")
        self.assertEqual(imap.store("7", "-FLAGS", "(\\Flagged)")[0], "OK")
        self.assertEqual(imap.status("INBOX", "(MESSAGES)")[0], "OK")
        imap.logout()

    # mbsync

    def mbsync(self, name, connection):
        self.write("mbsyncrc", f"""
IMAPStore there
{connection}

MaildirStore here
Path {self.home}/{name}/
Inbox {self.home}/{name}/INBOX
SubFolders Verbatim

Channel all
Far :there:
Near :here:
Patterns *
Create Near
Sync Pull
SyncState *
""")
        (self.home / name).mkdir()
        self.run_client("mbsync", "--config", self.home / "mbsyncrc", "all")
        files = sorted((self.home / name / "INBOX").glob("*/*"))
        self.assertEqual(len([path for path in files if path.parent.name in ("cur", "new")]), COUNT)
        return files

    def test_mbsync_pulls_everything_over_tls(self):
        self.mbsync("tls", f"""Host localhost
Port {self.ports['imaps']}
SSLType IMAPS
CertificateFile {self.ca}
User {self.user}
Pass {self.password}""")

    def test_mbsync_pulls_everything_through_a_tunnel(self):
        self.mbsync("tunnel", f"Tunnel \"{self.tunnel()}\"")

    # fetchmail

    def fetchmail(self, protocol, port):
        self.write(".fetchmailrc", f"""
set no syslog
poll localhost protocol {protocol} port {port} no dns
  user "{self.user}" password "{self.password}"
  ssl sslcertck sslcertfile "{self.ca}"
  keep fetchall mda "cat >> {self.home}/got; echo END-OF-MAIL >> {self.home}/got"
""")
        self.run_client("fetchmail", "--silent", "--pidfile", self.home / "pid")
        self.assertEqual((self.home / "got").read_bytes().count(b"END-OF-MAIL"), COUNT)

    def test_fetchmail_fetches_over_imap(self):
        self.fetchmail("imap", self.ports["imaps"])

    def test_fetchmail_fetches_over_pop3(self):
        self.fetchmail("pop3", self.ports["pop3s"])

    # neomutt

    def test_neomutt_saves_a_message_through_a_tunnel(self):
        saved = self.home / "saved"
        # Nothing asks back (confirmcreate, confirmappend), so nothing is to be answered: a key that
        # isn't bound would make neomutt forget the rest of the pushed ones, and wait for a person.
        keys = f"push '<jump>9<enter><copy-message>{saved}<enter><exit>'"
        self.environment.update(TERM="xterm", LINES="24", COLUMNS="80")
        self.neomutt_on_terminal("imap://work@localhost/", f"set tunnel=\"{self.tunnel()}\"\n{keys}")
        self.assertIn(self.subject(8), saved.read_bytes())

    def neomutt_on_terminal(self, folder, settings):
        """neomutt draws on a terminal: script(1) gives it one."""
        path = self.write("neomuttrc", f"""
set folder="{folder}"
set spoolfile="{folder}INBOX"
set header_cache=""
set confirmappend=no
set confirmcreate=no
set wait_key=no
set mark_old=no
set record=""
set sort=mailbox-order
set quit=yes
{settings}
""")
        # Under timeout(1) neomutt would be a background job wherever $SHELL doesn't exec: it'd stop.
        command = f"neomutt -n -F {shlex.quote(str(path))}"
        self.run_client("script", "-qec", command, os.devnull)

    def subject(self, index):
        header = self.bodies[index].partition(b"\r\n\r\n")[0]
        return header.partition(b"Subject: ")[2].partition(b"\r\n")[0][:30]

    def test_neomutt_sends_mail(self):
        self.write("neomuttrc", f"""
set smtp_url="smtp://{self.user}@localhost:{self.ports['submission']}"
set smtp_pass="{self.password}"
set ssl_starttls=no
set ssl_force_tls=no
set from=ada@example.org
set realname="Ada"
set copy=no
set record=""
""")
        delivery = self.sends(lambda data: self.run_client(
            "neomutt", "-n", "-F", self.home / "neomuttrc", "-s", "sent", "bob@example.net",
            data=b"hello\n"))
        self.assertIn(b"Subject: sent", delivery.data)

    # swaks

    def test_swaks_sends_mail_with_every_kind_of_login(self):
        for arguments in (("--auth", "PLAIN"), ("--auth", "LOGIN"),
                          ("--auth", "PLAIN", "--tls"), ("--auth", "PLAIN", "--tlsc")):
            with self.subTest(arguments):
                port = self.ports["submissions" if "--tlsc" in arguments else "submission"]
                self.sends(lambda data: self.run_client(
                    "swaks", "--server", "localhost", "--port", port, "--from", "ada@example.org",
                    "--to", "bob@example.net", "--auth-user", self.user, "--auth-password",
                    self.password, "--data", "-", *arguments, data=data))

    # posternctl client --format: each configuration, used by its program as it is

    def configuration(self, program, password=True):
        words = ["--new-password", "--name", f"{program}-{os.urandom(4).hex()}"] if password else []
        text = self.shared_postern.control("client", "work", *words, "--format", program, json_output=False)
        self.assertNotRegex(text, "@[A-Z]+@")
        return text

    def in_path(self):
        """posternctl as the programs find it."""
        self.environment["PATH"] = f"{Path(find_program('posternctl')).parent}:{self.environment['PATH']}"

    def test_mbsync_as_configured(self):
        self.in_path()
        (self.home / "Mail").mkdir()
        path = self.write("mbsyncrc", self.configuration("mbsync", password=False))
        self.run_client("mbsync", "--config", path, "work")
        self.assertEqual(len(list((self.home / "Mail/INBOX").glob("[cn]*/*"))), COUNT)

    def test_fetchmail_as_configured(self):
        self.write(".fetchmailrc", self.configuration("fetchmail") +
                   f'  mda "cat >> {self.home}/got; echo END-OF-MAIL >> {self.home}/got" fetchall\n')
        self.run_client("fetchmail", "--silent", "--nosyslog", "--pidfile", self.home / "pid")
        self.assertEqual((self.home / "got").read_bytes().count(b"END-OF-MAIL"), COUNT)

    @unittest.skipUnless(shutil.which("getmail"), "no getmail")
    def test_getmail_as_configured(self):
        # It delivers nothing as root, but for a command that may run as root.
        (self.home / ".getmail").mkdir(mode=0o700)
        # And if that ends before getmail begins to wait for it, it waits for a minute and gives up (a notify() before
        # the wait(), in its baseclasses.py): so the command takes its time, and all may be got anew.
        take = self.write("take", f"#!/bin/sh\ncat >> {self.home}/got; echo END-OF-MAIL >> {self.home}/got; sleep 0.2\n")
        take.chmod(0o700)
        text = self.configuration("getmail")
        self.assertRegex(text, r"\[destination\]\ntype = Maildir\npath = ~/Maildir/\n$")
        (self.home / ".getmail/getmailrc").write_text(
            f"{text.partition('[destination]')[0]}[destination]\ntype = MDA_external\nallow_root_commands = true\npath = {take}\n")
        for last in (False, False, True):
            (self.home / "got").unlink(missing_ok=True)
            try:
                self.run_client("getmail", "--quiet", timeout=60)
                break
            except subprocess.TimeoutExpired:
                if last:
                    raise
        self.assertEqual((self.home / "got").read_bytes().count(b"END-OF-MAIL"), COUNT)

    @unittest.skipUnless(shutil.which("offlineimap"), "no offlineimap")
    def test_offlineimap_as_configured(self):
        self.in_path()
        path = self.write("offlineimaprc", self.configuration("offlineimap", password=False))
        self.run_client("offlineimap", "-o", "-u", "quiet", "-c", path, "-f", "INBOX")
        self.assertEqual(len(list((self.home / "OfflineIMAP/INBOX").glob("[cn]*/*"))), COUNT)

    @unittest.skipUnless(shutil.which("msmtp"), "no msmtp")
    def test_msmtp_as_configured(self):
        path = self.write("msmtprc", self.configuration("msmtp"))
        self.sends(lambda data: self.run_client("msmtp", "-C", path, "bob@example.net", data=data))

    def test_neomutt_as_configured(self):
        self.in_path()
        text = self.configuration("neomutt", password=False)
        self.assertEqual(text, self.configuration("mutt", password=False))
        saved = self.home / "saved"
        path = self.write("neomuttrc", text + f"set header_cache=''\nset confirmappend=no\nset confirmcreate=no\nset wait_key=no\n"
                          f"set mark_old=no\nset quit=yes\nset sort=mailbox-order\n"
                          f"push '<jump>9<enter><copy-message>{saved}<enter><exit>'\n")
        self.environment.update(TERM="xterm", LINES="24", COLUMNS="80")
        self.run_client("script", "-qec", f"neomutt -n -F {shlex.quote(str(path))}", os.devnull)
        self.assertIn(self.subject(8), saved.read_bytes())

    def test_thunderbird_and_evolution_and_aerc_are_told_the_ports(self):
        for program in ("thunderbird", "evolution", "aerc"):
            text = self.configuration(program)
            for name in ("imaps", "submissions"):
                self.assertRegex(text, rf"\b{self.ports[name]}\b")
        with self.assertRaises(ControlError) as caught:
            self.shared_postern.control("client", "work", "--format", "frob")
        self.assertEqual(caught.exception.status, 2)
        self.assertIn("mbsync", str(caught.exception))

    # posternctl connect

    def test_connect_joins_a_program_to_the_submission_socket(self):
        out = self.run_client(*shlex.split(self.tunnel("submission")),
                              data=b"EHLO tunnel.local\r\nQUIT\r\n")
        self.assertIn(b"250", out)
        self.assertTrue(out.startswith(b"220"))


if __name__ == "__main__":
    unittest.main()
