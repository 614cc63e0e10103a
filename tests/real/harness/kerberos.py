# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kerberos of its own: Debian's krb5-kdc, unprivileged, in a temporary directory."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from .link import free_port

REALM = "EXAMPLE.ORG"
_CONFIG = """
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
[realms]
{realm} = {{
  kdc = 127.0.0.1:{port}
}}
"""
_KDC = """
[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[realms]
{realm} = {{
  database_name = {directory}/principal
  key_stash_file = {directory}/stash
  acl_file = {directory}/acl
}}
[logging]
kdc = FILE:{directory}/kdc.log
"""


def _path():
    return os.environ["PATH"] + ":/usr/sbin:/sbin"


def is_installed():
    return bool(shutil.which("krb5kdc", path=_path()) and shutil.which("kadmin.local", path=_path())
                and shutil.which("kinit", path=_path()))


class Kerberos:
    """The realm EXAMPLE.ORG with `users` (name: password) and the mail services of 127.0.0.1.

    config, keytab  krb5.conf, and the services' keys
    """

    def __init__(self, users):
        self.directory = Path(tempfile.mkdtemp(prefix="kerberos-"))
        self.directory.chmod(0o755)
        self.config, self.keytab = self.directory / "krb5.conf", self.directory / "keytab"
        port = free_port()
        values = {"realm": REALM, "port": port, "directory": self.directory}
        self.config.write_text(_CONFIG.format(**values))
        (self.directory / "kdc.conf").write_text(_KDC.format(**values))
        self._environment = dict(os.environ, PATH=_path(), KRB5_CONFIG=str(self.config),
                                 KRB5_KDC_PROFILE=str(self.directory / "kdc.conf"))
        self._run("kdb5_util", "create", "-s", "-P", "master")
        for user, password in users.items():
            self._run("kadmin.local", "addprinc", "-pw", password, user)
        for service in ("imap", "pop", "smtp"):
            self._run("kadmin.local", "addprinc", "-randkey", f"{service}/127.0.0.1")
            self._run("kadmin.local", "ktadd", "-k", str(self.keytab), f"{service}/127.0.0.1")
        self.keytab.chmod(0o644)
        self._kdc = subprocess.Popen(["setpriv", "--pdeathsig=TERM", "krb5kdc", "-n"], env=self._environment,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _run(self, *command, **options):
        return subprocess.run(command, env=self._environment, check=True, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)

    def ticket(self, user, password, life="1h", patience=30):
        """The environment of a program that has a ticket of `user`."""
        cache = self.directory / f"ticket-{user}"
        deadline = time.monotonic() + patience
        while True:
            try:
                self._run("kinit", "-l", life, "-c", str(cache), user, input=password + "\n")
                return self.without_ticket() | {"KRB5CCNAME": str(cache)}
            except subprocess.CalledProcessError:
                if time.monotonic() > deadline:  # it may only just be starting
                    raise
                time.sleep(0.2)

    def without_ticket(self):
        leaks = self.directory / "lsan.supp"  # of libgssglue, once
        leaks.write_text("leak:libgssapi_krb5\nleak:libgssglue\n")
        return {"KRB5_CONFIG": str(self.config), "KRB5CCNAME": str(self.directory / "nothing"),
                "LSAN_OPTIONS": f"suppressions={leaks}:print_suppressions=0"}

    def close(self):
        self._kdc.terminate()
        self._kdc.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
