# SPDX-License-Identifier: GPL-3.0-or-later
"""When something is wrong, the message names the thing and the remedy, nothing is lost, and the daemon
stays up where it can."""

import os
import smtplib
import socket
import subprocess
import threading
import time
import unittest

from harness import PATIENCE, Case, ControlError, Link, Postern, account, fill, free_port
from test_sync import mail, mails


class Providers(Case):
    """The provider refuses or can't be trusted."""

    def complaint(self, daemon, *words, states=("error", "auth-required", "locked", "offline")):
        """Waits for LastError to have one of the words; returns the account's properties."""
        def look():
            now = daemon.state()
            said = now["LastError"].lower()
            return now if now["State"] in states and any(word in said for word in words) else None
        try:
            return daemon.wait(look, "a complaint", 20)
        except AssertionError:
            raise AssertionError(f"no {words} in {daemon.state()}") from None

    def test_a_wrong_password_is_called_that_and_is_not_tried_forever(self):
        server = self.provider()
        link = Link(server.imaps)
        self.addCleanup(link.close)
        daemon = self.postern(server, synced=False, password="wrong", incoming_port=link.port)
        state = self.complaint(daemon, "password")
        self.assertEqual(state["State"], "auth-required")
        self.assertIn("ada@example.org", str(state))
        time.sleep(3)
        connections = link.connections
        time.sleep(3)
        self.assertLessEqual(link.connections, connections + 1)

    def test_a_corrected_password_works_after_reload(self):
        server = self.provider()
        fill(server, mails(3))
        daemon = self.postern(server, synced=False, password="wrong")
        self.complaint(daemon, "password")
        daemon.accounts["work"] = account(server)
        daemon.write_config()
        daemon.reload()
        daemon.wait_state("idle", timeout=30)
        self.assertEqual(self.local(daemon).select().exists, 3)

    def test_a_password_changed_at_the_provider_keeps_the_cache_readable(self):
        server = self.provider()
        fill(server, mails(3))
        link = Link(server.imaps)
        self.addCleanup(link.close)
        daemon = self.postern(server, incoming_port=link.port)
        server.users = {"ada@example.org": "changed"}
        server.restart()
        link.drop_connections()  # those that are logged in survive the restart
        self.complaint(daemon, "password")
        self.assertEqual(len(self.local_bodies(daemon)), 3)

    def local_bodies(self, daemon):
        here = self.local(daemon)
        here.select()
        return here.bodies()

    def test_a_failing_password_command_means_locked_with_its_words(self):
        server = self.provider()
        daemon = self.postern(server, synced=False,
                              password_command="echo The vault is closed >&2; exit 1")
        state = self.complaint(daemon, "vault is closed")
        self.assertEqual(state["State"], "locked")

    def bad_certificate(self, variant, *words):
        server = self.provider(certificate=variant)
        fill(server, mails(2))
        daemon = self.postern(server, synced=False)
        state = self.complaint(daemon, *words)
        self.assertIn("127.0.0.1", state["LastError"])
        self.assertTrue(any(word in daemon.log().lower() for word in words), daemon.log())
        return server, daemon

    def test_an_expired_certificate_is_refused_by_name_and_a_renewed_one_works(self):
        server, daemon = self.bad_certificate("expired", "expired")
        server.restart(certificate="valid")
        daemon.control("online")
        daemon.sync()
        self.assertEqual(self.local(daemon).select().exists, 2)

    def test_a_certificate_for_another_host_is_refused_by_name(self):
        self.bad_certificate("wrong-host", "another", "different", "not for", "does not match",
                             "isn't for", "mismatch", "name")

    def test_a_self_signed_certificate_is_refused_by_name(self):
        self.bad_certificate("self-signed", "trusted", "self-signed", "self signed", "authority",
                             "unknown")

    def test_a_host_that_does_not_exist_is_named(self):
        server = self.provider()
        daemon = self.postern(server, synced=False)
        daemon.accounts["work"]["incoming"] = "imaps://no-such-host.invalid"
        daemon.write_config()
        daemon.restart()
        self.complaint(daemon, "no-such-host.invalid", states=("offline", "error", "connecting"))

    def test_a_server_that_talks_nonsense_ends_the_connection_not_the_daemon(self):

        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def babble():
            while True:
                try:
                    client, _ = listener.accept()
                    client.sendall(b"* OK [CAPABILITY IMAP4rev1] hello\r\n" + b"\xff\0({{{" * 100000)
                    client.close()
                except OSError:
                    if listener.fileno() < 0:
                        return
        threading.Thread(target=babble, daemon=True).start()
        server = self.provider()
        daemon = self.postern(server, synced=False, incoming="imap+insecure",
                              incoming_port=listener.getsockname()[1])
        daemon.wait(lambda: daemon.state()["LastError"], "a complaint")
        self.assertTrue(daemon.running())
        self.local(daemon).ok("NOOP")


