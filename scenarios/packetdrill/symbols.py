"""Constants by their names, and the values of expressions."""

from __future__ import annotations

import errno
import os
import select
import socket as bsd
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from scenarios.packetdrill.source import UnsupportedError
from scenarios.packetdrill.syntax import (
    Anything,
    Apply,
    Combined,
    Expression,
    Integer,
    Listing,
    Name,
    Structure,
    Text,
)

_EXTRA: Final[Mapping[str, int]] = {
    # Of the TCP level, linux/tcp.h
    "SOL_TCP": 6, "TCP_MAXSEG": 2, "TCP_REPAIR": 19, "TCP_THIN_LINEAR_TIMEOUTS": 16, "TCP_THIN_DUPACK": 17,
    "TCP_TIMESTAMP": 24, "TCP_FASTOPEN_CONNECT": 30, "TCP_ULP": 31, "TCP_MD5SIG_EXT": 32, "TCP_FASTOPEN_KEY": 33,
    "TCP_FASTOPEN_NO_COOKIE": 34, "TCP_ZEROCOPY_RECEIVE": 35, "TCP_INQ": 36, "TCP_CM_INQ": 36, "TCP_TX_DELAY": 37,
    "TCP_FASTOPEN": 23, "TCP_NOTSENT_LOWAT": 25, "TCP_CC_INFO": 26, "TCP_SAVE_SYN": 27, "TCP_SAVED_SYN": 28,
    "TCP_USER_TIMEOUT": 18, "TCP_CONGESTION": 13, "TCP_MD5SIG": 14, "TCP_QUICKACK": 12, "TCP_INFO": 11,
    "TCP_CORK": 3, "TCP_NOPUSH": 3, "TCP_RTO_MAX_MS": 44, "TCP_RTO_MIN_US": 45, "TCP_DELACK_MAX_US": 46,
    # FreeBSD's, numbered so that they are none of Linux's
    "TCP_FUNCTION_BLK": 0x12000, "TCP_KEEPINIT": 0x10080, "TCP_NOOPT": 0x10008, "TCP_LOG": 0x10022,
    "TCP_LOGBUF": 0x10023, "TCP_MAXUNACKTIME": 0x10044, "TCP_PCAP_OUT": 0x10800, "TCP_PCAP_IN": 0x11000,
    "TCP_LOGID": 0x10024, "TCP_LOGDUMP": 0x10025, "TCP_LOGDUMPID": 0x10026,
    "TCP_REMOTE_UDP_ENCAPS_PORT": 0x10047, "SO_NOSIGPIPE": 0x20800,
    # Of the socket level, asm-generic/socket.h
    "SO_MAX_PACING_RATE": 47, "SO_ZEROCOPY": 60, "SO_TXTIME": 61, "SO_TIMESTAMPING": 37, "SO_TIMESTAMPNS": 35,
    "SO_INCOMING_NAPI_ID": 56, "SO_BUSY_POLL": 46, "SO_MARK": 36, "SO_ERROR": 4, "SO_PRIORITY": 12,
    "SCM_TIMESTAMPING": 37, "SCM_TSTAMP_SND": 0, "SCM_TSTAMP_SCHED": 1, "SCM_TSTAMP_ACK": 2,
    "SOF_TIMESTAMPING_TX_HARDWARE": 1, "SOF_TIMESTAMPING_TX_SOFTWARE": 2, "SOF_TIMESTAMPING_RX_HARDWARE": 4,
    "SOF_TIMESTAMPING_RX_SOFTWARE": 8, "SOF_TIMESTAMPING_SOFTWARE": 16, "SOF_TIMESTAMPING_SYS_HARDWARE": 32,
    "SOF_TIMESTAMPING_RAW_HARDWARE": 64, "SOF_TIMESTAMPING_OPT_ID": 128, "SOF_TIMESTAMPING_TX_SCHED": 256,
    "SOF_TIMESTAMPING_TX_ACK": 512, "SOF_TIMESTAMPING_OPT_CMSG": 1024, "SOF_TIMESTAMPING_OPT_TSONLY": 2048,
    "SOF_TIMESTAMPING_OPT_STATS": 4096, "SOF_TIMESTAMPING_OPT_ID_TCP": 65536,
    # Of the IP levels, linux/in.h and in6.h
    "SOL_IP": 0, "SOL_IPV6": 41, "IP_MTU_DISCOVER": 10, "IP_RECVERR": 11, "IP_MTU": 14, "IP_FREEBIND": 15,
    "IP_PMTUDISC_DONT": 0, "IP_PMTUDISC_WANT": 1, "IP_PMTUDISC_DO": 2, "IP_PMTUDISC_PROBE": 3,
    "IP_BIND_ADDRESS_NO_PORT": 24, "IPV6_MTU_DISCOVER": 23, "IPV6_MTU": 24, "IPV6_RECVERR": 25,
    "IPV6_AUTOFLOWLABEL": 70, "IPV6_FLOWLABEL_MGR": 32, "IPV6_FLOWINFO_SEND": 33,
    # Extended errors, linux/errqueue.h
    "SO_EE_ORIGIN_NONE": 0, "SO_EE_ORIGIN_LOCAL": 1, "SO_EE_ORIGIN_ICMP": 2, "SO_EE_ORIGIN_ICMP6": 3,
    "SO_EE_ORIGIN_TXSTATUS": 4, "SO_EE_ORIGIN_TIMESTAMPING": 4, "SO_EE_ORIGIN_ZEROCOPY": 5,
    "SO_EE_CODE_ZEROCOPY_COPIED": 1,
    # Flags of messages
    "MSG_ZEROCOPY": 0x4000000, "MSG_FASTOPEN": 0x20000000, "MSG_EOR": 0x80, "MSG_MORE": 0x8000,
    "MSG_ERRQUEUE": 0x2000, "MSG_NOSIGNAL": 0x4000, "MSG_DONTWAIT": 0x40, "MSG_WAITALL": 0x100,
    "MSG_CMSG_CLOEXEC": 0x40000000,
    # fcntl and ioctl
    "F_GETFL": 3, "F_SETFL": 4, "F_GETFD": 1, "F_SETFD": 2, "FD_CLOEXEC": 1,
    "FIONREAD": 0x541B, "SIOCINQ": 0x541B, "SIOCOUTQ": 0x5411, "SIOCOUTQNSD": 0x894B, "FIONBIO": 0x5421,
    "EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3,
    "NULL": 0, "SPLICE_F_MOVE": 1, "SPLICE_F_NONBLOCK": 2, "SPLICE_F_MORE": 4,
    # States and options in TCP_INFO, linux/tcp.h and FreeBSD's tcp_fsm.h
    "TCP_ESTABLISHED": 1, "TCP_SYN_SENT": 2, "TCP_SYN_RECV": 3, "TCP_FIN_WAIT1": 4, "TCP_FIN_WAIT2": 5,
    "TCP_TIME_WAIT": 6, "TCP_CLOSE": 7, "TCP_CLOSE_WAIT": 8, "TCP_LAST_ACK": 9, "TCP_LISTEN": 10, "TCP_CLOSING": 11,
    "TCPS_CLOSED": 7, "TCPS_LISTEN": 10, "TCPS_SYN_SENT": 2, "TCPS_SYN_RECEIVED": 3, "TCPS_ESTABLISHED": 1,
    "TCPS_CLOSE_WAIT": 8, "TCPS_FIN_WAIT_1": 4, "TCPS_CLOSING": 11, "TCPS_LAST_ACK": 9, "TCPS_FIN_WAIT_2": 5,
    "TCPS_TIME_WAIT": 6,
    "TCP_CA_Open": 0, "TCP_CA_Disorder": 1, "TCP_CA_CWR": 2, "TCP_CA_Recovery": 3, "TCP_CA_Loss": 4,
    "TCPI_OPT_TIMESTAMPS": 1, "TCPI_OPT_SACK": 2, "TCPI_OPT_WSCALE": 4, "TCPI_OPT_ECN": 8, "TCPI_OPT_ECN_SEEN": 16,
    "TCPI_OPT_SYN_DATA": 32, "TCPI_OPT_USEC_TS": 64,
}  # fmt: skip


