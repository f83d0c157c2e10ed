"""Every kind of traffic, over a perfect wire and over bad ones, in virtual time."""

from __future__ import annotations

import dataclasses
import errno
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from scenarios.applications import KINDS, Flow
from scenarios.applications.ping import EchoMessage
from stack.clock import MICROSECOND, MILLISECOND, SECOND
from stack.internet.packet import Packet
from stack.internet.protocol import ErrorReport, Protocol
from stack.wire.protocols import TCP

if TYPE_CHECKING:
    from conftest import Lab

RTT = 20 * MILLISECOND

TCP_KINDS: list[dict[str, Any]] = [
    {"kind": "bulk", "bytes": "300kB"},
    {"kind": "bulk", "bytes": "300kB", "flows": 3},
    {"kind": "bulk", "bytes": "300kB", "flows": 3, "direction": "download"},
    {"kind": "request_response", "count": 20, "flows": 2},
    {"kind": "echo", "count": 5, "size": "20kB"},
    {"kind": "http", "requests": 20, "flows": 2},
    {"kind": "http", "requests": 10, "flows": 2, "keep_alive": False},
]
DATAGRAM_KINDS: list[dict[str, Any]] = [
    {"kind": "udp_stream", "rate": "1Mbit/s", "duration": "1s"},
    {"kind": "ping", "count": 100, "interval": "10ms"},
    {"kind": "echo", "protocol": "udp", "count": 100, "interval": "10ms"},
]


@pytest.mark.parametrize("parameters", TCP_KINDS + DATAGRAM_KINDS, ids=str)
@pytest.mark.parametrize("family", [4, 6])
def test_a_perfect_wire(lab: Lab, parameters: dict[str, Any], family: int) -> None:
    flow = lab.flow(**parameters, family=family)
    assert flow.complete
    assert flow.intact
    assert flow.errors == {}
    assert flow.bytes == flow.sent == flow.expected
    assert flow.retransmissions == 0


@pytest.mark.parametrize("parameters", TCP_KINDS, ids=str)
def test_tcp_brings_everything_over_a_bad_wire(lab: Lab, parameters: dict[str, Any]) -> None:
    lab.impair("delay=10ms, loss=3%, reorder=5%, duplicate=2%, corrupt=1%")
    flow = lab.flow(**parameters)
    assert flow.complete
    assert flow.intact
    assert flow.bytes == flow.expected
    if flow.bytes >= 100_000:
        assert flow.retransmissions > 0


@pytest.mark.parametrize("parameters", DATAGRAM_KINDS, ids=str)
def test_datagrams_are_lost_and_doubled(lab: Lab, parameters: dict[str, Any]) -> None:
    lab.impair("delay=10ms, loss=10%, duplicate=10%", "delay=10ms")
    flow = lab.flow(**parameters)
    assert flow.datagrams is not None
    assert flow.datagrams.sent == 100 or parameters["kind"] == "udp_stream"
    assert 2 <= flow.datagrams.lost <= 25
    assert 2 <= flow.datagrams.duplicates <= 25
    assert flow.datagrams.reordered == 0
    assert flow.transfers == flow.datagrams.received == len(flow.latencies)
    assert flow.intact
    assert flow.bytes < flow.sent


@pytest.mark.parametrize("parameters", TCP_KINDS, ids=str)
def test_nobody_listens(lab: Lab, parameters: dict[str, Any]) -> None:
    flow = lab.flow(**parameters, served=False)
    assert set(flow.errors) == {"ECONNREFUSED"}
    assert not flow.complete
    assert flow.finished is not None
    assert flow.bytes == 0


@pytest.mark.parametrize("parameters", TCP_KINDS, ids=str)
def test_nothing_comes_through(lab: Lab, parameters: dict[str, Any]) -> None:
    lab.impair("loss=100%")
    flow = lab.flow(**parameters, within=10_000 * SECOND)
    assert not flow.complete
    assert set(flow.errors) == {"EHOSTUNREACH"}


