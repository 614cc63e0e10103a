/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a POP3 server answers, line by line (RFC 1939, 2449): status lines, capabilities, listings.
 * Read leniently, as servers differ. Lines come without their ends. Texts are in text.h.
 */
#pragma once

#include <glib.h>

typedef struct {
    gboolean ok;
    gboolean goes_on; /* "+ …": a challenge (RFC 5034), in `text` */
    char *code;       /* the response code, upper case: "IN-USE", "SYS/TEMP"; or NULL */
    char *text;       /* the server's words, valid UTF-8, control characters removed */
} Pop3Status;

void pop3_status_clear(Pop3Status *status);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pop3Status, pop3_status_clear)

/* FALSE: it is none. */
gboolean pop3_status_parse(const char *line, gsize length, Pop3Status *status);

/* What a server may offer; bits. */
typedef enum {
    POP3_CAP_TOP = 1 << 0,
    POP3_CAP_UIDL = 1 << 1,
    POP3_CAP_USER = 1 << 2,
    POP3_CAP_STLS = 1 << 3,
    POP3_CAP_PIPELINING = 1 << 4,
    POP3_CAP_AUTH_RESP_CODE = 1 << 5,
} Pop3Capability;

typedef struct {
    guint bits;        /* Pop3Capability */
    guint mechanisms;  /* SaslMechanism: SASL */
    guint login_delay; /* seconds between logins; 0: not said */
} Pop3Capabilities;

/* Takes a line of a CAPA answer; what isn't known is passed over. */
void pop3_capabilities_add(Pop3Capabilities *capabilities, const char *line, gsize length);

/* "17 4711": a line of LIST, or what is behind +OK in STAT's answer. FALSE: it is none. */
gboolean pop3_listing_parse(const char *line, gsize length, guint32 *number, guint64 *size);

/*
 * "17 whqtswO00WBw418f9t5JxYwZ": a line of UIDL; *uidl is printable ASCII whatever the server sends
 * (escaped where needed; at most 1000 octets of it), or NULL where it gives none. The caller frees
 * it. FALSE: it is no such line.
 */
gboolean pop3_uidl_parse(const char *line, gsize length, guint32 *number, char **uidl);
