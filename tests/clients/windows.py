#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives a program with windows: what is on them is found through accessibility (AT-SPI), and clicked and typed
with xdotool. Started by desk.Windows on a display and a D-Bus session of its own, with a descriptor for answers and
the program's command line; takes calls as lines of JSON, [function, argument...], and answers each with
{"value": ...} or {"error": ...}.

Buttons are clicked with the mouse, not through AT-SPI: a dialog that runs inside the call would never answer it."""

import json
import subprocess
import sys
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

_EDITABLE = ("text", "password text", "combo box", "spin button")


def _walk(node):
    yield node
    try:
        children = [node.get_child_at_index(i) for i in range(min(node.get_child_count(), 500))]
    except GLib.Error:
        return
    for child in children:
        if child is not None:
            yield from _walk(child)


def _is(node, state):
    return node.get_state_set().contains(state)


def _windows():
    desktop = Atspi.get_desktop(0)
    for i in range(desktop.get_child_count()):
        program = desktop.get_child_at_index(i)
        for k in range(max(program.get_child_count(), 0)):
            yield program.get_child_at_index(k)


def _window(title):
    """The one in front with this in its title."""
    found = [window for window in _windows() if title in (window.get_name() or "") and
             _is(window, Atspi.StateType.SHOWING)]
    if not found:
        raise LookupError(f"no window '{title}'")
    return found[-1]


def _all(title, name=None, role=None):
    for node in _walk(_window(title)):
        try:
            if (name is None or node.get_name() == name) and (role is None or node.get_role_name() == role) and \
                    _is(node, Atspi.StateType.SHOWING):
                yield node
        except GLib.Error:
            continue


def _patiently(find, timeout=20):
    """find() until it gives something; windows change while one looks at them."""
    end = time.monotonic() + timeout
    while True:
        try:
            found = find()
        except (GLib.Error, LookupError, IndexError) as error:
            found, reason = None, error
        else:
            reason = LookupError("nothing like that on the screen")
        if found:
            return found
        if time.monotonic() > end:
            raise reason
        time.sleep(0.3)


def _one(title, name, role, which=0):
    return _patiently(lambda: list(_all(title, name, role))[which])


def _x(*arguments):
    return subprocess.run(["xdotool", *map(str, arguments)], check=False, stdout=subprocess.PIPE, text=True).stdout


def _click_at(node, below=0):
    box = node.get_extents(Atspi.CoordType.SCREEN)
    _x("mousemove", box.x + min(box.width // 2, 30), box.y + box.height // 2 + below, "click", 1)
    time.sleep(0.7)


def _label(node):
    for relation in node.get_relation_set():
        if relation.get_relation_type() == Atspi.RelationType.LABELLED_BY:
            return relation.get_target(0).get_name()
    return None


def _field(title, label):
    return _patiently(lambda: next((node for node in _all(title) if node.get_role_name() in _EDITABLE and
                                    _label(node) == label), None))


# ---- what can be called ------------------------------------------------------------------------


def size(title, width, height):
    """There is no window manager: nobody else would."""
    for window in _x("search", "--onlyvisible", "--name", title).split():
        _x("windowsize", window, width, height)
    time.sleep(1)


def wait(title, name=None, role=None):
    _patiently(lambda: list(_all(title, name, role)) if name or role else _window(title))


def is_there(title, name=None, role=None):
    try:
        return bool(next(iter(_all(title, name, role)), None))
    except LookupError:
        return False


def names(title, role):
    """Of what is showing."""
    return [node.get_name() for node in _all(title, None, role) if node.get_name()]


def click_field(title, label):
    _click_at(_field(title, label))


def click(title, name, role, which=0, below=0):
    _click_at(_one(title, name, role, which), below)


def focus(title):
    found = _patiently(lambda: _x("search", "--onlyvisible", "--name", title).split())
    _x("windowfocus", found[-1])
    time.sleep(0.5)


def key(title, *keys):
    focus(title)
    _x("key", *keys)
    time.sleep(0.7)


def menu_keys(*keys):
    """For a menu that has been opened, and so has the keyboard."""
    for one in keys:
        _x("key", one)
        time.sleep(0.3)
    time.sleep(0.5)


def type_text(title, text):
    focus(title)
    _x("type", "--delay", 20, text)
    time.sleep(0.5)


def fill(title, label, text):
    """A text field by its label; that of a combo box, too."""
    field = _field(title, label)
    if field.get_role_name() == "combo box":
        field = next(node for node in _walk(field) if node.get_role_name() == "text")
    field.set_text_contents(text)
    time.sleep(0.3)


def choose(title, label, choice):
    """An item of a combo box by its label."""
    for node in _walk(_field(title, label)):
        if node.get_role_name() == "menu item" and node.get_name() == choice:
            node.do_action(0)
            time.sleep(0.5)
            return
    raise LookupError(f"'{label}' has no '{choice}'")


def check(title, name, on):
    box = _one(title, name, "check box")
    if _is(box, Atspi.StateType.CHECKED) != on:
        _click_at(box)


def menu(title, name, under):
    """An item of a menu that opens no dialog."""
    for node in _walk(_window(title)):
        if node.get_name() == name and "menu item" in node.get_role_name() and \
                node.get_parent().get_name() == under:
            node.do_action(0)
            time.sleep(0.7)
            return
    raise LookupError(f"no '{name}' in the menu '{under}'")


_CALLS = {call.__name__: call for call in (size, wait, is_there, names, click, click_field, focus, key, menu_keys, type_text, fill, choose,
                                           check, menu)}


def main():
    Atspi.init()
    answers = open(int(sys.argv[1]), "w", encoding="utf-8")
    program = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = {"value": _CALLS[name](*arguments)}
        except (GLib.Error, LookupError, StopIteration, AttributeError) as error:
            answer = {"error": f"{name} {arguments}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
    program.terminate()
    try:
        program.wait(10)
    except subprocess.TimeoutExpired:
        program.kill()


if __name__ == "__main__":
    main()
