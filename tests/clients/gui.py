# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients with windows."""

import base64
import json
import re
import subprocess
import time

from desk import Failed, Screen, corpus, free_port, mail
from marionette import Thunderbird

# ---- Thunderbird -------------------------------------------------------------------------------

#: What each script has at hand.
_PRELUDE = """
const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const account = MailServices.accounts.accounts.find(one => one.incomingServer.type == "imap");
const server = account.incomingServer;
const sleep = time => new Promise(resolve => setTimeout(resolve, time));
const until = async (what, condition) => {
    for (let i = 0; i < 300; i++) {
        const value = await condition();
        if (value) return value;
        await sleep(100);
    }
    throw new Error("waited for " + what);
};
const folder = path => path.split("/").reduce(
    (at, name) => at.getChildNamed(name), server.rootFolder).QueryInterface(Ci.nsIMsgImapMailFolder);
const update = at => new Promise((resolve, reject) => at.updateFolderWithListener(null, {
    OnStartRunningUrl() {},
    OnStopRunningUrl(url, status) { status ? reject(new Error("update: " + status)) : resolve(); }}));
const messages = at => [...at.messages];
const find = (at, subject) => until(
    subject, () => messages(at).find(one => one.mime2DecodedSubject == subject));
const url = (start) => new Promise((resolve, reject) => start({
    QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener"]),
    OnStartRunningUrl() {}, onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() {},
    OnStopRunningUrl(_, status) { status ? reject(new Error("url: " + status)) : resolve(); },
    onStopCopy(status) { status ? reject(new Error("copy: " + status)) : resolve(); }}));
"""


def _preferences(desk, port, tls):
    incoming, outgoing = ("imaps", "submissions") if tls else ("imap", "submission")
    return {
        "marionette.port": port,
        "mail.shell.checkDefaultClient": False, "mailnews.start_page.enabled": False,
        "mail.rights.version": 1, "app.donation.eoy.version.viewed": 999,
        "mail.accountmanager.accounts": "account1", "mail.accountmanager.defaultaccount": "account1",
        "mail.account.account1.identities": "id1", "mail.account.account1.server": "server1",
        "mail.identity.id1.useremail": "ada@example.org", "mail.identity.id1.fullName": "Ada",
        "mail.identity.id1.smtpServer": "smtp1", "mail.identity.id1.valid": True,
        "mail.identity.id1.compose_html": False,
        "mail.server.server1.type": "imap", "mail.server.server1.hostname": "127.0.0.1",
        "mail.server.server1.port": desk.ports[incoming], "mail.server.server1.name": "ada",
        "mail.server.server1.socketType": 3 if tls else 0, "mail.server.server1.authMethod": 3,
        "mail.server.server1.userName": desk.user, "mail.server.server1.login_at_startup": False,
        "mail.smtpservers": "smtp1", "mail.smtp.defaultserver": "smtp1",
        "mail.smtpserver.smtp1.hostname": "127.0.0.1",
        "mail.smtpserver.smtp1.port": desk.ports[outgoing],
        "mail.smtpserver.smtp1.username": desk.user, "mail.smtpserver.smtp1.authMethod": 3,
        "mail.smtpserver.smtp1.try_ssl": 3 if tls else 0,
    }


def _start(desk, tls):
    """Thunderbird with an account as the README says, its password, and for TLS Postern's authority."""
    port = free_port()
    profile = desk.home / ("profile-tls" if tls else "profile")
    profile.mkdir()
    (profile / "user.js").write_text("".join(
        f"user_pref({json.dumps(key)}, {json.dumps(value)});\n"
        for key, value in _preferences(desk, port, tls).items()))
    program = Thunderbird(desk, profile, port)
    authority = re.sub("-----.*?-----|\\s", "", desk.ca.read_text()) if tls else ""
    _script(program, """
        await until("the window", () => Services.wm.getMostRecentWindow("mail:3pane"));
        for (const origin of ["imap://127.0.0.1", "smtp://127.0.0.1"]) {
            const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
            login.init(origin, null, origin, args[0], args[1], "", "");
            await Services.logins.addLoginAsync(login);
        }
        if (args[2])
            Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB)
                .addCertFromBase64(args[2], "CT,,");
        await update(folder("INBOX"));
        await until("the folders", () => server.rootFolder.descendants.some(one => one.name == "Real"));
        await until("Sent", () => server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.SentMail));
        """, desk.user, desk.password, authority)
    return program


def _script(program, body, *arguments):
    return program.script(_PRELUDE + body, *arguments)


