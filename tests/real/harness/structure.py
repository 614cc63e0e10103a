# SPDX-License-Identifier: GPL-3.0-or-later
"""What Dovecot's BODYSTRUCTURE says in another way from version to version."""

from .dovecot_settings import is_newer


def alike(ours, theirs):
    """Whether two parsed answers are the same but for parameters with the names of RFC 2231 ("filename*0*") or
    with a name twice: Dovecot 2.4 decodes and joins them (to "filename"), Postern and Dovecot 2.3 pass them
    on as they are."""
    if ours == theirs:
        return True
    if not isinstance(ours, (list, tuple)):
        return False
    if is_newer() and _are_joined(ours):
        return theirs is None or isinstance(theirs, (list, tuple))
    return isinstance(theirs, (list, tuple)) and len(ours) == len(theirs) and \
        all(map(alike, ours, theirs))


def _are_joined(parameters):
    """Whether it is a list of names and values of which Dovecot 2.4 makes one with fewer names, or others."""
    if len(parameters) % 2 or not all(isinstance(word, bytes) for word in parameters):
        return False
    names = [name.lower() for name in parameters[::2]]
    return len(set(names)) < len(names) or any(b"*" in name for name in names)