@pytest.mark.parametrize("parameters", TCP_KINDS + DATAGRAM_KINDS, ids=str)
def test_cancelled_in_the_middle(lab: Lab, parameters: dict[str, Any]) -> None:
    traffic = KINDS[parameters["kind"]].model_validate(parameters)
    flow = Flow("x", traffic.kind)
    server = lab.spawn(lab.server, traffic.server(lab.server, 5000, flow))
    client = lab.spawn(lab.client, traffic.client(lab.client, "10.0.0.2", 5000, flow))
    lab.simulation.run(until=55 * MILLISECOND)
    assert flow.finished is None
    assert flow.elapsed == 55 * MILLISECOND
    client.cancel()
    server.cancel()
    lab.simulation.run(until=300 * SECOND)
    assert client.cancelled()
    assert server.cancelled()
    for host in (lab.client, lab.server):
        assert len(host.sockets) == 0
    assert flow.finished is None
    assert not flow.complete


@pytest.mark.parametrize("parameters", TCP_KINDS + DATAGRAM_KINDS, ids=str)
def test_a_server_that_loses_its_power_is_no_exception(lab: Lab, parameters: dict[str, Any]) -> None:
    traffic = KINDS[parameters["kind"]].model_validate(parameters)
    flow = Flow("x", traffic.kind)
    lab.spawn(lab.server, traffic.server(lab.server, 5000, flow))
    client = lab.spawn(lab.client, traffic.client(lab.client, "10.0.0.2", 5000, flow))
    lab.simulation.run(until=45 * MILLISECOND)
    lab.simulation.machines["server"].power_off()
    lab.simulation.run(until=10_000 * SECOND)
    assert not flow.complete
    assert flow.result().bytes <= flow.sent
    client.cancel()  # who waits for data never hears of it
    lab.simulation.run(until=lab.simulation.clock.now() + SECOND)
    assert client.done()
    assert len(lab.client.sockets) == 0


def test_a_sender_gives_up_when_the_server_has_lost_its_power(lab: Lab) -> None:
    lab.simulation.clock.call_at(45 * MILLISECOND, lab.simulation.machines["server"].power_off)
    flow = lab.flow("bulk", bytes="300kB", within=10_000 * SECOND)
    assert set(flow.errors) & {"ETIMEDOUT", "EHOSTUNREACH"}
    assert flow.finished is not None
    assert not flow.complete


@pytest.mark.parametrize("parameters", TCP_KINDS + DATAGRAM_KINDS, ids=str)
def test_the_same_again_gives_the_same(make_lab: type[Lab], parameters: dict[str, Any]) -> None:
    outcomes = []
    for _ in range(2):
        lab = make_lab()
        lab.impair("delay=10ms, loss=3%, reorder=5%, duplicate=2%, corrupt=1%")
        outcomes.append((lab.flow(**parameters).result(), lab.simulation.digest.hexdigest()))
        lab.simulation.close()
    assert outcomes[0] == outcomes[1]


def test_a_result_can_be_written_down(lab: Lab) -> None:
    result = lab.flow("udp_stream", duration="1s").result()
    restored = json.loads(json.dumps(dataclasses.asdict(result)))
    assert restored["datagrams"]["lost"] == 0
    assert restored["latencies"]["p50"] == 10 * MILLISECOND + restored["latencies"]["minimum"] % MILLISECOND


# --- bulk


def test_bulk_is_done_when_all_is_delivered_and_known_to_be(lab: Lab) -> None:
    lab.impair("delay=10ms, rate=8Mbit/s")
    flow = lab.flow("bulk", bytes="1MB")
    assert flow.started is not None
    assert SECOND < flow.elapsed < 1.2 * SECOND
    assert 6_500_000 < flow.goodput < 8_000_000
    assert flow.transfers == 1
    assert flow.rtt_minimum is not None
    assert flow.rtt is not None
    assert RTT <= flow.rtt_minimum <= flow.rtt


