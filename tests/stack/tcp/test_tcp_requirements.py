"""Requirements of RFC 9293, in the order of its appendix B, and of its extensions that no other module shows."""

from __future__ import annotations

import errno
import random
from dataclasses import replace

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.config import HostConfig, TcpConfig
from stack.host import Host
from stack.internet.protocol import ErrorReport
from stack.link import Frame
from stack.tcp.rack import Rack
from stack.tcp.rtt import RttEstimator
from stack.tcp.scoreboard import Scoreboard
from stack.tcp.state import State
from stack.wire import icmpv6
from stack.wire.address import parse_address
from stack.wire.checksum import fold, internet_checksum, ones_sum, pseudo_header_sum
from stack.wire.icmpv4 import DESTINATION_UNREACHABLE, PARAMETER_PROBLEM, TIME_EXCEEDED
from stack.wire.ipv4 import Ipv4Header
from stack.wire.ipv6 import Ipv6Header
from stack.wire.options import Option
from stack.wire.protocols import ICMP, ICMPV6, TCP
from stack.wire.tcp import ACK, RST, SYN, URG, TcpHeader, TcpOptions
from tests.stack.internet.lab import V6, icmp_message
from tests.stack.tcp.scripted import HOST, PEER, PEER_ISN, PEER_PORT, PORT, Script, TestLink
from tests.support import FakeClock

MSS = 1460
HOST_V6, PEER_V6 = parse_address("fd00::2"), parse_address("fd00::1")
MINUTE = 60 * SECOND
MINUTES_4 = 240 * SECOND


def _segment(
    script: Script,
    flags: int,
    sequence: int = 1,
    ack: int = 1,
    payload: bytes = b"",
    urgent: int = 0,
    options: bytes = b"",
    source: bytes = PEER,
    destination: bytes = HOST,
    ip_options: bytes = b"",
) -> bytes:
    """A packet as the scripted peer, or somebody else, would send it."""
    header = TcpHeader(
        script.peer_port,
        script.port,
        (PEER_ISN + sequence) & 0xFFFFFFFF,
        ((script.iss or 0) + ack) & 0xFFFFFFFF if flags & ACK else 0,
        flags,
        65535,
        urgent=urgent,
        options=options,
    )
    body = header.build() + payload
    header.checksum = ~fold(pseudo_header_sum(source, destination, TCP, len(body)) + ones_sum(body)) & 0xFFFF
    body = header.build() + payload
    length = 20 + len(ip_options) + len(body)
    return Ipv4Header(source, destination, TCP, total_length=length, options=ip_options).build() + body


def _deliver(script: Script, packet: bytes) -> None:
    script.link.deliver(Frame(packet))


def _icmp(script: Script, type: int, code: int, quoted: bytes) -> None:
    body = bytes((type, code)) + bytes(6) + quoted[:28]
    body = body[:2] + internet_checksum(body).to_bytes(2) + body[4:]
    _deliver(script, Ipv4Header(PEER, HOST, ICMP, total_length=20 + len(body)).build() + body)


# -- window ----------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 MUST-1")
def test_a_window_above_the_largest_signed_number_is_used() -> None:
    script = Script()
    connection = script.accept(window=65535)
    connection.sender.congestion.cwnd = 1 << 20
    connection.send(bytes(100_000))
    assert 65535 - MSS < sum(segment.length for segment in script.sent()) <= 65535


@pytest.mark.shows("RFC 9293 REC-1", "RFC 7323 2.3")
@pytest.mark.parametrize("shift", [14, 15, 255])
def test_the_largest_scaled_window_and_no_larger_shift_than_14(shift: int) -> None:
    script = Script()
    connection = script.accept(window=65535, window_scale=shift)
    assert connection.info().tcpi_snd_wnd == 65535 << 14


@pytest.mark.shows("RFC 9293 SHLD-15", "RFC 9293 SHLD-16", "RFC 9293 MUST-34")
def test_after_the_peer_shrank_its_window_only_old_data_within_it_go() -> None:
    script = Script()
    connection = script.accept(window=5 * MSS, sack=False)
    connection.send(bytes(10 * MSS))
    assert len(script.sent()) == 5
    script.send(".", 1, 1 + MSS, window=2 * MSS)
    script.expect_nothing()
    script.after(2 * SECOND)
    resent = {segment.sequence for segment in script.sent()}
    assert 1 + MSS in resent
    assert max(resent) < 1 + 5 * MSS, "nothing new"


