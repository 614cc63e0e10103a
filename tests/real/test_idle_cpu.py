# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing happens, nothing runs: an idle daemon isn't woken by any clock."""

import os
import time
import unittest

from harness import LONG, Case, fill
from test_sync import mails

SECONDS = 130 if LONG else 20


def use_of(pid):
    """(CPU ticks, voluntary context switches) of all threads of a process."""
    ticks = switches = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8") as stat:
            fields = stat.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
        with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as status:
            switches += sum(int(line.split()[1]) for line in status
                            if line.startswith("voluntary_ctxt_switches"))
    return ticks, switches


class Idle(Case):
    def test_an_idle_daemon_is_not_woken(self):
        server = self.provider()
        fill(server, mails(20))
        daemon = self.postern(server)
        clients = [self.local(daemon) for _ in range(3)]
        for client in clients:
            client.select()
            client.idle()
        daemon.wait_state("idle")
        time.sleep(4)
        before = use_of(daemon.pid)
        time.sleep(SECONDS)
        after = use_of(daemon.pid)
        self.assertLessEqual(after[0] - before[0], 1, "ticks of CPU")
        allowed = 4 + (SECONDS // 60 + 1) * 6
        self.assertLessEqual(after[1] - before[1], allowed, "wake-ups")

    def test_an_offline_daemon_rests(self):
        server = self.provider()
        fill(server, mails(5))
        daemon = self.postern(server)
        daemon.control("offline")
        daemon.wait_state("offline")
        time.sleep(2)
        before = use_of(daemon.pid)
        time.sleep(10)
        after = use_of(daemon.pid)
        self.assertLessEqual(after[0] - before[0], 1, "ticks of CPU")
        self.assertLessEqual(after[1] - before[1], 10, "wake-ups")


if __name__ == "__main__":
    unittest.main()
