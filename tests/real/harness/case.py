# SPDX-License-Identifier: GPL-3.0-or-later
"""Case: a unittest.TestCase that starts providers and daemons and ends them."""

import os
import random
import sys
import unittest

from .dovecot import Provider
from .postern import Postern, account
from .rawimap import RawImap

#: tests/run --long
LONG = bool(os.environ.get("POSTERN_LONG"))


def some(cases, count):
    """So many of the cases, others in each run; all of them in a long one."""
    cases = list(cases)
    return cases if LONG else random.sample(cases, min(count, len(cases)))


class Case(unittest.TestCase):
    maxDiff = 4000

    def provider(self, **options):
        """A Provider for this test."""
        provider = Provider(**options)
        self.addCleanup(provider.close)
        return provider

    def postern(self, provider=None, accounts=None, synced=True, listen=None, bus=True, start=True,
                environment=None, **settings):
        """A Postern for this test with one account, `work`, at `provider` (settings: see account()).

        With synced it has seen all of the provider's mail when this returns."""
        if accounts is None:
            accounts = {"work": account(provider, **settings)} if provider else {}
        postern = Postern(accounts, listen=listen, bus=bus, start=False, environment=environment)
        self.addCleanup(self._end, postern)
        if start:
            postern.start()
            if synced and accounts:
                postern.sync()
        return postern

    def _end(self, postern):
        failed = self._outcome is not None and not self._outcome.success
        if failed:
            sys.stderr.write(f"{self.id()}: posternd said:\n{postern.log()[-4000:]}\n")
        postern.close(check=not failed)

    def upstream(self, provider, user=None, port=None):
        """A RawImap at the provider itself."""
        user = user or next(iter(provider.users))
        imap = RawImap(port or provider.imap).login(user, provider.users[user])
        self.addCleanup(imap.close)
        return imap

    def local(self, postern, account_id="work"):
        """A RawImap at Postern's Unix socket."""
        imap = postern.imap(account_id)
        self.addCleanup(imap.close)
        return imap


class SharedCase(Case):
    """The same with one provider and one daemon for all tests of the class: override prepare(),
    which makes cls.shared_provider and cls.shared_postern."""

    shared_provider = None
    shared_postern = None

    @classmethod
    def prepare(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        try:
            cls.prepare()
        except BaseException:
            if cls.shared_postern:
                sys.stderr.write(f"posternd said:\n{cls.shared_postern.log()[-4000:]}\n")
            cls._end_all(check=False)
            raise

    @classmethod
    def tearDownClass(cls):
        cls._end_all(check=True)

    @classmethod
    def _end_all(cls, check):
        postern, cls.shared_postern = cls.shared_postern, None
        provider, cls.shared_provider = cls.shared_provider, None
        try:
            if postern:
                postern.close(check=check)
        finally:
            if provider:
                provider.close()
