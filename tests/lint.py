# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that a program can check, for tests/run --lint, which is a part of every run. Each check
is a function that returns what is wrong, a line each; a check whose tool isn't here raises Skipped.

`python3 tests/lint.py [CHECK…]` runs them by hand; with --mend it lays out the code with clang-format
and writes the lists of what is known, tests/circles.txt and tests/unused.txt, anew."""

import collections
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
CIRCLES = TOP / "tests" / "circles.txt"
UNUSED = TOP / "tests" / "unused.txt"

#: Other versions lay out some lines differently, so one decides: that of the oldest Debian we build on.
CLANG_FORMAT = 14
COLUMNS = 100
PARAMETERS = 7

#: Which rooms a room may use, by #include or by symbol: house rules, arrows point down only. `serve`,
#: `sync` and `relay` meet in the cache.
LANGUAGES = {"daemon/net", "daemon/proto", "daemon/proto/sasl", "daemon/words"}
CONTENT = LANGUAGES | {"cache", "daemon/config", "daemon/index"}
TASKS = {"daemon/fetch", "daemon/relay", "daemon/serve", "daemon/sync", "daemon/upstream"}
DOORS = {
    "cache": set(),
    "cache/queue": {"cache"},
    "daemon": CONTENT | TASKS | {"daemon/oauth", "daemon/web", "cache/queue", "daemon/account", "daemon/bus", "dbus"},
    "daemon/account": CONTENT | TASKS | {"cache/queue", "daemon/oauth"},
    "daemon/bus": CONTENT | TASKS | {"cache/queue", "daemon", "daemon/account", "daemon/discover", "daemon/oauth", "daemon/web", "dbus"},
    "daemon/config": {"daemon/net", "daemon/proto/sasl", "daemon/words"},
    "daemon/discover": {"daemon/config", "daemon/net", "daemon/upstream", "daemon/web", "daemon/words"},
    "daemon/fetch": CONTENT | {"daemon/upstream"},
    "daemon/index": LANGUAGES | {"cache"},
    "daemon/net": {"daemon/words"},
    "daemon/oauth": {"daemon/config", "daemon/net", "daemon/web", "daemon/words"},
    "daemon/proto": {"daemon/proto/sasl", "daemon/words"},
    "daemon/proto/sasl": set(),
    "daemon/relay": CONTENT | {"cache/queue", "daemon/upstream"},
    "daemon/serve": CONTENT | {"cache/queue", "daemon/fetch"},
    "daemon/sync": CONTENT | {"daemon/fetch", "daemon/upstream"},
    "daemon/upstream": LANGUAGES | {"daemon/config"},
    "daemon/web": set(),
    "daemon/words": set(),
    "dbus": set(),
    # posternctl edits postern.conf by the same code as the daemon, also while there is none, and reads the
    # addresses of what it sends by the same parser.
    "ui": {"dbus", "daemon/config", "daemon/proto", "daemon/words"},
}
#: Where the headers of a library may be included.
LIBRARIES = {
    "gmime/": {"daemon/proto"},
    "gsasl.h": {"daemon/upstream"},
    "gtk/": {"ui"},
    "adwaita.h": {"ui"},
    "libsecret/": {"daemon/config"},
    "sqlite3.h": {"cache"},
    "libsoup/": {"daemon/discover", "daemon/web"},
    "libxml/": {"daemon/discover"},
    "json-glib/": {"daemon/oauth", "daemon/web", "ui"},
    "systemd/": {"daemon", "daemon/serve"},
    "zlib.h": {"daemon/net"},
    "zstd.h": {"cache", "cache/queue"},
}
#: clang-format reads C as C++ and spaces what stands beside these names as if they were its words.
CPLUSPLUS_WORDS = {"delete", "new", "operator", "typename"}


class Skipped(Exception):
    """A check can't be made on this machine; says why."""


def tool(name):
    path = shutil.which(name)
    if not path:
        raise Skipped(f"there is no {name}")
    return path


def output(*command):
    return subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace").stdout