def _send(program, subject):
    """Writes a message in a window of its own and presses Send."""
    _script(program, """
        const fields = Cc["@mozilla.org/messengercompose/composefields;1"]
            .createInstance(Ci.nsIMsgCompFields);
        fields.to = "bob@example.net";
        fields.subject = args[0];
        fields.body = "hello from Thunderbird\\n";
        const params = Cc["@mozilla.org/messengercompose/composeparams;1"]
            .createInstance(Ci.nsIMsgComposeParams);
        params.composeFields = fields;
        params.identity = account.defaultIdentity;
        params.type = Ci.nsIMsgCompType.New;
        params.format = Ci.nsIMsgCompFormat.PlainText;
        MailServices.compose.OpenComposeWindowWithParams(null, params);
        const window = await until("the window", () => Services.wm.getMostRecentWindow("msgcompose"));
        await until("the editor", () => window.gMsgCompose && window.gMsgCompose.editor &&
                                        window.document.getElementById("button-send") &&
                                        !window.gWindowLocked && window.composeEditorReady);
        window.goDoCommand(args[1]);
        if (args[1] == "cmd_sendNow")
            await until("it to be sent", () => window.closed);
        """, subject, "cmd_sendNow")


def _whole_mail(desk, program, path):
    """Downloads a folder for offline work, and compares what Thunderbird stored."""
    stored = _script(program, """
        const at = folder(args[0]);
        await update(at);
        at.setFlag(Ci.nsMsgFolderFlags.Offline);
        await url(listener => at.downloadAllForOffline(listener, null));
        await until("all of it", () => messages(at).every(
            one => one.flags & Ci.nsMsgMessageFlags.Offline));
        return messages(at).map(one => {
            const stream = Cc["@mozilla.org/binaryinputstream;1"].createInstance(Ci.nsIBinaryInputStream);
            const source = at.getMsgInputStream(one, {});
            stream.setInputStream(source);
            const parts = [];
            for (let left; (left = stream.available()); )
                parts.push(stream.readBytes(left));
            return btoa(parts.join(""));
        });""", path)
    status = rb"\A(X-Mozilla-[^\n]*\n)+"  # its own, before the message
    got = [corpus.crlf(re.sub(status, b"", base64.b64decode(data))) for data in stored]
    wanted = desk.bodies(path)
    same = sum(body in got for body in wanted)
    if same != len(wanted) or len(got) != len(wanted):
        raise Failed(f"{len(got)} stored, {same} of {len(wanted)} the same")
    return f"{same} messages stored byte for byte"


def thunderbird(desk):
    def with_tls():
        with _start(desk, True) as program:
            seen = _whole_mail(desk, program, "INBOX")
            _send(program, "thunderbird-tls")
            return f"{seen}; {desk.wait_sent('thunderbird-tls')}"

    desk.step("set up with TLS as in the README, download INBOX, send", with_tls)
    with _start(desk, False) as program:
        _day(desk, program)


