# SPDX-License-Identifier: GPL-3.0-or-later
"""Where users sign in: an OpenID provider (npm's oidc-provider, fetched the first time), a browser without a window
that clicks through its pages, and a proxy before it that hangs, lies and counts."""

import fcntl
import html
import http.client
import http.cookiejar
import http.server
import json
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from .corpus import cache_directory
from .link import free_port

#: The newest that runs with Debian 12's Node.
_PACKAGE = "oidc-provider@8.8.1"
_PROGRAM = Path(__file__).with_name("oidc.mjs")


def _modules():
    """The folder with the package, fetched from npm's registry the first time."""
    kept = cache_directory() / _PACKAGE.replace("@", "-")
    with open(cache_directory() / "oidc.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.is_dir():
            return kept
        with tempfile.TemporaryDirectory(dir=cache_directory()) as work:
            there = Path(work) / "there"
            there.mkdir()
            subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
                            "--prefix", str(there), _PACKAGE], cwd=there, check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            shutil.move(str(there), str(kept))
    return kept


class OpenId:
    """The provider.

    clients       as its configuration has them
    lives         {"access": seconds, "device": seconds}
    rotate        whether each refresh token is good for one use
    registration  whether anybody may register a client
    """

    def __init__(self, clients=(), lives=None, rotate=True, registration=False):
        self.directory = tempfile.TemporaryDirectory()
        program = Path(self.directory.name) / "oidc.mjs"
        shutil.copy(_PROGRAM, program)
        (Path(self.directory.name) / "node_modules").symlink_to(_modules() / "node_modules")
        self.port = free_port()
        given = {"port": self.port, "clients": list(clients), "lives": lives or {}, "rotate": rotate,
                 "registration": registration}
        self._log = open(Path(self.directory.name) / "log", "w+", encoding="utf-8")
        self._process = subprocess.Popen(["node", str(program), json.dumps(given)], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.PIPE, stderr=self._log, text=True)
        self.issuer = self._process.stdout.readline().strip()
        if not self.issuer:
            self._log.seek(0)
            raise RuntimeError(f"the OpenID provider didn't start: {self._log.read()}")

    @property
    def introspection(self):
        """The address at which Dovecot asks whose a token is."""
        return f"http://dovecot:introspects@127.0.0.1:{self.port}/token/introspection"

    def revoke(self, user):
        """Ends what the user has agreed to."""
        urllib.request.urlopen(f"{self.issuer}/test/revoke?user={urllib.parse.quote(user)}", b"").read()

    def forget(self, user):
        """Ends the user's access tokens, which seem good to those who have them; refresh tokens stay good."""
        urllib.request.urlopen(f"{self.issuer}/test/forget?user={urllib.parse.quote(user)}", b"").read()

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def close(self):
        self.stop()
        self._process.stdout.close()
        self._log.close()
        self.directory.cleanup()


class _Stay(urllib.request.HTTPRedirectHandler):
    """Doesn't go where the sign-in comes back to: that is the test's to decide."""

    def __init__(self, issuer):
        self.issuer = issuer

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if not newurl.startswith(self.issuer):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Browser:
    """Opens pages, fills in forms, and ends at the address that the provider sends it to."""

    def __init__(self, issuer, user):
        self.issuer = issuer
        self.user = user
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()), _Stay(issuer))

    def _open(self, url, form=None):
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        try:
            with self._opener.open(url, data, timeout=60) as answer:
                return answer.geturl(), answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code in (302, 303):
                return error.headers["Location"], ""
            raise AssertionError(f"{url}: {error.code} {error.read().decode()[:2000]}") from None

    def _submit(self, url, page):
        """Sends the page's form, with the user's name where one is asked for."""
        form = re.search(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', page, re.S)
        assert form, page
        fields = {}
        for field in re.findall(r"<input[^>]*>", form.group(2)):
            name = re.search(r'name="([^"]*)"', field)
            value = re.search(r'value="([^"]*)"', field)
            if name:
                fields[name.group(1)] = html.unescape(value.group(1)) if value else ""
        if "login" in fields:
            fields["login"], fields["password"] = self.user, "any"
        target = urllib.parse.urljoin(url, html.unescape(form.group(1)) or url)
        return self._open(target, fields)

    def agree(self, url):
        """Signs in and agrees; the address that it ends at."""
        page = ""
        for _ in range(8):
            url, page = self._open(url) if not page else self._submit(url, page)
            if not url.startswith(self.issuer):
                return url
        raise AssertionError(f"the sign-in never ends: {url} {page[:2000]}")

    def refuse(self, url):
        """Goes to the page, and says no."""
        url, page = self._open(url)
        found = re.search(r'href="([^"]*/abort)"', page)
        assert found, page
        return self._open(urllib.parse.urljoin(url, html.unescape(found.group(1))))[0]

    def enter(self, url, code):
        """Types in a device's code, signs in and agrees."""
        url, page = self._open(url)
        form = re.search(r'<form[^>]*action="([^"]*)"', page)
        xsrf = re.search(r'name="xsrf" value="([^"]*)"', page)
        target = urllib.parse.urljoin(url, html.unescape(form.group(1)))
        url, page = self._open(target, {"xsrf": xsrf.group(1), "user_code": code})
        for _ in range(8):
            if "<form" not in page:
                return page
            url, page = self._submit(url, page)
        raise AssertionError(f"the sign-in never ends: {url} {page[:2000]}")

    def go(self, url):
        """Opens the address that agree() gave, as a browser would; what the page says."""
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read().decode()


class Before(http.server.ThreadingHTTPServer):
    """Stands before the token endpoint: counts the refreshes, and does what it is told to.

    behaviour  None: passes on; "hang"; or (status, body, headers)
    """

    daemon_threads = True

    def __init__(self, target):
        super().__init__(("127.0.0.1", 0), _Passing)
        self.target = urllib.parse.urlsplit(target)
        self.behaviour = None
        self.swallow = None
        self.forms = []
        self.hanging = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/token"

    def refreshes(self):
        return [form for form in self.forms if form.get("grant_type") == "refresh_token"]

    def close(self):
        self.hanging.set()
        self.shutdown()
        self.server_close()


class _Passing(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.forms.append(dict(urllib.parse.parse_qsl(body.decode())))
        behaviour = self.server.behaviour
        if behaviour == "hang":
            self.server.hanging.wait(60)
            return
        if behaviour:
            self._answer(*behaviour)
            return
        connection = http.client.HTTPConnection(self.server.target.netloc, timeout=60)
        connection.request("POST", self.server.target.path, body,
                           {"Content-Type": self.headers["Content-Type"]})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        if self.server.swallow:
            self.server.swallow()
            return
        self._answer(answer.status, said, {"Content-Type": "application/json"})

    def _answer(self, status, body, headers):
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass

    def log_message(self, *_):
        pass


class Keyring:
    """A secret service on a bus of the test's: GNOME Keyring, unlocked with an empty password."""

    def __init__(self, environment):
        self._process = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._process.stdin.write(b"\n")
        self._process.stdin.close()
        deadline = time.monotonic() + 30
        while not self._is_there(environment):
            if time.monotonic() > deadline:
                raise RuntimeError("gnome-keyring-daemon did not start")
            time.sleep(0.05)

    @staticmethod
    def _is_there(environment):
        said = subprocess.run(["gdbus", "call", "--session", "--dest", "org.freedesktop.DBus", "--object-path",
                               "/org/freedesktop/DBus", "--method", "org.freedesktop.DBus.NameHasOwner",
                               "org.freedesktop.secrets"], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout
        return "true" in said

    def close(self):
        self._process.terminate()
        self._process.wait()