def sources(*endings):
    """The files of the tree with these endings, as git knows them or, without git, as they lie there."""
    listed = output("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines() \
        if (TOP / ".git").exists() else \
        [str(path.relative_to(TOP)) for path in TOP.rglob("*") if "build-" not in str(path)]
    return sorted(name for name in listed if name.endswith(endings) and (TOP / name).exists())


def product_sources():
    return [name for name in sources(".c", ".h") if not name.startswith("tests/")]


def room_of(path):
    """The room of DOORS that a file is in: the longest that it is below."""
    folder = os.path.dirname(path)
    while folder and folder not in DOORS:
        folder = os.path.dirname(folder)
    return folder


def without_comments(text):
    """C with comments and what is within quotes blanked out; lines stay lines."""
    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + found[0]
        return " " + "\n" * found.count("\n")
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text,
                  flags=re.S)


# Layout

def check_layout():
    """clang-format"""
    found = re.search(r"version (\d+)", output(tool("clang-format"), "--version"))
    if not found or int(found.group(1)) != CLANG_FORMAT:
        raise Skipped(f"clang-format is version {found.group(1) if found else '?'}: layout is that "
                      f"of version {CLANG_FORMAT}")
    files = sources(".c", ".cc", ".h")
    said = output("clang-format", "--dry-run", *files)
    return [line for line in said.splitlines() if "warning:" in line]


def check_names():
    """names that clang-format takes for C++, and banners that were broken"""
    problems = []
    for name in sources(".c", ".cc", ".h"):
        text = (TOP / name).read_text()
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(r"/\* -{3,}[^/]*$", line) or re.match(r" \*.*-{20,} \*/$", line):
                problems.append(f"{name}:{number}: a banner stands on one line")
        if name.endswith(".cc") or "class " in text:
            continue
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            for word in CPLUSPLUS_WORDS.intersection(re.findall(r"\w+", line)):
                if not line.lstrip().startswith("#"):
                    problems.append(f"{name}:{number}: '{word}' is a word of C++: name it otherwise")
    return problems


def check_openings():
    """each source file opens with its licence and with what lives in it"""
    problems = []
    for name in product_sources():
        lines = (TOP / name).read_text().splitlines()
        if not lines or lines[0] != "/* SPDX-License-Identifier: GPL-3.0-or-later */":
            problems.append(f"{name}:1: the licence is missing")
        elif len(lines) < 2 or not lines[1].startswith("/*"):
            problems.append(f"{name}:2: say here what lives in this file")
    return problems


def macro_arguments(text):
    """Where MAX(), MIN(), CLAMP() and ABS() stand, and what they are given."""
    for found in re.finditer(r"\b(?:MAX|MIN|CLAMP|ABS)\(", text):
        depth, end = 1, found.end()
        while depth and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield found.start(), text[found.end():end - 1]


def check_macros():
    """MAX, MIN, CLAMP and ABS, which read what they are given twice, are given no clock"""
    problems = []
    for name in product_sources():
        text = without_comments((TOP / name).read_text())
        for start, given in macro_arguments(text):
            if re.search(r"\w*(?:clock\w*|now|monotonic_time|real_time|random\w*)\(", given):
                line = text.count("\n", 0, start) + 1
                problems.append(f"{name}:{line}: the clock may go on between the two readings")
    return problems


def check_parameters():
    """functions have at most seven parameters"""
    problems = []
    for name in product_sources():
        text = without_comments((TOP / name).read_text())
        text = re.sub(r"^\s*#.*(?:\\\n.*)*$", lambda m: "\n" * m.group(0).count("\n"), text,
                      flags=re.M)
        # What opens in the first column is a declaration or a definition.
        for found in re.finditer(r"^[A-Za-z_][\w \t*]*?\b(\w+)\(((?:[^()]|\([^()]*\))*)\)\s*[{;]",
                                 text, flags=re.M):
            parameters = re.sub(r"\([^()]*\)", "", found.group(2)).split(",")
            if len(parameters) > PARAMETERS and not is_library_callback(parameters):
                line = text.count("\n", 0, found.start()) + 1
                problems.append(f"{name}:{line}: {found.group(1)}() has {len(parameters)} parameters")
    return problems


