"""The options that set the keys of TCP-MD5 and TCP-AO: ``linux/tcp.h``, ``Documentation/networking/tcp_ao.rst``.

Keys of a listener are those of whoever connects; of a socket that is to connect, those for its peer. To a connection
that has keys of TCP-AO more can be added (RFC 5925 6.1); that of MD5 can be changed as long as both ends do it at once.
"""

from __future__ import annotations

import errno
import socket as bsd
from struct import Struct
from typing import TYPE_CHECKING, Final, NoReturn

from stack.errors import os_error
from stack.sockets.options import Option, OptionTable, Value
from stack.tcp.ao import Ao, MasterKey
from stack.tcp.ao_algorithms import AES_CMAC, HMAC_SHA1, MAC_LENGTH, Algorithm
from stack.tcp.key_table import KeyTable
from stack.tcp.md5 import Md5Key
from stack.wire.address import Prefix, unmap_v4

if TYPE_CHECKING:
    from stack.sockets.stream import StreamSocket
    from stack.tcp.connection import Connection

TCP_MD5SIG: Final = 14
TCP_MD5SIG_EXT: Final = 32
TCP_AO_ADD_KEY: Final = 38
TCP_AO_DEL_KEY: Final = 39
TCP_AO_INFO: Final = 40
TCP_MD5SIG_FLAG_PREFIX: Final = 1
TCP_AO_KEYF_EXCLUDE_OPT: Final = 2
LONGEST_KEY: Final = 80
"""Linux TCP_MD5SIG_MAXKEYLEN and TCP_AO_MAXKEYLEN."""

MD5_SIGNATURE: Final = Struct("=128sBBHi80s")
"""``struct tcp_md5sig``: address, flags, prefix length, key length, interface, key."""
AO_ADD: Final = Struct("=128s64siIHBBBBBB80s")
"""``struct tcp_ao_add``: address, algorithm, interface, set_current and set_rnext, 0, prefix length, send id, receive
id, MAC length, flags, key length, key."""
AO_DELETE: Final = Struct("=128siIHBBBBBB")
"""``struct tcp_ao_del``: address, interface, set_current and set_rnext, 0, prefix length, send id, receive id, current
key, rnext key, flags."""
AO_INFO: Final = Struct("=IHBB")
"""The beginning of ``struct tcp_ao_info_opt``: set_current, set_rnext, ao_required, set_counters, accept_icmps; 0;
current key, rnext key. The counters that follow are the host's alone, and are not told."""

_SET_CURRENT, _SET_RNEXT, _AO_REQUIRED, _ACCEPT_ICMPS = 1, 2, 4, 16
_FAMILY: Final = Struct("=H")
_ADDRESS_AT: Final = {bsd.AF_INET: (4, 8), bsd.AF_INET6: (8, 24)}
"""Where a ``struct sockaddr`` has its address."""
_ALGORITHMS: Final = {"": HMAC_SHA1, "hmac(sha1)": HMAC_SHA1, "cmac(aes)": AES_CMAC, "cmac(aes128)": AES_CMAC}


def _structure(value: Value, layout: Struct) -> bytes:
    if isinstance(value, int) or len(value) < layout.size:
        raise os_error(errno.EINVAL)
    return value


def _peers(socket: StreamSocket, address: bytes, length: int | None) -> Prefix:
    """The peers that a key is for; ``length`` of the prefix, which of IPv4-mapped ones has 32 bits at most; None: one
    peer alone. Host bits are ignored."""
    (family,) = _FAMILY.unpack_from(address)
    if family != socket.family:
        raise os_error(errno.EINVAL)
    start, end = _ADDRESS_AT[family]
    packed = address[start:end]
    if family == bsd.AF_INET6:
        packed = unmap_v4(packed) or packed
    bits = 8 * len(packed)
    if length is None:
        length = bits
    if length > bits:
        raise os_error(errno.EINVAL)
    number = int.from_bytes(packed) >> (bits - length) << (bits - length)
    return Prefix(number.to_bytes(len(packed)), length)


def _keys(socket: StreamSocket) -> KeyTable:
    if socket.keys is None:
        socket.keys = KeyTable()
    return socket.keys


# --- TCP-MD5 (RFC 2385)


def _set_md5(socket: StreamSocket, value: Value, *, extended: bool = False) -> None:
    """Add or replace a key; one of no octets removes it. Raises OSError: EINVAL, ENOENT, EKEYREJECTED."""
    address, flags, length, size, _, key = MD5_SIGNATURE.unpack_from(_structure(value, MD5_SIGNATURE))
    has_prefix = extended and flags & TCP_MD5SIG_FLAG_PREFIX
    peers = _peers(socket, address, length if has_prefix else None)
    if size > LONGEST_KEY:
        raise os_error(errno.EINVAL)
    keys = _keys(socket)
    if size:
        keys.add_md5(Md5Key(peers, key[:size]))
    else:
        keys.remove_md5(peers)
    socket.keys_changed()
    if socket.connection is not None and not isinstance(socket.connection.authentication, Ao):
        socket.connection.protect(keys)


# --- TCP-AO (RFC 5925)


def _ao(connection: Connection) -> Ao:
    """Of a connection that has been opened with it; there is no way to begin later (RFC 5925 7.3)."""
    if not isinstance(connection.authentication, Ao):
        raise os_error(errno.EISCONN)
    return connection.authentication


