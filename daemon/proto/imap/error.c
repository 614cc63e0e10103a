/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The error domain of the IMAP grammar.
 */
#include "daemon/proto/imap/error.h"

G_DEFINE_QUARK(imap - error - quark, imap_error)
