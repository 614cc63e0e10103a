# SPDX-License-Identifier: GPL-3.0-or-later
"""Desk: what a mail client of tests/clients sits at - a provider with mail, a Postern before it, a home of its
own - and the protocol of what was seen."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "real"))

from harness import (PATIENCE, Postern, Provider, RawImap, account, corpus, fill,  # noqa: E402
                     find_program, free_port)

#: How many messages are in the folder `Lists/Real`: real ones, next to the eight made here in INBOX.
REAL = 40
_PICTURE = b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


class Failed(Exception):
    """A step that a client couldn't do, or that had not the effect it should have."""


def mail(number, subject=None, body=None, kind="text/plain; charset=utf-8"):
    """The message "Mail N" of INBOX."""
    subject = subject or f"Mail {number}"
    body = body or f"This is the text of message {number}, with the word needle{number}.\r\n"
    return (f"From: Bob <bob@example.net>\r\nTo: Ada <ada@example.org>\r\nSubject: {subject}\r\n"
            f"Message-ID: <{number}@clients.test>\r\nDate: Tue, 24 Nov 2026 10:0{number}:00 +0000\r\n"
            f"MIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n{body}").encode()


def mails():
    """Six plain ones, one with a picture and a page, one in another alphabet."""
    parts = ("--b\r\nContent-Type: text/html\r\n\r\n<p>A <b>page</b></p>\r\n--b\r\n"
             "Content-Type: image/png; name=dot.png\r\nContent-Disposition: attachment; filename=dot.png\r\n"
             "Content-Transfer-Encoding: base64\r\n\r\n" + _PICTURE.decode() + "\r\n--b--\r\n")
    return [mail(i) for i in range(6)] + [
        mail(6, body=parts, kind="multipart/mixed; boundary=b"),
        mail(7, "=?utf-8?b?xb1sdcWlb3XEjWvDvSBrxa/FiA==?=", "Příliš žluťoučký kůň\r\n")]


def real_mails():
    """REAL of the corpus, without the line of an mbox file that some begin with: it is no header
    line, Postern keeps it, and aerc shows nothing of a folder with one."""
    return [re.sub(rb"\AFrom .*\n", b"", data) for data in corpus.real(REAL).values()]


class Tap:
    """Stands before a port and notes the commands that clients send through it in plain text."""

    def __init__(self, port):
        self.commands = []
        self.lines = []
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._server.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for source, sink, note in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._copy, args=(source, sink, note), daemon=True).start()

    def _copy(self, source, sink, note):
        rest, literal, inflate = b"", 0, None
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                if not note:
                    continue
                rest, literal = self._read(rest + (inflate.decompress(data) if inflate else data), literal)
                if not inflate and self.lines[-1:] and self.lines[-1].upper().endswith(" COMPRESS DEFLATE"):
                    inflate = zlib.decompressobj(-15)
        except OSError:
            pass
        for side in (source, sink):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _read(self, data, literal):
        """Notes whole lines; returns what is left of them, and of a literal."""
        while data:
            if literal:
                skipped = min(literal, len(data))
                data, literal = data[skipped:], literal - skipped
                continue
            line, end, left = data.partition(b"\n")
            if not end:
                break
            data = left
            self._note(line.decode("utf-8", "replace").strip())
            found = re.search(rb"\{(\d+)\+?\}\r$", line)
            literal = int(found.group(1)) if found else 0
        return data, literal

    def _note(self, line):
        self.lines.append(line)
        found = re.match(r"[A-Za-z0-9.*]+ ((?:UID )?[A-Za-z]+)(?: |$)", line)
        if found and found.group(1).upper() not in self.commands and \
                found.group(1).upper().split()[-1] in _COMMANDS:
            self.commands.append(found.group(1).upper())


