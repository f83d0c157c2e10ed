"""From text to packets: IP fields, TCP with its options, UDP, ICMP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from scenarios.packetdrill.signature import INVALID, VALID
from scenarios.packetdrill.source import Scanner, UnsupportedError
from scenarios.packetdrill.syntax import (
    Body,
    Direction,
    IcmpMessage,
    IpFields,
    Option,
    Packet,
    TcpSegment,
    UdpDatagram,
)
from stack.wire.tcp import ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, URG

_ENCAPSULATION: Final = re.compile(r"(ipv4|ipv6|gre|mpls|eth|sctp|udplite)\b")
_IP_OPEN: Final = re.compile(r"[\[(](?=\s*(?:ect|ce\b|noecn|tos\b|ttl\b|flowlabel|class\b|hlim\b))")
_IP_WORD: Final = re.compile(r"[a-z0-9]+")
_IP_CLOSE: Final = re.compile(r"[\])]")
_PORTS: Final = re.compile(r"(\d+)\s*>\s*(\d+)")
_FLAGS: Final = re.compile(r"(?=[-FSRPUEWA.0-7]+\s)(-|[FSRPUEWA.]*)([0-7]?)(\.?)(?=\s)")
_SEQUENCE: Final = re.compile(r"(\d+)(!?)\s*:\s*(\d+)!?\s*\(\s*(\d+)\s*\)")
_ACKNOWLEDGMENT: Final = re.compile(r"ack(!?)\s")
_WINDOW: Final = re.compile(r"win\b")
_URGENT: Final = re.compile(r"urg\b")
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]+|\d+|[A-Za-z_]\w*")
_OPTION_NAME: Final = re.compile(r"[A-Za-z]\w*")
_BLOCK: Final = re.compile(r"(\d+)\s*:\s*(\d+)")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{2,}\b|[A-Za-z_]\w*")
_COUNTER: Final = re.compile(r"e0b|ceb|e1b")
_TRAILING_UDP: Final = re.compile(r"/\s*udp")
_UDP: Final = re.compile(r"udp\b")
_ICMP: Final = re.compile(r"icmp(v6)?\b")
_RAW: Final = re.compile(r"raw\b")
_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_MTU: Final = re.compile(r"mtu\b")
_LENGTH: Final = re.compile(r"\(\s*(\d+)\s*\)")
_NOT_A_CODE: Final = re.compile(r"(mtu|id)\b")

_LARGEST: Final = 0xFFFF - 20 - 60
"""Octets of data in one packet, whatever options it has; one that is expected may stand for several."""
_LETTERS: Final = {
    "F": FIN, "S": SYN, "R": RST, "P": PSH, "U": URG, "E": ECE, "W": CWR, "A": AE, ".": ACK, "-": 0,
}  # fmt: skip
_ECN: Final = {"noecn": {0}, "ect1": {1}, "ect0": {2}, "ect01": {1, 2}, "ce": {3}}
_ACE: Final = ((4, AE), (2, CWR), (1, ECE))
"""The three bits of AccECN's counter, in the order of the header (RFC 9768 3.2)."""


def parse_packet(scanner: Scanner, symbols: Mapping[str, str]) -> Packet:
    """A packet from its ``<`` or ``>`` on. Raises ScenarioError, UnsupportedError."""
    return _PacketParser(scanner, symbols).packet()


