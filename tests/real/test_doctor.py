# SPDX-License-Identifier: GPL-3.0-or-later
"""posternctl doctor and account test: each thing that may be wrong is found, with what to do, and what is safe to do is done."""

import itertools
import json
import socket
import subprocess
from pathlib import Path

from harness import Case, account, fill, find_program
from test_sync import mails

SECRET = {"address": "Grace.Hopper@Cobol.example", "user": "ada@example.org", "name": "Rear Admiral",
          "folder": "Nanoseconds of wire"}


class Doctor(Case):
    def setUp(self):
        self.server = self.provider()
        fill(self.server, mails(2))
        fill(self.server, mails(1), SECRET["folder"])

    def begin(self, **settings):
        self.daemon = self.postern(accounts={"cobol": account(self.server, **settings)}, synced=False)
        return self.daemon

    def doctor(self, *options):
        """(exit status, {(about, state): [(text, remedy)]})"""
        done = subprocess.run([find_program("posternctl"), "--json", "doctor", *options], stdout=subprocess.PIPE,
                              env=self.daemon.environment, text=True, check=False)
        found = {}
        for one in json.loads(done.stdout):
            found.setdefault((one["About"], one["State"]), []).append((one["Text"], one["Remedy"]))
        return done.returncode, found

    def wrong(self, *options):
        return {key: said for key, said in self.doctor(*options)[1].items() if key[1] != "ok"}

    def test_what_is_well_is_said_to_be_and_the_exit_status_is_0(self):
        self.begin()
        self.daemon.sync("cobol")
        status, found = self.doctor()
        self.assertEqual((status, {key for key in found if key[1] != "ok"}), (0, set()), found)
        self.assertEqual({about for about, _ in found}, {"configuration", "data", "disk", "certificate", "daemon", "network",
                                                         "ports", "outgoing mail", "account cobol"})

    def test_files_that_others_can_read_are_made_private(self):
        self.begin()
        places = {"configuration": self.daemon.config, "data": self.daemon.data}
        for which in itertools.chain.from_iterable(itertools.combinations(places, count) for count in (1, 2)):
            with self.subTest(which=which):
                for name in which:
                    places[name].chmod(places[name].stat().st_mode | 0o044)
                found = self.wrong()
                for name in which:
                    (text, remedy), = found[name, "warning"]
                    self.assertIn(str(places[name]), text)
                    self.assertIn("chmod go= ", remedy)
                self.assertFalse(any(place in found for place in places if place not in which))
                self.doctor("--fix")
                self.assertFalse(any((name, "warning") in self.wrong() for name in places))
                self.assertTrue(all(place.stat().st_mode & 0o077 == 0 for place in places.values()))

    def test_what_is_wrong_with_an_account_has_its_remedy(self):
        self.begin(password_command="echo wrong")
        self.daemon.wait_state("auth-required", account="cobol")
        status, found = self.doctor()
        self.assertEqual(status, 1)
        (text, remedy), = found["account cobol", "bad"]
        self.assertIn("refuses the user name or password", text)
        self.assertEqual(remedy, "posternctl account authorize cobol")

    def test_a_configuration_that_cannot_be_read_names_its_line(self):
        self.begin()
        self.daemon.stop()
        text = self.daemon.config.read_text()
        # Where nobody runs to tell which is in use, it is the usual one.
        usual = Path(self.daemon.environment["XDG_CONFIG_HOME"]) / "postern" / "postern.conf"
        usual.parent.mkdir(mode=0o700, parents=True)
        usual.touch(mode=0o600)
        for change, said in ((text + "[account x\n", "“[account x”"), (text + "frobnicate=1\n", "frobnicate"),
                             (text.replace("incoming=", "incoming=gopher:"), "incoming")):
            with self.subTest(said=said):
                usual.write_text(change)
                found = self.wrong()
                self.assertIn(said, " ".join(text for text, _ in found.get(("configuration", "bad"), []) +
                                             found.get(("configuration", "warning"), [])))
                self.assertIn(("daemon", "bad"), found)

    def test_a_taken_port_and_being_offline_are_said(self):
        self.begin()
        self.daemon.stop()
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.daemon.ports["pop3"]))
            other.listen()
            self.daemon.start()
            self.daemon.control("offline")
            found = self.wrong()
            (text, _), = found[f"port {self.daemon.ports['pop3']}", "bad"]
            self.assertIn("is taken by python", text)
            self.assertEqual(found["network", "warning"][0][1], "posternctl online")
        self.daemon.control("online")

    def test_a_report_names_nobody(self):
        self.begin(address=SECRET["address"], name=SECRET["name"], password_command="echo wrong")
        self.daemon.wait_state("auth-required", account="cobol")
        words = [SECRET["address"], "grace.hopper", SECRET["user"], SECRET["name"], "cobol", SECRET["folder"]]
        for options in ((), ("--json",)):
            done = subprocess.run([find_program("posternctl"), *options, "doctor", "--report"], stdout=subprocess.PIPE,
                                  env=self.daemon.environment, text=True, check=False)
            self.assertIn("ACCOUNT-1", done.stdout)
            self.assertIn("GLib", done.stdout)
            for word in words:
                self.assertNotIn(word.lower(), done.stdout.lower())