@pytest.mark.shows("RFC 9293 MAY-7")
def test_old_data_are_sent_again_though_the_peer_shut_its_window_over_them() -> None:
    script = Script()
    connection = script.accept(window=5 * MSS, sack=False)
    connection.send(bytes(5 * MSS))
    script.sent()
    script.send(".", 1, 1, window=0)
    script.after(SECOND)
    assert {(segment.sequence, segment.length) for segment in script.sent()} == {(1, MSS)}


@pytest.mark.shows("RFC 9293 MUST-16")
def test_a_segment_is_no_larger_than_the_peers_mss_though_the_link_takes_two() -> None:
    script = Script()
    connection = script.accept(mss=700, sack=False)
    connection.send(bytes(1400))
    script.expect((".", 1, 700, 1), ("P.", 701, 700, 1))


def test_who_stops_reading_has_nothing_to_say() -> None:
    script = Script(receive_buffer=1 << 20)
    script.accept(window_scale=7).shutdown_receive()
    script.expect_nothing()


@pytest.mark.shows("RFC 9293 MAY-8")
def test_the_own_window_stays_shut_until_the_application_reads() -> None:
    script = Script(receive_buffer=4096, moderate_receive_buffer=False)
    connection = script.accept()
    script.send(".", 1, 1, bytes(4096))
    script.sent()
    for _ in range(60):
        script.after(MINUTE)
        script.send(".", 4096, 1, b"?")
        (answer,) = script.sent()
        assert (answer.ack, answer.window) == (4097, 0)
    assert connection.state is State.ESTABLISHED


@pytest.mark.shows("RFC 9293 SHLD-29")
def test_the_first_window_probe_waits_for_the_retransmission_timeout() -> None:
    script = Script()
    connection = script.accept(window=1000)
    connection.send(bytes(1000))
    script.sent()
    script.send(".", 1, 1001, window=0)
    connection.send(b"waiting")
    rto = connection.info().tcpi_rto * 1000
    script.after(rto - 1)
    script.expect_nothing()
    script.after(1)
    assert len(script.sent()) == 1


@pytest.mark.shows("RFC 9293 MUST-66")
def test_a_reset_counts_while_the_own_window_is_shut() -> None:
    script = Script(receive_buffer=4096, moderate_receive_buffer=False)
    connection = script.accept()
    script.send(".", 1, 1, bytes(4096))
    assert script.sent()[-1].window == 0
    script.send("R", 4097, 0)
    assert connection.take_error() == errno.ECONNRESET


@pytest.mark.shows("RFC 9293 MUST-66")
def test_urgent_data_are_heard_of_while_the_own_window_is_shut() -> None:
    script = Script(receive_buffer=4096, moderate_receive_buffer=False)
    connection = script.accept()
    script.send(".", 1, 1, bytes(4096))
    assert script.sent()[-1].window == 0
    _deliver(script, _segment(script, ACK | URG, 4097, 1, urgent=10))
    assert connection.urgent.mark - connection.receiver.rcv_nxt == 9


# -- urgent data -----------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 MUST-30", "RFC 9293 MUST-62", "RFC 9293 MUST-31", "RFC 6093 3.1")
@pytest.mark.parametrize("length", [1, 5, 1000])
def test_the_urgent_pointer_leads_behind_the_urgent_data(length: int) -> None:
    script = Script()
    connection = script.accept()
    connection.send(bytes(length), urgent=True)
    (packet,) = script.link.sent
    header = TcpHeader.parse(packet[20:])
    assert header.flags & URG
    assert header.urgent == length


@pytest.mark.shows("RFC 9293 MUST-30", "RFC 9293 MUST-32", "RFC 9293 MUST-33", "RFC 6093 3.2")
def test_the_user_hears_of_urgent_data_and_can_see_whether_they_are_still_to_come() -> None:
    script = Script()
    connection = script.accept()
    told: list[int] = []
    connection.notify = lambda: told.append(connection.unread)
    _deliver(script, _segment(script, ACK | URG, 1, 1, b"abc!", urgent=4))
    assert told
    assert not connection.at_mark
    assert connection.until_mark == 3
    assert connection.receive(10) == b"abc"
    assert connection.at_mark


