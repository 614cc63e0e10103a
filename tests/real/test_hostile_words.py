# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider that says hostile things wherever a server has something to say: an account for each way. Nothing of it
reaches the log, D-Bus, a terminal or a mail client but as words in a line."""

import json
import re
import subprocess

from harness import Case, ControlError, FakeImap, FakePop3, FakeSmtp, find_program
from harness.faults import Fault, LeavesOut, Refuse, Says

#: What does something to a terminal, or to the order of what is read there.
HARMFUL = ("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]")
#: The same as posternctl shows it where it had to.
ESCAPED = r"\\u(00[01][0-9a-f]|00[89][0-9a-f]|007f|061c|200[ef]|202[8-e]|206[6-f])"
#: With each kind of them, octets that are no UTF-8, and longer than anyone reads.
TURNED = b"\x1b[2J\x1b]0;owned\x07\b\b\xc2\x9b31m\xc2\x85 \xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8\xd8\x9c\xf3\xa0\x81\x81 \xff\xc0\x80 <b>&amp;</b> "
#: Keys of what is a name that things are found by: these are exact.
NAMES = ("Name", "Folder", "Subject", "From", "Address", "Id")


def woe(way, length=3000):
    octets = f"woe-{way} ".encode() + TURNED + b"z" * length
    return octets.decode("utf-8", "surrogateescape")


def mail(number):
    return (f"From: bob@example.org\r\nTo: ada@example.org\r\nSubject: m{number}\r\nMessage-ID: <m{number}@words.test>\r\n"
            f"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\nMail {number}.\r\n").encode()


class Tells(Fault):
    """A command is answered with lines of its own, and OK."""

    def __init__(self, command, *lines):
        super().__init__()
        self.command, self.said = command, lines

    def before(self, session, command):
        if re.match(self.command, command.text, re.I):
            session.raw(b"".join(line.encode("utf-8", "surrogateescape") + b"\r\n" for line in self.said))
            return "OK done"
        return None


def octets(text):
    return text.encode("utf-8", "surrogateescape")


#: way: (what the IMAP server does, what a client does before the round)
IMAP = {
    "login": ([Refuse("LOGIN|AUTHENTICATE", "NO " + woe("login"))], None),
    "expired": ([Refuse("LOGIN|AUTHENTICATE", "NO [EXPIRED] " + woe("expired"))], None),
    "away": ([Refuse("LOGIN|AUTHENTICATE", "NO [UNAVAILABLE] " + woe("away"))], None),
    "bad": ([Refuse("LOGIN|AUTHENTICATE", "BAD " + woe("bad"))], None),
    "listing": ([Refuse("LIST", "NO " + woe("listing"))], None),
    "select": ([Refuse("SELECT|EXAMINE", "NO " + woe("select"), folder="INBOX")], None),
    "bye": ([Refuse("SELECT|EXAMINE", "BYE " + woe("bye"), folder="INBOX")], None),
    "told": ([LeavesOut("NO " + woe("told"), uid=2)], None),
    "body": ([LeavesOut("NO " + woe("body"), only="BODY", uid=2)], None),
    "alert": ([Says(octets("* OK [ALERT] " + woe("alert")), command="SELECT")], None),
    "append": ([Refuse("APPEND", "NO " + woe("append"))], "append"),
    "store": ([Refuse("UID STORE", "NO [CANNOT] " + woe("store"))], "STORE 1 +FLAGS (\\Flagged)"),
    "copy": ([Refuse("UID (COPY|MOVE)", "NO [OVERQUOTA] " + woe("copy"))], "COPY 1 Archive"),
    "create": ([Refuse("CREATE", "NO " + woe("create"))], "CREATE New"),
    "rename": ([Refuse("RENAME", "NO " + woe("rename"))], "RENAME Archive Old"),
    "delete": ([Refuse("DELETE", "NO " + woe("delete"))], "DELETE Archive"),
    "subscribe": ([Refuse("UNSUBSCRIBE", "NO " + woe("subscribe"))], "UNSUBSCRIBE Archive"),
    "expunge": ([Refuse("UID EXPUNGE|EXPUNGE", "NO " + woe("expunge"))], "delete"),
    # What isn't shown as words of a server, but may come through anywhere.
    "id": ([Tells("ID", '* ID ("name" "' + woe("id", 100) + '" "x" "' + woe("id", 100) + '")')], None),
    "quota": ([Tells("GETQUOTAROOT", '* QUOTAROOT INBOX "' + woe("quota", 20) + '"',
                     '* QUOTA "' + woe("quota", 20) + '" (STORAGE 1 2)', f'* QUOTA "" ({octets(woe("q", 9))[:9].decode()} 1 2)')], None),
    "rights": ([Tells("MYRIGHTS", '* MYRIGHTS INBOX "lrs' + woe("rights", 20) + '"')], None),
    "untagged": ([Says(octets("* NO " + woe("untagged")), octets("* BAD " + woe("untagged")),
                       octets("* OK [WHATEVER " + woe("untagged", 20).replace("]", "") + "] " + woe("untagged")),
                       octets("* WOE " + woe("untagged")), command="UID FETCH")], None),
}
#: The same from the first line on.
GREETINGS = {"greeting": "BYE " + woe("greeting"), "full": "BYE [UNAVAILABLE] " + woe("full")}
SMTP = {f"smtp-{stage.lower()}-{code}": (stage, f"{code} " + woe(f"smtp-{stage.lower()}-{code}", 900))
        for stage in ("CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "DOT") for code in (550,)}
SMTP["smtp-many"] = ("RCPT", "\r\n".join(f"550-5.1.1 {woe('smtp-many', 900)}" for _ in range(50)) + "\r\n550 5.1.1 end")
POP3 = {f"pop3-{stage.lower()}": {stage: "-ERR " + woe(f"pop3-{stage.lower()}", 300)}
        for stage in ("GREETING", "STAT", "LIST", "UIDL", "RETR", "TOP")}
POP3["pop3-login"] = {stage: "-ERR " + woe("pop3-login", 300) for stage in ("USER", "PASS", "AUTH")}
#: These needn't be shown anywhere; all others are, or nobody would know what is wrong.
SILENT = {"smtp-ehlo-550", "id", "quota", "rights", "untagged", "full", "subscribe", "pop3-greeting", "pop3-stat", "pop3-list",
          "pop3-uidl", "pop3-top"}


def strings(value, key=""):
    """(key, text) of all there is in JSON."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from strings(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one, key)
    elif isinstance(value, str):
        yield key, value