class _PacketParser:
    def __init__(self, scanner: Scanner, symbols: Mapping[str, str]) -> None:
        self.scanner = scanner
        self.symbols = symbols
        self.direction = Direction.OUTBOUND

    def packet(self) -> Packet:
        if self.scanner.take_text("<"):
            self.direction = Direction.INBOUND
        else:
            self.scanner.need_text(">")
        line = self.scanner.line
        encapsulation = self.scanner.take(_ENCAPSULATION)
        if encapsulation:
            raise UnsupportedError(line, f"encapsulation: {encapsulation.group()}")
        ip = self._ip_fields()
        body = self._body()
        if self.scanner.looks_at(_TRAILING_UDP):
            raise UnsupportedError(line, "TCP in UDP")
        return Packet(self.direction, body, ip)

    def _ip_fields(self) -> IpFields:
        scanner = self.scanner
        ecn: frozenset[int] | None = None
        traffic_class = hop_limit = flow_label = None
        while scanner.take(_IP_OPEN):
            while not scanner.take(_IP_CLOSE):
                scanner.take_text(",")
                word = scanner.need(_IP_WORD, "an IP field").group()
                if word in _ECN:
                    ecn = frozenset(_ECN[word])
                elif word in ("tos", "class"):
                    traffic_class = self._number(0xFF)
                elif word in ("ttl", "hlim"):
                    hop_limit = self._number(0xFF)
                elif word == "flowlabel":
                    flow_label = self._number(0xFFFFF)
                else:
                    scanner.refuse(f"`{word}` is no IP field; expected the end of them")
        return IpFields(ecn, traffic_class, hop_limit, flow_label)

    def _body(self) -> Body:
        scanner = self.scanner
        if scanner.take(_UDP):
            return self._udp()
        if scanner.take(_ICMP):
            return self._icmp()
        return self._tcp()

    def _ports(self) -> tuple[int, int] | None:
        found = self.scanner.take(_PORTS)
        return (int(found.group(1)), int(found.group(2))) if found else None

    def _udp(self) -> UdpDatagram:
        ports = self._ports()
        return UdpDatagram(self._length(), ports)

    def _length(self) -> int:
        found = self.scanner.need(_LENGTH, "(length)")
        length = int(found.group(1))
        if self.direction is Direction.INBOUND and length > _LARGEST:
            self.scanner.reject(found, "is more than a packet holds")
        return length

    def _icmp(self) -> IcmpMessage:
        scanner = self.scanner
        kind = self._word(scanner.need(_WORD, "an ICMP type").group())
        code = ""
        if not scanner.looks_at(_NOT_A_CODE):
            found = scanner.take(_WORD)
            code = self._word(found.group()) if found else ""
        mtu = self._number() if scanner.take(_MTU) else 0
        if scanner.looks_at(_NOT_A_CODE):
            raise UnsupportedError(scanner.line, "icmp id")
        quoted: TcpSegment | UdpDatagram | int | None = None
        if scanner.take_text("["):
            if scanner.take(_UDP):
                quoted = self._udp()
            elif scanner.take(_RAW):
                quoted = self._length()
            else:
                quoted = self._quoted_segment()
            scanner.need_text("]")
        return IcmpMessage(kind, code, mtu, quoted)

    def _quoted_segment(self) -> TcpSegment:
        """Of a quoted segment only what is in its first eight octets is ever written."""
        ports = self._ports()
        found = self.scanner.need(_SEQUENCE, "a quoted sequence number")
        return TcpSegment(
            ACK,
            int(found.group(1)),
            int(found.group(4)),
            ports=ports,
            absolute_sequence=bool(found.group(2)),
        )

    def _tcp(self) -> TcpSegment:
        scanner = self.scanner
        ports = self._ports()
        letters, ace, last = scanner.need(_FLAGS, "TCP flags").groups()
        flags = 0
        for letter in letters + last:
            flags |= _LETTERS[letter]
        if ace:
            flags |= sum(bit for value, bit in _ACE if int(ace) & value)
        place = scanner.need(_SEQUENCE, "start:end(length)")
        sequence, length = int(place.group(1)), int(place.group(4))
        if (sequence + length) & 0xFFFFFFFF != int(place.group(3)):
            scanner.reject(place, "does not add up")
        if self.direction is Direction.INBOUND and length > _LARGEST:
            scanner.reject(place, "is more than a packet holds")
        found = scanner.take(_ACKNOWLEDGMENT)
        acknowledgment = self._number() if found else None
        window = self._number(0xFFFF) if scanner.take(_WINDOW) else None
        urgent = self._number(0xFFFF) if scanner.take(_URGENT) else None
        return TcpSegment(
            flags,
            sequence,
            length,
            acknowledgment,
            window,
            urgent,
            self._options(),
            ports,
            bool(place.group(2)),
            bool(found and found.group(1)),
        )

    # --- TCP options

    def _options(self) -> tuple[Option, ...] | None:
        scanner = self.scanner
        if not scanner.take_text("<"):
            return ()
        if scanner.take_text("..."):
            scanner.need_text(">")
            return None
        options: list[Option] = []
        while not scanner.take_text(">"):
            if options:
                scanner.need_text(",")
            options.append(self._option())
        return tuple(options)

    def _option(self) -> Option:
        scanner = self.scanner
        line = scanner.line
        name = scanner.need(_OPTION_NAME, "a TCP option").group()
        if name in ("nop", "eol", "sackOK"):
            return Option(name)
        if name == "mss":
            return Option(name, (self._number(0xFFFF),))
        if name == "wscale":
            return Option(name, (self._number(0xFF),))
        if name == "sack":
            edges: list[int] = []
            while block := scanner.take(_BLOCK):
                edges += int(block.group(1)), int(block.group(2))
            return Option(name, tuple(edges))
        if name == "TS":
            scanner.need_text("val")
            value = self._number()
            scanner.need_text("ecr")
            return Option(name, (value, self._number()))
        if name in ("FO", "FOEXP"):
            digits = scanner.take(_HEXADECIMAL)
            return Option(name, text=self._hexadecimal(digits.group()) if digits else "")
        if name == "md5":
            word = scanner.need(_HEXADECIMAL, "a digest").group()
            return Option(name, text=word if word in (VALID, INVALID) else self._hexadecimal(word))
        if name == "ECN":
            counters: list[str] = []
            values: list[int] = []
            while counter := scanner.take(_COUNTER):
                counters.append(counter.group())
                values.append(self._number(0xFFFFFF))
            return Option(name, tuple(values), " ".join(counters))
        raise UnsupportedError(line, f"TCP option {name}")

    def _hexadecimal(self, word: str) -> str:
        text = self.symbols.get(word, word).removeprefix("0x")
        try:
            bytes.fromhex(text)
        except ValueError:
            raise UnsupportedError(self.scanner.line, f"symbol {word}, which is not defined") from None
        return text.lower()

    def _word(self, word: str) -> str:
        return self.symbols.get(word, word)

    def _number(self, most: int = 0xFFFFFFFF) -> int:
        found = self.scanner.need(_NUMBER, "a number")
        word = found.group()
        text = self.symbols.get(word, word)
        try:
            number = int(text, 0) if text[:2].lower() == "0x" else int(text)
        except ValueError:
            raise UnsupportedError(self.scanner.line, f"symbol {word}, which is not defined") from None
        if number > most:
            self.scanner.reject(found, f"is more than {most}")
        return number
