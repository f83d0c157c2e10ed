"""What an operator types after ``usernetstack live``, understood or refused before anything is touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scenarios.live.options import LiveOptions, Plan, plan
from scenarios.problems import ScenarioError
from stack.link import Medium
from stack.wire.address import InterfaceAddress, parse_address, parse_mac


def understood(**options: Any) -> Plan:
    return plan(LiveOptions(**{"tap": "tap0", "address": ("10.0.0.2/24", "fd00::2/64")} | options))


def refused(**options: Any) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        understood(**options)
    assert all("\n" not in str(problem) for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


@contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody whom permissions stop."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_the_example_of_the_manual_is_understood(tmp_path: Path) -> None:
    result = understood(
        gateway=("10.0.0.1", "fd00::1"),
        peer=("10.0.0.1/24", "fd00::1/64"),
        mac="02:00:00:00:00:02",
        impair="loss=1%, delay=20ms, reorder=2%",
        serve=(f"http:80:{tmp_path}", "echo:7", "discard:9", "chargen:19"),
    )
    assert result.medium is Medium.ETHERNET
    assert result.device == "tap0"
    assert result.addresses == [InterfaceAddress.parse("10.0.0.2/24"), InterfaceAddress.parse("fd00::2/64")]
    assert result.gateways == [parse_address("10.0.0.1"), parse_address("fd00::1")]
    assert result.peers == [InterfaceAddress.parse("10.0.0.1/24"), InterfaceAddress.parse("fd00::1/64")]
    assert result.mac == parse_mac("02:00:00:00:00:02")
    assert result.impairments is not None
    assert result.impairments.delay is not None
    assert result.impairments.delay.time == 20_000_000
    assert [(service.kind, service.port, service.directory) for service in result.services] == [
        ("http", 80, tmp_path),
        ("echo", 7, None),
        ("discard", 9, None),
        ("chargen", 19, None),
    ]
    assert result.strays == []


def test_a_tun_device_carries_bare_ip() -> None:
    result = understood(tap=None, tun="tun0")
    assert (result.medium, result.device) == (Medium.IP, "tun0")


def test_an_address_in_no_network_of_a_peer_is_known_to_need_a_route() -> None:
    result = understood(address=("192.0.2.9/32", "10.0.0.2/24"), peer=("10.0.0.1/24",))
    assert result.strays == [parse_address("192.0.2.9")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tap": None}, "--tap: give one of --tap NAME and --tun NAME"),
        ({"tun": "tun0"}, "--tap: give one of --tap NAME and --tun NAME"),
        ({"quiet": True, "verbose": True}, "--quiet: contradicts --verbose"),
        ({"address": ()}, "--address: the stack needs at least one, such as 10.0.0.2/24"),
        ({"address": ("10.0.0.2",)}, "--address: '10.0.0.2' needs a prefix length, as in 10.0.0.0/8"),
        ({"address": ("10.0.0.2/33",)}, "--address: prefix length 33 is not within 0..32"),
        ({"address": ("10.0.0.2/24", "10.0.0.2/16")}, "--address: 10.0.0.2/16 is given twice"),
        ({"address": ("10.0.0.255/24",)}, "--address: 10.0.0.255/24 is no address that a machine can have"),
        ({"peer": ("10.0.0.0/24",)}, "--peer: 10.0.0.0/24 is no address that a machine can have"),
        ({"address": ("ff02::1/64",)}, "--address: ff02::1/64 is no address that a machine can have"),
        ({"address": ("127.0.0.1/8",)}, "--address: 127.0.0.1/8 is no address that a machine can have"),
        ({"address": ("0.0.0.0/8",)}, "--address: 0.0.0.0/8 is no address that a machine can have"),
        ({"peer": ("10.0.0.2/24",)}, "--peer: 10.0.0.2/24 is given twice"),
        ({"gateway": ("10.0.1.1",)}, "--gateway: 10.0.1.1 is in no network of an --address"),
        ({"gateway": ("10.0.0.2",)}, "--gateway: 10.0.0.2 is the stack itself"),
        ({"gateway": ("10.0.0.1", "10.0.0.3")}, "--gateway: give at most one for IPv4 and one for IPv6"),
        ({"tap": ""}, "--tap: '' is no name of a device"),
        ({"tap": "tap%d"}, "--tap: 'tap%d' is no name of a device"),
        ({"mac": "02:00"}, "--mac: '02:00' does not appear to be a MAC address"),
        ({"mac": "01:00:5e:00:00:01"}, "--mac: 01:00:5e:00:00:01 is no address that a machine can have"),
        ({"mtu": 1279}, "--mtu: 1279 is not within 1280..65521 bytes"),
        ({"mtu": 67, "address": ("10.0.0.2/24",)}, "--mtu: 67 is not within 68..65521 bytes"),
        ({"mtu": 65522}, "--mtu: 65522 is not within 1280..65521 bytes"),
        ({"serve": ("ehco:7",)}, "--serve: there is no server 'ehco'; did you mean `echo`?"),
        ({"serve": ("echo",)}, "--serve: 'echo' needs a port within 1..65535, as in echo:8080"),
        ({"serve": ("echo:65536",)}, "--serve: 'echo:65536' needs a port within 1..65535, as in echo:8080"),
        ({"serve": ("echo:7:.",)}, "--serve: 'echo:7:.': echo serves no directory"),
        ({"serve": ("http:80",)}, "--serve: 'http:80' needs a directory, as in http:80:."),
        ({"serve": ("http:80:/no/where",)}, "--serve: 'http:80:/no/where': there is no directory /no/where"),
        ({"serve": ("echo:7", "discard:7")}, "--serve: port 7 is in use by another --serve"),
        ({"impair": "lost=1%"}, "--impair: unknown key `lost`; did you mean `loss`?"),
        ({"impair": "loss=101%"}, "--impair: loss: '101%' is more than 100%"),
        ({"impair": "delay=20"}, "--impair: delay: '20' needs a unit: 20ms or 20s?"),
        ({"impair": "loss=1%,loss=2%"}, "--impair: loss is set twice"),
        ({"fetch": "http://10.0.0.1/"}, "--fetch: needs --output FILE"),
        ({"output": Path("file")}, "--output: needs --fetch URL"),
        ({"ping": "10.0.0.256"}, "--ping: '10.0.0.256' does not appear to be an IPv4 or IPv6 address"),
        ({"ping": "198.51.100.1"}, "--ping: there is no way to 198.51.100.1 without a --gateway"),
        ({"pcap": Path("/no/where.pcapng")}, "--pcap: there is no directory /no"),
        ({"pcap": Path("/")}, "--pcap: / is a directory"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_a_mistake_is_named_in_one_line(options: dict[str, Any], message: str) -> None:
    assert refused(**options) == [message]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://10.0.0.1/", "--fetch: 'https://10.0.0.1/' is not an http URL"),
        ("10.0.0.1", "--fetch: '10.0.0.1' is not an http URL"),
        ("http://example.org/", "--fetch: 'example.org' does not appear to be an IPv4 or IPv6 address"),
        ("http://[2001:db8::1]/", "--fetch: there is no way to 2001:db8::1 without a --gateway"),
        ("http://[2001:db8::1/", "--fetch: Invalid IPv6 URL"),
        ("http://10.0.0.1:99999/", "--fetch: Port out of range 0-65535"),
    ],
)
def test_a_url_that_cannot_be_fetched_is_named(url: str, message: str, tmp_path: Path) -> None:
    assert refused(fetch=url, output=tmp_path / "file") == [message]


@pytest.mark.parametrize("text", ["rate=0kbit", "nonsense", "delay=-1ms", "reorder=2%", "="])
def test_impairments_that_make_no_sense_are_refused(text: str) -> None:
    [message] = refused(impair=text)
    assert message.startswith("--impair: ")


def test_every_mistake_is_named_at_once() -> None:
    messages = refused(tap=None, address=("ten/24",), mac="x", serve=("telnet:23", "echo:0"), mtu=10)
    assert [message.split(":")[0] for message in messages] == [
        "--tap", "--address", "--mtu", "--mac", "--serve", "--serve",
    ]  # fmt: skip


def test_a_gateway_may_be_link_local() -> None:
    assert understood(gateway=("fe80::1",), ping="2001:db8::1").gateways == [parse_address("fe80::1")]


def test_a_gateway_makes_the_far_side_reachable() -> None:
    assert understood(gateway=("10.0.0.1",), ping="198.51.100.1").options.ping == "198.51.100.1"


def test_a_file_that_may_not_be_written_is_named() -> None:
    with unprivileged():
        assert refused(pcap=Path("/capture.pcapng")) == ["--pcap: no permission to write /capture.pcapng"]
