"""TCP sockets."""

from __future__ import annotations

import errno
import socket as bsd
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from stack.config import ConfigError, TcpConfig
from stack.errors import os_error
from stack.link import Buffer
from stack.ports import Binding
from stack.sockets.address import Address, SocketAddress, unparse
from stack.sockets.conversation import Conversation
from stack.sockets.error_queue import ExtendedError
from stack.sockets.options import OptionTable
from stack.sockets.poll import ARRIVAL, POLLERR, POLLHUP, READABLE, WRITABLE
from stack.sockets.reports import MSG_ZEROCOPY, Reports
from stack.sockets.settings import Settings
from stack.sockets.socket import (
    MSG_ERRQUEUE,
    MSG_FASTOPEN,
    MSG_OOB,
    MSG_WAITALL,
    Received,
    Request,
    Socket,
)
from stack.sockets.tcp_options import STREAM_OPTIONS, STREAM_REQUESTS
from stack.tcp.fastopen import CLIENT
from stack.tcp.state import State
from stack.wire.address import UNSPECIFIED_V6, is_multicast

if TYPE_CHECKING:
    from stack.host import Host
    from stack.internet.interface import Interface
    from stack.internet.protocol import ErrorReport
    from stack.tcp.connection import Connection
    from stack.tcp.info import TcpInfo
    from stack.tcp.key_table import KeyTable
    from stack.tcp.listener import Listener

_UNACKNOWLEDGED: Final = (State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)


