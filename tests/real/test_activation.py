# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that systemd holds, so that nobody else can while Postern is down; and ports that somebody else
has."""

import re
import socket
import sys
import unittest
from pathlib import Path

from harness import PATIENCE, Case, Postern, RawImap
from harness.link import free_port

TOP = Path(__file__).resolve().parents[2]

#: Hands a program listening sockets as systemd does: "name:port,name:port".
HAND_OVER = r"""
import os, socket, sys
names = []
for number, part in enumerate(sys.argv[1].split(",")):
    name, _, port = part.partition(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", int(port)))
    sock.listen()
    os.dup2(sock.detach(), 20 + number)
    names.append(name)
for number in range(len(names)):
    os.dup2(20 + number, 3 + number)
    os.close(20 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=":".join(names))
os.execvp(sys.argv[2], sys.argv[2:])
"""


def greeting(port):
    with RawImap(port) as imap:
        return imap.greeting.split()[1]


class Held(Case):
    def start(self, sockets, config):
        handed = ",".join(f"{name}:{port}" for name, port in sockets.items())
        postern = Postern(config=config + "\n[account work]\nincoming=local:\n", start=False,
                          wrapper=[sys.executable, "-c", HAND_OVER, handed])
        self.addCleanup(self._end, postern)
        return postern.start()

    def listeners(self, postern):
        return {(each["Name"], each["Port"]) for each in postern.control("status")["Listeners"]}

    def test_the_first_start_takes_the_ports_that_are_held(self):
        port, other = free_port(), free_port()
        postern = self.start({"imap": port, "submissions": other}, "[listen]\n")
        self.assertEqual(greeting(port), b"OK")
        self.assertIn(f"imap=127.0.0.1:{port}\n", postern.config.read_text())
        self.assertIn(f"submissions=127.0.0.1:{other}\n", postern.config.read_text())
        self.assertEqual([each for each in self.listeners(postern) if each[0] == "imap"], [("imap", port)])
        postern.restart()
        self.assertEqual(greeting(port), b"OK")

    def test_what_the_file_says_is_listened_on_as_well(self):
        held, written = free_port(), free_port()
        postern = self.start({"imap": held}, f"[listen]\nimap=127.0.0.1:{held};127.0.0.1:{written}\n")
        for port in (held, written):
            self.assertEqual(greeting(port), b"OK")
        postern.config.write_text(postern.config.read_text().replace(f";127.0.0.1:{written}", ""))
        postern.reload()
        postern.wait(lambda: self.listeners(postern) >= {("imap", held)} and
                     ("imap", written) not in self.listeners(postern), "it no longer listens there")
        self.assertEqual(greeting(held), b"OK")

    def test_there_is_a_unit_for_each_key(self):
        """On the usual ports, and enabled with the service."""
        source = (TOP / "daemon" / "config" / "config.c").read_text()
        keys = dict(re.findall(r'\{"([a-z0-9]+)", "[a-z0-9]+", (?:TRUE|FALSE), (\d+)\}', source))
        units = dict(re.findall(r"'([a-z0-9]+)': '(\d+)'", (TOP / "data" / "meson.build").read_text()))
        self.assertEqual(len(keys), 6)
        self.assertEqual(units, keys)
        service = (TOP / "data" / "postern.service.in").read_text()
        also = " ".join(re.findall(r"^Also=(.*)$", service, re.M)).split()
        self.assertEqual(sorted(also), sorted(f"postern-{key}.socket" for key in keys))
        template = (TOP / "data" / "postern-listen.socket.in").read_text()
        for line in ("ListenStream=127.0.0.1:@port@", "FileDescriptorName=@key@", "Service=postern.service",
                     "WantedBy=sockets.target"):
            self.assertIn(line, template.splitlines())


class Taken(Case):
    def test_who_holds_a_port_is_in_log_and_status(self):
        postern = self.postern(accounts={"home": {"incoming": "local:"}}, synced=False, start=False)
        with socket.socket() as squatter:
            squatter.bind(("127.0.0.1", postern.ports["imap"]))
            squatter.listen()
            postern.start()
            who = rf"port {postern.ports['imap']} on 127\.0\.0\.1 is taken by python[0-9.]* \(process [0-9]+\)"
            self.assertRegex(postern.log(), who)
            status = postern.control("status")
            self.assertTrue(any(re.search(who, text) for text in status["Problems"]), status["Problems"])
            self.assertRegex(postern.control("status", json_output=False), who)
            self.assertIn("tried again by itself", status["Problems"][0])

    def test_a_port_that_is_free_again_is_taken_without_being_asked(self):
        postern = self.postern(accounts={"home": {"incoming": "local:"}}, synced=False, start=False)
        taken = {key: socket.socket() for key in ("imap", "submissions")}
        for key, squatter in taken.items():
            self.addCleanup(squatter.close)
            squatter.bind(("127.0.0.1", postern.ports[key]))
            squatter.listen()
        postern.start()
        self.assertEqual(len(postern.control("status")["Problems"]), 2)
        for left, (key, squatter) in enumerate(reversed(taken.items())):
            squatter.close()
            postern.wait(lambda left=left: len(postern.control("status")["Problems"]) == 1 - left, f"{key} to be taken")
            self.assertIn(f"{key}: port {postern.ports[key]} on 127.0.0.1 is free", postern.log())
            with socket.create_connection(("127.0.0.1", postern.ports[key]), timeout=60):
                pass
        # It was said once that each was taken, not at each try.
        self.assertEqual(len(re.findall("is taken by", postern.log())), 2)
        self.assertEqual(postern.stop(), 0)

    def test_an_accounts_socket_that_cannot_be_made_is_made_later(self):
        postern = self.postern(accounts={"home": {"incoming": "local:"}}, synced=False, start=False)
        path = postern.data / "run" / "home" / "imap.sock"
        path.mkdir(parents=True)
        postern.start()
        self.assertTrue(any(str(path) in text for text in postern.control("status")["Problems"]))
        path.rmdir()
        postern.wait(lambda: not postern.control("status")["Problems"], "the socket to be made")
        self.assertTrue(path.is_socket())


class Shown(Case):
    def test_the_safest_way_to_connect_comes_first_and_why_is_said(self):
        postern = self.postern(accounts={"home": {"incoming": "local:"}}, synced=False)
        said = postern.control("client", "home", json_output=False)
        rows = re.findall(r"^  (?:imap|pop3|submission) .*", said, re.M)
        self.assertEqual([row.endswith("SSL/TLS") for row in rows], [True] * 3 + [False] * 3, said)
        self.assertIn("posternctl connect imap home", said)
        self.assertIn("while Postern is down", said)


if __name__ == "__main__":
    unittest.main()