class Configuration(Case):
    """What is wrong on this side."""

    def refused(self, daemon, *words, status=(1, 2, 78)):
        """posternd ends by itself, saying the words."""
        process = daemon.spawn()
        try:
            self.assertIn(process.wait(20 * PATIENCE), status)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.fail(f"posternd went on:\n{daemon.log()}")
        for word in words:
            self.assertIn(str(word), daemon.log())

    def configured(self, text, **options):
        daemon = Postern(config=text, start=False, **options)
        self.addCleanup(self._end, daemon)
        return daemon

    def test_a_busy_port_is_named_and_the_other_listeners_work(self):
        server = self.provider()
        fill(server, mails(2))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            daemon = self.postern(server, listen={"imap": f"127.0.0.1:{port}"})
            self.assertIn(str(port), daemon.log())
            self.assertRegex(daemon.log().lower(), "in use|busy|taken")
            self.assertEqual(self.local(daemon).select().exists, 2)

    def test_a_default_port_that_is_busy_at_the_first_start_is_replaced(self):
        server = self.provider()
        settings = "\n".join(f"{key}={value}" for key, value in account(server).items())
        daemon = self.configured(f"[account work]\n{settings}\n")
        daemon.start()
        text = daemon.config.read_text()
        self.assertIn("[listen]", text)
        answer = daemon.control("client", "work", "--new-password")
        for listener in answer["Servers"]:
            socket.create_connection(("127.0.0.1", listener["Port"]), 10).close()
        self.assertEqual({listener["Security"] for listener in answer["Servers"]},
                         {"starttls", "tls"})
        self.assertTrue({"imap", "pop3", "submission"} <=
                        {listener["Protocol"] for listener in answer["Servers"]})

    def test_a_configuration_that_can_not_be_parsed_names_file_and_line(self):
        daemon = self.configured("[listen]\nthis is not a key file\n")
        self.refused(daemon, daemon.config)

    def test_a_bad_value_names_file_group_and_key(self):
        server = self.provider()
        for key, value in (("incoming", "gopher://example.org"), ("prefetch", "sometimes"),
                           ("save-sent", "perhaps"), ("auth", "magic"),
                           ("incoming", "imap+insecure://imap.example.org")):
            with self.subTest(f"{key}={value}"):
                settings = dict(account(server), **{key: value})
                lines = "\n".join(f"{name}={text}" for name, text in settings.items())
                daemon = self.configured(f"[listen]\nimap=127.0.0.1:{free_port()}\n"
                                         f"[account work]\n{lines}\n")
                self.say_or_refuse(daemon, daemon.config, "account work", key)

    def say_or_refuse(self, daemon, *words):
        """posternd may go on without what is wrong, or end; it must say the words."""
        process = daemon.spawn()
        deadline = time.monotonic() + 15 * PATIENCE
        while time.monotonic() < deadline:
            if all(str(word) in daemon.log() for word in words):
                break
            if process.poll() is not None:
                break
            time.sleep(0.05)
        if process.poll() is None:
            process.terminate()
            process.wait(20 * PATIENCE)
        for word in words:
            self.assertIn(str(word), daemon.log())

    def test_a_password_in_the_file_is_refused(self):
        server = self.provider()
        settings = dict(account(server), password="lovelace")
        del settings["password-command"]
        lines = "\n".join(f"{name}={text}" for name, text in settings.items())
        daemon = self.configured(f"[account work]\n{lines}\n")
        self.say_or_refuse(daemon, daemon.config, "account work", "password-command")
        self.assertNotIn("lovelace", daemon.log())

    def test_listening_beyond_loopback_is_refused(self):
        daemon = self.configured("[listen]\nimap=0.0.0.0:0\n")
        self.say_or_refuse(daemon, daemon.config, "listen", "imap")
        self.assertRegex(daemon.log().lower(), "loopback")

    def test_an_unknown_key_warns_and_works(self):
        server = self.provider()
        daemon = self.postern(server, synced=False, favourite_colour="blue")
        self.assertIn("favourite-colour", daemon.log())

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_an_unreadable_configuration_is_named(self):
        daemon = self.configured("[listen]\n")
        daemon.config.chmod(0)
        self.refused(daemon, daemon.config)

    def test_a_configuration_that_is_a_folder_is_named(self):
        daemon = self.configured("[listen]\n")
        daemon.config.unlink()
        daemon.config.mkdir()
        self.refused(daemon, daemon.config)

    def test_a_second_daemon_on_the_same_data_is_refused_with_the_pid_of_the_first(self):
        server = self.provider()
        daemon = self.postern(server, synced=False)
        second = daemon.spawn()
        self.assertNotEqual(second.wait(20 * PATIENCE), 0)
        self.assertIn(str(daemon.pid), daemon.log())
        self.assertTrue(daemon.running())
        daemon.state()

    def test_a_bad_configuration_at_reload_is_named_and_the_old_one_stays(self):
        server = self.provider()
        fill(server, mails(2))
        daemon = self.postern(server)
        daemon.config.write_text("[listen]\nthis is not a key file\n")
        daemon.reload()
        daemon.wait(lambda: str(daemon.config) in daemon.log(), "a complaint")
        self.assertEqual(self.local(daemon).select().exists, 2)

    def test_posternctl_without_a_daemon_says_so_with_status_3(self):
        server = self.provider()
        daemon = self.postern(server, start=False)
        started = time.monotonic()
        with self.assertRaises(ControlError) as caught:
            daemon.control("status")
        self.assertEqual(caught.exception.status, 3)
        self.assertTrue(str(caught.exception))
        self.assertLess(time.monotonic() - started, 15 * PATIENCE)

    def test_posternctl_with_bad_usage_ends_with_status_2(self):
        daemon = self.postern(self.provider(), synced=False)
        for arguments in (("nonsense",), ("queue", "nonsense"), ("sync", "--nonsense")):
            with self.subTest(arguments), self.assertRaises(ControlError) as caught:
                daemon.control(*arguments)
            self.assertEqual(caught.exception.status, 2)
        with self.assertRaises(ControlError) as caught:
            daemon.control("sync", "nobody")
        self.assertEqual(caught.exception.status, 1)
        self.assertIn("nobody", str(caught.exception))

    def test_a_daemon_without_accounts_listens_nowhere_and_stops_cleanly(self):
        daemon = self.postern(accounts={})
        for port in daemon.ports.values():
            with self.assertRaises(OSError):
                socket.create_connection(("127.0.0.1", port), 5).close()


