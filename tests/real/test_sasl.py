# SPDX-License-Identifier: GPL-3.0-or-later
"""Which SASL mechanism opens a Dovecot's IMAP, POP3 and SMTP: the best that it offers, or the one that is asked for."""

import re
import smtplib
import subprocess
import unittest

from harness import Case, dovecot_settings, fill, kerberos
from test_sync import mail, mails

LOGIN = r"{}-login: Info: (?:Login|Logged in): .*?method=([A-Za-z0-9-]+)"
OFFERED = "auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 {}\n"


def hashed(password):
    """As a server keeps it that has no verifier for SCRAM."""
    return "{SHA512-CRYPT}" + subprocess.run(["openssl", "passwd", "-6", password], check=True, text=True,
                                             stdout=subprocess.PIPE).stdout.strip()


class Mechanisms(Case):
    def server(self, mechanisms="", start=True, **options):
        server = self.provider(settings=OFFERED.format(mechanisms), start=start, **options)
        if start:
            self.fill(server)
        return server

    def fill(self, server):
        """And until this login has been logged, which the account's are to be told from."""
        fill(server, mails(2))
        server.wait_log(LOGIN.format("imap"))

    def log_in(self, server, protocol="imap", **settings):
        """How the account fetched and sent mail, as Dovecot says: {"imap": {"PLAIN"}, "submission": {…}}."""
        before, delivered = len(server.log()), len(server.relay.deliveries)
        settings.setdefault("tls_ca_file", str(server.ca_file))
        daemon = self.postern(server, incoming=protocol + "s", **settings)
        self.assertEqual(daemon.state()["Messages"], 2)
        with smtplib.SMTP("127.0.0.1", daemon.ports["submission"], timeout=120) as session:
            session.login(*daemon.login())
            session.sendmail("ada@example.org", ["bob@example.net"], mail("signed in"))
        daemon.wait(lambda: len(server.relay.deliveries) > delivered, "the mail to arrive")
        return {service: set(re.findall(LOGIN.format(service), server.wait_log(LOGIN.format(service), before)))
                for service in (protocol, "submission")}

    def test_scram_is_taken_where_it_is_offered(self):
        server = self.server()
        for protocol in ("imap", "pop3"):
            self.assertEqual(self.log_in(server, protocol),
                             {protocol: {"SCRAM-SHA-256"}, "submission": {"SCRAM-SHA-256"}})

    def test_one_may_be_asked_for(self):
        server = self.server()
        for protocol, wanted in (("imap", "CRAM-MD5"), ("pop3", "CRAM-MD5"), ("imap", "LOGIN"),
                                 ("imap", "SCRAM-SHA-1"), ("pop3", "PLAIN")):
            self.assertEqual(self.log_in(server, protocol, mechanism=wanted),
                             {protocol: {wanted}, "submission": {wanted}})

    @unittest.skipUnless(dovecot_settings.is_newer(), "Dovecot 2.3 doesn't bind to the TLS channel")
    def test_it_is_bound_to_the_tls_channel_where_that_is_offered(self):
        server = self.server("scram-sha-1-plus scram-sha-256-plus")
        for protocol, wanted in (("imap", None), ("pop3", None), ("imap", "SCRAM-SHA-1-PLUS")):
            best = wanted or "SCRAM-SHA-256-PLUS"
            self.assertEqual(self.log_in(server, protocol, mechanism=wanted),
                             {protocol: {best}, "submission": {best}})

    @unittest.skipUnless(dovecot_settings.is_newer(), "Dovecot 2.3 doesn't bind to the TLS channel")
    def test_it_is_bound_to_tls_1_2_as_well(self):
        server = self.server("scram-sha-256-plus")
        config = server.directory / "openssl.cnf"
        config.write_text("openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n"
                          "[tls]\nMaxProtocol = TLSv1.2\n")
        self.assertEqual(self.log_in(server, environment={"OPENSSL_CONF": str(config)}),
                         {"imap": {"SCRAM-SHA-256-PLUS"}, "submission": {"SCRAM-SHA-256-PLUS"}})

    def test_after_a_refusal_no_other_is_tried(self):
        server = self.server()
        for protocol in ("imap", "pop3"):
            before = len(server.log())
            daemon = self.postern(server, synced=False, incoming=protocol + "s", password="wrong")
            daemon.wait_state("auth-required")
            daemon.stop()
            failed = r"auth failed, (\d+) attempts.*?method=([A-Za-z0-9-]+)"
            tried = re.findall(failed, server.wait_log(failed, before))
            self.assertEqual(set(tried), {("1", "SCRAM-SHA-256")})

    def test_a_server_without_a_verifier_for_scram_lets_in_by_plain(self):
        server = self.server(stored={"ada@example.org": hashed("lovelace")})
        lacking, mismatch = "Requested SCRAM-SHA-256 scheme", "assword mismatch"
        for protocol in ("imap", "pop3"):
            before = len(server.log())
            self.assertEqual(self.log_in(server, protocol),
                             {protocol: {"PLAIN"}, "submission": {"PLAIN"}})
            # Once each for fetching and for sending; afterwards it is known.
            self.assertEqual(server.wait_log(lacking, before, 2).count(lacking), 2)
        before = len(server.log())
        daemon = self.postern(server, synced=False, password="wrong", outgoing=None)
        daemon.wait_state("auth-required")
        self.assertEqual(server.wait_log(mismatch, before).count(mismatch), 1)

    def test_a_certificate_opens_what_takes_one(self):
        server = self.server(start=False)
        server.start(settings=dovecot_settings.external(server.ca_file))
        self.fill(server)
        certificate = server.authority.client("ada@example.org")
        for protocol in ("imap", "pop3"):
            self.assertEqual(self.log_in(server, protocol, auth="external", password_command=None,
                                         tls_client_cert=str(certificate)),
                             {protocol: {"EXTERNAL"}, "submission": {"EXTERNAL"}})
        daemon = self.postern(server, synced=False, auth="external", password_command=None,
                              tls_client_cert="/nowhere/ada.pem")
        self.assertEqual(daemon.state()["Upstream"]["Secret"], "none is needed")
        daemon.wait_state("error")
        self.assertRegex(daemon.state()["LastError"], "tls-client-cert.*/nowhere/ada.pem.*PEM file")

    @unittest.skipUnless(kerberos.is_installed(), "krb5-kdc and krb5-user aren't installed")
    def test_a_kerberos_ticket_opens_and_without_one_it_says_so(self):
        realm = kerberos.Kerberos({"ada": "lovelace"})
        self.addCleanup(realm.close)
        server = self.server(start=False, users={"ada": "lovelace"})
        server.start(settings=dovecot_settings.gssapi(realm))
        self.fill(server)
        settings = {"auth": "gssapi", "password_command": None, "address": "ada@example.org"}
        ticket = realm.ticket("ada", "lovelace")
        for protocol in ("imap", "pop3"):
            self.assertEqual(self.log_in(server, protocol, environment=ticket, **settings),
                             {protocol: {"GSSAPI"}, "submission": {"GSSAPI"}})
        daemon = self.postern(server, synced=False, environment=realm.without_ticket(), **settings)
        daemon.wait_state("locked")
        self.assertIn("kinit", daemon.state()["LastError"])


if __name__ == "__main__":
    unittest.main()