# -- options ---------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 MUST-4", "RFC 9293 MUST-5", "RFC 9293 MUST-6")
@pytest.mark.parametrize(
    "options",
    [
        bytes.fromhex("01010101"),
        bytes.fromhex("00000000"),
        bytes.fromhex("020405b4"),
        bytes.fromhex("fe04abcd"),
        bytes.fromhex("010101fd 03ff01 02040010 00"),
    ],
)
def test_options_of_all_kinds_are_welcome_in_any_segment(options: bytes) -> None:
    script = Script()
    connection = script.accept()
    _deliver(script, _segment(script, ACK, 1, 1, b"data", options=options))
    _deliver(script, _segment(script, ACK | 1, 5, 1, options=options))
    assert connection.receive(10) == b"data"
    assert connection.at_end


@pytest.mark.shows("RFC 9293 MUST-7")
@pytest.mark.parametrize("options", ["02000000", "fe010000", "080a0000", "01010108"])
def test_a_segment_with_an_illegal_option_length_does_no_harm(options: str) -> None:
    script = Script()
    connection = script.accept()
    _deliver(script, _segment(script, ACK, 1, 1, b"evil", options=bytes.fromhex(options)))
    assert script.host.counters["tcp.bad_option"] == 1
    script.send("P.", 1, 1, b"good")
    assert connection.receive(10) == b"good"


@pytest.mark.shows("RFC 9293 MUST-14", "RFC 9293 MUST-16")
def test_segments_are_no_larger_than_the_peers_mss() -> None:
    script = Script()
    connection = script.accept(mss=1000)
    connection.send(bytes(3000))
    assert [segment.length for segment in script.sent()] == [1000] * 3


@pytest.mark.shows("RFC 9293 MUST-14", "RFC 9293 SHLD-6", "RFC 9293 MUST-67", "RFC 6691 2")
@pytest.mark.parametrize(("mtu", "mss"), [(576, 536), (1500, 1460), (9000, 8960)])
@pytest.mark.parametrize("timestamps", [False, True])
def test_the_mss_follows_from_the_mtu_and_no_option_is_subtracted(
    mtu: int, mss: int, timestamps: bool
) -> None:
    script = Script(mtu=mtu, timestamps=timestamps)
    script.connect()
    assert script.learn_iss().options.mss == mss


@pytest.mark.shows("RFC 9293 MAY-3", "RFC 9293 SHLD-5")
@pytest.mark.parametrize("mss", [536, 1220, 1460])
def test_the_mss_option_is_always_sent(mss: int) -> None:
    script = Script(mss=mss)
    script.connect()
    assert script.learn_iss().options.mss == mss


class Six:
    """A connection over IPv6."""

    def __init__(self, mss: int | None = None) -> None:
        self.link = TestLink()
        config = replace(HostConfig(), tcp=TcpConfig(timestamps=False))
        self.host = Host("host", FakeClock(start=SECOND), random.Random(0), config)
        self.host.add_interface("tun0", self.link, addresses=["fd00::2/64"])
        listener = self.host.tcp.listen(HOST_V6, PORT, 1, config.tcp)
        self._arrive(SYN, 100, 0, TcpOptions(mss=mss).build())
        iss = TcpHeader.parse(self.link.sent.pop()[40:]).sequence
        self._arrive(ACK, 101, iss + 1)
        self.link.sent.clear()
        connection = listener.accept()
        assert connection is not None
        self.connection = connection

    def _arrive(self, flags: int, sequence: int, ack: int, options: bytes = b"") -> None:
        header = TcpHeader(PEER_PORT, PORT, sequence, ack, flags, 65535, options=options)
        length = header.header_length
        total = pseudo_header_sum(PEER_V6, HOST_V6, TCP, length) + ones_sum(header.build())
        header.checksum = ~fold(total) & 0xFFFF
        ip = Ipv6Header(PEER_V6, HOST_V6, TCP, payload_length=length)
        self.link.deliver(Frame(ip.build() + header.build()))

    def icmp(self, type: int, rest: int, quoted: bytes) -> None:
        message = icmp_message(V6, type, 0, rest, quoted, PEER_V6, HOST_V6)
        ip = Ipv6Header(PEER_V6, HOST_V6, ICMPV6, payload_length=len(message))
        self.link.deliver(Frame(ip.build() + message))

    @property
    def lengths(self) -> list[int]:
        """Octets of data in the segments that have left."""
        packets, self.link.sent = self.link.sent, []
        return [len(packet) - 60 for packet in packets]


