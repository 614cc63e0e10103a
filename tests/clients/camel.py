# SPDX-License-Identifier: GPL-3.0-or-later
"""Evolution's mail library, Camel, does one thing and prints what it saw as JSON.

camel.py SETTINGS ACTION ARGUMENT…    SETTINGS: JSON with user, password, imap, smtp, tls, directory"""

import ctypes
import json
import sys

import gi

gi.require_version("Camel", "1.2")
from gi.repository import Camel, Gio, GLib  # noqa: E402


class Session(Camel.Session):
    """Knows the password, and accepts the certificate as someone who presses the button would."""

    password = ""
    asked = 0

    def do_authenticate_sync(self, service, mechanism, cancellable):
        service.set_password(self.password)
        return service.authenticate_sync(mechanism, cancellable) == Camel.AuthenticationResult.ACCEPTED

    def do_trust_prompt(self, service, certificate, errors):
        Session.asked += 1
        return Camel.CertTrust.FULLY


def add_service(session, settings, kind):
    """The store (imapx) or the transport (smtp)."""
    protocol, provider = {"imap": ("imapx", Camel.ProviderType.STORE),
                          "smtp": ("smtp", Camel.ProviderType.TRANSPORT)}[kind]
    service = session.add_service(f"ada-{kind}", protocol, provider)
    values = service.ref_settings()
    for name, value in (("host", "127.0.0.1"), ("port", settings[kind]), ("user", settings["user"]),
                        ("auth-mechanism", "PLAIN" if kind == "smtp" else None)):
        values.set_property(name, value)
    values.set_property("security-method", Camel.NetworkSecurityMethod.SSL_ON_ALTERNATE_PORT
                        if settings["tls"] else Camel.NetworkSecurityMethod.NONE)
    return service


def open_folder(store, name):
    folder = store.get_folder_sync(name, 0, None)
    folder.refresh_info_sync(None)
    return folder


def bytes_of(message):
    stream = Gio.MemoryOutputStream.new_resizable()
    message.write_to_output_stream_sync(stream, None)
    stream.close(None)
    return stream.steal_as_bytes().get_data()


def message_of(text):
    message = Camel.MimeMessage.new()
    stream = Gio.MemoryInputStream.new_from_bytes(GLib.Bytes.new(text.encode()))
    message.construct_from_input_stream_sync(stream, None)
    return message


def find(folder, subject):
    for uid in folder.get_uids():
        if folder.get_message_info(uid).get_subject() == subject:
            return uid
    raise LookupError(subject)


class Info(ctypes.Structure):
    """The head of CamelFolderInfo, whose links introspection shows as numbers."""

    _fields_ = [("next", ctypes.c_void_p), ("parent", ctypes.c_void_p), ("child", ctypes.c_void_p),
                ("full_name", ctypes.c_char_p)]


def names(address):
    while address:
        info = Info.from_address(address)
        yield info.full_name.decode()
        yield from names(info.child)
        address = info.next


# ---- actions: what they return is printed ------------------------------------------------------


def folders(store):
    info = store.get_folder_info_sync(None, Camel.StoreGetFolderInfoFlags.RECURSIVE, None)
    return [info.full_name, *names(info.child or None), *names(info.next or None)]


def subjects(store, path):
    folder = open_folder(store, path)
    return [folder.get_message_info(uid).get_subject() for uid in folder.get_uids()]


def read(store, path):
    folder = open_folder(store, path)
    return [bytes_of(folder.get_message_sync(uid, None)).decode("latin-1") for uid in folder.get_uids()]


def search(store, path, word):
    folder = open_folder(store, path)
    found = folder.search_by_expression(f'(match-all (body-contains "{word}"))', None)
    return [folder.get_message_info(uid).get_subject() for uid in found]


def flag(store, path, subject):
    folder = open_folder(store, path)
    flags = Camel.MessageFlags.SEEN | Camel.MessageFlags.FLAGGED
    uid = find(folder, subject)
    info = folder.get_message_info(uid)
    info.set_flags(flags, flags)
    info.set_user_flag("$Labelwork", True)
    folder.synchronize_sync(False, None)


def transfer(store, path, subject, target, moves):
    source = open_folder(store, path)
    source.transfer_messages_to_sync([find(source, subject)], store.get_folder_sync(target, 0, None),
                                     moves == "move", None)
    source.synchronize_sync(True, None)


def delete(store, path, subject):
    folder = open_folder(store, path)
    flags = Camel.MessageFlags.DELETED
    folder.get_message_info(find(folder, subject)).set_flags(flags, flags)
    folder.synchronize_sync(True, None)


def append(store, path, text):
    message = message_of(text)
    info = Camel.MessageInfo.new(None)
    info.set_flags(Camel.MessageFlags.DRAFT | Camel.MessageFlags.SEEN,
                   Camel.MessageFlags.DRAFT | Camel.MessageFlags.SEEN)
    folders(store)  # knows no others
    done, uid = store.get_folder_sync(path, 0, None).append_message_sync(message, info, None)
    return [done, uid]


def make(store, name):
    store.create_folder_sync("", name, None)


def rename(store, name, new):
    folders(store)
    store.rename_folder_sync(name, new, None)


def remove(store, name):
    folders(store)
    store.delete_folder_sync(name, None)


def watch(store, path, count):
    """Waits in IDLE until the folder has so many messages."""
    folder = open_folder(store, path)
    print("watching", flush=True)
    loop = GLib.MainLoop()
    folder.connect("changed", lambda *_: folder.get_message_count() >= int(count) and loop.quit())
    GLib.timeout_add_seconds(40, loop.quit)
    loop.run()
    return folder.get_message_count()


def send(transport, text, sender, recipient):
    message = message_of(text)
    addresses = [Camel.InternetAddress.new(), Camel.InternetAddress.new()]
    addresses[0].add("", sender)
    addresses[1].add("", recipient)
    transport.send_to_sync(message, *addresses, None)


ACTIONS = (folders, subjects, read, search, flag, transfer, delete, append, make, rename, remove, watch, send)


def main():
    settings, action, arguments = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3:]
    directory = settings["directory"]
    Camel.init(directory, False)
    Camel.Provider.init()
    session = Session(user_data_dir=f"{directory}/data", user_cache_dir=f"{directory}/cache")
    session.password = settings["password"]
    session.set_online(True)
    service = add_service(session, settings, "smtp" if action == "send" else "imap")
    if action != "send":
        service.set_online_sync(True, None)
    service.connect_sync(None)
    run = next(one for one in ACTIONS if one.__name__ == action)
    print(json.dumps({"value": run(service, *arguments), "asked": Session.asked}), flush=True)
    service.disconnect_sync(True, None)
    session.remove_services()


if __name__ == "__main__":
    main()
