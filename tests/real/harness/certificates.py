# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate authority for the tests, and server certificates good and bad, made with openssl(1)."""

import subprocess
from pathlib import Path

_CONFIG = """
[ca]
default_ca = tests
[tests]
dir = {dir}
database = {dir}/index.txt
new_certs_dir = {dir}
rand_serial = yes
default_md = sha256
policy = anything
unique_subject = no
copy_extensions = none
[anything]
commonName = supplied
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[valid]
subjectAltName = DNS:localhost, IP:127.0.0.1
basicConstraints = CA:false
extendedKeyUsage = serverAuth
[elsewhere]
subjectAltName = DNS:mail.elsewhere.example
basicConstraints = CA:false
extendedKeyUsage = serverAuth
[person]
basicConstraints = CA:false
extendedKeyUsage = clientAuth
"""

#: variant: (extensions, first day, last day), as `openssl ca` wants them
_VARIANTS = {
    "valid": ("valid", "20200101000000Z", "20490101000000Z"),
    "expired": ("valid", "20200101000000Z", "20210101000000Z"),
    "future": ("valid", "20480101000000Z", "20490101000000Z"),
    "wrong-host": ("elsewhere", "20200101000000Z", "20490101000000Z"),
}


def _openssl(*arguments):
    done = subprocess.run(("openssl",) + arguments, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stdout}")


class Authority:
    """An authority of its own in `directory`; `ca_file` is what a client has to trust."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca_file = self.directory / "ca.pem"
        self._config = self.directory / "openssl.cnf"
        self._config.write_text(_CONFIG.format(dir=self.directory))
        (self.directory / "index.txt").touch()
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", f"{self.directory}/ca.key", "-out", str(self.ca_file),
                 "-days", "9000", "-subj", "/CN=Authority of the Postern tests",
                 "-config", self._request_config(), "-extensions", "authority")

    def certificate(self, variant="valid"):
        """(certificate file, key file) of a server: valid, expired, future, wrong-host, self-signed."""
        certificate = self.directory / f"{variant}.pem"
        key = self.directory / f"{variant}.key"
        if certificate.exists():
            return certificate, key
        if variant == "self-signed":
            _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "9000",
                     "-subj", "/CN=localhost", "-config", self._request_config(),
                     "-extensions", "valid")
            return certificate, key
        self._sign("localhost", certificate, key, *_VARIANTS[variant])
        return certificate, key

    def client(self, name):
        """A file with the certificate of `name` and its key, for a client to show."""
        certificate, key = self.directory / "client.pem", self.directory / "client.key"
        self._sign(name, certificate, key, "person", *_VARIANTS["valid"][1:])
        certificate.write_text(certificate.read_text() + key.read_text())
        return certificate

    def _sign(self, name, certificate, key, extensions, first, last):
        request = certificate.with_suffix(".csr")
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}",
                 "-config", self._request_config())
        _openssl("ca", "-batch", "-notext", "-config", str(self._config),
                 "-cert", str(self.ca_file), "-keyfile", f"{self.directory}/ca.key",
                 "-startdate", first, "-enddate", last, "-extensions", extensions,
                 "-in", str(request), "-out", str(certificate))

    def _request_config(self):
        path = self.directory / "request.cnf"
        if not path.exists():
            path.write_text("[req]\ndistinguished_name = subject\n[subject]\n" + _CONFIG)
        return str(path)