@pytest.mark.shows("RFC 9293 MUST-15")
def test_an_ipv6_peer_without_mss_option_takes_1220() -> None:
    six = Six()
    six.connection.send(bytes(3000))
    assert six.lengths == [1220, 1220, 560]


@pytest.mark.shows("RFC 9293 MUST-65")
def test_only_syns_have_an_mss_option() -> None:
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1)
    connection.send(bytes(3000))
    script.send("P.", 1, 1 + 1448, b"data", timestamp=2)
    connection.shutdown()
    script.after(SECOND)
    sent = script.sent()
    assert len(sent) > 3
    assert {segment.options.mss for segment in sent} == {None}


@pytest.mark.shows("RFC 9293 MUST-69", "RFC 9293 MUST-68")
def test_the_header_is_padded_with_zeros() -> None:
    assert TcpOptions(unknown=(Option(254, b"\xff"),)).build() == bytes.fromhex("fe03ff00")
    assert TcpOptions(unknown=(Option(254, b"\xff\xff\xff"),)).build() == bytes.fromhex("fe05ffffff000000")


# -- checksum --------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 MUST-2")
def test_the_checksum_covers_pseudo_header_header_and_data() -> None:
    script = Script()
    connection = script.accept()
    connection.send(b"odd")
    packet = script.link.sent[-1]
    body = packet[20:]
    words = HOST + PEER + bytes((0, TCP)) + len(body).to_bytes(2) + body + b"\x00"
    total = sum(int.from_bytes(words[at : at + 2]) for at in range(0, len(words), 2))
    assert total % 0xFFFF == 0
    assert body[16:18] != b"\x00\x00"


@pytest.mark.shows("RFC 9293 MUST-3")
@pytest.mark.parametrize("at", [20, 24, 28, 33, 34, 36, 38, 40, 43])
def test_a_wrong_checksum_is_noticed(at: int) -> None:
    script = Script()
    connection = script.accept()
    packet = bytearray(_segment(script, ACK, 1, 1, b"data"))
    packet[at] ^= 0x10
    _deliver(script, bytes(packet))
    script.expect_nothing()
    assert connection.available == 0
    assert script.host.counters["tcp.bad_checksum"] == 1


# -- initial sequence number -----------------------------------------------------------------------------


def _isn(seconds: int, peer_port: int, secret: str) -> int:
    clock = FakeClock(start=seconds * SECOND)
    host = Host("host", clock, random.Random(secret))
    return host.tcp.initial_sequence((HOST, 80, PEER, peer_port))[0]


@pytest.mark.shows("RFC 9293 MUST-8", "RFC 6528 3")
def test_the_initial_sequence_number_follows_a_clock() -> None:
    """One tick in 4 microseconds."""
    assert (_isn(11, 1000, "a") - _isn(1, 1000, "a")) & 0xFFFFFFFF == 2_500_000


@pytest.mark.shows("RFC 9293 SHLD-1", "RFC 9293 MUST-9", "RFC 6528 3")
def test_the_initial_sequence_number_depends_on_the_connection_and_on_a_secret() -> None:
    assert len({_isn(1, port, "a") for port in range(1000, 1100)}) == 100
    assert len({_isn(1, 1000, f"secret {number}") for number in range(100)}) == 100
    offsets = {
        (_isn(1, 1001, str(secret)) - _isn(1, 1000, str(secret))) & 0xFFFFFFFF for secret in range(100)
    }
    assert len(offsets) == 100, "what one connection shows says nothing about the next"


# -- opening ---------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 MUST-11")
def test_syn_received_by_a_passive_open_goes_back_to_listen() -> None:
    script = Script()
    script.listen()
    script.send("S", 0, 0, mss=MSS)
    script.learn_iss()
    script.send("R", 1, 0)
    assert script.host.tcp.connections == ()
    script.send("S", 0, 0, mss=MSS)
    assert script.learn_iss().flags == "S."


@pytest.mark.shows("RFC 9293 MUST-11")
def test_syn_received_by_an_active_open_is_refused() -> None:
    script = Script()
    connection = script.connect()
    script.learn_iss()
    script.send("S", 0, 0, mss=MSS)
    script.sent()
    assert connection.state is State.SYN_RECEIVED
    script.send("R", 1, 0)
    assert connection.take_error() == errno.ECONNREFUSED


