# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix as the provider's submission server: asks the Dovecot of a Provider for passwords and hands mail
to it. Postfix's master needs root; where the tests run as somebody else, they use Dovecot's submission."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .link import free_ports

_MAIN = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/log/mail.log
maillog_file_prefixes = {dir}
myhostname = provider.example.org
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
virtual_mailbox_domains = static:all
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
virtual_mailbox_maps = static:all
local_recipient_maps =
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = unix:{auth}
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_peername_lookup = no
smtputf8_enable = yes
message_size_limit = 67108864
# What Dovecot doesn't take at once goes to it again soon, not after Postfix's five minutes.
in_flow_delay = 0
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 10s
transport_retry_time = 2s
"""

_MASTER = """
{port} inet n - n - - smtpd
{tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
lmtp unix - - n - - lmtp
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def available():
    """Whether Postfix can be started here."""
    return os.geteuid() == 0 and shutil.which("postfix", path=os.environ["PATH"] + ":/usr/sbin")


class Postfix:
    """`port` offers STARTTLS and then AUTH, `tls_port` is TLS from the first byte."""

    def __init__(self, provider):
        self.directory = Path(tempfile.mkdtemp(prefix="postern-postfix-"))
        self.directory.chmod(0o755)
        self.port, self.tls_port = free_ports(2)
        for name in ("etc", "queue", "data", "log"):
            (self.directory / name).mkdir()
        shutil.chown(self.directory / "data", "postfix")
        certificate, key = provider.authority.certificate("valid")
        (self.directory / "etc" / "main.cf").write_text(_MAIN.format(
            dir=self.directory, lmtp=provider.lmtp, auth=provider.directory / "run/auth-postfix",
            certificate=certificate, key=key))
        (self.directory / "etc" / "master.cf").write_text(_MASTER.format(
            port=f"127.0.0.1:{self.port}", tls_port=f"127.0.0.1:{self.tls_port}"))
        self._postfix("start")
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"Postfix did not start: {self.log()}") from None
                time.sleep(0.05)

    def log(self):
        path = self.directory / "log" / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self):
        self._postfix("stop")
        shutil.rmtree(self.directory, ignore_errors=True)

    def _postfix(self, command):
        environment = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
        done = subprocess.run(["postfix", "-c", str(self.directory / "etc"), command],
                              env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(f"postfix {command}: {done.stdout} {self.log()}")