def _known() -> dict[str, int]:
    known: dict[str, int] = {}
    for module in (os, errno, select, bsd):
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, int):
                known[name] = int(value)
    known.update(_EXTRA)
    return known


CONSTANTS: Final[Mapping[str, int]] = _known()


@dataclass(frozen=True, slots=True)
class InternetAddress:
    """The address in ``inet_addr("...")``, ``inet_pton`` or ``inet6_addr``."""

    text: str


class Unstated:
    """``...``, evaluated."""

    def __repr__(self) -> str:
        return "..."


ANY: Final = Unstated()

Value: TypeAlias = Any
"""int, str, list, dict (a structure), :class:`InternetAddress` or :data:`ANY`."""


class Symbols:
    """What words mean in one run."""

    def __init__(self, defined: Mapping[str, str]) -> None:
        self._defined = defined

    def evaluate(self, expression: Expression, line: int) -> Value:
        """The value of an expression. Raises UnsupportedError for unknown words and functions."""
        match expression:
            case Integer(value) | Text(value):
                return value
            case Anything():
                return ANY
            case Name(word):
                return self.word(word, line)
            case Listing(items):
                return [self.evaluate(item, line) for item in items]
            case Structure(fields):
                return {
                    name or str(index): self.evaluate(value, line)
                    for index, (name, value) in enumerate(fields)
                }
            case Combined(parts):
                total = 0
                for part in parts:
                    value = self.evaluate(part, line)
                    if not isinstance(value, int):
                        raise UnsupportedError(line, f"`|` of {value!r}")
                    total |= value
                return total
            case Apply(function, arguments):
                return self._apply(function, [self.evaluate(item, line) for item in arguments], line)

    def word(self, word: str, line: int) -> Value:
        """What a word stands for: the script's definitions come first, and may name others."""
        for _ in range(len(self._defined) + 1):
            if word not in self._defined:
                break
            word = self._defined[word]
        if word in CONSTANTS:
            return CONSTANTS[word]
        try:
            return int(word, 0)
        except ValueError:
            pass
        if word in self._defined.values():
            return word
        raise UnsupportedError(line, f"symbol {word}, which is not defined")

    def _apply(self, function: str, arguments: list[Value], line: int) -> Value:
        if function in ("htons", "htonl") and len(arguments) == 1:
            return arguments[0]
        if function in ("inet_addr", "inet6_addr") and len(arguments) == 1:
            return InternetAddress(str(arguments[0]))
        if function == "inet_pton" and len(arguments) == 2:
            return InternetAddress(str(arguments[1]))
        raise UnsupportedError(line, f"function {function}")
