# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the clients one after the other, and writes down what was seen."""

import argparse
import datetime
import os
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import desk  # noqa: E402
from evolution import evolution_windows  # noqa: E402
from gui import clawsmail, thunderbird  # noqa: E402
from library import evolution  # noqa: E402
from terminal import aerc, getmail, mutt, neomutt  # noqa: E402

#: name: (Debian's package, what drives it)
CLIENTS = {
    "getmail": ("getmail6", getmail),
    "aerc": ("aerc", aerc),
    "mutt": ("mutt", mutt),
    "neomutt": ("neomutt", neomutt),
    "thunderbird": ("thunderbird", thunderbird),
    "evolution": ("evolution-data-server", evolution),
    "evolution-windows": ("evolution", evolution_windows),
    "claws-mail": ("claws-mail", clawsmail),
}
_HERE = Path(__file__).resolve().parent


def build():
    """Postern as users have it, unless POSTERN_BUILD names a build."""
    if "POSTERN_BUILD" in os.environ:
        return
    directory = desk.TOP / "build-release"
    if not (directory / "build.ninja").exists():
        subprocess.run(["meson", "setup", "--buildtype=debugoptimized", str(directory)], cwd=desk.TOP,
                       stdout=subprocess.DEVNULL, check=True)
    subprocess.run(["ninja", "-C", str(directory), "daemon/posternd", "ui/posternctl/posternctl"],
                   stdout=subprocess.DEVNULL, check=True)
    os.environ["POSTERN_BUILD"] = str(directory)


def run(name):
    """One client; returns its section of the protocol and how many steps failed."""
    package, drive = CLIENTS[name]
    print(f"{name} {desk.debian_version(package)}", flush=True)
    with desk.Desk() as place:
        drive(place)
        place.step("no complaint in posternd's log", place.check_log)
        return section(name, package, place), place.failed()


def section(name, package, place):
    lines = [f"## {name}, {desk.debian_version(package)} ({package})", "", "| did | seen |", "| --- | --- |"]
    for what, passed, seen in place.steps:
        said = " ".join(seen.replace("|", "\\|").split())[:400]
        lines.append(f"| {what} | {'' if passed else '**failed** '}{said or 'as expected'} |")
    if place.tap.commands:
        lines += ["", f"Commands it used: {', '.join(sorted(place.tap.commands))}."]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="tests/clients/run")
    parser.add_argument("--write", action="store_true",
                        help="also into PROTOCOL.md, in place of the sections there")
    parser.add_argument("clients", nargs="*", choices=[[], *CLIENTS], metavar="CLIENT")
    options = parser.parse_args()
    build()
    names = options.clients or list(CLIENTS)
    results = {name: run(name) for name in names}
    if options.write:
        write({name: text for name, (text, _) in results.items()})
    failed = sum(count for _, count in results.values())
    print(f"{len(names)} clients, {failed} steps failed")
    return 1 if failed else 0


def write(sections):
    """Replaces these sections, keeps the others and what stands before the first."""
    path = _HERE / "PROTOCOL.md"
    head, *old = path.read_text().split("\n## ")
    kept = {text.partition(",")[0]: f"## {text.rstrip()}" for text in old}
    kept.update(sections)
    lines = [line if not line.startswith("Last run: ") else
             f"Last run: {datetime.date.today().isoformat()}, {desk.debian_release()}."
             for line in head.rstrip().split("\n")]
    ordered = [kept[name] for name in CLIENTS if name in kept]
    path.write_text("\n".join(lines) + "\n\n" + "\n\n".join(ordered) + "\n")


if __name__ == "__main__":
    sys.exit(main())