def is_library_callback(parameters):
    """GDBus' calls of methods and properties have eight; SQLite's hooks are given as they are."""
    return any("GDBusMethodInvocation" in parameter or "GDBusConnection" in parameter
               for parameter in parameters)


# Doors

def check_includes():
    """#include keeps to the doors"""
    problems = []
    for name in product_sources():
        room = room_of(name)
        if not room:
            problems.append(f"{name}: tests/lint.py doesn't know this folder: name in DOORS what it "
                            "may use")
            continue
        for number, line in enumerate((TOP / name).read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if not found:
                continue
            used = found.group(2)
            if found.group(1) == "<":
                for library, rooms in LIBRARIES.items():
                    if used.startswith(library) and room not in rooms:
                        problems.append(f"{name}:{number}: <{used}> belongs in "
                                        f"{', '.join(sorted(rooms))}")
            elif room_of(used) not in DOORS[room] | {room}:
                problems.append(f"{name}:{number}: {room} may not use {used}")
    return problems


class Objects:
    """The object files of a build: which source file uses a symbol of which other."""

    def __init__(self, directory):
        self.defined = collections.defaultdict(dict)  # symbol: {target: source}
        self.undefined = collections.defaultdict(set)  # (target, source): symbols
        for path in sorted(directory.rglob("*.c.o")):
            target = path.parent.parent.relative_to(directory)
            source = self.source_of(target, path.name[:-2])
            if source:
                self.read(path, str(target / path.parent.name), source)
        self.edges = collections.defaultdict(dict)  # source: {source: symbol}
        for (target, source), symbols in self.undefined.items():
            for symbol in symbols:
                places = self.defined.get(symbol, {})
                user = places.get(target) or (next(iter(places.values())) if len(places) == 1
                                              else None)
                if user and user != source:
                    self.edges[source].setdefault(user, symbol)

    @staticmethod
    def source_of(target, name):
        """meson writes a/b.c as a_b.c.o; folders' names have no underscore."""
        if str(target).startswith("tests"):
            return None
        source = str(target / name.replace("_", "/"))
        return source if (TOP / source).exists() else None

    def read(self, path, target, source):
        for line in output("nm", "-P", "-g", str(path)).splitlines():
            symbol, kind = line.split()[:2]
            if symbol.startswith("__"):
                continue
            if kind == "U":
                self.undefined[target, source].add(symbol)
            elif kind in "TDBRC":
                self.defined[symbol][target] = source

    def unused(self):
        """What headers offer and no other file calls."""
        called = collections.defaultdict(set)
        for (_, source), symbols in self.undefined.items():
            for symbol in symbols:
                called[symbol].add(source)
        found = {symbol: set(places.values()) for symbol, places in self.defined.items()
                 if symbol != "main" and not symbol.endswith("_get_type")}
        return {symbol: sources for symbol, sources in found.items()
                if not called[symbol] - sources}


def objects():
    tool("nm")
    found = Objects(TOP / "build-tests")
    if not found.edges:
        raise Skipped("nothing is built in build-tests")
    return found


def check_symbols():
    """what is called keeps to the doors"""
    return [f"{source} may not use {used}: {symbol}"
            for source, uses in sorted(objects().edges.items())
            for used, symbol in sorted(uses.items())
            if room_of(used) not in DOORS.get(room_of(source), set()) | {room_of(source)}]


# Circles

def circles(edges):
    """The strongly connected components with more than one member (Tarjan), the largest first."""
    order, low, on_stack, stack, found = {}, {}, set(), [], []
    for start in sorted(edges):
        if start in order:
            continue
        work = [(start, iter(sorted(edges[start])))]
        order[start] = low[start] = len(order)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, rest = work[-1]
            for target in rest:
                if target not in order:
                    order[target] = low[target] = len(order)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(sorted(edges.get(target, ())))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], order[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    members = []
                    while not members or members[-1] != node:
                        members.append(stack.pop())
                        on_stack.discard(members[-1])
                    if len(members) > 1:
                        found.append(sorted(members))
    return sorted(found, key=lambda members: (-len(members), members))


def known_circles():
    lines = CIRCLES.read_text().splitlines() if CIRCLES.exists() else []
    return [line.split() for line in lines if line and not line.startswith("#")]


def write_circles(found):
    CIRCLES.write_text(
        "# Files that need each other, a circle a line: tests/lint.py fails on a new one, and when a line\n"
        "# here says more than there is. `python3 tests/lint.py --mend` writes it anew.\n"
        + "".join(" ".join(members) + "\n" for members in found))


def check_circles():
    """no new circle among files, by their symbols"""
    found, known, problems = circles(objects().edges), known_circles(), []
    for members in found:
        print(f"  circle of {len(members)}: {' '.join(members)}", flush=True)
        if not any(set(members) <= set(allowed) for allowed in known):
            problems.append(f"a new circle of {len(members)}: {' '.join(members)}")
    for allowed in known:
        if allowed not in found:
            problems.append(f"this circle is smaller now: python3 tests/lint.py --mend says so in "
                            f"tests/circles.txt: {' '.join(allowed)}")
    return problems


# Code that only tests need

def known_unused():
    lines = UNUSED.read_text().splitlines() if UNUSED.exists() else []
    return {line.split()[0] for line in lines if line and not line.startswith("#")}


def write_unused(found):
    UNUSED.write_text(
        "# Functions that no file but their own and tests call. tests/lint.py fails on a new one, and when one\n"
        "# is gone or in use. `python3 tests/lint.py --mend` writes this anew.\n"
        + "".join(f"{symbol} {' '.join(sorted(sources))}\n"
                  for symbol, sources in sorted(found.items())))


def check_unused():
    """no new function that only tests call, or that could be static"""
    found, known = objects().unused(), known_unused()
    return [f"{' '.join(sorted(sources))}: only tests call {symbol}(), or its own file: remove it, or "
            "make it static" for symbol, sources in sorted(found.items()) if symbol not in known] + \
        [f"{symbol} isn't unused any more: python3 tests/lint.py --mend says so in tests/unused.txt"
         for symbol in sorted(known - set(found))]


# Tools

def check_cppcheck():
    """cppcheck"""
    tool("cppcheck")
    cached = TOP / "build-tests" / "cppcheck"
    cached.mkdir(parents=True, exist_ok=True)
    said = output("cppcheck", "-j2", "-q", f"--cppcheck-build-dir={cached}", "--std=c11",
                  "--library=gtk", "--enable=warning,portability,performance", "--inline-suppr",
                  "--template={file}:{line}: {message} [{id}]", "-I", ".",
                  f"--suppressions-list={TOP / 'tests' / 'cppcheck.txt'}",
                  "cache", "daemon", "dbus", "ui")
    return [line for line in said.splitlines() if re.search(r"\[\w+\]$", line)]


def check_manuals():
    """mandoc -T lint"""
    tool("mandoc")
    said = output("mandoc", "-T", "lint", "-W", "style", *sources(".1", ".5"))
    return [line for line in said.splitlines() if "input text line longer than 80 bytes" not in line]


CHECKS = (check_layout, check_names, check_openings, check_macros, check_parameters,
          check_includes, check_symbols, check_circles, check_unused, check_cppcheck, check_manuals)


def run(tally, wanted=()):
    """Runs the checks (those with one of `wanted` in their name) and counts each as one test."""
    for check in CHECKS:
        name = "lint: " + " ".join(check.__doc__.split())
        if wanted and not any(word in name or word in check.__name__ for word in wanted):
            continue
        try:
            problems = check()
        except Skipped as reason:
            tally.add(name, "skipped", str(reason))
            continue
        tally.add(name, "failed" if problems else "passed", "\n".join(problems))


def mend():
    output("clang-format", "-i", *sources(".c", ".cc", ".h"))
    found = objects()
    write_circles(circles(found.edges))
    write_unused(found.unused())


if __name__ == "__main__":
    from runner import Tally

    if "--mend" in sys.argv:
        mend()
    count = Tally()
    run(count, [word for word in sys.argv[1:] if not word.startswith("--")])
    count.report()
    sys.exit(1 if count.failures else 0)
