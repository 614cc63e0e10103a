# SPDX-License-Identifier: GPL-3.0-or-later
"""Link: a network cable for tests, a TCP proxy that can be cut, silenced, slowed down and counted."""

import socket
import struct
import threading
import time


def free_port():
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_ports(count):
    """So many different ones."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def reset(sock):
    """Closes a socket with RST, as a network that goes away does."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()


class Link:
    """Forwards connections from `self.port` to 127.0.0.1:`target`.

    up/down: "up" is from client to server, "down" from server to client.
    cut()       refuses new connections and resets the open ones; mend() ends that
    silence()   accepts and reads, but forwards nothing: a hanging network; speak() ends that
    strand()    the open connections never carry anything again, without a word; new ones do
    strand_at(pattern)  the same for one connection: the next whose client says something with these bytes
                in it (b"": the next that is made, before anything is said); the server doesn't hear that
    cut_after(direction, k)  resets all connections once k more bytes went in that direction
    answer_to(word, answer)  what a client says with this word is answered here, "%s" being its tag, and that was it
    delay       seconds each chunk waits
    """

    def __init__(self, target, port=0, record=False):
        self.target = target
        self.delay = 0
        self.connections = 0
        self.bytes = {"up": 0, "down": 0}
        self.transcript = [] if record else None
        self.cuts = 0
        self._lock = threading.Lock()
        self._pairs = set()
        self._half = set()
        self._stranded = set()
        self._strand_at = None
        self._answer = (None, b"")
        self._stay_down = False
        self._left = {"up": None, "down": None}
        self._speaking = threading.Event()
        self._speaking.set()
        self._listener = None
        self.port = port or free_port()
        self.mend()

    def mend(self):
        if self._listener:
            return
        self._left = {"up": None, "down": None}
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for _ in range(100):
            try:
                listener.bind(("127.0.0.1", self.port))
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise RuntimeError(f"port {self.port} was taken while the link was cut")
        listener.listen(128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self):
        listener, self._listener = self._listener, None
        if listener:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
        self.drop_connections()

    def drop_connections(self):
        """Resets what is open; new connections are welcome."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for sock in pair:
                reset(sock)

    def silence(self):
        self._speaking.clear()

    def strand(self):
        with self._lock:
            self._stranded |= {sock for pair in self._pairs for sock in pair}

    def strand_at(self, pattern):
        self._strand_at = pattern

    def is_stranded(self):
        """Whether strand_at() has come to that."""
        return self._strand_at is None

    def _strand_if_asked(self, data, pair):
        pattern = self._strand_at
        if pattern is not None and (pattern in data if data else pattern == b""):
            with self._lock:
                self._stranded |= set(pair)
                self._strand_at = None

    def answer_to(self, word, answer=b""):
        self._answer = (word, answer)

    def _answered(self, data, source):
        """Whether it was answered here."""
        word, answer = self._answer
        if word is None or word not in data:
            return False
        source.sendall(answer.replace(b"%s", data.split()[0]) + b"\r\n" if answer else b"")
        source.shutdown(socket.SHUT_WR)
        return True

    def speak(self):
        self._speaking.set()

    def cut_after(self, direction, count, stay_down=False):
        """Forwards exactly `count` more bytes in `direction`, then resets everything.

        With stay_down new connections are refused until mend()."""
        self._stay_down = stay_down
        self._left[direction] = count

    def close(self):
        self.speak()
        self.cut()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 10)
                server.settimeout(None)
            except OSError:
                reset(client)
                continue
            self.connections += 1
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._strand_if_asked(b"", (client, server))
            with self._lock:
                self._pairs.add((client, server))
            for source, sink, direction in ((client, server, "up"), (server, client, "down")):
                threading.Thread(target=self._pump, args=(source, sink, direction),
                                 daemon=True).start()

    def _pump(self, source, sink, direction):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if self.delay:
                    time.sleep(self.delay)
                self._speaking.wait()
                if direction == "up":
                    self._strand_if_asked(data, (source, sink))
                if source in self._stranded:
                    continue
                if direction == "up" and self._answered(data, source):
                    break
                data, cut = self._allowed(data, direction)
                if data:
                    self.bytes[direction] += len(data)
                    if self.transcript is not None:
                        self.transcript.append((time.monotonic(), direction, data))
                    sink.sendall(data)
                if cut:
                    self.cuts += 1
                    if self._stay_down:
                        self.cut()
                    else:
                        self.drop_connections()
                    return
        except OSError:
            pass
        self._finish(source, sink)

    def _allowed(self, data, direction):
        """(what may pass, whether the cut is reached)"""
        with self._lock:
            left = self._left[direction]
            if left is None:
                return data, False
            if len(data) < left:
                self._left[direction] = left - len(data)
                return data, False
            self._left = {"up": None, "down": None}
            return data[:left], True

    def _finish(self, source, sink):
        """One side has ended: passes that on; both are closed once both have."""
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        with self._lock:
            ended = {pair for pair in self._pairs if source in pair}
            for pair in ended:
                if pair in self._half:
                    self._half.discard(pair)
                    self._pairs.discard(pair)
                    for sock in pair:
                        sock.close()
                else:
                    self._half.add(pair)
