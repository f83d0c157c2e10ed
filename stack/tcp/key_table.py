"""Which keys there are for which peer: what a socket configures."""

from __future__ import annotations

import errno

from stack.errors import os_error
from stack.tcp.ao import Ao, MasterKey, conflict, known
from stack.tcp.authentication import Authentication, SocketPair, overlap
from stack.tcp.md5 import Md5, Md5Key
from stack.wire.address import Prefix


class KeyTable:
    """The keys of a listener, or of a connection that is about to be opened.

    Later changes are for later connections. A peer has either an MD5 key or keys of TCP-AO (RFC 5925 2.2).
    """

    __slots__ = ("_current", "_master_keys", "_md5", "_rnext", "accepts_icmp", "ao_required")

    def __init__(self) -> None:
        self._md5: dict[Prefix, Md5Key] = {}
        self._master_keys: list[MasterKey] = []
        self._current: MasterKey | None = None
        self._rnext: MasterKey | None = None
        self.ao_required = False
        """Peers without a key are refused (RFC 5925 7.3)."""
        self.accepts_icmp = False
        """Hard ICMP errors are believed of connections with TCP-AO all the same (RFC 5925 7.8)."""

    def copy(self) -> KeyTable:
        """Another table with the same keys."""
        table = KeyTable()
        table._md5.update(self._md5)
        table._master_keys += self._master_keys
        table._current, table._rnext = self._current, self._rnext
        table.ao_required, table.accepts_icmp = self.ao_required, self.accepts_icmp
        return table

    @property
    def master_keys(self) -> tuple[MasterKey, ...]:
        """Those of TCP-AO, in the order in which they were added: the first that matches a peer is used first, unless
        another is to be."""
        return tuple(self._master_keys)

    def add_md5(self, key: Md5Key) -> None:
        """Add a key, or replace that of the same prefix. Raises OSError EKEYREJECTED beside keys of TCP-AO."""
        if any(overlap(key.peers, other.peers) for other in self._master_keys):
            raise os_error(errno.EKEYREJECTED)
        self._md5[key.peers] = key

    def remove_md5(self, peers: Prefix) -> None:
        """Raises OSError ENOENT."""
        if self._md5.pop(peers, None) is None:
            raise os_error(errno.ENOENT)

    def add_master_key(self, key: MasterKey) -> None:
        """Raises OSError: EEXIST if an identifier is taken for some of these peers, EKEYREJECTED beside an MD5 key."""
        if any(overlap(key.peers, peers) for peers in self._md5):
            raise os_error(errno.EKEYREJECTED)
        if any(conflict(key, other) for other in self._master_keys):
            raise os_error(errno.EEXIST)
        self._master_keys.append(key)

    def remove(self, key: MasterKey) -> None:
        """Remove a key of TCP-AO. Raises OSError ENOENT."""
        if key not in self._master_keys:
            raise os_error(errno.ENOENT)
        self._master_keys.remove(key)

    def use(self, send_id: int) -> None:
        """A connection that has this key begins with it (RFC 5925 7.1). Raises OSError ENOENT."""
        self._current = known(next((key for key in self._master_keys if key.send_id == send_id), None))

    def request(self, receive_id: int) -> None:
        """It asks its peer for this one. Raises OSError ENOENT."""
        self._rnext = known(next((key for key in self._master_keys if key.receive_id == receive_id), None))

    def authenticate(self, pair: SocketPair, local_isn: int) -> Authentication | None:
        """What signs a connection with this peer, None if nothing does. Of MD5 keys, that of the longest prefix."""
        remote = pair[2]
        master_keys = [key for key in self._master_keys if key.peers.contains(remote)]
        if master_keys:
            ao = Ao(pair, master_keys, local_isn, accepts_icmp=self.accepts_icmp)
            if self._current in master_keys:
                ao.current = self._current
            if self._rnext in master_keys:
                ao.rnext = self._rnext
            return ao
        md5 = [key for key in self._md5.values() if key.peers.contains(remote)]
        if md5:
            return Md5(pair, max(md5, key=lambda key: key.peers.length).secret)
        return None
