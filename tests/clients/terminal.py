# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients on the command line and on a terminal."""

import re
import tempfile
from pathlib import Path

from desk import Failed, Terminal, corpus, find_program, mail

# ---- getmail -----------------------------------------------------------------------------------


def _getmail(desk, kind, port, options="", retriever=""):
    """One run of getmail; returns what it wrote. Its Maildir destination refuses to work for root."""
    place = Path(tempfile.mkdtemp(dir=desk.home))
    desk.write("getmailrc", f"""
[retriever]
type = {kind}
server = 127.0.0.1
port = {port}
username = {desk.user}
password = {desk.password}
ca_certs = {desk.ca}
{retriever}
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat > $(mktemp {place}/XXXXXX)")
allow_root_commands = true
[options]
delivered_to = false
received = false
{options}
""")
    desk.run("getmail", f"--getmaildir={desk.home}", "--rcfile=getmailrc")
    return [corpus.crlf(path.read_bytes()) for path in place.iterdir()]


def _compare(got, wanted):
    """Are these the mails, but for the lines that getmail adds to the header and folds anew?"""
    def essence(data):
        dropped = rb"^(X-getmail-retrieved-from-mailbox: |Return-Path: |From ).*\r\n"
        head, _, body = data.partition(b"\r\n\r\n")
        return b"".join(re.sub(dropped, b"", head + b"\r\n", flags=re.M | re.I).split()), body

    whole = sum(any(mail in data for data in got) for mail in wanted)
    missing = set(map(essence, wanted)) ^ set(map(essence, got))
    if missing or len(got) != len(wanted):
        raise Failed(f"{len(got)} messages of {len(wanted)}; not the same: {list(missing)[:2]}")
    return f"{len(got)} messages, {whole} with the same bytes, the others with headers folded anew"


def getmail(desk):
    def fetch_imap():
        return _compare(_getmail(desk, "SimpleIMAPSSLRetriever", desk.ports["imaps"], "read_all = true"),
                        desk.bodies("INBOX"))

    def fetch_folders():
        got = _getmail(desk, "SimpleIMAPRetriever", desk.ports["imap"],
                       retriever='mailboxes = ("Lists/Real",)\nuse_peek = true')
        return _compare(got, desk.bodies("Lists/Real"))

    def fetch_pop3():
        return _compare(_getmail(desk, "SimplePOP3SSLRetriever", desk.ports["pop3s"]), desk.bodies("INBOX"))

    def fetch_and_move():
        got = _getmail(desk, "SimpleIMAPRetriever", desk.ports["imap"],
                       "delete = true\nread_all = true", 'move_on_delete = Archive\nmailboxes = ("Lists/Real",)')
        desk.wait_there("the folder empty", lambda now: not now, "Lists/Real")
        return f"{len(got)} moved, {len(desk.bodies('Archive'))} in Archive at the provider"

    def fetch_and_delete():
        _getmail(desk, "SimplePOP3Retriever", desk.ports["pop3"], "delete = true")
        return desk.wait_there("INBOX empty", lambda now: not now)

    desk.step("fetch INBOX over IMAP with TLS, as in the README", fetch_imap)
    desk.step("fetch another folder over IMAP", fetch_folders)
    desk.step("fetch over POP3 with TLS", fetch_pop3)
    desk.step("fetch over IMAP and move to Archive (move_on_delete)", fetch_and_move)
    desk.step("fetch over POP3 and delete", fetch_and_delete)


# ---- aerc --------------------------------------------------------------------------------------


def _aerc_files(desk, source, outgoing):
    desk.write(".config/aerc/accounts.conf", f"""
[ada]
source = {source}
source-cred-cmd = cat ~/.postern-password
outgoing = {outgoing}
outgoing-cred-cmd = cat ~/.postern-password
from = Ada <ada@example.org>
default = INBOX
copy-to = Sent
smtp-starttls = {'no' if outgoing.startswith('smtps') else 'yes'}
""")
    desk.write(".postern-password", desk.password + "\n")
    desk.write("editor", "#!/bin/sh\nprintf 'hello from aerc\\n' >>\"$1\"\n").chmod(0o700)


def _aerc_tls(desk):
    _aerc_files(desk, f"imaps://{desk.user}@localhost:{desk.ports['imaps']}",
                f"smtps://{desk.user}@localhost:{desk.ports['submissions']}")
    terminal = Terminal(desk, f"env SSL_CERT_FILE={desk.ca} EDITOR={desk.home}/editor aerc")
    try:
        terminal.wait("Mail 5")
        terminal.command(":compose -H 'To: bob@example.net' -H 'Subject: aerc-tls'")
        terminal.wait("Send this email")
        terminal.keys("y")
        return desk.wait_sent("aerc-tls")
    finally:
        terminal.close()