def _day(desk, program):
    def folders():
        return ", ".join(_script(program, """
            return server.rootFolder.descendants.map(one => one.URI.split("/").slice(3).join("/"));"""))

    def special():
        return _script(program, """
            return ["SentMail", "Drafts", "Trash"].map(flag => flag + ": " +
                server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags[flag])?.name).join(", ");""")

    def download():
        return "; ".join(f"{path}: {_whole_mail(desk, program, path)}" for path in ("INBOX", "Lists/Real"))

    def search():
        found = _script(program, """
            const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
            const term = session.createTerm();
            term.attrib = Ci.nsMsgSearchAttrib.Body;
            term.op = Ci.nsMsgSearchOp.Contains;
            const value = term.value;
            value.attrib = term.attrib;
            value.str = "needle2";
            term.value = value;
            session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folder("INBOX"));
            session.appendTerm(term);
            const hits = [];
            await new Promise(resolve => {
                session.registerListener({
                    onSearchHit(header) { hits.push(header.mime2DecodedSubject); },
                    onSearchDone() { resolve(); }, onNewSearch() {}});
                session.search(null);
            });
            return hits;""")
        if found != ["Mail 2"]:
            raise Failed(f"found {found}")
        return "just the message with the word"

    def flag():
        _script(program, """
            const one = await find(folder("INBOX"), "Mail 1");
            one.folder.markMessagesRead([one], true);
            one.folder.markMessagesFlagged([one], true);
            one.folder.addKeywordsToMessages([one], "$label1");""")
        return desk.wait_there("Mail 1 seen, flagged and $label1",
                               lambda now: {"\\flagged", "\\seen", "$label1"} <= now["Mail 1"])

    def transfer(subject, moves):
        _script(program, """
            const one = await find(folder("INBOX"), args[0]);
            await url(listener => MailServices.copy.copyMessages(
                folder("INBOX"), [one], folder("Archive"), args[1], listener, null, false));
            """, subject, moves)
        desk.wait_there(f"{subject} in Archive", lambda now: subject in now, "Archive")
        return desk.wait_there(f"{subject} {'out of' if moves else 'also in'} INBOX",
                               lambda now: (subject in now) != moves)

    def delete():
        _script(program, """
            const one = await find(folder("INBOX"), "Mail 0");
            await url(listener => one.folder.deleteMessages([one], null, false, false, listener, false));""")
        desk.wait_there("Mail 0 out of INBOX", lambda now: "Mail 0" not in now)
        return desk.wait_there("Mail 0 in Trash", lambda now: "Mail 0" in now, "Trash")

    def empty_trash():
        _script(program, "folder('Trash').emptyTrash(null);")
        return desk.wait_there("Trash empty", lambda now: not now, "Trash")

    def make_folders():
        _script(program, """
            server.rootFolder.createSubfolder("Žába", null);
            await until("the folder", () => server.rootFolder.descendants.some(one => one.name == "Žába"));
            """)
        desk.wait(lambda: "&AX0A4Q-ba" in desk.there.folders(), "the folder at the provider")
        _script(program, "folder('Žába').rename('Krtek', null);")
        desk.wait(lambda: "Krtek" in desk.there.folders(), "its new name at the provider")
        _script(program, """
            const at = await until("Krtek", () => server.rootFolder.descendants.find(
                one => one.name == "Krtek"));
            await url(listener => MailServices.imap.deleteFolder(at, listener, null));""")
        desk.wait(lambda: "Krtek" not in desk.there.folders(), "it to be gone at the provider")
        return "made, renamed and deleted at the provider"

    def news():
        desk.there.append("INBOX", mail(8, "Brand new"))
        _script(program, "await find(folder('INBOX'), 'Brand new');")
        return "listed without being asked for"

    def send():
        _send(program, "thunderbird-plain")
        return desk.wait_sent("thunderbird-plain")

    for what, do in (
            ("list folders", folders), ("find the special folders", special),
            ("download for offline work", download), ("search in texts on the server", search),
            ("mark as read, flag, tag", flag), ("copy", lambda: transfer("Mail 4", False)),
            ("move", lambda: transfer("Mail 3", True)), ("delete", delete), ("empty Trash", empty_trash),
            ("make, rename and delete a folder with letters of another alphabet", make_folders),
            ("hear of a new message", news), ("send, with a copy to Sent of its own", send)):
        desk.step(what, do)


# ---- claws-mail --------------------------------------------------------------------------------

_FOLDERS = """<?xml version="1.0" encoding="UTF-8"?>
<folderlist>
    <folder type="mh" name="Mail" path="Mail" collapsed="0" sort="0">
        <folderitem type="inbox" name="inbox" path="inbox" />
        <folderitem type="outbox" name="sent" path="sent" />
        <folderitem type="draft" name="draft" path="draft" />
        <folderitem type="queue" name="queue" path="queue" />
        <folderitem type="trash" name="trash" path="trash" />
    </folder>
    <folder type="imap" name="ada" collapsed="0" account_id="1" apply_sub="0">
        <folderitem type="inbox" name="INBOX" path="INBOX" />
        <folderitem type="outbox" name="Sent" path="Sent" />
        <folderitem type="draft" name="Drafts" path="Drafts" />
        <folderitem type="trash" name="Trash" path="Trash" />
        <folderitem type="normal" name="Archive" path="Archive" />
    </folder>
</folderlist>
"""