def test_a_flow_can_be_read_while_it_runs(lab: Lab) -> None:
    lab.impair("delay=10ms, rate=8Mbit/s, loss=1%")
    traffic = KINDS["bulk"].model_validate({"bytes": "1MB"})
    flow = Flow("x", "bulk")
    seen: list[tuple[int, int, int]] = []
    lab.spawn(lab.server, traffic.server(lab.server, 5000, flow))
    client = lab.spawn(lab.client, traffic.client(lab.client, "10.0.0.2", 5000, flow))
    while not client.done():
        lab.simulation.run(until=lab.simulation.clock.now() + 100 * MILLISECOND)
        seen.append((flow.bytes, flow.retransmissions, flow.rtt or 0))
    assert seen == sorted(seen, key=lambda item: item[:2])
    assert len({item[0] for item in seen}) > 5
    assert seen[2][2] >= RTT
    assert flow.retransmissions == seen[-1][1] > 0


def test_bulk_for_some_time(lab: Lab) -> None:
    lab.impair("delay=10ms, rate=20Mbit/s, queue=50ms")
    flow = lab.flow("bulk", duration="2s", flows=2)
    assert flow.complete
    assert flow.expected is None
    assert flow.bytes == flow.sent
    assert 2 * SECOND < flow.elapsed < 2.7 * SECOND
    assert 17_000_000 < flow.goodput < 20_000_000


@pytest.mark.parametrize("rate", ["500kbit/s", "10Mbit/s"])
def test_bulk_for_some_time_is_as_fast_as_bulk_of_as_many_bytes(lab: Lab, rate: str) -> None:
    """The application hands over just in time, but it is never what the network waits for."""
    lab.impair(f"delay=50ms, rate={rate}, queue=100ms")
    timed = lab.flow("bulk", duration="3s")
    counted = lab.flow("bulk", bytes=timed.bytes)
    assert timed.complete
    assert 3 * SECOND < timed.elapsed < 5 * SECOND
    assert timed.elapsed < 1.05 * counted.elapsed


def test_a_reset_ends_bulk_for_some_time(lab: Lab) -> None:
    lab.impair("delay=10ms, rate=1Mbit/s")
    lab.simulation.clock.call_at(SECOND, lab.simulation.machines["server"].power_off)
    lab.simulation.clock.call_at(2 * SECOND, lab.simulation.machines["server"].power_on)
    flow = lab.flow("bulk", duration="60s")
    assert flow.resets == 1
    assert not flow.complete
    assert flow.elapsed < 10 * SECOND


def test_empty_bulk_is_done_at_once(lab: Lab) -> None:
    flow = lab.flow("bulk", bytes="0B", flows=2)
    assert flow.complete
    assert flow.transfers == 2