class Trial(Case):
    """posternctl account test"""

    #: What is wrong, as settings of the account, and the steps at which fetching and sending end.
    WRONG = {
        "nothing": ({}, None, None),
        "nothing, by STARTTLS": ({"incoming": "imap", "outgoing": "submission"}, None, None),
        "nothing, by POP3": ({"incoming": "pop3s"}, None, None),
        "no outgoing server": ({"outgoing": None}, None, None),
        "the password": ({"password": "wrong"}, "login", "login"),
        "the password of a maildrop": ({"password": "wrong", "incoming": "pop3"}, "login", "login"),
        "the password for sending": ({"outgoing_password_command": "echo wrong"}, None, "login"),
        "the command that prints it": ({"password_command": "false"}, "password", "password"),
        "the certificate": ({"tls_ca_file": None}, "tls", "tls"),
        "the port": ({"incoming_port": 1, "outgoing_port": 1}, "connection", "connection"),
        "the host": ({"incoming": None, "outgoing": None}, "name", "name"),
        "the protocol": ({"incoming_port": "submissions", "outgoing_port": "imaps"}, "greeting", "greeting"),
    }

    def test_each_fault_is_found_at_its_step_with_words_and_the_rest_is_not_tried(self):
        server = self.provider()
        fill(server, mails(2))
        accounts = {}
        for number, (settings, _, _) in enumerate(self.WRONG.values()):
            settings = {**settings}
            for port in ("incoming_port", "outgoing_port"):
                if isinstance(settings.get(port), str):
                    settings[port] = getattr(server, settings[port])
            if settings.get("incoming", "") is None:
                made = account(server)
                made.update(incoming="imaps://nowhere.invalid", outgoing="submissions://nowhere.invalid")
            else:
                made = account(server, **settings)
            accounts[f"a{number}"] = made
        daemon = self.postern(accounts={**accounts, "here": {"incoming": "local:"}}, synced=False)
        for name, (what, (_, *ends)) in zip(accounts, self.WRONG.items()):
            with self.subTest(what=what):
                before = daemon.state(name)["Settings"]
                done = subprocess.run([find_program("posternctl"), "--json", "account", "test", name], env=daemon.environment,
                                      stdout=subprocess.PIPE, text=True, check=False)
                steps = json.loads(done.stdout)
                self.assertEqual(done.returncode, 1 if any(ends) else 0, steps)
                servers = list(dict.fromkeys(step["Server"] for step in steps))
                self.assertEqual(servers, [accounts[name][key] for key in ("incoming", "outgoing") if key in accounts[name]])
                for url, end in zip(servers, ends):
                    mine = [step for step in steps if step["Server"] == url]
                    self.assertEqual([step["Step"] for step in mine if step["State"] == "failed"], [end] if end else [], mine)
                    states = [step["State"] for step in mine]
                    self.assertEqual(states, sorted(states, key=["passed", "failed", "not-tried"].index))
                    self.assertTrue(all(bool(step["Text"]) == (step["State"] == "failed") for step in mine))
                    self.assertEqual("folders" in [step["Step"] for step in mine], url.startswith("imap"))
                self.assertEqual(daemon.state(name)["Settings"], before)
        self.assertEqual(daemon.control("account", "test", "here"), [])
        text = subprocess.run([find_program("posternctl"), "account", "test", "a0"], env=daemon.environment,
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertIn("  passed     login\n", text)