_COMMANDS = set("""APPEND AUTHENTICATE CAPABILITY CHECK CLOSE COMPRESS COPY CREATE DELETE ENABLE
ESEARCH EXAMINE EXPUNGE FETCH GETQUOTAROOT GETQUOTA ID IDLE LIST LOGIN LOGOUT LSUB MOVE NAMESPACE
NOOP NOTIFY RENAME SEARCH SELECT SORT STARTTLS STATUS STORE SUBSCRIBE THREAD UNSELECT UNSUBSCRIBE XLIST MYRIGHTS""".split())


class Desk:
    """Use it as a context manager.

    ports      Postern's; `imap` is a Tap's
    home       an empty directory; environment has it as $HOME, and a D-Bus session that Postern is on
    user, password, ca  for clients on TCP
    """

    def __init__(self):
        self.steps = []
        self.provider = Provider()
        fill(self.provider, mails(), flags="")
        fill(self.provider, real_mails(), "Lists/Real")
        self.there = RawImap(self.provider.imap, timeout=60).login("ada@example.org", "lovelace")
        self.there.ok("CREATE Archive")
        self.there.ok("SUBSCRIBE Archive")
        self.postern = Postern({"work": account(self.provider)})
        self.postern.sync()
        self.user, self.password = self.postern.login()
        self.ca = self.postern.local_ca()
        self.tap = Tap(self.postern.ports["imap"])
        self.ports = dict(self.postern.ports, imap=self.tap.port)
        self.home = Path(tempfile.mkdtemp(prefix="postern-desk-"))
        self.environment = dict(self.postern.environment, HOME=str(self.home), TERM="xterm-256color")
        for key in [key for key in self.environment if key.startswith("XDG_") and key != "XDG_RUNTIME_DIR"]:
            del self.environment[key]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tap.close()
        try:
            self.postern.close()
        finally:
            self.provider.close()
            shutil.rmtree(self.home, ignore_errors=True)

    # The protocol

    def step(self, what, do):
        """One step: do() returns what was seen (or nothing), or raises."""
        try:
            seen, passed = do(), True
        except (Failed, AssertionError, OSError, RuntimeError, subprocess.SubprocessError,
                EOFError, LookupError, TypeError, ValueError) as error:
            seen, passed = f"{type(error).__name__}: {error}", False
        self.steps.append((what, passed, str(seen or "").strip()))
        print(f"  {'ok  ' if passed else 'FAIL'} {what}{': ' + str(seen) if seen else ''}", flush=True)
        return passed

    def check_log(self):
        found = re.search(r".*(WARNING|CRITICAL|ERROR).*", self.postern.log())
        if found:
            raise Failed(found.group())

    def failed(self):
        return sum(not passed for _, passed, _ in self.steps)

    # What happened at the provider

    def subjects(self, folder="INBOX"):
        """{subject: flags} of the mails made here, at the provider."""
        self.there.select(folder, "EXAMINE")
        messages = self.there.fetch("1:*", "(UID FLAGS BODY.PEEK[])").values()
        return {self.subject(message["BODY[]"]): {flag.decode().lower() for flag in message["FLAGS"]}
                for message in messages}

    @staticmethod
    def subject(body):
        found = re.search(rb"^Subject: (.*?)\r?$", body, re.M | re.I)
        return found.group(1).decode("utf-8", "replace") if found else ""

    def bodies(self, folder):
        self.there.select(folder, "EXAMINE")
        return list(self.there.bodies().values())

    def wait(self, condition, what, timeout=20):
        """Waits until condition() is true; returns it."""
        deadline = time.monotonic() + timeout * PATIENCE
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise Failed(f"waited {timeout} s for {what}")
            time.sleep(0.2)
        return value

    def wait_there(self, what, condition, folder="INBOX", timeout=20):
        """Waits until condition({subject: flags}) of a folder at the provider."""
        self.wait(lambda: condition(self.subjects(folder)), f"{what} at the provider", timeout)
        return f"{what} at the provider"

    def wait_sent(self, subject, copies=True, timeout=30):
        """Waits until a message has come to the provider's relay, and one copy to Sent if the client keeps
        one; returns what was seen."""
        found = self.wait(lambda: [delivery for delivery in self.provider.relay.deliveries
                                   if self.subject(delivery.data) == subject],
                          f"'{subject}' to be submitted", timeout)
        if len(found) != 1 or found[0].recipients != ["bob@example.net"]:
            raise Failed(f"sent {len(found)} times, to {found[0].recipients}")
        if not copies:
            return "submitted once"
        self.wait(lambda: self._sent(subject), "a copy in Sent", timeout)
        time.sleep(1)
        if self._sent(subject) != 1:
            raise Failed(f"{self._sent(subject)} copies in Sent")
        return "submitted once, 1 copy in Sent"

    def _sent(self, subject):
        return [self.subject(body) for body in self.bodies("Sent")].count(subject)

    # Programs

    def run(self, *command, data=None, good=(0,), timeout=180, **environment):
        source = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
        done = subprocess.run(list(map(str, command)), env=dict(self.environment, **environment),
                              cwd=self.home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout * PATIENCE, **source)
        if done.returncode not in good:
            raise Failed(f"{command[0]} ended with {done.returncode}: "
                         f"{done.stdout[-600:].decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def write(self, name, text):
        """A file of the client's, private, under its home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path


def debian_version(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def debian_release():
    return "Debian " + Path("/etc/debian_version").read_text().strip()


def same_mail(here, there):
    """Is a file that a client wrote this mail? Line ends and what delivery puts in front don't count."""
    return corpus.crlf(there) == corpus.crlf(here)


class Terminal:
    """A program on a terminal of tmux's, for keys and for what is on the screen."""

    def __init__(self, desk, command):
        self._desk = desk
        self._socket = tempfile.mktemp(dir=desk.home)
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", command)

    def _tmux(self, *arguments, good=(0,)):
        return self._desk.run("tmux", "-S", self._socket, *arguments, good=good)

    def keys(self, *keys):
        self._tmux("send-keys", *keys)

    def type(self, text):
        self._tmux("send-keys", "-l", text)

    def command(self, text):
        self.type(text)
        self.keys("Enter")

    def screen(self):
        return self._tmux("capture-pane", "-p", good=(0, 1))

    def wait(self, pattern, timeout=20):
        try:
            return self._desk.wait(lambda: re.search(pattern, self.screen()), f"{pattern!r} on the screen",
                                   timeout).group()
        except Failed as error:
            raise Failed(f"{error}; it shows: {self.screen().strip()[-1500:]}") from None

    def wait_gone(self, pattern, timeout=20):
        self._desk.wait(lambda: not re.search(pattern, self.screen()), f"{pattern!r} to go", timeout)

    def close(self):
        self._tmux("kill-server", good=(0, 1))


class Screen:
    """An X display that nobody sees, without a window manager. Use it as a context manager."""

    def __init__(self):
        read, write = os.pipe()
        self._server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1200x800x24"],
                                        pass_fds=[write], stdin=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        os.close(write)
        with open(read, encoding="ascii") as number:
            self.display = f":{number.readline().strip()}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.terminate()
        self._server.wait()


class Windows:
    """A program on a Screen and a D-Bus session of its own; the functions of windows.py are its methods.
    Use it as a context manager."""

    def __init__(self, desk, *command, **environment):
        self._screen = Screen()
        read, write = os.pipe()
        self._driver = subprocess.Popen(
            ["dbus-run-session", "--", str(Path(__file__).with_name("windows.py")), str(write), *command],
            cwd=desk.home, env=dict(desk.environment, DISPLAY=self._screen.display, **environment), text=True,
            pass_fds=[write], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        self._answers = open(read, encoding="utf-8")  # pylint: disable=consider-using-with

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._driver.stdin.close()
        self._driver.wait(30)
        self._answers.close()
        self._screen.__exit__()

    def __getattr__(self, name):
        def call(*arguments):
            self._driver.stdin.write(json.dumps([name, *arguments]) + "\n")
            self._driver.stdin.flush()
            answer = json.loads(self._answers.readline() or '{"error": "the driver has ended"}')
            if "error" in answer:
                raise Failed(answer["error"])
            return answer["value"]
        return call