def _add_key(socket: StreamSocket, value: Value) -> None:
    """Raises OSError: EINVAL, EEXIST, EKEYREJECTED beside an MD5 key, EISCONN for a connection without TCP-AO."""
    address, name, _, asked, zero, length, send_id, receive_id, mac, flags, size, secret = AO_ADD.unpack_from(
        _structure(value, AO_ADD)
    )
    wanted = asked & (_SET_CURRENT | _SET_RNEXT)
    illegal = asked != wanted or zero or size > LONGEST_KEY or mac not in (0, MAC_LENGTH)
    if illegal or (wanted and socket.listening):
        raise os_error(errno.EINVAL)
    key = MasterKey(
        _peers(socket, address, length),
        send_id,
        receive_id,
        secret[:size],
        _algorithm(name),
        not flags & TCP_AO_KEYF_EXCLUDE_OPT,
    )
    if socket.connection is not None:
        ao = _ao(socket.connection)
        if not key.peers.contains(socket.connection.remote):
            raise os_error(errno.EINVAL)
        ao.add(key)
        _select(socket, wanted, send_id, receive_id)
        return
    keys = _keys(socket)
    keys.add_master_key(key)
    _select(socket, wanted, send_id, receive_id)
    socket.keys_changed()


def _algorithm(name: bytes) -> Algorithm:
    """By the name that the kernel's cryptography has for it. Raises OSError: ENOENT."""
    found = _ALGORITHMS.get(name.partition(b"\0")[0].decode("ascii", "replace"))
    if found is None:
        raise os_error(errno.ENOENT)
    return found


def _select(socket: StreamSocket, wanted: int, send_id: int, receive_id: int) -> None:
    """Set current_key and rnext_key, of the connection or of that to be. Raises OSError: ENOENT."""
    chosen = _keys(socket) if socket.connection is None else _ao(socket.connection)
    if wanted & _SET_CURRENT:
        chosen.use(send_id)
    if wanted & _SET_RNEXT:
        chosen.request(receive_id)


def _delete_key(socket: StreamSocket, value: Value) -> None:
    """Raises OSError: EINVAL, ENOENT, EBUSY for a key that a connection uses, unless another is set at once."""
    address, _, asked, zero, length, send_id, receive_id, current, rnext, _ = AO_DELETE.unpack_from(
        _structure(value, AO_DELETE)
    )
    wanted = asked & (_SET_CURRENT | _SET_RNEXT)
    if asked != wanted or zero or (wanted and socket.listening):
        raise os_error(errno.EINVAL)
    peers = _peers(socket, address, length)
    holder = _keys(socket) if socket.connection is None else _ao(socket.connection)
    for key in holder.master_keys:
        if (key.peers, key.send_id, key.receive_id) == (peers, send_id, receive_id):
            break
    else:
        raise os_error(errno.ENOENT)
    _select(socket, wanted, current, rnext)
    holder.remove(key)


def _set_info(socket: StreamSocket, value: Value) -> None:
    """Raises OSError: EINVAL; ENOENT for a key that there is not, EISCONN for a connection without TCP-AO."""
    asked, zero, current, rnext = AO_INFO.unpack_from(_structure(value, AO_INFO))
    wanted = asked & (_SET_CURRENT | _SET_RNEXT)
    if asked & ~(wanted | _AO_REQUIRED | _ACCEPT_ICMPS) or zero or (wanted and socket.listening):
        raise os_error(errno.EINVAL)
    _select(socket, wanted, current, rnext)
    keys = _keys(socket)
    keys.ao_required, keys.accepts_icmp = bool(asked & _AO_REQUIRED), bool(asked & _ACCEPT_ICMPS)
    if socket.connection is not None:
        _ao(socket.connection).accepts_icmp = keys.accepts_icmp
    socket.keys_changed()


def _info(socket: StreamSocket) -> bytes:
    """What was set, and the keys that a connection uses now. Raises OSError: ENOENT without TCP-AO."""
    keys, connection = socket.keys, socket.connection
    ao = None if connection is None else connection.authentication
    if keys is None or not (keys.master_keys or isinstance(ao, Ao)):
        raise os_error(errno.ENOENT)
    flags = (_AO_REQUIRED if keys.ao_required else 0) | (_ACCEPT_ICMPS if keys.accepts_icmp else 0)
    if not isinstance(ao, Ao):
        return AO_INFO.pack(flags, 0, 0, 0)
    flags |= _SET_CURRENT | _SET_RNEXT
    return AO_INFO.pack(flags, 0, ao.current.send_id, ao.rnext.receive_id)


def _unreadable(socket: StreamSocket) -> NoReturn:
    """Keys go in and do not come out, as on Linux."""
    raise os_error(errno.ENOPROTOOPT)


KEY_OPTIONS: Final[OptionTable] = {
    (bsd.IPPROTO_TCP, TCP_MD5SIG): Option(_unreadable, _set_md5),
    (bsd.IPPROTO_TCP, TCP_MD5SIG_EXT): Option(
        _unreadable, lambda socket, value: _set_md5(socket, value, extended=True)
    ),
    (bsd.IPPROTO_TCP, TCP_AO_ADD_KEY): Option(_unreadable, _add_key),
    (bsd.IPPROTO_TCP, TCP_AO_DEL_KEY): Option(_unreadable, _delete_key),
    (bsd.IPPROTO_TCP, TCP_AO_INFO): Option(_info, _set_info),
}
