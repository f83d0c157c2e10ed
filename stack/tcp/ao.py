"""The TCP Authentication Option (RFC 5925)."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from hmac import compare_digest
from struct import Struct
from typing import Final

from stack.errors import os_error
from stack.internet.protocol import ErrorReport
from stack.link import Buffer
from stack.tcp.ao_algorithms import HMAC_SHA1, MAC_LENGTH, Algorithm
from stack.tcp.authentication import (
    Authentication,
    SocketPair,
    overlap,
    pseudo_header,
    signature_of,
    without_checksum,
)
from stack.tcp.sequence import MASK
from stack.wire.address import Prefix
from stack.wire.tcp import ACK, AUTHENTICATION, MIN_HEADER_LENGTH, SYN, TcpOptions

_START: Final = 4
"""Octets before the MAC: kind, length, KeyID, RNextKeyID."""
_MAC_AT: Final = MIN_HEADER_LENGTH + _START
_ISNS: Final = Struct("!II")
_IGNORED_V4: Final = ((3, 2), (3, 3), (3, 4))
_IGNORED_V6: Final = ((1, 1), (1, 4))
"""Types and codes of ICMP errors (RFC 5925 7.8)."""


@dataclass(frozen=True, slots=True, eq=False)
class MasterKey:
    """A master key tuple (RFC 5925 3.1). Raises ValueError if an identifier does not fit into its octet."""

    peers: Prefix
    send_id: int
    """The KeyID of segments that are signed with it."""
    receive_id: int
    """The KeyID of segments that it verifies."""
    secret: bytes
    algorithm: Algorithm = HMAC_SHA1
    covers_options: bool = True
    """The other TCP options are signed too."""

    def __post_init__(self) -> None:
        if not (0 <= self.send_id <= 0xFF and 0 <= self.receive_id <= 0xFF):
            raise ValueError(f"TCP-AO key identifiers {self.send_id} and {self.receive_id}")


class Ao(Authentication):
    """The per-connection parameters of RFC 5925 4; the sequence number extensions are what is beyond the 32 bits of
    the connection's own numbers."""

    __slots__ = (
        "_local_isn",
        "_received_with",
        "_remote_isn",
        "_sent_with",
        "accepts_icmp",
        "current",
        "master_keys",
        "rnext",
    )

    kind = AUTHENTICATION
    missing = "tcp.ao_missing"
    option_length = _START + MAC_LENGTH
    movable = False
    room_for_timestamps = True

    def __init__(
        self,
        pair: SocketPair,
        master_keys: Iterable[MasterKey],
        local_isn: int,
        *,
        accepts_icmp: bool = False,
    ) -> None:
        """``master_keys`` match the peer; the first of them is used until the peer or the user wants another."""
        super().__init__(pair)
        self.master_keys = list(master_keys)
        self.current = self.rnext = self.master_keys[0]
        self.accepts_icmp = accepts_icmp
        self._local_isn = local_isn
        self._remote_isn: int | None = None
        self._sent_with: dict[MasterKey, bytes] = {}
        self._received_with: dict[MasterKey, bytes] = {}

    # -- the user's calls (RFC 5925 7.1) -----------------------------------------------------------

    def add(self, master_key: MasterKey) -> None:
        """One more key. Raises OSError EEXIST if one of its identifiers is taken (RFC 5925 3.1)."""
        if any(conflict(master_key, other) for other in self.master_keys):
            raise os_error(errno.EEXIST)
        self.master_keys.append(master_key)

    def remove(self, master_key: MasterKey) -> None:
        """A key is permitted no longer. Raises OSError: ENOENT; EBUSY if it is ``current`` or ``rnext``."""
        if master_key not in self.master_keys:
            raise os_error(errno.ENOENT)
        if master_key in (self.current, self.rnext):
            raise os_error(errno.EBUSY)
        self.master_keys.remove(master_key)
        self._sent_with.pop(master_key, None)
        self._received_with.pop(master_key, None)

    def use(self, send_id: int) -> None:
        """Set current_key. Raises OSError ENOENT."""
        self.current = known(self._by_send_id(send_id))

    def request(self, receive_id: int) -> None:
        """Set rnext_key: the peer is asked to change to this key (RFC 5925 6.1). Raises OSError ENOENT."""
        self.rnext = known(self._by_receive_id(receive_id))

    # -- segments ----------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """The peer's initial sequence number, of which the traffic keys are made, is known."""
        return self._remote_isn is not None

    def begin(self, irs: int, syn: TcpOptions | None = None) -> None:
        """In a passive open, the peer's SYN says which keys it uses and wants used (RFC 5925 6.1)."""
        self._remote_isn = irs
        self._sent_with.clear()
        self._received_with.clear()
        data = signature_of(syn, AUTHENTICATION) if syn is not None else None
        if data:
            self.current = self._by_send_id(data[1]) or self.current
            self.rnext = self._by_receive_id(data[0]) or self.rnext

    def option(self) -> bytes:
        """Kind, length, KeyID, RNextKeyID and room for the MAC (RFC 5925 2.2)."""
        ids = (self.current.send_id, self.rnext.receive_id)
        return bytes((AUTHENTICATION, self.option_length, *ids)) + bytes(MAC_LENGTH)

    def sign(self, header: bytes, payload: Buffer, sequence: int) -> bytes:
        """RFC 5925 7.4."""
        master_key = self.current
        if _is_syn(header):
            traffic_key = self._derive_outgoing(master_key, 0)
        else:
            traffic_key = self._sent_with.get(master_key, b"")
            if not traffic_key:
                assert self._remote_isn is not None
                traffic_key = self._derive_outgoing(master_key, self._remote_isn)
                self._sent_with[master_key] = traffic_key
        pair = (self.local, self.remote)
        extension = (sequence >> 32) - (self._local_isn >> 32)
        mac = _mac(master_key, traffic_key, extension, pair, header, payload, _MAC_AT)
        return header[:_MAC_AT] + mac + header[_MAC_AT + MAC_LENGTH :]

    def _check(self, header: bytes, payload: Buffer, sequence: int, at: int, data: bytes) -> str | None:
        if len(data) != 2 + MAC_LENGTH:
            return "tcp.ao_wrong"
        key_id, rnext_key_id = data[:2]
        master_key = self._by_receive_id(key_id)
        if master_key is None:
            return "tcp.ao_unknown_key"
        traffic_key = self._incoming_key(master_key, header, sequence)
        if traffic_key is None:
            return "tcp.ao_no_state"
        # The number of a SYN is the one that the extension is counted from.
        isn = sequence if self._remote_isn is None or header[13] & SYN else self._remote_isn
        extension = (sequence >> 32) - (isn >> 32)
        pair = (self.remote, self.local)
        if not compare_digest(
            data[2:], _mac(master_key, traffic_key, extension, pair, header, payload, at + 2)
        ):
            return "tcp.ao_wrong"
        if rnext_key_id != self.current.send_id:
            self.current = self._by_send_id(rnext_key_id) or self.current
        return None

    def ignores(self, report: ErrorReport) -> bool:
        """RFC 5925 7.8."""
        if self.accepts_icmp:
            return False
        ignored = _IGNORED_V4 if len(self.local) == 4 else _IGNORED_V6
        return (report.type, report.code) in ignored

    # -- keys --------------------------------------------------------------------------------------

    def _incoming_key(self, master_key: MasterKey, header: bytes, sequence: int) -> bytes | None:
        if _is_syn(header):
            return self._derive_incoming(master_key, sequence, 0)
        if self._remote_isn is None:
            # Only the peer's SYN/ACK says itself what its initial sequence number is.
            return self._derive_incoming(master_key, sequence, self._local_isn) if header[13] & SYN else None
        traffic_key = self._received_with.get(master_key)
        if traffic_key is None:
            traffic_key = self._derive_incoming(master_key, self._remote_isn, self._local_isn)
            self._received_with[master_key] = traffic_key
        return traffic_key

    def _derive_outgoing(self, master_key: MasterKey, remote_isn: int) -> bytes:
        ports = self.local_port.to_bytes(2) + self.remote_port.to_bytes(2)
        isns = _ISNS.pack(self._local_isn & MASK, remote_isn & MASK)
        return master_key.algorithm.derive(master_key.secret, self.local + self.remote + ports + isns)

    def _derive_incoming(self, master_key: MasterKey, remote_isn: int, local_isn: int) -> bytes:
        ports = self.remote_port.to_bytes(2) + self.local_port.to_bytes(2)
        isns = _ISNS.pack(remote_isn & MASK, local_isn & MASK)
        return master_key.algorithm.derive(master_key.secret, self.remote + self.local + ports + isns)

    def _by_send_id(self, number: int) -> MasterKey | None:
        return next((key for key in self.master_keys if key.send_id == number), None)

    def _by_receive_id(self, number: int) -> MasterKey | None:
        return next((key for key in self.master_keys if key.receive_id == number), None)