@pytest.mark.shows("RFC 9293 MUST-41")
def test_a_passive_open_leaves_other_connections_alone() -> None:
    script = Script()
    connection = script.accept()
    assert script.listener is not None
    script.listener.close()
    script.host.tcp.listen(HOST, PORT, 1, script.config)
    script.send("P.", 1, 1, b"data")
    assert connection.receive(10) == b"data"


@pytest.mark.shows("RFC 9293 MUST-42")
def test_a_port_can_listen_while_a_connection_from_it_is_being_opened() -> None:
    script = Script()
    connecting = script.connect()
    listener = script.host.tcp.listen(HOST, script.port, 1, script.config)
    script.sent()
    script.iss = None
    script.peer_port = 12345
    script.send("S", 0, 0, mss=MSS)
    script.learn_iss()
    script.send(".", 1, 1)
    assert listener.accept() is not None
    assert connecting.state is State.SYN_SENT


@pytest.mark.shows("RFC 9293 MUST-44", "RFC 9293 MUST-45")
def test_ip_chooses_the_local_address_and_the_connection_keeps_it() -> None:
    script = Script()
    connection = script.connected()
    assert connection.local == HOST
    interface = script.host.interfaces["tun0"]
    script.host.add_address(interface, "10.0.0.3/24")
    script.host.add_route("10.0.0.1/32", interface="tun0")
    script.link.sent.clear()
    connection.send(b"data")
    assert [packet[12:16] for packet in script.link.sent] == [HOST]


@pytest.mark.shows("RFC 9293 MUST-43")
def test_the_local_address_can_be_chosen() -> None:
    script = Script()
    other = parse_address("10.0.0.3")
    script.host.add_address(script.host.interfaces["tun0"], "10.0.0.3/24")
    script.link.sent.clear()
    connection = script.host.tcp.connect(other, 4000, PEER, 80, script.config)
    assert connection.local == other
    assert script.link.sent[0][12:16] == other


@pytest.mark.shows("RFC 9293 MUST-57")
@pytest.mark.parametrize("destination", ["10.0.0.255", "255.255.255.255", "224.0.0.1"])
def test_a_syn_to_many_is_discarded_silently(destination: str) -> None:
    script = Script()
    script.host.tcp.listen(bytes(4), PORT, 1, script.config)
    _deliver(script, _segment(script, SYN, 0, 0, destination=parse_address(destination)))
    assert script.link.sent == []
    assert script.host.tcp.connections == ()


@pytest.mark.shows("RFC 9293 MUST-63")
@pytest.mark.parametrize("source", ["10.0.0.255", "255.255.255.255", "224.0.0.1", "127.0.0.1", "0.0.0.0"])
def test_a_syn_from_no_host_is_ignored(source: str) -> None:
    script = Script()
    script.listen()
    _deliver(script, _segment(script, SYN, 0, 0, source=parse_address(source)))
    assert script.link.sent == []
    assert script.host.tcp.connections == ()


# -- closing ---------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 SHLD-2")
def test_a_reset_may_explain_itself() -> None:
    script = Script()
    connection = script.accept()
    _deliver(script, _segment(script, RST, 1, 0, b"because"))
    assert connection.take_error() == errno.ECONNRESET
    assert connection.available == 0


@pytest.mark.shows("RFC 9293 MUST-13")
def test_time_wait_lasts_as_long_as_is_configured() -> None:
    script = Script(time_wait=MINUTES_4)
    connection = script.accept()
    connection.close()
    script.send("F.", 1, 2)
    script.after(MINUTES_4 - 1)
    assert connection.state is State.TIME_WAIT
    script.after(1)
    assert connection.state is State.CLOSED


@pytest.mark.shows("RFC 9293 SHLD-4", "RFC 9293 MAY-2", "RFC 6191 2")
@pytest.mark.parametrize(
    ("sequence", "timestamp", "opens"),
    [(1000, 2000, True), (-70000, 2000, True), (1000, 500, False), (1000, 1000, True), (-70000, 1000, False)],
)
def test_a_newer_timestamp_ends_time_wait(sequence: int, timestamp: int, opens: bool) -> None:
    """RFC 6191 2: by the timestamp, and if that is the same by the sequence number."""
    script = Script(timestamps=True)
    connection = script.accept(timestamp=1000)
    connection.close()
    script.send("F.", 1, 2, timestamp=1000)
    script.sent()
    script.send("S", sequence, 0, mss=MSS, timestamp=timestamp)
    assert ([segment.flags for segment in script.sent()] == ["S."]) is opens
    assert (connection.state is State.CLOSED) is opens


