# SPDX-License-Identifier: GPL-3.0-or-later
"""What optimized programs and the unit are hardened with, read off what is built and installed."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
#: What may be better than this, but never worse: systemd-analyze's exposure of the unit.
EXPOSURE = 5.9


def read(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True,
                          env=os.environ | {"LC_ALL": "C"}).stdout


def programs():
    """Of an optimized build: the one that the other tests use, or else that which tests/run makes."""
    for build in (Path(os.environ.get("POSTERN_BUILD", TOP / "build-plain")), TOP / "build-plain", TOP / "build-release"):
        found = [build / name for name in ("daemon/posternd", "ui/posternctl/posternctl", "ui/window/postern")]
        if found[0].exists() and "__asan_init" not in read("readelf", "--wide", "--dyn-syms", str(found[0])):
            return [path for path in found if path.exists()]
    raise unittest.SkipTest("there is no optimized build: tests/run makes build-plain")


@unittest.skipUnless(shutil.which("readelf"), "readelf (binutils) reads programs")
class Programs(unittest.TestCase):
    def each(self, *options):
        """What readelf says of each."""
        return [read("readelf", "--wide", *options, str(path)) for path in programs()]

    def test_they_can_be_anywhere_in_memory(self):
        for header in self.each("--file-header"):
            self.assertRegex(header, r"Type:\s+DYN")
        for dynamic in self.each("--dynamic"):
            self.assertIn("PIE", dynamic)
            self.assertNotIn("TEXTREL", dynamic)

    def test_their_tables_are_read_only_and_their_stack_holds_no_code(self):
        for segments in self.each("--segments"):
            self.assertIn("GNU_RELRO", segments)
            self.assertRegex(segments, r"GNU_STACK\s.*\sRW\s")
            self.assertNotRegex(segments, r"LOAD\s.*\sRWE\s")
        for dynamic in self.each("--dynamic"):
            self.assertRegex(dynamic, r"FLAGS.*\bNOW\b")

    def test_the_stack_and_the_library_calls_are_checked(self):
        for symbols in self.each("--dyn-syms"):
            self.assertIn("__stack_chk_fail", symbols)
        # The window calls none of what the C library has checked forms of.
        self.assertRegex(read("readelf", "--wide", "--dyn-syms", str(programs()[0])),
                         r"__(mem|str|s?n?printf|v|fd|poll|read)\w*_chk")

    def test_each_file_of_c_was_compiled_so(self):
        for entries in self.each("--debug-dump=info", "--dwarf-depth=1"):
            made = [line for line in entries.splitlines() if "DW_AT_producer" in line and "GNU C1" in line]
            self.assertTrue(made, "no file of C has debug information")
            for line in made:
                self.assertIn("-fstack-protector-strong", line)
                self.assertIn("-fstack-clash-protection", line)
                if platform.machine() == "x86_64":
                    self.assertIn("-fcf-protection", line)


class Unit(unittest.TestCase):
    def test_it_can_do_little_and_less_with_each_release(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze reads units")
        text = (TOP / "data" / "postern.service.in").read_text().replace("@bindir@", "/usr/bin")
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        unit = Path(place.name) / "postern.service"
        unit.write_text(text)
        said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
                              capture_output=True, text=True, env=os.environ | {"LC_ALL": "C.UTF-8"})
        found = re.search(r"Overall exposure level for postern.service: ([0-9.]+)", said.stdout)
        self.assertTrue(found, said.stdout + said.stderr)
        print(f"\nsystemd-analyze security: {found[1]} (at most {EXPOSURE})")
        self.assertLessEqual(float(found[1]), EXPOSURE, said.stdout)

    def test_its_backstops_are_there_and_a_crash_loop_is_no_end(self):
        lines = (TOP / "data" / "postern.service.in").read_text().splitlines()
        for setting in ("MemoryMax=2G", "TasksMax=2048", "LimitCORE=0", "UMask=0077", "RestrictSUIDSGID=yes",
                        "RestrictNamespaces=yes", "MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service",
                        "ProtectSystem=strict", "StartLimitIntervalSec=0", "Restart=on-failure"):
            self.assertIn(setting, lines)