@unittest.skipUnless(os.geteuid() == 0, "only root may mount a small disk")
class FullDisk(Case):
    """The data directory on a disk of 8 MB."""

    def setUp(self):
        self.server = self.provider()
        fill(self.server, mails(20))
        self.daemon = self.postern(self.server, start=False, outgoing="submissions")
        self.daemon.data.mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs",
                        str(self.daemon.data)], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.daemon.data)], check=True)
        self.daemon.start()
        self.daemon.sync()

    def fill_disk(self):
        with open(self.daemon.data / "ballast", "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"x" * 4096)
            except OSError:
                pass

    def test_submissions_are_refused_with_452_and_taken_when_there_is_room(self):
        self.server.relay.answers["MAIL"] = "451 4.3.0 Not now"
        user, password = self.daemon.login()
        self.fill_disk()
        session = smtplib.SMTP("127.0.0.1", self.daemon.ports["submission"], timeout=60)
        session.login(user, password)
        with self.assertRaises(smtplib.SMTPResponseException) as caught:
            session.sendmail("ada@example.org", ["bob@example.net"],
                             mail("full") + b"x" * 70 + b"\r\n" * 200000)
        self.assertEqual(caught.exception.smtp_code, 452)
        (self.daemon.data / "ballast").unlink()
        session.sendmail("ada@example.org", ["bob@example.net"], mail("room"))
        session.quit()

    def test_reading_goes_on_and_the_sync_resumes_when_there_is_room(self):
        self.fill_disk()
        fill(self.server, [mail(f"big {i}", "x" * 60000 + "\r\n") for i in range(10)])
        here = self.local(self.daemon)
        here.select()
        self.assertEqual(len(here.bodies("1:20")), 20)
        state = self.daemon.wait(lambda: (lambda now: now if now["LastError"] else None)(
            self.daemon.state()), "a complaint", 30)
        self.assertRegex(state["LastError"].lower(), "full|space|room")
        self.assertEqual(state["State"], "no-space")
        self.assertLess(state["Progress"], 1)
        self.assertIn("no-space", str(self.daemon.control("status")))
        with self.assertRaises(ControlError) as failed:
            self.daemon.control("sync", "--wait")
        self.assertRegex(str(failed.exception).lower(), "full|space|room")
        (self.daemon.data / "ballast").unlink()
        self.daemon.control("online")
        self.daemon.sync()
        self.assertEqual(self.local(self.daemon).select().exists, 30)

    def test_it_recovers_by_itself_when_there_is_room(self):
        """Bodies that couldn't be kept while all else could; and what a round couldn't write."""
        for folder in ("INBOX", "Archive"):
            self.fill_disk()
            fill(self.server, [mail(f"large {folder}", "x" * 600000 + "\r\n")])
            self.daemon.wait(lambda: self.daemon.state()["State"] == "no-space", "the state", 60)
            (self.daemon.data / "ballast").unlink()
            self.daemon.wait(lambda: self.daemon.state()["State"] == "idle", "to be idle again", 120)
            self.assertEqual(self.daemon.state()["LastError"], "")
            self.assertEqual(self.daemon.state()["Progress"], 1)
            log = self.daemon.log()
            self.assertLess(log.lower().count("is full"), 12, log)
        self.assertEqual(self.local(self.daemon).select().exists, 22)


if __name__ == "__main__":
    unittest.main()
