# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests with real servers and real clients stand on: providers, links, Postern itself."""

from . import corpus, faults, kerberos, postfix
from .case import LONG, Case, SharedCase, some
from .dovecot import Provider
from .fakeimap import FakeImap
from .fakepop3 import FakePop3, by_digest
from .fakesmtp import DROP, HANG, TAKE_AND_DROP, FakeSmtp
from .filter import ImapFilter
from .fill import fill, fill_demo, fill_many, fill_real, write_maildir
from .gmail import GmailLike
from .link import Link, free_port
from .oidc import Before, Browser, Keyring, OpenId
from .postern import (PATIENCE, Bus, ControlError, Postern, account, find_program)
from .rawimap import Atom, RawImap, Result, parse, trusting