def conflict(one: MasterKey, other: MasterKey) -> bool:
    """Two keys that may be a connection's at the same time share an identifier (RFC 5925 3.1)."""
    shared = one.send_id == other.send_id or one.receive_id == other.receive_id
    return shared and overlap(one.peers, other.peers)


def known(master_key: MasterKey | None) -> MasterKey:
    """The key that was looked for. Raises OSError ENOENT."""
    if master_key is None:
        raise os_error(errno.ENOENT)
    return master_key


def _is_syn(header: bytes) -> bool:
    return header[13] & (SYN | ACK) == SYN


def _mac(
    master_key: MasterKey,
    traffic_key: bytes,
    extension: int,
    pair: tuple[bytes, bytes],
    header: bytes,
    payload: Buffer,
    at: int,
) -> bytes:
    """RFC 5925 5.1; ``at`` is where in the header the MAC is, which counts as zero."""
    end = at + MAC_LENGTH
    if master_key.covers_options:
        options = header[MIN_HEADER_LENGTH:at] + bytes(MAC_LENGTH) + header[end:]
    else:
        options = header[at - _START : at] + bytes(MAC_LENGTH)
    message = (
        (extension & MASK).to_bytes(4)
        + pseudo_header(*pair, len(header) + len(payload))
        + without_checksum(header)
        + options
    )
    return master_key.algorithm.mac(traffic_key, (message, payload))