class Swapper(Protocol):
    """Two 16-bit words that change places leave the Internet checksum as it is."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol

    def packet_arrives(self, packet: Packet) -> None:
        if len(packet.payload) > 1000:
            data = bytearray(packet.payload)
            data[100:102], data[200:202] = data[200:202], data[100:102]
            packet.payload = bytes(data)
        self.protocol.packet_arrives(packet)

    def error_arrives(self, report: ErrorReport) -> None:
        self.protocol.error_arrives(report)


@pytest.mark.parametrize("kind", ["bulk", "echo", "http"])
def test_damage_that_the_checksum_cannot_see_is_seen(lab: Lab, kind: str) -> None:
    lab.client.protocols[TCP] = Swapper(lab.client.tcp)
    parameters = {
        "bulk": {"bytes": "100kB", "direction": "download"},
        "echo": {"size": "100kB", "count": 1},
        "http": {"requests": 1, "size": "100kB"},
    }
    flow = lab.flow(kind, **parameters[kind])
    assert flow.complete
    assert not flow.intact


# --- request_response


def test_a_latency_is_a_round_trip(lab: Lab) -> None:
    flow = lab.flow("request_response", count=10, request="100B", response="1kB", think="100ms")
    assert flow.transfers == 10
    assert len(flow.latencies) == 10
    assert flow.latencies.percentile(0) == flow.latencies.percentile(100) == RTT
    assert flow.elapsed >= 9 * (100 * MILLISECOND + RTT)


def test_a_response_longer_than_the_initial_window_takes_two_round_trips(lab: Lab) -> None:
    flow = lab.flow("request_response", count=1, response="20kB")
    assert flow.latencies.percentile(100) == 2 * RTT


# --- udp_stream


def test_a_stream_has_the_rate_that_was_asked_for(lab: Lab) -> None:
    flow = lab.flow("udp_stream", rate="1Mbit/s", size="1000B", duration="2s")
    assert flow.datagrams is not None
    assert flow.datagrams.sent == 250
    assert flow.latencies.percentile(0) == flow.latencies.percentile(98) == 10 * MILLISECOND
    assert flow.latencies.percentile(100) == 30 * MILLISECOND, "the first waited for address resolution"
    assert flow.datagrams.jitter < MICROSECOND
    assert flow.elapsed == 2 * SECOND + RTT


def test_jitter_and_reordering_of_a_stream(lab: Lab) -> None:
    lab.impair("delay 20ms 10ms", "delay=10ms")
    flow = lab.flow("udp_stream", rate="4Mbit/s", size="500B", duration="1s")
    assert flow.datagrams is not None
    assert flow.datagrams.reordered > 100
    assert flow.datagrams.displacement > 1
    assert flow.datagrams.lost == 0
    assert 3 * MILLISECOND < flow.datagrams.jitter < 20 * MILLISECOND
    assert flow.latencies.percentile(0) < 12 * MILLISECOND
    assert flow.latencies.percentile(100) > 28 * MILLISECOND


def test_the_last_datagrams_of_a_stream_are_missed_too(lab: Lab) -> None:
    lab.simulation.clock.call_at(900 * MILLISECOND, lab.impair, "loss=100%")
    lab.simulation.clock.call_at(1500 * MILLISECOND, lab.impair, "delay=10ms")
    flow = lab.flow("udp_stream", rate="1Mbit/s", size="1000B", duration="1s")
    assert flow.datagrams is not None
    assert flow.datagrams.sent == 125
    assert 11 <= flow.datagrams.lost <= 14
    assert flow.complete


def test_nobody_receives_the_stream(lab: Lab) -> None:
    flow = lab.flow("udp_stream", duration="1s", served=False)
    assert flow.errors["ECONNREFUSED"] > 1
    assert flow.errors["ETIMEDOUT"] == 1
    assert not flow.complete


def test_two_ends_of_a_stream_that_share_nothing(lab: Lab) -> None:
    """As they are on two machines that really are two: the receiver learns from the sender how many there were."""
    lab.impair("delay=10ms, loss=10%", "delay=10ms")
    traffic = KINDS["udp_stream"].model_validate({"rate": "1Mbit/s", "size": "1000B", "duration": "1s"})
    sender, receiver = Flow("x", "udp_stream"), Flow("x", "udp_stream")
    lab.spawn(lab.server, traffic.server(lab.server, 5000, receiver))
    lab.run(traffic.client(lab.client, "10.0.0.2", 5000, sender))
    assert sender.complete
    assert receiver.intact
    assert receiver.datagrams is not None
    assert receiver.datagrams.sent == 125
    assert 3 < receiver.datagrams.lost < 25


# --- echo, http


def test_messages_have_an_interval(lab: Lab) -> None:
    flow = lab.flow("echo", count=3, interval="1s")
    assert 2 * SECOND <= flow.elapsed < 2.1 * SECOND


def test_the_last_segment_of_a_response_does_not_wait(lab: Lab) -> None:
    flow = lab.flow("http", requests=10, size="2kB", think="1s")
    assert flow.latencies.percentile(50) == RTT
    assert flow.elapsed >= 9 * SECOND


def test_a_new_connection_for_each_request_costs_a_round_trip(lab: Lab) -> None:
    flow = lab.flow("http", requests=10, size="2kB", keep_alive=False)
    assert flow.latencies.percentile(50) == 2 * RTT


# --- ping


def test_ping_of_nobody(lab: Lab) -> None:
    lab.addresses = {4: "10.0.0.77"}
    flow = lab.flow("ping", count=3)
    assert flow.datagrams is not None
    assert flow.datagrams.lost == 3
    assert not flow.complete


@pytest.mark.parametrize("size", ["0B", "56B", "10kB"])
def test_ping_sizes(lab: Lab, size: str) -> None:
    flow = lab.flow("ping", count=3, size=size)
    assert flow.complete
    assert flow.latencies.percentile(50) == RTT


def test_sequence_numbers_of_ping_wrap() -> None:
    messages = EchoMessage(request=8, reply=0)
    request = messages.header(70_000)
    assert request[0] == 8
    reply = b"\0" + request[1:]
    assert messages.number(reply, 70_001) == 70_000
    assert messages.number(reply, 70_000) == 70_000 - 0x10000
    assert messages.number(reply, 100) is None
    assert messages.number(request, 70_001) is None


# --- python


OWN = """
async def ask(host, address, port, flow, *, question, error=0):
    flow.transfers = len(question)
    if error:
        raise OSError(error, "an error of the network")
    flow.complete = True