# -- sending and giving up -------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 MUST-49")
def test_the_hop_limit_can_be_set() -> None:
    script = Script()
    connection = script.accept()
    connection.hop_limit = 7
    connection.send(b"data")
    assert Ipv4Header.parse(script.link.sent[-1]).hop_limit == 7


@pytest.mark.shows("RFC 9293 MUST-48", "RFC 9293 SHLD-21", "RFC 9293 SHLD-22")
def test_the_diffserv_field_can_be_set_and_changed() -> None:
    script = Script(nodelay=True)
    connection = script.accept()
    for field in (0x28, 0xB8, 0):
        connection.traffic_class = field
        connection.send(b"data")
        assert Ipv4Header.parse(script.link.sent[-1]).traffic_class == field


@pytest.mark.shows("RFC 9293 SHLD-11", "RFC 9293 MUST-20")
def test_a_silent_peer_is_given_more_than_a_hundred_seconds_and_then_given_up() -> None:
    script = Script()
    connection = script.accept()
    connection.send(b"data")
    script.after(100 * SECOND)
    assert connection.state is State.ESTABLISHED
    script.after(3600 * SECOND)
    assert connection.take_error() == errno.ETIMEDOUT


@pytest.mark.shows("RFC 9293 MUST-25", "RFC 9293 MUST-28", "RFC 2525 2.9", "RFC 2525 2.11")
def test_keep_alives_are_off_and_two_hours_apart_if_switched_on() -> None:
    script = Script()
    script.accept()
    script.after(24 * 3600 * SECOND)
    script.expect_nothing()
    script = Script(keepalive=True)
    script.accept()
    script.after(7199 * SECOND)
    script.expect_nothing()
    script.after(2 * SECOND)
    assert len(script.sent()) == 1
    script.after(73 * SECOND)
    script.expect_nothing()
    script.after(2 * SECOND)
    assert len(script.sent()) == 1


# -- IP and ICMP -----------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 9293 MUST-50", "RFC 1122 3.2.1.8-3", "RFC 1122 3.2.1.8b-2")
@pytest.mark.parametrize("option", ["94040000", "88040001", "9e04abcd", "01010100", "07070400000000 00"])
def test_ip_options_are_ignored(option: str) -> None:
    script = Script()
    connection = script.accept()
    _deliver(script, _segment(script, ACK, 1, 1, b"data", ip_options=bytes.fromhex(option)))
    assert connection.receive(10) == b"data"


@pytest.mark.shows("RFC 9293 MUST-54", "RFC 9293 MUST-56", "RFC 5927 5.2", "RFC 1122 3.2.2.1-4")
@pytest.mark.parametrize(
    ("type", "code"),
    [
        *((DESTINATION_UNREACHABLE, code) for code in (0, 1, 2, 3, 5)),
        (TIME_EXCEEDED, 0),
        (TIME_EXCEEDED, 1),
        (PARAMETER_PROBLEM, 0),
    ],
)
def test_an_icmp_error_aborts_no_connection(type: int, code: int) -> None:
    script = Script()
    connection = script.accept()
    reports: list[ErrorReport] = []
    connection.reported = reports.append
    connection.send(b"data")
    _icmp(script, type, code, script.link.sent[-1])
    assert connection.state is State.ESTABLISHED
    assert [(report.type, report.code) for report in reports] == [(type, code)]


@pytest.mark.shows("RFC 9293 SHLD-25", "RFC 9293 MUST-47")
@pytest.mark.parametrize(("code", "number"), [(0, errno.ENETUNREACH), (1, errno.EHOSTUNREACH)])
def test_what_icmp_said_explains_the_timeout(code: int, number: int) -> None:
    script = Script(retries=2)
    connection = script.accept()
    connection.send(b"data")
    _icmp(script, DESTINATION_UNREACHABLE, code, script.link.sent[-1])
    script.after(60 * SECOND)
    assert connection.take_error() == number


# -- extensions ------------------------------------------------------------------------------------------


