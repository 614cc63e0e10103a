# SPDX-License-Identifier: GPL-3.0-or-later
"""What Dovecot's configuration is called in 2.3 (Debian 12) and in 2.4 (Debian 13), which knows next to none of
the old names. Everything else says what it wants with these functions; their texts can be joined."""

import functools
import os
import re
import subprocess

#: What providers of the tests announce. Dovecot 2.4 would announce a few more, which tests ask for by name.
CAPABILITIES = ("IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY "
                "THREAD=REFERENCES THREAD=REFS THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL "
                "CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED I18NLEVEL=1 CONDSTORE "
                "QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS BINARY MOVE "
                "SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY "
                "SPECIAL-USE").split()

_NEWER = (2, 4)

_SAME_IN_BOTH = """
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = postern-tests-{unique}
log_path = {dir}/dovecot.log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_client_limit = 4000
default_process_limit = 400
mail_max_userip_connections = 1000
first_valid_uid = 1
first_valid_gid = 1
mail_fsync = never
mailbox_list_index = yes
imap_capability = {capabilities}
imap_idle_notify_interval = 2 mins
auth_mechanisms = plain login
auth_failure_delay = 0
auth_verbose = yes
ssl = yes
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
submission_relay_ssl = no
submission_max_mail_size = 64M
hostname = provider.example.org
postmaster_address = postmaster@example.org
recipient_delimiter = +
lmtp_save_to_detail_mailbox = no
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Drafts {{
    special_use = \\Drafts
    auto = subscribe
  }}
  mailbox Sent {{
    special_use = \\Sent
    auto = subscribe
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = subscribe
  }}
}}
service imap-login {{
  chroot =
  {per_process}
  inet_listener imap {{
    {address} = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    {address} = 127.0.0.1
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  {per_process}
  inet_listener pop3 {{
    {address} = 127.0.0.1
    port = {pop3}
  }}
  inet_listener pop3s {{
    {address} = 127.0.0.1
    port = {pop3s}
    ssl = yes
  }}
}}
service submission-login {{
  chroot =
  {per_process}
  inet_listener submission {{
    {address} = 127.0.0.1
    port = {submission}
  }}
  inet_listener submissions {{
    {address} = 127.0.0.1
    port = {submissions}
    ssl = yes
  }}
}}
service lmtp {{
  user = {user}
  inet_listener lmtp {{
    {address} = 127.0.0.1
    port = {lmtp}
  }}
}}
service auth {{
  unix_listener auth-postfix {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap {{
  process_limit = 1000
}}
service submission {{
  chroot =
}}
"""

_ONLY_IN_OLDER = """
protocols = imap pop3 lmtp submission
login_trusted_networks =
mail_location = {storage}:~/{folder}
mail_plugins =
mail_log_prefix = "%s(%u): "
imap_id_send = name *
disable_plaintext_auth = no
ssl_cert = <{certificate}
ssl_key = <{key}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {dir}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={dir}/mail/%u
}}
service old-stats {{
  chroot =
}}
protocol lmtp {{
  mail_plugins =
}}
"""

_ONLY_IN_NEWER = """
protocols {{
  imap = yes
  pop3 = yes
  lmtp = yes
  submission = yes
}}
mail_driver = {storage}
mail_path = ~/{folder}
mail_log_prefix = "%{{service}}(%{{user}}): "
imap_id_send {{
  name = Dovecot
}}
auth_allow_cleartext = yes
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
passdb passwd-file {{
  default_password_scheme = PLAIN
  passwd_file_path = {dir}/users
}}
userdb static {{
  fields {{
    uid = {user}
    gid = {group}
    home = {dir}/mail/%{{user}}
  }}
}}
"""

_FOLDERS = {"mdbox": "mdbox", "sdbox": "sdbox", "maildir": "Maildir"}


@functools.cache
def version():
    """The version of the Dovecot that is installed, as numbers: (2, 3, 19)."""
    said = subprocess.run(["dovecot", "--version"], stdout=subprocess.PIPE, text=True, check=True,
                          env=environment()).stdout
    return tuple(map(int, re.match(r"([\d.]+)", said).group(1).split(".")))


def environment():
    """Where Dovecot's programs are found by those who aren't root, too."""
    return dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")


def is_newer():
    """Whether it is 2.4 or later."""
    return version() >= _NEWER


def base(storage, **values):
    """The whole of a provider's configuration, but for what the functions below add."""
    newer = is_newer()
    text = _SAME_IN_BOTH + (_ONLY_IN_NEWER if newer else _ONLY_IN_OLDER)
    head = ""
    if newer:
        numbers = ".".join(map(str, version()))
        head = f"dovecot_config_version = {numbers}\ndovecot_storage_version = {numbers}\n"
    return head + text.format(
        storage=storage, folder=_FOLDERS[storage], address="listen" if newer else "address",
        per_process="restart_request_count = unlimited" if newer else "service_count = 0", **values)


def capabilities(*also):
    """Announces these besides the usual ones."""
    return f"imap_capability = {' '.join((*CAPABILITIES, *also))}\n"


def keep_parents():
    """Keeps the \\NoSelect mailboxes that have nothing below them any more, as 2.3 always does."""
    return "mailbox_list_drop_noselect = no\n" if is_newer() else ""


def _plugin(name, settings, imap=True):
    """Loads a plugin and, with imap, its part for IMAP; `settings` are 2.3's."""
    there = f"imap_{name}" if imap else ""
    if is_newer():
        return f"mail_plugins {{\n  {name} = yes\n}}\n" + (
            f"protocol imap {{\n  mail_plugins {{\n    {there} = yes\n  }}\n}}\n" if imap else "")
    return f"mail_plugins = {name}\nprotocol imap {{\n  mail_plugins = {name} {there}\n}}\n" \
           f"plugin {{\n{settings}}}\n"


