# SPDX-License-Identifier: GPL-3.0-or-later
"""posternctl and the D-Bus interface behind it: what scripts, the window and people see and do."""

import base64
import json
import re
import smtplib
import socket
import subprocess
import threading
import time
import unittest
from pathlib import Path

from harness import (PATIENCE, Case, ControlError, Link, Postern, Provider, RawImap, SharedCase,
                     account, fill, find_program)
from test_sync import mail, mails

BUS_NAME = "org.postern.Postern1"
ROOT = "/org/postern/Postern1"
#: What does something to a terminal, or to the order of what is read there.
HARMFUL = "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"


class Control(SharedCase):
    @classmethod
    def prepare(cls):
        cls.shared_provider = provider = Provider()
        fill(provider, mails(12), flags="")
        fill(provider, mails(3), "Lists/Deep", flags="\\Seen")
        cls.shared_postern = Postern({"work": account(provider)})
        cls.shared_postern.sync()

    def control(self, *arguments, **options):
        return self.shared_postern.control(*arguments, **options)

    def test_status_names_the_accounts_and_their_state(self):
        self.assertIn("work", json.dumps(self.control("status")))
        text = self.control("status", json_output=False)
        self.assertIn("work", text)
        self.assertIn("idle", text)

    def test_an_account_is_shown_under_its_d_bus_names(self):
        state = self.control("account", "show", "work")
        self.assertEqual((state["Id"], state["Address"], state["State"], state["LastError"]),
                         ("work", "ada@example.org", "idle", ""))
        self.assertEqual(state["Messages"], 15)
        self.assertGreaterEqual(state["Folders"], 5)
        self.assertLess(abs(state["LastSync"] - time.time()), 600)
        self.assertEqual(state["PendingChanges"]["Changes"], 0)
        self.assertNotIn("lovelace", json.dumps(state).replace("Lovelace", ""))

    def test_accounts_are_listed(self):
        self.assertEqual([one["Id"] for one in self.control("account", "list")], ["work"])

    def test_folders_are_listed_with_counts_and_roles(self):
        folders = {folder["Name"]: folder for folder in self.control("folders", "work")}
        self.assertEqual((folders["INBOX"]["Messages"], folders["INBOX"]["Unseen"]), (12, 12))
        self.assertEqual((folders["Lists/Deep"]["Messages"], folders["Lists/Deep"]["Unseen"]), (3, 0))
        self.assertEqual(folders["Sent"]["Role"], "sent")
        self.assertEqual(folders["INBOX"]["Role"], "inbox")

    def test_a_local_password_works_until_it_is_revoked(self):
        answer = self.control("client", "work", "--new-password", "--name", "mutt")
        self.assertTrue(answer["Password"])
        listeners = {(one["Protocol"], one["Security"]): one["Port"] for one in answer["Servers"]}
        self.assertEqual(listeners["imap", "tls"], self.shared_postern.ports["imaps"])
        self.assertEqual(listeners["imap", "starttls"], self.shared_postern.ports["imap"])
        self.assertEqual(listeners["submission", "tls"], self.shared_postern.ports["submissions"])
        self.assertEqual(listeners["pop3", "starttls"], self.shared_postern.ports["pop3"])
        port = self.shared_postern.ports["imap"]
        with RawImap(port) as imap:
            imap.login(answer["User"], answer["Password"])
        with self.assertRaises(ControlError):
            self.control("client", "work", "--new-password", "--name", "mutt")
        self.assertIn("mutt", self.control("account", "show", "work")["LocalPasswords"])
        self.control("client", "work", "--revoke", "mutt")
        with RawImap(port) as imap:
            self.assertEqual(imap.command(f'LOGIN work "{answer["Password"]}"').status, "NO")

    def test_local_passwords_survive_a_restart_and_are_nowhere_in_clear(self):
        answer = self.control("client", "work", "--new-password", "--name", "kept")
        self.shared_postern.restart()
        with RawImap(self.shared_postern.ports["imap"]) as imap:
            imap.login(answer["User"], answer["Password"])
        secret = answer["Password"].encode()
        for path in self.shared_postern.directory.rglob("*"):
            if path.is_file():
                self.assertNotIn(secret, path.read_bytes(), path)

    def test_settings_to_type_are_given_without_a_new_password(self):
        answer = self.control("client", "work")
        self.assertEqual(answer["User"], "work")
        self.assertEqual(len(answer["Servers"]), 6)
        self.assertNotIn("Password", {key for key, value in answer.items() if value})

    def test_threads_are_named_after_what_they_do_and_for_whom(self):
        client = self.local(self.shared_postern)
        client.command("NOOP")
        tasks = Path(f"/proc/{self.shared_postern.pid}/task")

        def read():
            """A thread may end before its name is read."""
            found = set()
            for path in tasks.glob("*/comm"):
                try:
                    found.add(path.read_text().strip())
                except OSError:
                    continue
            return found
        names = read()
        for name in ("sync work", "idle work", "fetch work", "index work", "imap work"):
            self.assertIn(name, names)
        # GLib's newer versions have one of their own, which starts the others; and one that was
        # started for work which another took has no name, until it ends for want of work.
        self.shared_postern.wait(
            lambda: not any(name.startswith("pool-") and name != "pool-spawner" for name in read()),
            "threads without a name to end", 60)

    def test_watch_tells_what_happens(self):
        watcher = subprocess.Popen([find_program("posternctl"), "--no-start", "--json", "watch"],
                                   env=self.shared_postern.environment, stdout=subprocess.PIPE,
                                   text=True)
        try:
            time.sleep(0.5 * PATIENCE)
            self.control("offline")
            self.control("online")
            line = watcher.stdout.readline()
            self.assertTrue(json.loads(line))
        finally:
            watcher.terminate()
            watcher.wait()
            watcher.stdout.close()
        self.shared_postern.wait_state("idle")

    def test_text_from_mail_is_shown_without_control_characters(self):
        there = RawImap(self.shared_provider.imap).login("ada@example.org", "lovelace")
        self.addCleanup(there.close)
        there.command('CREATE "Odd&ABs-[31mred"')
        self.shared_postern.sync()
        # Also what UTF-8 has of the kind: what turns the direction of text, and C1.
        name = "Turned\u202e\u2066\u200fend"
        coded = base64.b64encode(name[6:-3].encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
        there.command(f'CREATE "Turned&{coded}-end"')
        self.shared_postern.sync()
        text = self.control("folders", "work", json_output=False)
        self.assertNotRegex(text, HARMFUL)
        done = subprocess.run([find_program("posternctl"), "--no-start", "--json", "folders", "work"], check=True,
                              env=self.shared_postern.environment, stdout=subprocess.PIPE, encoding="utf-8")
        self.assertNotRegex(done.stdout, HARMFUL)
        self.assertIn(name, [folder["Name"] for folder in json.loads(done.stdout)])
        self.control("account", "set", "work", "name=C1\x9b31m\x85")
        done = subprocess.run([find_program("posternctl"), "--no-start", "--json", "account", "show", "work"],
                              check=True, env=self.shared_postern.environment, stdout=subprocess.PIPE,
                              encoding="utf-8")
        self.assertNotRegex(done.stdout, HARMFUL)
        self.assertEqual(json.loads(done.stdout)["Settings"]["name"], "C1\x9b31m\x85")

    # D-Bus itself

    def gdbus(self, *arguments):
        done = subprocess.run(["gdbus", *arguments], env=self.shared_postern.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60 * PATIENCE)
        return done.returncode, done.stdout

    def call(self, path, method, *arguments):
        return self.gdbus("call", "--session", "--dest", BUS_NAME, "--object-path", path,
                          "--method", method, *arguments)

    def test_objects_are_managed_and_introspectable(self):
        status, text = self.call(ROOT, "org.freedesktop.DBus.ObjectManager.GetManagedObjects")
        self.assertEqual(status, 0, text)
        self.assertIn(f"{ROOT}/accounts/work", text)
        status, text = self.gdbus("introspect", "--session", "--dest", BUS_NAME, "--object-path",
                                  ROOT)
        for word in ("ForcedOffline", "ListQueue", "QueueChanged", "Listeners"):
            self.assertIn(word, text)

    def test_secrets_can_not_be_had_and_commands_can_not_be_set_over_the_bus(self):
        status, text = self.call(f"{ROOT}/accounts/work", f"{BUS_NAME}.Account.Configure",
                                 "{'password-command': <'touch /tmp/owned'>}", "")
        self.assertNotEqual(status, 0)
        self.assertIn("InvalidArgument", text)
        status, text = self.call(f"{ROOT}/accounts/work", f"{BUS_NAME}.Account.Configure",
                                 "{'incoming': <'imaps://evil.example'>}", "")
        self.assertNotEqual(status, 0)
        _, text = self.call(ROOT, "org.freedesktop.DBus.ObjectManager.GetManagedObjects")
        self.assertNotIn("lovelace'", text)

    def test_errors_have_names_and_sentences(self):
        status, text = self.call(ROOT, f"{BUS_NAME}.Manager.RemoveAccount", "nobody", "false")
        self.assertNotEqual(status, 0)
        self.assertIn(f"{BUS_NAME}.Error.NotFound", text)
        self.assertIn("nobody", text)

    def test_forced_offline_can_be_written(self):
        status, text = self.call(ROOT, "org.freedesktop.DBus.Properties.Set",
                                 f"{BUS_NAME}.Manager", "ForcedOffline", "<true>")
        self.assertEqual(status, 0, text)
        self.shared_postern.wait_state("offline")
        self.call(ROOT, "org.freedesktop.DBus.Properties.Set", f"{BUS_NAME}.Manager",
                  "ForcedOffline", "<false>")
        self.shared_postern.wait_state("idle")

    def test_properties_change_with_what_happens(self):
        monitor = subprocess.Popen(["gdbus", "monitor", "--session", "--dest", BUS_NAME],
                                   env=self.shared_postern.environment, stdout=subprocess.PIPE,
                                   text=True)
        try:
            time.sleep(0.5 * PATIENCE)
            self.control("offline")
            self.shared_postern.wait_state("offline")
            self.control("online")
            self.shared_postern.wait_state("idle")
        finally:
            time.sleep(0.5)
            monitor.terminate()
            said = monitor.communicate()[0]
        self.assertRegex(said, r"PropertiesChanged.*ForcedOffline")
        self.assertRegex(said, r"accounts/work.*PropertiesChanged.*State")

    def test_changes_that_the_provider_has_taken_are_not_shown_as_pending(self):
        # A change that is counted while it is on its way: the count is taken half a second after the
        # first change, the second one leaves within the tenth of a second after that.
        postern = self.shared_postern
        with postern.imap() as imap:
            imap.ok("SELECT INBOX")
            for i in range(6):
                for number, pause in ((1, 0.4 + i * 0.02), (2, 0)):
                    imap.ok(f"STORE {number} +FLAGS ($Round{i})")
                    time.sleep(pause)
                time.sleep(0.7)
                postern.wait(lambda: postern.pending() == 0, "no change to be shown as pending", 5)


class HeldBus:
    """A way to the bus that calls `hold` before it lets pass what first mentions `word`."""

    def __init__(self, postern, word, hold):
        self.target = postern.bus.address.removeprefix("unix:path=")
        self.word, self.hold = word, hold
        path = str(postern.directory / "held-bus")
        self.address = f"unix:path={path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        client, _ = self._listener.accept()
        self._listener.close()
        bus = socket.socket(socket.AF_UNIX)
        bus.connect(self.target)
        threading.Thread(target=self._pump, args=(bus, client, False), daemon=True).start()
        self._pump(client, bus, True)

    def _pump(self, source, sink, up):
        try:
            while data := source.recv(65536):
                if up and self.hold and self.word in data:
                    hold, self.hold = self.hold, None
                    hold()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Waiting(Case):
    def test_sync_waits_for_no_change_of_state_that_went_by_before_it_listened(self):
        server = self.provider()
        fill(server, mails(3))
        link = Link(server.imaps)
        self.addCleanup(link.close)
        daemon = self.postern(server, incoming_port=link.port)
        link.cut()
        daemon.wait_state("offline", "error")
        link.silence()
        link.mend()
        daemon.control("sync", "work")
        daemon.wait_state("connecting")

        def become_idle():
            link.speak()
            daemon.wait_state("idle")
        held = HeldBus(daemon, b"PropertiesChanged", become_idle)
        done = subprocess.run(
            [find_program("posternctl"), "--no-start", "sync", "work", "--wait"],
            env=dict(daemon.environment, DBUS_SESSION_BUS_ADDRESS=held.address),
            timeout=20 * PATIENCE, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertIsNone(held.hold, "it listens for changes")


class Accounts(Case):
    def test_an_account_is_added_synced_and_removed_while_the_daemon_runs(self):
        server = self.provider()
        fill(server, mails(4))
        daemon = self.postern(accounts={})
        # The bus must not set commands, and no secret service is here: posternctl edits the file.
        password = daemon.directory / "password"
        password.write_text("lovelace\n")
        daemon.control("account", "add", "ada@example.org", "--id", "home", "--incoming",
                       server.url("imap+insecure"), "--outgoing", server.url("submission+insecure"),
                       "--password-command", f"cat {password}")
        daemon.sync("home")
        self.assertEqual(self.local(daemon, "home").select().exists, 4)
        self.assertIn("[account home]", daemon.config.read_text())
        daemon.control("account", "remove", "home")
        self.assertEqual(daemon.control("account", "list"), [])
        self.assertNotIn("[account home]", daemon.config.read_text())
        self.assertTrue((daemon.data / "accounts" / "home" / "mail.db").exists())

    def test_removing_refuses_while_mail_exists_only_here(self):
        server = self.provider()
        daemon = self.postern(server, outgoing_port=1)
        session = smtplib.SMTP("127.0.0.1", daemon.ports["submission"], timeout=60)
        session.login(*daemon.login())
        session.sendmail("ada@example.org", ["bob@example.net"], mail("stuck"))
        session.quit()
        with self.assertRaises(ControlError) as caught:
            daemon.control("account", "remove", "work")
        self.assertEqual(caught.exception.status, 1)
        daemon.control("account", "remove", "work", "--purge")
        self.assertFalse((daemon.data / "accounts" / "work").exists())

    def test_edits_keep_comments_and_order(self):
        server = self.provider()
        daemon = self.postern(server)
        text = "# the first line\n" + daemon.config.read_text() + "# the last line\n"
        daemon.config.write_text(text)
        daemon.control("account", "set", "work", "prefetch=headers")
        after = daemon.config.read_text()
        self.assertIn("# the first line", after)
        self.assertIn("# the last line", after)
        self.assertTrue(re.search(r"^prefetch=headers$", after, re.M))
        kept = [line for line in after.splitlines() if not line.startswith("prefetch")]
        self.assertEqual([line for line in text.splitlines() if not line.startswith("prefetch")],
                         kept)
        self.assertEqual(daemon.state()["Settings"]["prefetch"], "headers")
        with self.assertRaises(ControlError):
            daemon.control("account", "set", "work", "prefetch=sometimes")

    def test_a_disabled_account_serves_nothing_new_and_says_so(self):
        server = self.provider()
        daemon = self.postern(server)
        daemon.control("account", "set", "work", "enabled=false")
        self.assertEqual(daemon.wait_state("disabled")["State"], "disabled")
        daemon.control("account", "set", "work", "enabled=true")
        daemon.wait_state("idle")


if __name__ == "__main__":
    unittest.main()