class _Aerc(Terminal):
    def __init__(self, desk):
        _aerc_files(desk, f"imap+insecure://{desk.user}@127.0.0.1:{desk.ports['imap']}",
                    f"smtp://{desk.user}@127.0.0.1:{desk.ports['submission']}")
        super().__init__(desk, f"env SSL_CERT_FILE={desk.ca} EDITOR={desk.home}/editor aerc")

    def select(self, number):
        """Finds one message by a word of its text, and so selects it."""
        self.command(":clear")
        self.wait("Mail 5")
        self.command(f":filter -b needle{number}")
        self.wait_gone("Mail 5")
        self.wait(f"Mail {number}")
        self.command(":select 0")


def aerc(desk):
    desk.step("set up with TLS as in the README, send", lambda: _aerc_tls(desk))
    terminal = _Aerc(desk)
    try:
        _aerc_day(desk, terminal)
    finally:
        terminal.close()


def _aerc_day(desk, terminal):
    def act(number, *commands):
        terminal.select(number)
        for command in commands:
            terminal.command(command)

    def read():
        terminal.command(":clear")
        act(2, ":view")
        seen = terminal.wait("with the word needle2")
        terminal.command(":close")
        return seen

    def open_folder():
        terminal.command(":clear")
        terminal.command(":cf Lists/Real")
        terminal.wait_gone("Mail 5")
        subjects = [desk.subject(body)[:20] for body in desk.bodies("Lists/Real")]
        desk.wait(lambda: [each for each in subjects if each and each in terminal.screen()], "its messages")
        seen = sum(each in terminal.screen() for each in subjects)
        terminal.command(":cf INBOX")
        terminal.wait("Mail 5")
        return f"{seen} of its messages on the screen"

    def flag():
        act(1, ":flag", ":read")
        return desk.wait_there("Mail 1 flagged and seen",
                               lambda now: {"\\flagged", "\\seen"} <= now["Mail 1"])

    def move():
        act(3, ":mv Archive")
        desk.wait_there("Mail 3 in Archive", lambda now: "Mail 3" in now, "Archive")
        return desk.wait_there("Mail 3 out of INBOX", lambda now: "Mail 3" not in now)

    def copy():
        act(4, ":cp Archive")
        return desk.wait_there("Mail 4 in Archive", lambda now: "Mail 4" in now, "Archive")

    def delete():
        act(0, ":delete")
        return desk.wait_there("Mail 0 gone", lambda now: "Mail 0" not in now)

    def make_folder():
        terminal.command(":clear")
        terminal.wait("Mail 5")
        terminal.command(":mkdir Made")
        desk.wait(lambda: "Made" in desk.there.folders(), "the folder at the provider")
        terminal.command(":cf INBOX")
        terminal.wait_gone("(no messages)")
        terminal.command(":clear")
        terminal.wait("Mail 5")
        return "there at the provider"

    def news():
        desk.there.append("INBOX", mail(8, "Brand new"))
        return terminal.wait("Brand new")

    def send():
        terminal.command(":compose -H 'To: bob@example.net' -H 'Subject: aerc-plain'")
        terminal.wait("Send this email")
        terminal.keys("y")
        try:
            return desk.wait_sent("aerc-plain")
        except Failed as error:
            raise Failed(f"{error}; it shows {terminal.screen()[-300:]}") from None

    desk.step("list folders and messages",
              lambda: (terminal.wait("Mail 5"), terminal.wait("luťoučký kůň"), terminal.wait("Archive"),
                       "folders, subjects in two alphabets")[-1])
    for what, do in (("search in texts, read", read), ("open another folder", open_folder),
                     ("flag, mark as read", flag), ("move", move), ("copy", copy), ("delete", delete),
                     ("make a folder", make_folder), ("hear of a new message", news),
                     ("send, with a copy to Sent of its own", send)):
        desk.step(what, do)


# ---- mutt, neomutt -----------------------------------------------------------------------------


def _mutt_settings(desk, connection):
    """What the README says for both, and that nothing asks back."""
    return f"""
set from = "ada@example.org"
set realname = "Ada"
set smtp_url = "smtp://{desk.user}@localhost:{desk.ports['submission']}/"
set smtp_pass = "`cat ~/.postern-password`"
set smtp_authenticators = "plain"
set certificate_file = "{desk.ca}"
set confirmappend = no
set confirmcreate = no
set wait_key = no
set mark_old = no
set move = no
set delete = yes
set quit = yes
set resolve = no
set timeout = 2
set mail_check = 2
set imap_idle = yes
set sort = mailbox-order
set markers = no
{connection}
set spoolfile = "+INBOX"
set record = "+Sent"
"""