@pytest.mark.shows("RFC 6298 5.1-5.3")
def test_an_ack_of_new_data_restarts_the_timer_and_the_last_one_stops_it() -> None:
    script = Script(tail_loss_probe=False)
    connection = script.accept()
    connection.send(bytes(2 * MSS))
    script.sent()
    script.after(20 * MILLISECOND)
    script.send(".", 1, 1 + MSS)
    rto = connection.info().tcpi_rto * 1000
    script.after(rto - 1)
    script.expect_nothing()
    script.after(1)
    assert [segment.sequence for segment in script.sent()] == [1 + MSS]
    script.send(".", 1, 1 + 2 * MSS)
    script.after(3600 * SECOND)
    script.expect_nothing()


@pytest.mark.shows("RFC 6298 2.4")
def test_the_least_rto_can_be_a_second() -> None:
    """200 ms by default, as on Linux."""
    script = Script(min_rto=SECOND, tail_loss_probe=False)
    connection = script.accept(rtt=MILLISECOND)
    connection.send(bytes(MSS))
    script.sent()
    script.after(SECOND)
    script.expect_nothing()
    script.after(2 * MILLISECOND)
    assert len(script.sent()) == 1


@pytest.mark.shows("RFC 8985 3.3.2")
def test_the_reordering_window_widens_when_it_was_too_small_and_shrinks_again() -> None:
    rtt = RttEstimator(TcpConfig())
    rtt.sample(80 * MILLISECOND, 1, 2, 0)
    rack = Rack(Scoreboard(1000), rtt)
    windows = []
    for round_trip in range(6):
        windows.append(rack.window(hurry=False) // MILLISECOND)
        rack.was_hasty(round_trip)
        rack.was_hasty(round_trip)
        rack.acknowledged(round_trip)
    assert windows == [20, 40, 60, 80, 80, 80], "by a quarter of the RTT in each round trip, up to all of it"
    for _ in range(16):
        rack.recovered()
    assert rack.window(hurry=False) == 20 * MILLISECOND


@pytest.mark.shows("RFC 8985 6.3")
def test_after_a_timeout_what_was_just_sent_is_not_lost() -> None:
    script = Script(tail_loss_probe=False, nodelay=True)
    connection = script.accept()
    connection.send(bytes(MSS))
    rto = connection.info().tcpi_rto * 1000
    script.after(rto - 5 * MILLISECOND)
    connection.send(bytes(MSS))
    script.sent()
    script.after(10 * MILLISECOND)
    assert [segment.sequence for segment in script.sent()] == [1]
    script.send(".", 1, 1 + MSS)
    script.expect_nothing()


@pytest.mark.shows("RFC 2883 4.2")
def test_the_part_of_a_segment_that_arrived_twice_is_reported() -> None:
    script = Script()
    script.accept()
    script.send(".", 1, 1, bytes(1000))
    script.send(".", 501, 1, bytes(1000))
    (ack,) = script.sent()
    assert (ack.ack, ack.sack) == (1501, [(501, 1001)])


@pytest.mark.shows("RFC 3168 6.1.6")
def test_a_window_probe_is_not_ecn_capable() -> None:
    script = Script(ecn="request")
    connection = script.connect()
    script.learn_iss()
    script.send("S.E", 0, 1, mss=MSS)
    script.send(".", 1, 1, window=0)
    connection.send(b"waiting")
    script.sent()
    script.after(3 * SECOND)
    probes = script.sent()
    assert probes
    assert {probe.codepoint for probe in probes} == {0}


@pytest.mark.shows("RFC 8257 3.2")
def test_dctcp_echoes_every_change_of_the_mark_at_once() -> None:
    script = Script(congestion="dctcp")
    script.listen()
    script.send("SEW", 0, 0, mss=MSS)
    script.learn_iss()
    script.send(".", 1, 1)
    flags = []
    for sequence, codepoint in enumerate((2, 3, 3, 2, 3), 1):
        script.send(".", sequence, 1, b"x", codepoint=codepoint)
        flags.append([segment.flags for segment in script.sent()])
    assert flags == [[], [".E"], [], ["."], [".E"]]


@pytest.mark.shows("RFC 8201 5.4")
def test_an_ipv6_packet_too_big_cuts_what_is_out_and_sends_it_again() -> None:
    six = Six(mss=1440)
    six.connection.send(bytes(1440))
    (quoted,) = six.link.sent
    assert six.lengths == [1440]
    six.icmp(icmpv6.PACKET_TOO_BIG, 1280, quoted)
    assert six.lengths == [1220, 220]
