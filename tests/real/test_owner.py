# SPDX-License-Identifier: GPL-3.0-or-later
"""An account that leaves the configuration, and another that comes under its ID: what the first one hadn't sent
yet is not for the second one's server."""

import unittest

from harness import Case, FakeImap, Link
from test_sync import mail


class Owners(Case):
    def setUp(self):
        self.servers = {}
        for name in ("old", "new"):
            server = self.servers[name] = FakeImap()
            self.addCleanup(server.close)
            # The same folders and numbers, and other mail: nothing but the server tells them apart.
            for number in range(1, 5):
                server.put("INBOX", mail(f"{name}{number}"))
        self.link = Link(self.servers["old"].imap)
        self.addCleanup(self.link.close)
        self.ports = {"old": self.link.port, "new": self.servers["new"].imap}
        self.daemon = self.postern(accounts={"work": self.settings("old")})
        self.daemon.sync()

    def settings(self, name, user="ada@example.org", **more):
        return {"address": "ada@example.org", "user": user, "password-command": "echo lovelace",
                "incoming": f"imap+insecure://127.0.0.1:{self.ports[name]}", **more}

    def change_offline(self):
        """A mail, a flag, a deletion and a folder that the old server doesn't hear of."""
        self.link.cut()
        client = self.local(self.daemon)
        client.ok("CREATE Mine")
        client.append("Mine", mail("draft"))
        client.command("SELECT INBOX")
        client.ok("STORE 1 +FLAGS (\\Flagged)")
        client.ok("STORE 2 +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        client.command("LOGOUT")
        self.daemon.wait(lambda: self.daemon.pending() > 0, "changes")

    def leave(self):
        self.daemon.accounts["work"], was = None, self.daemon.accounts["work"]
        del self.daemon.accounts["work"]
        self.daemon.accounts["other"] = {"address": "zoe@example.org", "incoming": "local:"}
        self.daemon.write_config()
        self.daemon.reload()
        self.daemon.wait(lambda: [one["Id"] for one in self.daemon.control("account", "list")] == ["other"], "it to leave")
        return was

    def enter(self, settings):
        self.daemon.accounts["work"] = settings
        self.daemon.write_config()
        self.daemon.reload()
        self.daemon.wait(lambda: len(self.daemon.control("account", "list")) == 2, "the account")

    def names(self, server, folder="INBOX"):
        return sorted(message.name for message in self.servers[server].folders[folder].messages.values())

    def check_untouched(self):
        server = self.servers["new"]
        self.assertEqual(self.names("new"), ["new1", "new2", "new3", "new4"])
        self.assertFalse([one for one in server.folders["INBOX"].messages.values() if one.flags])
        self.assertNotIn("Mine", server.folders)
        said = [line for _, line in server.commands]
        self.assertFalse([line for line in said if line.split()[0] in ("APPEND", "CREATE", "RENAME", "DELETE")
                          or line.startswith(("UID STORE", "UID EXPUNGE", "UID MOVE", "UID COPY"))], said)

    def test_another_server(self):
        client = self.local(self.daemon)
        before = client.select("INBOX").code("UIDVALIDITY")
        client.command("LOGOUT")
        self.change_offline()
        self.leave()
        self.enter(self.settings("new"))
        self.daemon.sync()
        self.check_untouched()
        self.assertEqual(self.daemon.state()["Messages"], 4)
        self.assertEqual(self.daemon.pending(), 0)
        self.assertGreater(int(self.local(self.daemon).select("INBOX").code("UIDVALIDITY")), int(before))
        self.assertIn("another account had this name before", self.daemon.log())
        kept = list((self.daemon.data / "accounts").glob("work.left-*/mail.db"))
        self.assertEqual(len(kept), 1, kept)

    def test_another_port_of_the_same_host_in_place(self):
        self.change_offline()
        self.daemon.accounts["work"] = self.settings("new")
        self.daemon.write_config()
        self.daemon.reload()
        self.daemon.sync()
        self.assertEqual(self.names("new"), ["new1", "new2", "new3", "new4"])
        self.assertFalse([one for one in self.servers["new"].folders["INBOX"].messages.values() if one.flags])
        self.daemon.wait(lambda: self.names("new", "Mine") == ["draft"], "what was here alone")

    def test_another_user_of_the_same_server(self):
        self.change_offline()
        self.leave()
        self.link.mend()
        self.servers["old"].users["bob@example.org"] = "lovelace"
        self.enter(self.settings("old", user="bob@example.org"))
        self.daemon.sync()
        self.assertEqual(self.names("old"), ["old1", "old2", "old3", "old4"])
        self.assertNotIn("Mine", self.servers["old"].folders)

    def test_another_kind_of_account(self):
        self.change_offline()
        self.leave()
        self.enter({"address": "ada@example.org", "incoming": "local:"})
        self.daemon.wait(lambda: self.daemon.state()["State"] == "idle" and self.daemon.state()["Messages"] == 0,
                         "an empty account")

    def test_the_same_goes_on_where_it_was(self):
        self.change_offline()
        was = self.leave()
        self.daemon.restart()
        self.link.mend()
        self.enter(was)
        self.daemon.sync()
        self.daemon.wait(lambda: "Mine" in self.servers["old"].folders and self.names("old", "Mine") == ["draft"],
                         "what was left to be sent")
        self.assertEqual(self.names("old"), ["old1", "old3", "old4"])


if __name__ == "__main__":
    unittest.main()
