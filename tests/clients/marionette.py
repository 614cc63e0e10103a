# SPDX-License-Identifier: GPL-3.0-or-later
"""Thunderbird, driven from inside by Mozilla's Marionette: scripts that run with the program's own rights."""

import json
import os
import signal
import socket
import subprocess
import time


class ScriptError(RuntimeError):
    """What a script threw."""


class Thunderbird:
    """Runs it without a display, or on one (environment). Use it as a context manager."""

    def __init__(self, desk, profile, port, headless=True, **environment):
        self._desk = desk
        self._number = 0
        command = ["thunderbird", "--profile", str(profile), "--no-remote", "--marionette",
                   "--remote-allow-system-access"] + (["--headless"] if headless else [])
        self._log = open(desk.home / "thunderbird.log", "ab")
        self._process = subprocess.Popen(command, env=dict(desk.environment, **environment), cwd=desk.home,
                                         stdin=subprocess.DEVNULL, stdout=self._log,
                                         stderr=self._log, start_new_session=True)
        self._socket = self._connect(port)
        self._buffer = b""
        self._read()
        self.send("WebDriver:NewSession", {"unhandledPromptBehavior": "accept"})
        self.send("Marionette:SetContext", {"value": "chrome"})

    def _connect(self, port):
        deadline = time.monotonic() + 120
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), 180)
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.close()
                    raise
                time.sleep(0.3)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(20)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self._log.close()

    # The protocol: a length, a colon, JSON

    def _read(self):
        while b":" not in self._buffer:
            self._receive()
        size, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(size):
            self._receive()
        answer, self._buffer = self._buffer[:int(size)], self._buffer[int(size):]
        return json.loads(answer)

    def _receive(self):
        data = self._socket.recv(65536)
        if not data:
            raise EOFError("Thunderbird closed the connection")
        self._buffer += data

    def send(self, command, parameters):
        self._number += 1
        data = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(data), data))
        _, _, error, result = self._read()
        if error:
            raise ScriptError(f"{error.get('error')}: {error.get('message')}")
        return result.get("value") if isinstance(result, dict) else result

    def script(self, body, *arguments, timeout=120):
        """Runs the body of an async function, with `args` its arguments; returns what it returned."""
        self.send("WebDriver:SetTimeouts", {"script": timeout * 1000})
        text = f"""
            const args = Array.from(arguments);
            const done = args.pop();
            (async () => {{ {body} }})().then(
                value => done({{value: value === undefined ? null : value}}),
                error => done({{error: String(error) + " " + (error && error.stack || "")}}));"""
        answer = self.send("WebDriver:ExecuteAsyncScript",
                           {"script": text, "args": list(arguments), "newSandbox": True, "sandbox": "system"})
        if answer is None:
            return None  # a question has come up before the script's end; it is answered with yes
        if "error" in answer:
            raise ScriptError(answer["error"])
        return answer["value"]
