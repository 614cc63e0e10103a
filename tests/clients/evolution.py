# SPDX-License-Identifier: GPL-3.0-or-later
"""Evolution's windows; what its library does is in library.py."""

from desk import Failed, Windows, mail

_MAIN = "Inbox"
#: AT-SPI places the rows of Evolution's list where they were if it had no header.
_HEADER = 24
_LETTER = "evolution-letter"


def evolution_windows(desk):
    with Windows(desk, "evolution", GTK_MODULES="gail:atk-bridge") as screen:
        _day(desk, screen)


def _server(screen, page, user, port):
    """A page of the assistant that asks for a server."""
    screen.fill(page, "Server:", "127.0.0.1")
    screen.fill(page, "Username:", user)
    screen.choose(page, "Encryption method:", "No encryption")
    screen.fill(page, "Port:", str(port))
    screen.click(page, "Next", "push button")


def _set_up(desk, screen):
    for page in ("Welcome", "Restore from Backup"):
        screen.click(page, "Next", "push button")
    screen.fill("Identity", "Full Name:", "Ada")
    screen.fill("Identity", "Email Address:", "ada@example.org")
    screen.check("Identity", "Look up mail server details based on the entered e-mail address", False)
    screen.click("Identity", "Next", "push button")
    _server(screen, "Receiving Email", desk.user, desk.ports["imap"])
    screen.click("Receiving Options", "Next", "push button")
    screen.check("Sending Email", "Server requires authentication", True)
    _server(screen, "Sending Email", desk.user, desk.ports["submission"])
    screen.click("Account Summary", "Next", "push button")
    screen.click("Done", "Apply", "push button")
    _log_in(desk, screen)
    screen.size("Mail", 1200, 780)


def _log_in(desk, screen):
    title = "Mail authentication request"
    screen.fill(title, "Password:", desk.password)
    screen.check(title, "Add this password to your keyring", False)
    screen.click(title, "OK", "push button")


def _day(desk, screen):
    def folders():
        names = screen.names("Mail", "table cell")
        return names[names.index("ada@example.org") + 1:names.index("Search Folders")]

    def set_up():
        _set_up(desk, screen)
        screen.wait("Mail", "Archive", "table cell")
        return ", ".join(folders())

    def choose_row(subject):
        screen.click(_MAIN, subject, "table cell", 0, _HEADER)

    def rows():
        return [name for name in screen.names(_MAIN, "table cell") if name.startswith("Mail ") or "kůň" in name]

    def list_messages():
        screen.click("Mail", folders()[0], "table cell", -1)
        screen.wait(_MAIN, "Mail 0", "table cell")
        return ", ".join(rows())

    def read():
        choose_row("Mail 2")
        return desk.wait_there("Mail 2 seen", lambda now: "\\seen" in now["Mail 2"])

    def flag():
        choose_row("Mail 1")
        screen.menu(_MAIN, "Important", "Mark As")
        screen.menu(_MAIN, "Work", "Label")
        return desk.wait_there("Mail 1 flagged and labelled",
                               lambda now: {"\\flagged", "$labelwork"} <= now["Mail 1"])

    def search():
        screen.click(_MAIN, "edit-find", "icon")
        screen.menu_keys(*["Down"] * 6, "Return")  # "Body contains"
        screen.click_field(_MAIN, "Search:")
        screen.type_text(_MAIN, "needle2")
        screen.key(_MAIN, "Return")
        desk.wait(lambda: rows() == ["Mail 2"], "just the message with the word to be listed")
        screen.menu(_MAIN, "Clear", "Search")
        screen.wait(_MAIN, "Mail 0", "table cell")
        if not any("SEARCH" in line and "needle2" in line for line in desk.tap.lines):
            raise Failed("the server wasn't asked")
        return "just the message with the word"

    def transfer(subject, keys, title, moves):
        choose_row(subject)
        screen.key(_MAIN, keys)
        screen.click(title, "Archive", "table cell")
        screen.click(title, "Move" if moves else "Copy", "push button")
        desk.wait_there(f"{subject} in Archive", lambda now: subject in now, "Archive")
        return desk.wait_there(f"{subject} {'out of' if moves else 'also in'} INBOX",
                               lambda now: (subject in now) != moves)

    def delete():
        choose_row("Mail 0")
        screen.key(_MAIN, "ctrl+d")
        desk.wait_there("Mail 0 out of INBOX", lambda now: "Mail 0" not in now or "\\deleted" in now["Mail 0"])
        marked = "Mail 0" in desk.subjects()
        if marked:
            screen.key(_MAIN, "ctrl+e")
            screen.menu_keys("Return")
        desk.wait_there("Mail 0 out of INBOX", lambda now: "Mail 0" not in now)
        where = "in Trash" if "Mail 0" in desk.subjects("Trash") else "gone"
        return f"{'marked as deleted, expunged, ' if marked else ''}{where} at the provider"

    def news():
        desk.there.append("INBOX", mail(8, "Brand new"))
        screen.wait(_MAIN, "Brand new", "table cell")
        return "listed without being asked for"

    def send():
        screen.key(_MAIN, "ctrl+shift+m")
        screen.click("Compose Message", "To:", "text")
        screen.type_text("Compose Message", "bob@example.net")
        screen.click_field("Compose Message", "Subject:")
        screen.type_text("Compose Message", _LETTER)
        screen.key(_LETTER, "Tab")
        screen.type_text(_LETTER, "hello from Evolution")
        screen.click(_LETTER, "Send", "push button")
        _log_in(desk, screen)
        return desk.wait_sent(_LETTER, copies=False)

    if not desk.step("set up with its assistant, list folders", set_up):
        return
    for what, do in (
            ("list messages", list_messages), ("read", read), ("flag, label", flag),
            ("search in texts on the server", search),
            ("copy", lambda: transfer("Mail 4", "ctrl+shift+y", "Copy to Folder", False)),
            ("move", lambda: transfer("Mail 3", "ctrl+shift+v", "Move to Folder", True)),
            ("delete", delete), ("hear of a new message", news), ("write and send", send)):
        desk.step(what, do)
