# SPDX-License-Identifier: GPL-3.0-or-later
"""A desktop that nobody sees: an X server, the accessibility bus, and Postern's window on it."""

import json
import os
import struct
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

from .postern import PATIENCE, find_program

_DRIVER = Path(__file__).resolve().parents[2] / "tools" / "accessible.py"


def _png(width, height, rows):
    """A PNG of rows of RGB bytes."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


class Desktop:
    """Use it as a context manager. `environment` is a daemon's, with its session bus."""

    def __init__(self, environment, width=1000, height=800, settings="", extra=None):
        """`settings` are lines of GTK's settings.ini, `extra` further variables of the environment."""
        self.directory = Path(tempfile.mkdtemp(prefix="postern-desktop-"))
        gtk = self.directory / "config" / "gtk-4.0"
        gtk.mkdir(parents=True)
        # What moves can't be clicked on.
        (gtk / "settings.ini").write_text("[Settings]\ngtk-enable-animations=0\n" + settings)
        self.width, self.height = width, height
        read, write = os.pipe()
        self._x = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24",
                                    "-fbdir", str(self.directory), "-nolisten", "tcp",
                                    "-noreset"],
                                   pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as lines:
            display = lines.readline().strip()
        self.environment = dict(environment, DISPLAY=f":{display}", GDK_BACKEND="x11", GTK_A11Y="atspi",
                                GSK_RENDERER="cairo", LANG="C.UTF-8", LC_ALL="C.UTF-8",
                                XDG_RUNTIME_DIR=str(self.directory),
                                XDG_CONFIG_HOME=str(self.directory / "config"), GSETTINGS_BACKEND="memory",
                                NO_AT_BRIDGE="0", **(extra or {}))
        self._bus = subprocess.Popen(["/usr/libexec/at-spi-bus-launcher", "--launch-immediately"],
                                     env=self.environment, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._driver = None
        self._window = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close_window()
        for process in (self._driver, self._bus, self._x):
            if process:
                process.terminate()
                process.wait()

    def open_window(self):
        self._log = open(self.directory / "window.log", "w")
        self._window = subprocess.Popen([find_program("postern")], env=self.environment,
                                        stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    def close_window(self):
        """Ends it; what it complained of is returned."""
        if not self._window:
            return ""
        self._window.terminate()
        self._window.wait()
        self._window = None
        self._log.close()
        return (self.directory / "window.log").read_text()

    def log(self):
        return (self.directory / "window.log").read_text()

    # What a screen reader does

    def _ask(self, what, *rest):
        if not self._driver:
            self._driver = subprocess.Popen(["/usr/bin/python3", str(_DRIVER)], env=self.environment,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.DEVNULL, text=True)
        self._driver.stdin.write(json.dumps({"what": what, "program": "postern", "with": rest}) + "\n")
        self._driver.stdin.flush()
        return json.loads(self._driver.stdout.readline())

    def tree(self):
        """All that is seen: dictionaries with role, name, description, text."""
        found = self._ask("tree")
        return found if isinstance(found, list) else []

    def text(self):
        return "\n".join(f"{'  ' * thing['depth']}{thing['role']}: {thing['name']} | {thing['description']} | "
                         f"{thing['text']}" for thing in self.tree())

    def wait_text(self, words, seconds=20):
        """Until `words` are seen somewhere; returns all that is seen."""
        end = time.monotonic() + seconds * PATIENCE
        while True:
            seen = self.text()
            if words in seen:
                return seen
            if time.monotonic() > end:
                raise AssertionError(f"“{words}” isn't seen:\n{seen}\n{self.log()[-2000:]}")
            time.sleep(0.1)

    def _until(self, what, *rest, seconds=20):
        end = time.monotonic() + seconds * PATIENCE
        while self._ask(what, *rest) is not True:
            if time.monotonic() > end:
                raise AssertionError(f"can't {what} {rest}:\n{self.text()}\n{self.log()[-2000:]}")
            time.sleep(0.1)

    def press(self, name, role="push button"):
        self._until("press", role, name)

    def try_press(self, name, role="push button"):
        """If it is there. For what may be replaced at any moment, and so is tried until something comes of it."""
        return self._ask("press", role, name) is True

    def fill(self, name, text, role="text"):
        self._until("fill", role, name, text)

    def click(self, name, role, seconds=20):
        """With the pointer, in the middle of it. (A window's shadow of some pixels isn't in the extents.)"""
        end = time.monotonic() + seconds * PATIENCE
        while not isinstance(where := self._ask("where", role, name), list):
            if time.monotonic() > end:
                raise AssertionError(f"no {role} “{name}”:\n{self.text()}")
            time.sleep(0.1)
        subprocess.run(["xdotool", "mousemove", *(str(at + 5) for at in where), "click", "1"],
                       env=self.environment, check=True)

    def open(self, name, words, role="list item"):
        """Clicks until `words` are seen: a click on what is being laid out again is lost."""
        for _ in range(3):
            self.click(name, role)
            try:
                return self.wait_text(words, 5)
            except AssertionError:
                pass
        return self.wait_text(words)

    def key(self, *keys):
        """Presses keys, by their X names."""
        found = subprocess.run(["xdotool", "search", "--onlyvisible", "--class", "postern"], env=self.environment,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.split()
        for window in found[-1:]:
            subprocess.run(["xdotool", "windowfocus", window], env=self.environment,
                           stderr=subprocess.DEVNULL)
        subprocess.run(["xdotool", "key", "--delay", "50", *keys], env=self.environment, check=True)

    # What an eye sees

    def screenshot(self, path):
        """Writes the screen as a PNG. The frame buffer file is in XWD's format (X11/XWDFile.h)."""
        data = (self.directory / "Xvfb_screen0").read_bytes()
        header = struct.unpack(">25I", data[:100])
        start = header[0] + header[19] * 12
        width, height, line = header[4], header[5], header[12]
        rows = []
        for y in range(height):
            row = data[start + y * line:start + y * line + width * 4]
            pixels = bytearray(width * 3)
            pixels[0::3], pixels[1::3], pixels[2::3] = row[2::4], row[1::4], row[0::4]
            rows.append(bytes(pixels))
        Path(path).write_bytes(_png(width, height, rows))
