# SPDX-License-Identifier: GPL-3.0-or-later
"""FakeProxy: a proxy that speaks SOCKS 5 and HTTP's CONNECT on one port, passes on http requests, and does what its mode
says."""

import base64
import select
import socket
import struct
import threading
import urllib.parse


class FakeProxy:
    """names   {host or (host, port): port of 127.0.0.1}: what the proxy resolves; all else it can't reach
    users   {name: password} of who may use it; None: anybody
    mode    "good", or "hang" (takes the connection and says nothing), "hang-later" (nothing after the request),
            "garbage", "refuse", "close", "flood" (an answer without end), "talk" (octets of its own behind its answer)
    address where it listens
    asked   [(kind, host, port)] so far
    """

    def __init__(self, names, users=None, mode="good", address="127.0.0.1"):
        self.names, self.users, self.mode = names, users, mode
        self.asked = []
        self._sockets = set()
        self._listener = socket.create_server((address, 0), backlog=64,
                                              family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.host = f"[{address}]" if ":" in address else address
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, scheme, login=""):
        return f"{scheme}://{login}{self.host}:{self.port}"

    def close(self):
        self._listener.close()
        for sock in list(self._sockets):
            sock.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.add(sock)
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock):
        try:
            with sock:
                first = sock.recv(1, socket.MSG_PEEK)
                if self.mode == "hang":
                    while sock.recv(65536):
                        pass
                if self.mode == "close":
                    return
                if self.mode == "garbage":
                    sock.sendall(b"220 mail.example.org ESMTP at your service\r\n" * 20)
                    while sock.recv(65536):
                        pass
                server = self._socks(sock) if first == b"\x05" else self._http(sock)
                if server:
                    with server:
                        self._join(sock, server)
        except (OSError, EOFError, struct.error, IndexError):
            pass
        finally:
            self._sockets.discard(sock)

    @staticmethod
    def _exact(sock, length):
        data = b""
        while len(data) < length:
            piece = sock.recv(length - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def _reach(self, kind, host, port):
        self.asked.append((kind, host, port))
        there = self.names.get((host, port), self.names.get(host))
        if self.mode == "refuse" or there is None:
            return None
        return socket.create_connection(("127.0.0.1", there))

    def _socks(self, sock):
        _, count = self._exact(sock, 2)
        methods = self._exact(sock, count)
        wanted = 2 if self.users is not None else 0
        sock.sendall(bytes([5, wanted if wanted in methods else 255]))
        if wanted not in methods:
            return None
        if wanted == 2:
            _, length = self._exact(sock, 2)
            user = self._exact(sock, length).decode()
            password = self._exact(sock, self._exact(sock, 1)[0]).decode()
            good = self.users.get(user) == password
            sock.sendall(bytes([1, 0 if good else 1]))
            if not good:
                return None
        _, _, _, kind = self._exact(sock, 4)
        if kind == 3:
            host = self._exact(sock, self._exact(sock, 1)[0]).decode()
        else:
            host = socket.inet_ntop(*((socket.AF_INET, self._exact(sock, 4)) if kind == 1 else
                                      (socket.AF_INET6, self._exact(sock, 16))))
        port = struct.unpack(">H", self._exact(sock, 2))[0]
        server = self._reach("socks", host, port)
        if self.mode == "hang-later":
            sock.recv(1)
        if self.mode == "flood":
            sock.sendall(b"\x05\x00\x00\x03\xff" + b"x" * 1000000)
        elif server is None:
            sock.sendall(b"\x05" + (b"\x02" if self.mode == "refuse" else b"\x04") + b"\x00\x01" + bytes(6))
        else:
            sock.sendall(b"\x05\x00\x00\x01" + bytes(6) + self._talk())
        return server

    def _talk(self):
        return b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] I am your server\r\n" if self.mode == "talk" else b""

    def _http(self, sock):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(65536)
            if not piece or len(head) > 65536:
                raise EOFError
            head += piece
        lines = head.decode().split("\r\n")
        verb, target, _ = lines[0].split(" ")
        if verb != "CONNECT":
            target = urllib.parse.urlsplit(target)
            target = f"{target.hostname}:{target.port or 80}"
        host, _, port = target.rpartition(":")
        if self.users is not None:
            logins = [base64.b64decode(line.split(" ")[2]).decode() for line in lines
                      if line.lower().startswith("proxy-authorization: basic ")]
            if not logins or self.users.get(logins[0].partition(":")[0]) != logins[0].partition(":")[2]:
                sock.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                             b"Proxy-Authenticate: Basic realm=\"fake\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return None
        server = self._reach("http", host.strip("[]"), int(port))
        if self.mode == "hang-later":
            sock.recv(1)
        if self.mode == "flood":
            sock.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                sock.sendall(b"X-More: and more\r\n" * 1000)
        if server is None:
            sock.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n" if self.mode == "refuse" else b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        elif verb != "CONNECT":
            server.sendall(head)
        else:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 fake\r\n\r\n" + self._talk())
        return server

    @staticmethod
    def _join(a, b):
        while True:
            for sock in select.select([a, b], [], [])[0]:
                data = sock.recv(65536)
                if not data:
                    return
                (b if sock is a else a).sendall(data)
