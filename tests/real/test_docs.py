# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written for users agrees with the programs: man pages, completions, README."""

import re
import subprocess
import unittest
from pathlib import Path

from harness import find_program

TOP = Path(__file__).resolve().parents[2]
#: Commands of posternctl that have commands of their own.
GROUPS = {"account": ("add", "list", "show", "set", "remove", "authorize"),
          "queue": ("list", "show", "retry", "hold", "release", "cancel", "send-at")}
#: Keys that are known only to be refused with a word of advice.
REFUSED = {"password", "outgoing-password", "passwd", "secret", "goa"}


def text(name):
    return (TOP / name).read_text(encoding="utf-8")


def man(name):
    """A man page without the marks of its language."""
    return re.sub(r"\\f.|\\&|\\|\"", "", text(name))


def help_of(*words):
    """What `posternctl … --help` prints."""
    return subprocess.run([find_program("posternctl"), *words, "--help"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def commands():
    listed = help_of().partition("Commands:\n")[2].partition("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


class Documents(unittest.TestCase):
    def test_every_command_is_in_the_man_page_and_in_the_completions(self):
        self.assertGreater(len(commands()), 8)
        page = man("data/posternctl.1")
        for name in commands():
            for document in (page, text("data/completion/posternctl"),
                             text("data/completion/_posternctl")):
                self.assertRegex(document, rf"\b{name}\b")

    def test_every_option_is_in_the_man_page(self):
        page = man("data/posternctl.1")
        spoken = [(name,) for name in commands() if name not in GROUPS]
        spoken += [(group, name) for group, names in GROUPS.items() for name in names] + [()]
        for words in spoken:
            for option in re.findall(r"^ .*(--[a-z-]+)", help_of(*words), re.M):
                if option != "--help":
                    self.assertIn(option, page, words)

    def test_every_option_of_the_daemon_is_in_its_man_page(self):
        said = subprocess.run([find_program("posternd"), "--help"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        for option in re.findall(r"^ .*(--[a-z-]+)", said, re.M):
            self.assertTrue(option == "--help" or option in man("data/posternd.1"), option)

    def test_every_key_of_the_configuration_is_in_its_man_page(self):
        source = text("daemon/config/config.c")
        keys = set(re.findall(r'^    \{"([a-z0-9-]+)", (?:parse|refuse)_', source, re.M)) - REFUSED
        keys |= set(re.findall(r'^    \{"([a-z0-9]+)", "[a-z0-9]+", (?:TRUE|FALSE), \d+\}', source,
                               re.M))
        self.assertGreater(len(keys), 18)
        named = " ".join(re.findall(r"^\.BR? (.*)$", man("data/postern.conf.5"), re.M))
        for key in keys:
            self.assertRegex(named, rf"(^|[ ,]){key}\b")

    def test_the_readme_names_commands_that_exist(self):
        page = text("README.md") + text("data/HACKING.md")
        used = set(re.findall(r"^posternctl (?:--\S+ )*([a-z-]+)", page, re.M))
        self.assertTrue(used)
        self.assertEqual(used - set(commands()), set())
        for group, names in GROUPS.items():
            for name in re.findall(rf"posternctl {group} ([a-z-]+)", page):
                self.assertIn(name, names)

    def test_files_that_the_documents_name_exist(self):
        page = text("README.md") + text("data/HACKING.md")
        for path in set(re.findall(r"`((?:cache|daemon|data|dbus|tests|ui)/[\w./-]*\w)", page)):
            if "frob" not in path:
                self.assertTrue((TOP / path).exists() or "*" in path or
                                list(TOP.glob(path + "*")), path)
