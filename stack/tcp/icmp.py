"""What an ICMP error means to a connection (RFC 9293 3.9.2.2, RFC 5927)."""

from __future__ import annotations

from stack.internet.protocol import ErrorKind, ErrorReport
from stack.tcp import freebsd
from stack.tcp.connection import Connection
from stack.tcp.sequence import widen


def error_arrives(connection: Connection, report: ErrorReport) -> None:
    """An ICMP error about a segment of ours (RFC 9293 3.9.2.2); a blind one is recognised by its sequence number
    (RFC 5927 4.1)."""
    sender = connection.sender
    quoted = widen(int.from_bytes(report.quoted[4:8], "big"), sender.snd_nxt)
    if not sender.snd_una <= quoted < sender.snd_nxt:
        connection.drop("tcp.icmp_outside_window")
        return
    authentication = connection.authentication
    if connection.synchronized and authentication is not None and authentication.ignores(report):
        connection.drop("tcp.ao_icmp")
        return
    if report.kind is ErrorKind.PACKET_TOO_BIG:
        connection.transmitter.path.learn_mtu(report.mtu)
        if connection.synchronized:
            connection.output()
        elif sender.syn_data:
            sender.repeat_syn()
        return
    listener = connection.listener
    open_to_user = connection.synchronized and (listener is None or not listener.holds(connection))
    if open_to_user:
        connection.soft_error = report.errno
    connection.reported(report)
    if not open_to_user:
        number = freebsd.verdict(connection, report) if connection.of_freebsd else report.errno
        if number:
            connection.fail(number)
        else:
            connection.soft_error = report.errno
