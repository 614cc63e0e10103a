# SPDX-License-Identifier: GPL-3.0-or-later
"""Sees and uses a program as a screen reader does. Run by the system's Python, which has Debian's bindings;
a line of JSON on stdin is a question, a line on stdout its answer (see harness/desktop.py)."""

import json
import sys
import warnings

import gi

warnings.simplefilter("ignore")
gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402


def find_program(name):
    """The application called so; None: it isn't on the bus (yet)."""
    desktop = Atspi.get_desktop(0)
    for index in range(desktop.get_child_count()):
        program = desktop.get_child_at_index(index)
        if program and program.get_name() == name:
            return program
    return None


def is_seen(thing):
    """Whether it has a place. (GTK 4.8 doesn't tell SHOWING.)"""
    if not thing.get_component_iface():
        return True
    extents = Atspi.Component.get_extents(thing, Atspi.CoordType.WINDOW)
    return extents.width > 0 and extents.height > 0


def walk(thing, depth=0):
    """All that is seen, from the outside in."""
    yield depth, thing
    for index in range(thing.get_child_count()):
        child = thing.get_child_at_index(index)
        if child is not None and (depth < 2 or is_seen(child)):
            yield from walk(child, depth + 1)


def text_of(thing):
    return Atspi.Text.get_text(thing, 0, -1) if thing.get_text_iface() else ""


def describe(thing, depth):
    states = thing.get_state_set()
    return {"depth": depth, "role": thing.get_role_name(), "name": thing.get_name() or "",
            "description": thing.get_description() or "", "text": text_of(thing) or "",
            "sensitive": states.contains(Atspi.StateType.SENSITIVE),
            "focused": states.contains(Atspi.StateType.FOCUSED),
            "actions": Atspi.Action.get_n_actions(thing) if thing.get_action_iface() else 0}


def things(program):
    found = find_program(program)
    return list(walk(found)) if found else []


def find(program, role, name):
    """The last one, for later pages lie over earlier ones."""
    for _, thing in reversed(things(program)):
        if thing.get_role_name() == role and name in (thing.get_name() or ""):
            return thing
    return None


def press(program, role, name):
    thing = find(program, role, name)
    return bool(thing and thing.get_action_iface() and Atspi.Action.do_action(thing, 0))


def where(program, role, name):
    """Its middle, in the window; None: it isn't there."""
    thing = find(program, role, name)
    if not thing:
        return None
    extents = Atspi.Component.get_extents(thing, Atspi.CoordType.WINDOW)
    return [extents.x + extents.width // 2, extents.y + extents.height // 2]


def fill(program, role, name, text):
    thing = find(program, role, name)
    if not thing:
        return False
    return bool(Atspi.EditableText.set_text_contents(thing, text))


def answer(question):
    what, program, rest = question["what"], question["program"], question.get("with", [])
    if what == "tree":
        return [describe(thing, depth) for depth, thing in things(program)]
    return {"press": press, "fill": fill, "where": where}[what](program, *rest)


def main():
    for line in sys.stdin:
        try:
            said = answer(json.loads(line))
        except Exception as error:  # a thing that went away in the middle: the test looks again
            said = {"error": str(error)}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
