# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written for users agrees with the programs: man pages, completions, README."""

import os
import re
import subprocess
import unittest
from pathlib import Path

from harness import find_program

TOP = Path(__file__).resolve().parents[2]
#: Commands of posternctl that have commands of their own.
GROUPS = {"account": ("add", "list", "show", "test", "set", "remove", "authorize"),
          "queue": ("list", "show", "retry", "hold", "release", "cancel", "send-at")}
#: Keys that are known only to be refused with a word of advice.
REFUSED = {"password", "outgoing-password", "passwd", "secret"}


def text(name):
    return (TOP / name).read_text(encoding="utf-8")


def man(name):
    """A man page without the marks of its language."""
    return re.sub(r"\\f.|\\&|\\|\"", "", text(name))


def help_of(*words):
    """What `posternctl … --help` prints."""
    return subprocess.run([find_program("posternctl"), *words, "--help"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def listed(*words):
    """The names of the commands below those of `words`."""
    lines = help_of(*words).partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    return sorted({line.split()[0] for line in lines})


def commands():
    return listed()


def configuration_keys():
    """The keys of an account."""
    return set(re.findall(r'^    \{"([a-z0-9-]+)", (?:parse|refuse)_', text("daemon/config/config.c"), re.M)) - REFUSED


class Documents(unittest.TestCase):
    def test_every_command_is_in_the_man_page(self):
        self.assertGreater(len(commands()), 8)
        page = man("data/posternctl.1")
        for name in commands():
            self.assertRegex(page, rf"\b{name}\b")
        self.assertEqual({group: set(names) for group, names in GROUPS.items()},
                         {group: set(listed(group)) for group in GROUPS})

    def complete(self, *words):
        """What bash offers for the last of the words."""
        script = f"source {TOP}/data/completion/posternctl; COMP_WORDS=(posternctl \"$@\"); COMP_CWORD=$#; _posternctl; " \
                 "printf '%s\\n' \"${COMPREPLY[@]}\""
        path = f"{Path(find_program('posternctl')).parent}:{os.environ['PATH']}"
        done = subprocess.run(["bash", "-c", script, "bash", *words], check=True, text=True, stdout=subprocess.PIPE,
                              env=dict(os.environ, PATH=path))
        return done.stdout.split()

    def test_bash_completes_commands_options_and_keys(self):
        self.assertEqual(set(self.complete("")), set(commands()))
        self.assertEqual(self.complete("wa"), ["watch"])
        for group, names in GROUPS.items():
            self.assertEqual(set(self.complete(group, "")), set(names))
        for words in [(name,) for name in commands() if name not in GROUPS] + [
                (group, name) for group, names in GROUPS.items() for name in names]:
            options = set(re.findall(r"^ .*(--[a-z0-9-]+)", help_of(*words), re.M))
            self.assertEqual(set(self.complete(*words, "--")), options, words)
        for document in (self.complete("account", "set", "work", ""),
                         re.findall(r"[\w-]+", re.search(r"\{(address,.*)\}=", text("data/completion/_posternctl"))[1])):
            self.assertEqual({key.rstrip("=") for key in document}, configuration_keys())

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
        keys = configuration_keys()
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