class _Mutt(Terminal):
    def __init__(self, desk, program, connection):
        desk.write(".postern-password", desk.password + "\n")
        desk.write("muttrc", _mutt_settings(desk, connection))
        super().__init__(desk, f"{program} -n -F {desk.home}/muttrc")

    def jump(self, number):
        """To the message "Mail N", which is the N+1st."""
        self.type(str(number + 1))
        self.keys("Enter")

    def save(self, key, folder):
        """Copies (C) or saves (s) the message to a folder, over the one that is proposed."""
        self.keys(key)
        self.wait("mailbox|Save|Copy to")
        self.keys("C-a")
        self.keys("C-k")
        self.type(f"={folder}")
        self.keys("Enter")


def _over_tcp(desk, program, secure):
    """IMAP over TCP with TLS (imaps, or STARTTLS as ssl_force_tls wants it)."""
    port = desk.ports["imaps" if secure else "imap"]
    terminal = _Mutt(desk, program, f"""
set ssl_force_tls = yes
set imap_pass = "`cat ~/.postern-password`"
set folder = "imap{'s' if secure else ''}://{desk.user}@localhost:{port}/"
""")
    try:
        terminal.wait("Mail 5")
        return "logged in, INBOX listed"
    finally:
        terminal.close()


def _send(desk, program):
    """Through the README's tunnel for IMAP, which the copy for Sent takes, and SMTP with STARTTLS."""
    subject = f"{program}-letter"
    tunnel = f"{find_program('posternctl')} connect imap {desk.user}"
    desk.write(".postern-password", desk.password + "\n")
    desk.write("muttrc", _mutt_settings(desk, f"""
set folder = "imap://{desk.user}@localhost/"
set tunnel = "{tunnel}"
account-hook ^smtp 'unset tunnel'
account-hook ^imap 'set tunnel = "{tunnel}"'
"""))
    desk.run(program, "-n", "-F", "muttrc", "-s", subject, "bob@example.net", data=b"hello\n")
    if program == "neomutt":  # which keeps no copy of what it sends from a script
        return desk.wait_sent(subject, copies=False)
    return desk.wait_sent(subject)


def _mutt_day(desk, program):
    terminal = _Mutt(desk, program, f"""
set folder = "imap://{desk.user}@127.0.0.1:{desk.ports['imap']}/"
set imap_pass = "`cat ~/.postern-password`"
set ssl_starttls = no
set ssl_force_tls = no
""")

    def read():
        terminal.jump(2)
        terminal.keys("Enter")
        seen = terminal.wait("with the word needle2")
        terminal.keys("i")
        return seen

    def search():
        terminal.keys("l")
        terminal.wait("Limit")
        terminal.type("=b needle4")
        terminal.keys("Enter")
        terminal.wait_gone("Mail 5")
        terminal.wait("Mail 4")
        terminal.keys("l")
        terminal.keys("C-u")
        terminal.type("all")
        terminal.keys("Enter")
        terminal.wait("Mail 5")
        return "limited to the one with the word"

    def flag():
        terminal.jump(1)
        terminal.keys("F")
        terminal.keys("$")
        return desk.wait_there("Mail 1 flagged", lambda now: "\\flagged" in now["Mail 1"])

    def copy():
        terminal.jump(4)
        terminal.save("C", "Archive")
        return desk.wait_there("Mail 4 in Archive", lambda now: "Mail 4" in now, "Archive")

    def move():
        terminal.jump(3)
        terminal.save("s", "Archive")
        desk.wait_there("Mail 3 in Archive", lambda now: "Mail 3" in now, "Archive")
        terminal.keys("$")
        return desk.wait_there("Mail 3 out of INBOX", lambda now: "Mail 3" not in now)

    def delete():
        terminal.jump(0)
        terminal.keys("d")
        terminal.keys("$")
        return desk.wait_there("Mail 0 gone", lambda now: "Mail 0" not in now)

    def news():
        desk.there.append("INBOX", mail(8, "Brand new"))
        return terminal.wait("Brand new")

    def folders():
        terminal.keys("c")
        terminal.wait("Open mailbox")
        terminal.type("=Lists/Real")
        terminal.keys("Enter")
        terminal.wait_gone("Mail 5")
        terminal.wait(r"Real.*Msgs:40")
        return "Lists/Real: 40 messages"

    try:
        for what, do in (("list messages", lambda: terminal.wait("Mail 5")), ("read", read),
                         ("search in texts", search), ("flag", flag), ("copy", copy), ("move", move),
                         ("delete", delete), ("hear of a new message", news),
                         ("open another folder", folders)):
            desk.step(what, do)
    finally:
        terminal.close()


def _mutt(desk, program):
    desk.step("log in over IMAP with TLS, no authenticator named", lambda: _over_tcp(desk, program, True))
    desk.step("log in over IMAP with STARTTLS", lambda: _over_tcp(desk, program, False))
    desk.step("send, as in the README", lambda: _send(desk, program))
    _mutt_day(desk, program)


def mutt(desk):
    _mutt(desk, "mutt")


def neomutt(desk):
    _mutt(desk, "neomutt")
