# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands a message to a server by LMTP (RFC 2033)."""

import smtplib


def deliver(port, sender, recipients, data):
    """Delivers `data` (bytes, CRLF) to all recipients; raises smtplib.SMTPException if any refuses."""
    with smtplib.LMTP("127.0.0.1", port, timeout=60) as session:
        session.ehlo_or_helo_if_needed()
        code, answer = session.mail(sender)
        if code != 250:
            raise smtplib.SMTPResponseException(code, answer)
        for recipient in recipients:
            code, answer = session.rcpt(recipient)
            if code != 250:
                raise smtplib.SMTPResponseException(code, answer)
        code, answer = session.data(data)
        for _ in recipients[1:]:
            code, answer = session.getreply() if code == 250 else (code, answer)
        if code != 250:
            raise smtplib.SMTPResponseException(code, answer)