class Claws:
    """claws-mail on a screen of its own without a window manager, where each window has its place.
    Use it as a context manager."""

    def __init__(self, desk):
        self._desk = desk
        _claws_files(desk)
        self._screen = Screen()
        self._display = self._screen.display
        self._program = subprocess.Popen(
            ["claws-mail", "--select", "#imap/ada/INBOX"], cwd=desk.home, stdin=subprocess.DEVNULL,
            env=dict(desk.environment, DISPLAY=self._display), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._program.terminate()
        self._program.wait()
        self._screen.__exit__()

    def x(self, *arguments, good=(0,)):
        return self._desk.run("xdotool", *arguments, good=good, DISPLAY=self._display)

    def key(self, *keys):
        self.x("key", *keys)
        time.sleep(0.5)

    def click(self, x, y):
        self.x("mousemove", x, y, "click", 1)
        time.sleep(0.5)

    def focus(self, title):
        """Waits for a window with this in its title, and gives it the keyboard."""
        found = self._desk.wait(lambda: self.x("search", "--onlyvisible", "--name", title, good=(0, 1)).split(),
                                f"the window '{title}'")
        self.x("windowfocus", found[0])
        time.sleep(0.5)

    def remote(self, *arguments):
        return self._desk.run("claws-mail", *arguments, DISPLAY=self._display)

    def enter_password(self, first):
        self.focus("Input password")
        if first:
            self.click(95, 124)  # remember it
        self.click(217, 84)
        self.x("type", self._desk.password)
        self.key("Return")

    def select(self, number):
        """The message "Mail N" of INBOX, and nothing else."""
        self.remote("--select", f"#imap/ada/INBOX/{number + 1}")
        self.focus("Claws Mail")
        time.sleep(1)

    def find(self, word):
        """Selects what has it in its text."""
        self.focus("Claws Mail")
        self.key("shift+ctrl+f")
        self.focus("Search messages")
        self.click(280, 212)  # the body
        self.x("type", word)
        self.click(177, 331)  # find all
        time.sleep(2)
        self.click(522, 331)
        self.focus("Claws Mail")

    def choose_archive(self):
        """In the dialog with folders."""
        self.focus("Select folder")
        self.click(535, 464)
        self.click(703, 558)


def _claws_files(desk):
    for name in ("inbox", "sent", "draft", "queue", "trash"):
        (desk.home / "Mail" / name).mkdir(parents=True)
    desk.write(".claws-mail/folderlist.xml", _FOLDERS)
    desk.write(".claws-mail/clawsrc", """[Common]
config_version=3
autochk_newmail=0
check_on_startup=0
enable_aspell=0
""")
    desk.write(".claws-mail/accountrc", f"""[Account: 1]
config_version=3
account_name=ada
is_default=1
name=Ada
address=ada@example.org
protocol=1
receive_server=127.0.0.1
user_id={desk.user}
set_imapport=1
imap_port={desk.ports['imap']}
ssl_imap=0
smtp_server=127.0.0.1
use_smtp_auth=1
smtp_user_id={desk.user}
set_smtpport=1
smtp_port={desk.ports['submission']}
ssl_smtp=0
receive_at_get_all=1
""")


def clawsmail(desk):
    with Claws(desk) as claws:
        _claws_day(desk, claws)


def _claws_day(desk, claws):
    def log_in():
        claws.enter_password(True)
        desk.wait(lambda: any("HEADER.FIELDS" in line for line in desk.tap.lines), "the list to be fetched")
        total = claws.remote("--status-full", "#imap/ada/INBOX").split()[2]
        if total != "8":
            raise Failed(f"it counts {total} messages")
        return "8 messages in INBOX"

    def read():
        claws.select(2)
        claws.key("Return")
        return desk.wait_there("Mail 2 seen", lambda now: "\\seen" in now["Mail 2"])

    def search_command():
        found = claws.remote("--search", "#imap/ada/INBOX", "e", "B needle2").split()
        if [path.rpartition("/")[2] for path in found] != ["3"]:
            raise Failed(f"it printed {found}")
        return "just the message with the word"

    def search():
        before = len(desk.tap.lines)
        claws.find("needle2")
        said = [line for line in desk.tap.lines[before:] if "SEARCH" in line]
        if not said:
            raise Failed("the server wasn't asked")
        claws.key("asterisk")
        return desk.wait_there("just the message with the word flagged", lambda now: ["Mail 2"] == [
            subject for subject, flags in now.items() if "\\flagged" in flags])

    def flag():
        claws.select(1)
        claws.key("asterisk")
        return desk.wait_there("Mail 1 flagged", lambda now: "\\flagged" in now["Mail 1"])

    def transfer(number, key, moves):
        subject = f"Mail {number}"
        claws.select(number)
        claws.key(key)
        claws.choose_archive()
        desk.wait_there(f"{subject} in Archive", lambda now: subject in now, "Archive")
        return desk.wait_there(f"{subject} {'out of' if moves else 'also in'} INBOX",
                               lambda now: (subject in now) != moves)

    def delete():
        claws.select(0)
        claws.key("ctrl+d")
        desk.wait_there("Mail 0 in Trash", lambda now: "Mail 0" in now, "Trash")
        return desk.wait_there("Mail 0 out of INBOX", lambda now: "Mail 0" not in now)

    def news():
        desk.there.append("INBOX", mail(8, "Brand new"))
        desk.postern.sync()
        claws.remote("--receive-all")
        claws.select(8)
        claws.key("Return")
        return desk.wait_there("it was opened", lambda now: "\\seen" in now["Brand new"])

    def send():
        letter = desk.write("letter", "From: Ada <ada@example.org>\nTo: bob@example.net\n"
                                      "Subject: claws-letter\n\nhello\n")
        claws.remote("--compose-from-file", letter)
        claws.focus("Compose message")
        claws.key("ctrl+Return")
        claws.enter_password(False)
        return desk.wait_sent("claws-letter", copies=False)

    for what, do in (("log in, list messages", log_in), ("read", read),
                     ("search in texts, from the command line", search_command),
                     ("search in texts on the server, in its window, flag what was found", search), ("flag", flag),
                     ("copy", lambda: transfer(4, "shift+ctrl+o", False)),
                     ("move", lambda: transfer(3, "ctrl+o", True)), ("delete", delete),
                     ("fetch a new message", news), ("send", send)):
        desk.step(what, do)