class Words(Case):
    def fake(self, way, greeting="OK ready"):
        near = FakeImap(also=("QUOTA", "ACL"), strict=False)
        self.addCleanup(near.close)
        near.greeting = greeting
        near.create("Archive")
        for number in range(1, 4):
            near.put("INBOX", mail(number))
        return near

    @staticmethod
    def account(way, near):
        return {"address": f"{way}@example.org", "user": "ada@example.org", "password-command": "echo lovelace",
                "incoming": near.url("imap+insecure")}

    def client(self, way, what):
        with self.daemon.imap(way) as imap:
            imap.ok("SELECT INBOX")
            if what == "append":
                imap.ok("APPEND Archive {%d+}\r\n%s" % (len(mail(9)), mail(9).decode()))
            elif what == "delete":
                imap.ok("STORE 1 +FLAGS (\\Deleted)")
                imap.ok("EXPUNGE")
            else:
                imap.ok(what)

    def check(self, where, text, most=9000):
        found = re.search(HARMFUL, text)
        self.assertIsNone(found, f"{where}: {text[max(0, found.start() - 200):found.end() + 20]!r}" if found else "")
        for line in text.split("\n"):
            self.assertLess(len(line.encode()), most, where)

    def look(self, *arguments, kinds=([], ["--json"])):
        """What posternctl prints, as a person and as a program sees it; D-Bus' own strings."""
        seen = ""
        for options in kinds:
            done = subprocess.run([find_program("posternctl"), "--no-start", *options, *arguments], env=self.daemon.environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for text in (done.stdout, done.stderr):
                text = text.decode("utf-8", "surrogateescape")
                self.check(arguments, text, most=1000000)
                seen += text
            self.assertNotRegex(done.stderr.decode("utf-8", "replace"), ESCAPED, arguments)
            if options and done.stdout.strip():
                for key, text in strings(json.loads(done.stdout)):
                    if key not in NAMES:
                        self.check(f"{arguments} {key}", text)
        return seen

    def sync(self, way):
        return self.look("sync", "--wait", way, kinds=[[]])

    def check_all(self, said=""):
        """What everyone is told in the end."""
        said += "".join(self.look(*words) for words in (("status",), ("account", "list"), ("queue", "list")))
        log = self.daemon._log_path.read_bytes().decode("utf-8", "surrogateescape")
        self.check("log", log)
        for way in self.daemon.accounts:
            with self.subTest(way):
                self.check_client(way)
                if way not in SILENT:
                    self.assertIn(f"woe-{way}", said + log)

    def test_of_imap_servers(self):
        nears = {way: self.fake(way, GREETINGS.get(way, "OK ready")) for way in (*IMAP, *GREETINGS)}
        for way, (faults, what) in IMAP.items():
            nears[way].faults = [] if what else faults
        self.daemon = self.postern(synced=False, accounts={way: self.account(way, near) for way, near in nears.items()})
        said = ""
        for way, near in nears.items():
            faults, what = IMAP.get(way, ([], None))
            if what:  # All is well first where a client has to change something.
                self.daemon.sync(way)
                near.faults = faults
                self.client(way, what)
            said += self.sync(way)
            if what or way in ("select", "told", "body"):
                said += "".join(self.look(word, way, kinds=[["--json"]]) for word in ("folders", "pending"))
        said += "".join(self.look(*words, kinds=[[]]) for words in (("account", "show", "away"), ("folders", "body"), ("pending", "store")))
        self.check_all(said)

    def test_of_smtp_servers(self):
        near, accounts = self.fake("smtp"), {}
        for way, (stage, answer) in SMTP.items():
            far = FakeSmtp(users={"ada@example.org": "lovelace"})
            self.addCleanup(far.close)
            far.answers[stage] = answer
            accounts[way] = {**self.account(way, near), "outgoing": f"submission+insecure://127.0.0.1:{far.port}"}
        self.daemon = self.postern(synced=False, accounts=accounts)
        default = self.daemon.directory / "home" / ".config" / "postern"
        default.mkdir(parents=True)
        (default / "postern.conf").symlink_to(self.daemon.config)
        for way in accounts:
            subprocess.run([find_program("posternctl"), "sendmail", "-a", way, "bob@example.net"], input=mail(8),
                           env=self.daemon.environment, check=True)
        # It takes them over in its own time.
        self.daemon.wait(lambda: [bool(entry["LastError"]) for entry in self.daemon.queue()] == [True] * len(accounts),
                         "all mail to be refused", 60)
        self.check_all(self.look("queue", "show", "1"))

    def test_of_pop3_servers(self):
        accounts = {}
        for way, answers in POP3.items():
            drop = FakePop3([mail(1), mail(2)])
            self.addCleanup(drop.close)
            drop.answers.update(answers)
            accounts[way] = {**drop.account(), "address": f"{way}@example.org"}
        self.daemon = self.postern(synced=False, accounts=accounts)
        self.check_all("".join(self.sync(way) for way in accounts))

    def check_client(self, way):
        """What a mail client of the account is told."""
        try:
            imap = self.daemon.imap(way)
        except (OSError, EOFError):
            return
        with imap:
            for command in ("CAPABILITY", "NAMESPACE", 'LIST "" * RETURN (SUBSCRIBED STATUS (MESSAGES))', "GETQUOTAROOT INBOX", "GETACL INBOX",
                            "MYRIGHTS INBOX", 'GETMETADATA "" (/shared/comment)', "SELECT INBOX", "FETCH 1:* (FLAGS BODY.PEEK[])",
                            "SEARCH TEXT woe", "LOGOUT"):
                try:
                    result = imap.command(command)
                except (OSError, EOFError):
                    return
                self.check((way, command), result.text)
                for line in result.untagged:
                    if not re.match(rb"\d+ FETCH", line):
                        self.check((way, command), line.decode("utf-8", "surrogateescape").replace("\r\n", " "))
