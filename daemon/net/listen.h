/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Listening on loopback and on Unix sockets, and who is at the other end.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Parses "127.0.0.1:12143" or "[::1]:12143"; FALSE with a sentence for anything that isn't a
 * loopback address and port. */
gboolean net_parse_listen_address(const char *text, char **host, guint16 *port, GError **error);

/* A listening TCP socket (close-on-exec, non-blocking); port 0 takes a free one. -1 and
 * NET_ERROR_BUSY naming address and, where it can be found out, the remedy. */
int net_listen_tcp(const char *host, guint16 port, GError **error);

/* Who listens on a port that is taken, for a sentence: "dovecot (process 123)", "a program of the
 * user eve, …", or "another program" where that isn't to be seen. The caller frees. */
char *net_port_holder(const char *host, guint16 port);

/* A listening Unix socket at `path`, mode 0600; one left behind by a dead process is replaced. */
int net_listen_unix(const char *path, GError **error);

/* The port a socket listens on. */
guint16 net_local_port(int fd);

/*
 * The user at the other end of an accepted connection: SO_PEERCRED for a Unix socket; for loopback
 * TCP one sock_diag look-up of the peer's socket. FALSE where it can't be determined.
 */
gboolean net_peer_uid(int fd, uid_t *uid, GError **error);