def acl(path=None, imap=True, shared=None):
    """Rights of mailboxes (RFC 4314).

    path    a file that tells them, in Dovecot's language; without one they are as `doveadm acl` sets them
    imap    whether IMAP tells of them
    shared  the provider's directory: users see each other's mailboxes below "shared/"
    """
    older = f"  acl = vfile:{path or ''}:cache_secs=0\n"
    newer = "acl_driver = vfile\nacl_cache_ttl = 0\n" + (f"acl_global_path = {path}\n" if path else "")
    if shared:
        older += f"  acl_shared_dict = file:{shared}/shared-mailboxes\n"
        newer += "acl_sharing_map {\n  dict file {\n" \
                 f"    path = {shared}/shared-mailboxes\n  }}\n}}\n"
    text = _plugin("acl", older, imap) + (newer if is_newer() else "")
    return text + (_shared_namespace(shared) if shared else "")


def _shared_namespace(directory):
    user, location = "%%u", f"location = mdbox:{directory}/mail/%%u/mdbox"
    if is_newer():
        user = "$user"
        location = f"mail_driver = mdbox\n  mail_path = {directory}/mail/%{{owner_user}}/mdbox"
    return f"""
namespace shared {{
  type = shared
  separator = /
  prefix = shared/{user}/
  {location}
  subscriptions = no
  list = children
}}
"""


def quota(name, size=None, messages=None):
    """A quota of `size` bytes and as many messages; nothing may go beyond it."""
    rules = {"bytes": size, "messages": messages}
    rule = ":".join(f"{key}={value}" for key, value in rules.items() if value is not None)
    text = _plugin("quota", f"  quota = count:{name}\n  quota_rule = *:{rule}\n"
                            "  quota_grace = 0\n  quota_vsizes = yes\n")
    if not is_newer():
        return text
    limits = {"quota_storage_size": f"{size}B" if size else None, "quota_message_count": messages}
    lines = "".join(f"  {key} = {value}\n" for key, value in limits.items() if value is not None)
    return f'{text}quota "{name}" {{\n  quota_storage_grace = 0\n{lines}}}\n'


def metadata():
    """Annotations of mailboxes (RFC 5464)."""
    store = "mail_attribute {\n  dict file {\n    path = %{home}/attributes\n  }\n}\n" if is_newer() \
        else "mail_attribute_dict = file:%h/attributes\n"
    return store + "protocol imap {\n  imap_metadata = yes\n}\n"


def oauth2(tokeninfo, file):
    """Lets in who shows an access token that `tokeninfo` (a URL that the token is put behind) answers for, with
    the login name as `user`. What 2.3 wants in a file of its own is written to `file`."""
    settings = {"tokeninfo_url": tokeninfo, "username_attribute": "user"}
    if is_newer():
        inside = "".join(f"  oauth2_{key} = {value}\n" for key, value in settings.items())
        return f"auth_mechanisms = plain login xoauth2 oauthbearer\noauth2 {{\n{inside}}}\n"
    file.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    file.chmod(0o644)
    return ("auth_mechanisms = plain login xoauth2 oauthbearer\npassdb {\n  driver = oauth2\n"
            f"  mechanisms = xoauth2 oauthbearer\n  args = {file}\n}}\n")


def introspected(url, file):
    """Lets in who shows an access token that the introspection endpoint at `url` (RFC 7662) calls active, with the
    login name as `sub`. What 2.3 wants in a file of its own is written to `file`."""
    settings = {"introspection_url": url, "introspection_mode": "post", "username_attribute": "sub"}
    if is_newer():
        inside = "".join(f"  oauth2_{key} = {value}\n" for key, value in settings.items())
        return f"auth_mechanisms = plain login xoauth2 oauthbearer\noauth2 {{\n{inside}}}\n"
    settings.update(active_attribute="active", active_value="true")
    file.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    file.chmod(0o644)
    return ("auth_mechanisms = plain login xoauth2 oauthbearer\npassdb {\n  driver = oauth2\n"
            f"  mechanisms = xoauth2 oauthbearer\n  args = {file}\n}}\n")


def external(ca_file):
    """Lets in who shows a certificate of that authority, under the name in it (SASL EXTERNAL)."""
    names = {"ssl_server_ca_file": ca_file, "ssl_server_require_crl": "no", "ssl_server_request_client_cert": "yes",
             "ssl_server_cert_username_field": "commonName"} if is_newer() else \
            {"ssl_ca": f"<{ca_file}", "ssl_require_crl": "no", "ssl_verify_client_cert": "yes",
             "ssl_cert_username_field": "commonName"}
    text = "".join(f"{key} = {value}\n" for key, value in names.items())
    text += "auth_mechanisms = plain login external\nauth_ssl_username_from_cert = yes\n"
    if is_newer():
        return text + "passdb static {\n  mechanisms_filter = external\n  fields {\n    nopassword = yes\n  }\n}\n"
    return text + "passdb {\n  driver = static\n  mechanisms = external\n  args = nopassword=y\n}\n"


def gssapi(kerberos):
    """Lets in who has a ticket for a service in the keytab of a harness.Kerberos."""
    environment = "" if is_newer() else f"import_environment = TZ KRB5_CONFIG={kerberos.config}\n"
    if is_newer():
        environment = f"import_environment {{\n  KRB5_CONFIG = {kerberos.config}\n}}\n"
    return (f"{environment}auth_mechanisms = plain login gssapi\nauth_krb5_keytab = {kerberos.keytab}\n"
            "auth_gssapi_hostname = \"$ALL\"\n")
