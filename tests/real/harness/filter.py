# SPDX-License-Identifier: GPL-3.0-or-later
"""ImapFilter: stands before an IMAP server and takes abilities away from it for good. Not announcing them
is not enough: a server that still answers with APPENDUID or MODSEQ helps a client that it shouldn't."""

import re
import socket
import threading
import zlib

from .link import reset

_LITERAL = re.compile(rb"\{(\d+)\+?\}\r\n$")

#: ability: (commands that are unknown then, what vanishes from answers)
_ABILITIES = {
    "UIDPLUS": (rb"^\S+ UID EXPUNGE\b", rb"\[(?:APPENDUID|COPYUID) [^\]]*\] "),
    "MOVE": (rb"^\S+ (?:UID )?MOVE\b", None),
    "IDLE": (rb"^\S+ IDLE\b", None),
    "CONDSTORE": (rb"\((?:CHANGEDSINCE|UNCHANGEDSINCE|CONDSTORE)\b|\bMODSEQ\b",
                  rb"\* OK \[HIGHESTMODSEQ [^\]]*\][^\r]*\r\n"),
    "QRESYNC": (rb"\(QRESYNC\b|^\S+ ENABLE .*QRESYNC|\bVANISHED\b", None),
    "SPECIAL-USE": (rb"\bRETURN \([^)]*SPECIAL-USE",
                    rb"\\(?:Drafts|Sent|Trash|Junk|Archive|All|Flagged)(?= |\)) ?"),
    "LITERAL+": (rb"\{\d+\+\}\r\n$", None),
    "MULTIAPPEND": (None, None),
}


class ImapFilter:
    """Listens on `self.port` without TLS and forwards to 127.0.0.1:`target` (also without).

    without  abilities from the table above, or any other capability name, which is then not announced
    append_limit  announced as APPENDLIMIT (RFC 7889); a larger message is refused before it is sent, and
                  whoever sends it unasked loses the connection
    gmail    each message has an X-GM-MSGID, made of its INTERNALDATE and size, and is a thread of its own

    `self.literals` is how many bytes of literals the server has sent so far.

    on_command, on_answer  called with each line, before it is passed on; what they return goes in its place,
                           and None breaks the connection off
    """

    def __init__(self, target, without=(), append_limit=None, gmail=False):
        self.target = target
        self.append_limit = append_limit
        self.gmail = gmail
        self.literals = 0
        self.on_command = self.on_answer = lambda line: line
        self.without = set(without) | ({"QRESYNC"} if "CONDSTORE" in without else set())
        refused = [_ABILITIES[name][0] for name in self.without
                   if name in _ABILITIES and _ABILITIES[name][0]]
        removed = [_ABILITIES[name][1] for name in self.without
                   if name in _ABILITIES and _ABILITIES[name][1]]
        self._refused = re.compile(b"|".join(refused) or rb"(?!)", re.I)
        self._removed = re.compile(b"|".join(removed) or rb"(?!)", re.I)
        names = b"|".join(re.escape(name.encode()) for name in self.without)
        self._announced = re.compile(rb" (?:" + names + rb")(?=[ \]\r])", re.I)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target), 10)
            except OSError:
                if self._listener.fileno() < 0:
                    return
                continue
            server.settimeout(None)
            lock = threading.Lock()
            threading.Thread(target=self._up, args=(client, server, lock), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client, lock), daemon=True).start()

    def _up(self, client, server, lock):
        """Commands: refused ones are answered here, with all their literals swallowed."""
        reader = client.makefile("rb")
        try:
            while line := reader.readline():
                if self._refused.search(line):
                    with lock:
                        client.sendall(line.split(b" ")[0].strip() + b" BAD Unknown command\r\n")
                    continue
                if self._is_too_large(line):
                    if b"+}" in line:
                        break
                    with lock:
                        client.sendall(line.split(b" ")[0] + b" NO [TOOBIG] No more than "
                                       b"%d bytes, please\r\n" % self.append_limit)
                    continue
                if self.gmail:
                    line = line.replace(b" X-GM-MSGID X-GM-THRID", b"")
                line = self.on_command(line)
                if line is None:
                    break
                server.sendall(line)
                while found := _LITERAL.search(line):
                    self._copy(reader, server, int(found.group(1)))
                    line = reader.readline()
                    server.sendall(line)
        except OSError:
            pass
        reset(client)
        reset(server)

    def _is_too_large(self, line):
        found = self.append_limit and b" APPEND " in line and _LITERAL.search(line)
        return found and int(found.group(1)) > self.append_limit

    def _down(self, server, client, lock):
        reader = server.makefile("rb")
        try:
            while line := reader.readline():
                found = _LITERAL.search(line)
                line = self._removed.sub(b"", line)
                if b"CAPABILITY" in line.upper():
                    line = self._announced.sub(b"", line)
                    if self.append_limit:
                        line = re.sub(rb"(IMAP4rev1)\b", rb"\1 APPENDLIMIT=%d" % self.append_limit,
                                      line)
                    if self.gmail:
                        line = re.sub(rb"(IMAP4rev1)\b", rb"\1 X-GM-EXT-1", line)
                if self.gmail:
                    line = self._with_gmail_id(line)
                line = self.on_answer(line)
                if line is None:
                    break
                with lock:
                    client.sendall(line)
                    while found:
                        self.literals += int(found.group(1))
                        self._copy(reader, client, int(found.group(1)))
                        line = reader.readline()
                        found = _LITERAL.search(line)
                        client.sendall(line)
        except OSError:
            pass
        reset(client)
        reset(server)

    @staticmethod
    def _with_gmail_id(line):
        found = re.search(rb'INTERNALDATE ("[^"]*") RFC822.SIZE (\d+)', line)
        if not found:
            return line
        number = b"%d" % (1000000 + zlib.crc32(b" ".join(found.groups())))
        return (line[:found.start()] + b"X-GM-MSGID " + number + b" X-GM-THRID " + number + b" " +
                line[found.start():])

    @staticmethod
    def _copy(reader, sink, count):
        while count:
            data = reader.read(min(count, 65536))
            if not data:
                return
            sink.sendall(data)
            count -= len(data)
