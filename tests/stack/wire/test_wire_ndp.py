from __future__ import annotations

import pytest

from stack.wire.address import parse_address
from stack.wire.errors import Malformed
from stack.wire.ndp import (
    NeighbourAdvertisement,
    NeighbourSolicitation,
    Redirect,
    RouterAdvertisement,
    RouterSolicitation,
    parse_message,
)
from stack.wire.ndp_options import (
    MTU,
    PREFIX_INFORMATION,
    REDIRECTED_HEADER,
    SOURCE_LINK_LAYER_ADDRESS,
    TARGET_LINK_LAYER_ADDRESS,
    LinkLayerAddress,
    MtuOption,
    PrefixInformation,
    RawOption,
    RedirectedHeader,
    link_layer_address,
    parse_options,
)

TARGET = parse_address("fe80::1")
MAC = bytes.fromhex("020000000001")


def test_a_neighbour_solicitation() -> None:
    raw = bytes.fromhex("8700 1234 00000000") + TARGET + b"\x01\x01" + MAC
    message = NeighbourSolicitation.parse(raw)
    assert message == NeighbourSolicitation(
        TARGET, (LinkLayerAddress(SOURCE_LINK_LAYER_ADDRESS, MAC),), checksum=0x1234
    )
    assert parse_message(raw) == message
    assert link_layer_address(message.options, SOURCE_LINK_LAYER_ADDRESS) == MAC
    assert link_layer_address(message.options, TARGET_LINK_LAYER_ADDRESS) is None


@pytest.mark.parametrize(
    ("bits", "router", "solicited", "override"),
    [
        ("80", True, False, False),
        ("40", False, True, False),
        ("20", False, False, True),
        ("e0", True, True, True),
    ],
)
def test_the_flags_of_a_neighbour_advertisement(
    bits: str, router: bool, solicited: bool, override: bool
) -> None:
    message = NeighbourAdvertisement.parse(bytes.fromhex(f"8800 0000 {bits}000000") + TARGET)
    assert message == NeighbourAdvertisement(TARGET, router, solicited, override)


def test_a_router_advertisement() -> None:
    raw = (
        bytes.fromhex("8600 0000 40 c0 0708 00007530 000003e8")
        + bytes.fromhex("0304 40 c0 00278d00 00093a80 00000000")
        + parse_address("2001:db8::")
        + bytes.fromhex("0501 0000 000005dc")
    )
    message = RouterAdvertisement.parse(raw)
    assert message == RouterAdvertisement(
        64,
        True,
        True,
        1800,
        30000,
        1000,
        (PrefixInformation(parse_address("2001:db8::"), 64, True, True, 2592000, 604800), MtuOption(1500)),
    )
    assert [option.kind for option in message.options] == [PREFIX_INFORMATION, MTU]


def test_what_is_not_given_is_zero() -> None:
    assert RouterSolicitation().build() == bytes.fromhex("8500 0000 00000000")
    assert RouterAdvertisement().build() == bytes.fromhex("8600 0000 00 00 0000 00000000 00000000")
    assert NeighbourSolicitation(TARGET).build() == bytes.fromhex("8700 0000 00000000") + TARGET
    assert NeighbourAdvertisement(TARGET).build() == bytes.fromhex("8800 0000 00000000") + TARGET
    assert Redirect(TARGET, TARGET).build() == bytes.fromhex("8900 0000 00000000") + TARGET + TARGET


def test_a_redirect_carries_the_packet() -> None:
    packet = bytes(range(48))
    message = Redirect(TARGET, parse_address("2001:db8::1"), (RedirectedHeader(packet),))
    raw = message.build()
    assert raw[40:48] == bytes((REDIRECTED_HEADER, 7)) + bytes(6)
    assert raw[48:] == packet
    assert parse_message(raw) == message
    assert message.options[0].kind == REDIRECTED_HEADER


def test_unknown_options_survive() -> None:
    raw = bytes.fromhex("8500 0000 00000000 1f01 010203040506")
    message = parse_message(raw)
    assert message == RouterSolicitation((RawOption(31, bytes(range(1, 7))),))
    assert message.build() == raw


@pytest.mark.parametrize(
    "raw", ["0302 0000 00000000 0000000000000000", "0502 0000 00000000 0000000000000000"]
)
def test_a_known_option_of_another_length_is_as_good_as_unknown(raw: str) -> None:
    data = bytes.fromhex(raw)
    assert parse_options(data) == (RawOption(data[0], data[2:]),)


def test_a_link_layer_address_that_is_no_mac_is_not_found() -> None:
    assert link_layer_address([LinkLayerAddress(1, bytes(14))], SOURCE_LINK_LAYER_ADDRESS) is None


@pytest.mark.parametrize("option", ["01", "0100020000000001", "0102020000000001"])
def test_options_of_length_zero_or_past_the_end(option: str) -> None:
    """RFC 4861 4.6: a node discards the packet."""
    raw = NeighbourSolicitation(TARGET).build() + bytes.fromhex(option)
    with pytest.raises(Malformed, match=r"ndp.bad_option"):
        parse_message(raw)


MULTICAST = parse_address("ff02::1")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "ndp.truncated"),
        (b"\x80" + bytes(23), "ndp.bad_type"),
        (b"\x87\x01" + bytes(22), "ndp.bad_code"),
        (NeighbourSolicitation(MULTICAST).build(), "ndp.bad_target"),
        (NeighbourAdvertisement(MULTICAST).build(), "ndp.bad_target"),
        (Redirect(TARGET, MULTICAST).build(), "ndp.bad_destination"),
    ],
)
def test_what_rfc_4861_calls_invalid(raw: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_message(raw)
    assert caught.value.reason == reason


def test_a_message_is_not_taken_for_another() -> None:
    with pytest.raises(Malformed, match=r"ndp.bad_type"):
        NeighbourAdvertisement.parse(NeighbourSolicitation(TARGET).build())


def test_options_that_do_not_fill_eight_bytes() -> None:
    with pytest.raises(ValueError, match="6 modulo 8"):
        RawOption(31, bytes(7)).build()