async def answer(host, port, flow, *, question, error=0):
    flow.bytes = len(question)
"""


def test_coroutines_of_ones_own(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "my_traffic.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    arguments = {"question": "why?"}
    alone = lab.flow("python", python="my_traffic:ask", arguments=arguments)
    assert (alone.complete, alone.transfers, alone.bytes) == (True, 4, 0)
    failed = lab.flow("python", python="my_traffic:ask", arguments={**arguments, "error": errno.ECONNRESET})
    assert (failed.complete, failed.resets) == (False, 1)
    traffic = KINDS["python"].model_validate(
        {"python": "my_traffic:ask", "python_server": "my_traffic:answer", "arguments": arguments}
    )
    flow = Flow("x", "python")
    lab.spawn(lab.server, traffic.server(lab.server, 5000, flow))
    lab.run(traffic.client(lab.client, "10.0.0.2", 5000, flow))
    assert (flow.complete, flow.transfers, flow.bytes) == (True, 4, 4)


# --- parameters


@pytest.mark.parametrize(
    "parameters",
    [
        {"kind": "bulk"},
        {"kind": "bulk", "bytes": "1MB", "duration": "1s"},
        {"kind": "bulk", "duration": "0s"},
        {"kind": "bulk", "bytes": "1MB", "flows": 0},
        {"kind": "bulk", "bytes": "1MB", "direction": "sideways"},
        {"kind": "bulk", "bytes": "1MB", "surprise": 1},
        {"kind": "request_response", "count": 0},
        {"kind": "request_response", "request": "0B"},
        {"kind": "udp_stream", "size": "15B"},
        {"kind": "udp_stream", "size": "65508B"},
        {"kind": "udp_stream", "rate": 0},
        {"kind": "udp_stream", "rate": "1Tbit/s", "size": "16B", "duration": "1h"},
        {"kind": "ping", "interval": 0},
        {"kind": "ping", "size": "70kB"},
        {"kind": "echo", "size": "0B"},
        {"kind": "echo", "size": "7B", "protocol": "udp"},
        {"kind": "echo", "size": "70kB", "protocol": "udp"},
        {"kind": "http", "requests": 0},
        {"kind": "python", "python": "no_colon"},
        {"kind": "python", "python": "no.such.module:name"},
        {"kind": "python", "python": "asyncio:no_such_name"},
        {"kind": "python", "python": "os:getcwd"},
    ],
    ids=str,
)
def test_parameters_out_of_bounds(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KINDS[parameters["kind"]].model_validate(parameters)


def test_every_kind_knows_its_name() -> None:
    for name, kind in KINDS.items():
        assert kind.model_fields["kind"].default == name
        assert kind.__doc__