class StreamSocket(Socket):
    """``socket(AF_INET | AF_INET6, SOCK_STREAM)``: tcp(7).

    It is at first neither connected nor listening; :meth:`listen` makes it a listener, :meth:`connect` gives
    it a connection, and an accepted one is born with a connection. A connection holds a claim of its own on
    the port, which outlives the socket until TIME-WAIT is over.
    """

    __slots__ = (
        "_binding",
        "_connecting",
        "_conversation",
        "_listener",
        "_reports",
        "_zone",
        "config",
        "keys",
    )

    type = bsd.SOCK_STREAM
    options: ClassVar[OptionTable] = STREAM_OPTIONS
    requests: ClassVar[Mapping[int, Request]] = STREAM_REQUESTS

    def __init__(self, host: Host, family: int, protocol: int, settings: Settings, config: TcpConfig) -> None:
        super().__init__(host, family, protocol, settings)
        self.config: TcpConfig = config
        """What :meth:`configure` made of the host's settings, for this socket and those it accepts."""
        self.keys: KeyTable | None = None
        """Of the peers that are to sign what they send; :mod:`stack.sockets.keys` puts them in."""
        self._binding: Binding | None = None
        self._zone: Interface | None = None
        """Of the address that it is bound to."""
        self._listener: Listener | None = None
        self._conversation: Conversation | None = None
        self._reports: Reports | None = None
        self._connecting = False
        """``connect`` was called, and nobody was told yet what came of it."""

    @property
    def connection(self) -> Connection | None:
        """There is one once :meth:`connect` was called, in whatever state it is."""
        return None if self._conversation is None else self._conversation.connection

    # --- readiness

    @property
    def readable(self) -> bool:
        """A connection to accept; data, its end, or an error."""
        if self._listener is not None:
            return self._listener.pending > 0
        conversation = self._conversation
        return conversation is None or conversation.readable or self.closed

    @property
    def writable(self) -> bool:
        """An error, or space to write: a third of the send buffer."""
        if self._listener is not None and not self.closed:
            return False
        conversation = self._conversation
        return conversation is None or self.closed or conversation.writable

    def poll(self) -> int:
        """The events of poll(2), as Linux's ``tcp_poll`` finds them; POLLIN needs SO_RCVLOWAT bytes."""
        if self._listener is not None:
            return READABLE if self._listener.pending else 0
        if self._conversation is None:
            return POLLHUP | WRITABLE
        return self._conversation.poll(errors=len(self.errors) > 0)

    def _connection_changed(self) -> None:
        """Tell watchers, if Linux would wake a sleeper; the last ones await the end of lingering."""
        events = 0 if self._conversation is None else self._conversation.news()
        if events or self.closed:
            self._changed(events)

    # --- opening

    @property
    def bound(self) -> bool:
        """Whether it has a port."""
        return self._binding is not None or self.connection is not None

    @property
    def listening(self) -> bool:
        """Whether :meth:`listen` was called."""
        return self._listener is not None

    def bind(self, address: Address) -> None:
        """Take a local address and port; port 0: any.

        Raises OSError: EADDRINUSE, EADDRNOTAVAIL, EINVAL (bound already, IPv6 link-local without a scope id).
        """
        self._bind(self._parse_local(address, groups=False))

    def _bind(self, wanted: SocketAddress) -> Binding:
        self._binding = self.host.ports.tcp.bind(
            wanted.address,
            wanted.port,
            reuse=self.settings.reuse_address,
            dual_stack=self.dual_stack and wanted.address == UNSPECIFIED_V6,
            interface=self.settings.device or wanted.interface,
        )
        self._zone = wanted.interface
        return self._binding

    @property
    def pending(self) -> int:
        """Connections that wait for :meth:`accept`."""
        return 0 if self._listener is None else self._listener.pending

    @property
    def backlog(self) -> int:
        """How many may, while listening."""
        return 0 if self._listener is None else self._listener.backlog

    def listen(self, backlog: int = 128) -> None:
        """Passive OPEN (RFC 9293 3.9.1.1), from an ephemeral port if unbound; again: change the backlog.

        Raises OSError: EINVAL if connected, EADDRINUSE if another listens here.
        """
        self._require_open()
        if self.connection is not None:
            raise os_error(errno.EINVAL)
        backlog = min(max(backlog, 0), self.config.backlog_max)
        if self._listener is not None:
            self._listener.backlog = backlog
            return
        binding = self._binding or self._bind(self._unspecified())
        self.host.ports.tcp.listen(binding)
        if self.config.fast_open_listeners and not self.settings.fast_open_queue:
            self.settings.fast_open_queue = backlog
        self._listener = self.host.tcp.listen(
            binding.address, binding.port, backlog, self.config, dual_stack=binding.dual_stack
        )
        self.keys_changed()
        self._listener.notify = partial(self._changed, ARRIVAL)
        self.settings_changed()

    def accept(self) -> tuple[StreamSocket, Address]:
        """The next established connection, which inherits this socket's options, and its peer's address.

        Raises BlockingIOError (EAGAIN), or OSError: EINVAL if not listening.
        """
        self._require_open()
        listener, binding = self._listener, self._binding
        if listener is None or binding is None:
            raise os_error(errno.EINVAL)
        connection = listener.accept()
        if connection is None:
            raise os_error(errno.EAGAIN)
        accepted = StreamSocket(self.host, self.family, self.protocol, replace(self.settings), self.config)
        accepted.keys = None if self.keys is None else self.keys.copy()
        conversation = accepted._adopt(connection, self.host.ports.tcp.share(binding, connection.local))
        self.host.sockets.add(accepted)
        return accepted, unparse(self.family, conversation.remote)

    def connect(self, address: Address) -> None:
        """Active OPEN (RFC 9293 3.9.1.1). Returns when connected, which without waiting is seldom; but with
        TCP_FASTOPEN_CONNECT at once if the SYN may carry data, which leaves with the first ``send``.

        Raises BlockingIOError: EINPROGRESS when it begins, EALREADY while it goes on; OSError: ECONNREFUSED,
        ETIMEDOUT and the like when it has failed (or ECONNABORTED if SO_ERROR told already), after which the
        socket can try again; EISCONN if connected or listening, EADDRNOTAVAIL, ENETUNREACH. Once writable,
        the socket is to be asked for SO_ERROR, or to connect again, which as on Linux returns.
        """
        self._require_open()
        if self._listener is not None:
            raise os_error(errno.EISCONN)
        if self.connection is None:
            connection = self._open(self._parse_remote(address), fast_open=self.settings.fast_open_connect)
            if connection.awaits_data:
                return
            waiting = errno.EINPROGRESS
        elif self._connecting and not self.connection.awaits_data:
            connection = self.connection
            waiting = errno.EALREADY
        else:
            raise os_error(errno.EISCONN)
        if connection.opening:
            raise os_error(waiting)
        self._connecting = False
        if connection.state is State.CLOSED:
            self._conversation = None
            raise os_error(connection.take_error() or errno.ECONNABORTED)

    def disconnect(self) -> None:
        """``connect`` with AF_UNSPEC: ABORT (RFC 9293 3.9.1.5), or an end of listening; both can begin anew."""
        self._require_open()
        self._stop_listening()
        conversation, self._conversation = self._conversation, None
        self._connecting = False
        if conversation is not None:
            conversation.connection.abort()
        self._changed()

    def _open(
        self, remote: SocketAddress, *, fast_open: bool = False, data: Buffer | None = None
    ) -> Connection:
        local = self._local()
        path = self._path(local, remote)
        if path.broadcast or is_multicast(remote.address):  # RFC 9293 3.9.1.1, MUST-46
            raise os_error(errno.ENETUNREACH)
        tcp, ports = self.host.tcp, self.host.ports.tcp
        if self._binding is not None:
            claim = ports.share(self._binding, path.source)
        else:
            claim = ports.connect(
                path.source,
                remote.address,
                remote.port,
                lambda port: tcp.tuple_in_use(path.source, port, remote.address, remote.port),
            )
        try:
            connection = tcp.connect(
                path.source,
                claim.port,
                remote.address,
                remote.port,
                self.config,
                interface=self.settings.device or local.interface or remote.interface,
                authentication=self.keys,
                fast_open=fast_open,
                data=data,
            )
        except OSError:
            ports.release(claim)
            raise
        self._connecting = True
        self._adopt(connection, claim)
        return connection

    def _adopt(self, connection: Connection, claim: Binding) -> Conversation:
        if connection.state is State.CLOSED:
            claim.release()
        else:
            connection.released = claim.release
        connection.notify = self._connection_changed
        connection.reported = self._error_reported
        self._conversation = conversation = Conversation(connection, self.settings)
        self._reports = None
        if not self.settings.quick_ack:
            connection.quick_ack(False)
        self.settings_changed()
        return conversation

    # --- data

    def send(self, data: Buffer, flags: int = 0) -> int:
        """SEND (RFC 9293 3.9.1.2): queue what fits of ``data``; returns how many bytes that is.

        MSG_MORE: more follows, so a partial segment waits for it. MSG_OOB: the last byte is urgent. MSG_EOR: no
        segment holds the last byte and what is sent later. Raises
        BlockingIOError (EAGAIN) if nothing fits or the connection is not open yet; OSError: the error that ended
        the connection (ECONNRESET, ETIMEDOUT ...), once; then, after ``shutdown`` and without a connection, EPIPE.
        """
        self._require_open()
        if self._conversation is None:
            raise os_error(errno.EPIPE)
        taken = self._conversation.send(data, flags)
        if flags & MSG_ZEROCOPY or self.settings.timestamping:
            self._watch(data, taken, flags)
        return taken

    def _watch(self, data: Buffer, taken: int, flags: int) -> None:
        """What becomes of the ``taken`` octets is to be reported."""
        zero_copy = bool(flags & MSG_ZEROCOPY) and self.settings.zero_copy
        if taken and self.connection is not None and (zero_copy or self.settings.timestamping):
            self.reports_of(self.connection).watch(bytes(data[:taken]), zero_copy=zero_copy)

    def reports_of(self, connection: Connection) -> Reports:
        """Those about what was sent on the connection that it has now."""
        if self._reports is None:
            self._reports = Reports(self, connection)
        return self._reports

    def report_arrives(self, events: int) -> None:
        """There is one more in the error queue."""
        self._changed(events)

    def sendto(self, data: Buffer, address: Address, flags: int = 0) -> int:
        """As :meth:`send`: the address is ignored, as on Linux.

        With MSG_FASTOPEN it connects first (RFC 7413 appendix A), and returns how much of ``data`` the SYN carried.
        Raises BlockingIOError (EINPROGRESS) if that is nothing, OSError: EOPNOTSUPP if the host is not to use Fast
        Open as a client, and what ``connect`` raises.
        """
        if not flags & MSG_FASTOPEN:
            return self.send(data, flags)
        self._require_open()
        if self.config.fast_open not in CLIENT:
            raise os_error(errno.EOPNOTSUPP)
        connection = self.connection
        if connection is None and self._listener is None:
            taken = self._open(self._parse_remote(address), fast_open=True, data=data).unsent
            if not taken:
                raise os_error(errno.EINPROGRESS)
            self._watch(data, taken, flags)
            return taken
        if connection is None or not connection.awaits_data:
            self.connect(address)
        return self.send(data, flags)

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """RECEIVE (RFC 9293 3.9.1.3): up to ``limit`` bytes; ``b""`` at the end of the stream.

        A read ends before an urgent byte, and the next begins behind it, unless SO_OOBINLINE is set. MSG_OOB
        gives the urgent byte itself: EINVAL if there is none, EAGAIN if it was only announced. MSG_PEEK leaves
        what it gives. MSG_TRUNC, with which C gives only the number, makes no difference. Raises BlockingIOError
        (EAGAIN) if there is nothing yet; OSError: the error that ended the connection, after the data before it
        and once; ENOTCONN without a connection.
        """
        self._require_open()
        if limit < 0:
            raise ValueError("negative buffersize in recv")
        if flags & MSG_ERRQUEUE:
            return self._receive_error(limit).data
        if self._conversation is None:
            raise os_error(errno.EINVAL if flags & MSG_OOB else errno.ENOTCONN)
        return self._conversation.receive(limit, flags)

    def recvfrom(self, limit: int, flags: int = 0) -> tuple[bytes, Address | None]:
        """As :meth:`recv`; the address is None, as in the ``socket`` module."""
        return self.recv(limit, flags), None

    def receive_target(self, limit: int, flags: int = 0) -> int:
        """How many of ``limit`` bytes a ``recv`` that may wait waits for: SO_RCVLOWAT, MSG_WAITALL all of them.

        It gives fewer at the end of the stream, before an urgent byte, and if there is an error, which is then
        for the next call.
        """
        return limit if flags & MSG_WAITALL else min(limit, self.settings.receive_low_water)

    @property
    def interrupted(self) -> bool:
        """A ``recv`` that has some data and waits for more gives up: nothing more comes, or an urgent byte is next."""
        return self._conversation is None or self._conversation.interrupted

    def _receive(self, limit: int, flags: int) -> Received:
        if self._conversation is None or limit < 0:
            return Received(self.recv(limit, flags))
        return self._conversation.receive_message(limit, flags)

    # --- closing

    def shutdown(self, how: int) -> None:
        """SHUT_WR: CLOSE (RFC 9293 3.9.1.4) with reading to go on; SHUT_RD: no more will be read.

        As on Linux, SHUT_RD ends a listener, and anything ends an attempt to connect; both can begin anew.
        Raises OSError: EINVAL, ENOTCONN.
        """
        self._require_open()
        if how not in (bsd.SHUT_RD, bsd.SHUT_WR, bsd.SHUT_RDWR):
            raise os_error(errno.EINVAL)
        conversation = self._conversation
        if self._listener is not None:
            if how != bsd.SHUT_WR:
                self._stop_listening()
        elif conversation is None or conversation.connection.state is State.CLOSED:
            raise os_error(errno.ENOTCONN)
        elif conversation.connection.state is State.SYN_SENT:
            self._conversation = None
            self._connecting = False
            conversation.connection.abort()
        else:
            conversation.shutdown(how)
        self._changed()

    def _stop_listening(self) -> None:
        if self._listener is not None and self._binding is not None:
            self._listener.close()
            self._listener = None
            self._binding.listening = False

    def _release(self) -> None:
        """CLOSE (RFC 9293 3.9.1.4), or with SO_LINGER at zero seconds ABORT (3.9.1.5)."""
        self._stop_listening()
        if self._binding is not None:
            self.host.ports.tcp.release(self._binding)
            self._binding = None
        if self.connection is not None:
            if self.settings.linger == (True, 0):
                self.connection.abort()
            else:
                self.connection.close()
                self.connection.notify = self._connection_changed  # for who awaits the end of lingering
        self.errors.clear()

    @property
    def lingering(self) -> bool:
        """After :meth:`close`: the peer has not acknowledged everything and the end, which SO_LINGER awaits."""
        return self.connection is not None and self.connection.state in _UNACKNOWLEDGED

    # --- addresses

    def _local(self) -> SocketAddress:
        if self._conversation is not None:
            return self._conversation.local
        if self._binding is not None:
            return SocketAddress(self._binding.address, self._binding.port, self._zone)
        return self._unspecified()

    def _remote(self) -> SocketAddress | None:
        conversation = self._conversation
        if conversation is None or conversation.connection.state in (State.SYN_SENT, State.CLOSED):
            return None
        return conversation.remote

    # --- options

    def take_error(self) -> int:
        """SO_ERROR: what ended the connection, or the attempt to connect; with IP_RECVERR, what it has met."""
        return 0 if self.connection is None else self.connection.take_error()

    def _set_error(self, number: int) -> None:
        if self.connection is not None:
            self.connection.error = number

    def _error_reported(self, report: ErrorReport) -> None:
        """An ICMP error: with IP_RECVERR, of an open connection an error at once, and for others in the queue."""
        connection = self.connection
        if connection is None or not self.settings.reports_errors_from(report.destination):
            return
        if connection.synchronized:
            connection.error = report.errno
        else:
            error = ExtendedError.reported(report, connection.remote_port, report.quoted)
            self.errors.append(error, self.config.receive_buffer)
        self._changed(POLLERR)

    def settings_changed(self) -> None:
        """Pass the options on to the connection or the listener, and SO_REUSEADDR to the port."""
        settings = self.settings
        if self._binding is not None:
            self._binding.reuse = settings.reuse_address
            self._binding.interface = settings.device or self._zone
        if self._conversation is not None:
            self._conversation.settings_changed()
            self._connection_changed()  # TCP_NOTSENT_LOWAT may leave space
        listener = self._listener
        if listener is not None:
            listener.hop_limit = settings.hop_limit_to(listener.address)
            listener.traffic_class = settings.traffic_class_to(listener.address)
            listener.interface = settings.device
            listener.defer_accept = settings.defer_accept
            listener.fast_open = min(settings.fast_open_queue, self.config.backlog_max)

    def keys_changed(self) -> None:
        """Who connects from now on needs these keys."""
        if self._listener is not None:
            self._listener.authentication = self.keys

    def configure(self, **changes: Any) -> None:
        """Change knobs of :attr:`config`. Raises OSError: EINVAL if one is out of bounds."""
        try:
            self.config = replace(self.config, **changes)
        except ConfigError:
            raise os_error(errno.EINVAL) from None
        if self.connection is not None:
            self.connection.configure(self.config)
            self._connection_changed()  # a larger send buffer leaves space
        if self._listener is not None:
            self._listener.config = self.config

    def info(self) -> TcpInfo:
        """TCP_INFO: the connection as it is now. Raises OSError: ENOTCONN."""
        self._require_open()
        if self.connection is None:
            raise os_error(errno.ENOTCONN)
        return self.connection.info()
