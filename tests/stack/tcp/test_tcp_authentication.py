"""TCP-MD5 (RFC 2385), TCP-AO (RFC 5925) and its algorithms (RFC 5926, with the vectors of RFC 9235)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from hashlib import md5
from typing import Any

import pytest

from stack.clock import MILLISECOND, SECOND
from stack.tcp.aes import Aes128, aes_cmac
from stack.tcp.ao import Ao, MasterKey
from stack.tcp.ao_algorithms import AES_CMAC, HMAC_SHA1, Algorithm
from stack.tcp.authentication import Authentication
from stack.tcp.key_table import KeyTable
from stack.tcp.md5 import Md5, Md5Key
from stack.tcp.sequence import widen
from stack.tcp.state import State
from stack.wire.address import Prefix, parse_address
from stack.wire.checksum import fold, ones_sum, pseudo_header_sum
from stack.wire.ipv4 import Ipv4Header
from stack.wire.options import Option
from stack.wire.protocols import TCP
from stack.wire.tcp import ACK, AUTHENTICATION, MD5_SIGNATURE, SYN, TcpHeader, TcpOptions, build_header
from tests.stack.tcp.pair import CLIENT, SERVER, Line, Pair, Stream
from tests.stack.tcp.scripted import HOST, PEER, PEER_ISN, PEER_PORT, PORT, Script

ANYBODY = Prefix.parse("0.0.0.0/0")
SECRET = b"a secret"


# -- AES-CMAC -------------------------------------------------------------------------------------------


def test_aes_128_encrypts_the_example_of_fips_197() -> None:
    """FIPS 197, appendices B and C.1."""
    cipher = Aes128(bytes.fromhex("000102030405060708090a0b0c0d0e0f"))
    block = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert cipher.encrypt(block).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
    cipher = Aes128(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
    block = bytes.fromhex("3243f6a8885a308d313198a2e0370734")
    assert cipher.encrypt(block).hex() == "3925841d02dc09fbdc118597196a0b32"


@pytest.mark.parametrize(
    ("length", "code"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_aes_cmac_gives_the_codes_of_rfc_4493(length: int, code: str) -> None:
    """RFC 4493 4."""
    message = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    assert aes_cmac(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), message[:length]).hex() == code


def test_an_aes_128_key_has_sixteen_octets() -> None:
    with pytest.raises(ValueError, match="AES-128 key of 15 octets"):
        Aes128(bytes(15))


# -- RFC 9235 -------------------------------------------------------------------------------------------

AO_CLIENT, AO_SERVER = parse_address("10.11.12.13"), parse_address("172.27.28.29")
SHA1_SYN = """45e0004c dd0f4000 ff06bf6b 0a0b0c0d ac1b1c1d e9d700b3 fbfbab5a 00000000 e002ffff cac40000
    020405b4 01030308 0402080a 00155ab7 00000000 1d103d54 2ee437c6 f8ede6d7 c4d602e7"""
SHA1_SYN_ACK = """45e0004c 65064000 ff063775 ac1b1c1d 0a0b0c0d 00b3e9d7 11c14261 fbfbab5b e012ffff 37760000
    020405b4 01030308 0402080a 84a50beb 00155ab7 1d10543d eeab0fe2 4c301081 5116b3be"""
SHA1_DATA = """45e00087 36a14000 ff06659f 0a0b0c0d ac1b1c1d e9d700b3 fbfbab5b 11c14262 c0180104 a1620000
    0101080a 00155ac1 84a50beb 1d103d54 7064cf99 8cc6c315 c2c2e2bf ffffffff ffffffff ffffffff ffffffff
    00430104 dabf00b4 0a0b0c0d 26020601 04000100 01020280 00020202 00020242 00020641 040000da bf020840
    06006400 010100"""
CMAC_SYN = """45e0004c 7b9f4000 ff0620dc 0a0b0c0d ac1b1c1d c4fa00b3 787a1ddf 00000000 e002ffff 5a0f0000
    020405b4 01030308 0402080a 00017ed0 00000000 1d103d54 e477e99c 80407654 98e55091"""
CMAC_SYN_ACK = """45e0004c 4bad4000 ff0650ce ac1b1c1d 0a0b0c0d 00b3c4fa fadd6de9 787a1de0 e012ffff f3f20000
    020405b4 01030308 0402080a 93f4e9e8 00017ed0 1d10543d d6ada7bc 4cdd536d 1769db5f"""
SHA1_BARE_SYN = """45e0004c 53994000 ff0648e2 0a0b0c0d ac1b1c1d ff1200b3 cb0efbee 00000000 e002ffff 541f0000
    020405b4 01030308 0402080a 00024cce 00000000 1d103d54 80af3cfe b8536893 7b8f9ec2"""
CMAC_BARE_SYN = """45e0004c f22e4000 ff06aa4c 0a0b0c0d ac1b1c1d da1c00b3 389bed71 00000000 e002ffff 70bf0000
    020405b4 01030308 0402080a 000185e1 00000000 1d103d54 c44e60cb 31f7c0b1 de3d2749"""


@pytest.mark.shows("RFC 5925 5.1", "RFC 5925 5.2", "RFC 5925 2.2")
@pytest.mark.parametrize(
    ("text", "algorithm", "covers_options", "receiver_isn"),
    [
        pytest.param(SHA1_SYN, HMAC_SHA1, True, 0, id="4.1.1"),
        pytest.param(SHA1_SYN_ACK, HMAC_SHA1, True, 0xFBFBAB5A, id="4.1.2"),
        pytest.param(SHA1_DATA, HMAC_SHA1, True, 0x11C14261, id="4.1.3"),
        pytest.param(SHA1_BARE_SYN, HMAC_SHA1, False, 0, id="4.2.1"),
        pytest.param(CMAC_SYN, AES_CMAC, True, 0, id="5.1.1"),
        pytest.param(CMAC_SYN_ACK, AES_CMAC, True, 0x787A1DDF, id="5.1.2"),
        pytest.param(CMAC_BARE_SYN, AES_CMAC, False, 0, id="5.2.1"),
    ],
)
def test_the_segments_of_rfc_9235_verify(
    text: str, algorithm: Algorithm, covers_options: bool, receiver_isn: int
) -> None:
    packet = bytes.fromhex(text)
    ip = Ipv4Header.parse(packet)
    header = TcpHeader.parse(packet, ip.header_length)
    start = ip.header_length + header.header_length
    raw, payload = packet[ip.header_length : start], packet[start:]
    sends, receives = (61, 84) if ip.source == AO_SERVER else (84, 61)
    key = MasterKey(ANYBODY, sends, receives, b"testvector", algorithm, covers_options)
    pair = (ip.destination, header.destination_port, ip.source, header.source_port)
    receiver = Ao(pair, [key], receiver_isn)
    if not header.flags & SYN:
        receiver.begin(header.sequence - 1)
    assert receiver.verify(raw, payload, header.sequence) is None
    assert receiver.verify(raw, payload + b"x", header.sequence) == "tcp.ao_wrong"
    assert receiver.verify(raw[:6] + b"\0\0" + raw[8:], payload, header.sequence) == "tcp.ao_wrong"


# -- one end by itself ----------------------------------------------------------------------------------

PAIR = (HOST, PORT, PEER, PEER_PORT)
RIAP = (PEER, PEER_PORT, HOST, PORT)


def _signed(
    authentication: Authentication,
    sequence: int,
    payload: bytes = b"",
    options: bytes = b"",
    flags: int = ACK,
) -> bytes:
    options = authentication.option() + options
    header = build_header(PEER_PORT, PORT, sequence & 0xFFFFFFFF, 0, flags, 100, 0xABCD, 0, options)
    return authentication.sign(header, payload, sequence)


@pytest.mark.shows("RFC 2385 2")
def test_an_md5_digest_is_of_pseudo_header_header_data_and_key() -> None:
    """RFC 2385 2.0: the header without its options and without its checksum."""
    header = _signed(Md5(RIAP, SECRET), 7, b"data", options=bytes((1, 1, 1, 0)))
    fixed = header[:16] + b"\0\0" + header[18:20]
    by_hand = md5(PEER + HOST + bytes((0, 6, 0, 20 + 24 + 4)) + fixed + b"data" + SECRET).digest()
    assert header[20:24] == bytes((1, 1, 19, 18))
    assert header[24:40] == by_hand
    assert header[16:18] == b"\xab\xcd"
    assert Md5(PAIR, SECRET).verify(header, b"data", 7) is None
    assert Md5(PAIR, b"another").verify(header, b"data", 7) == "tcp.md5_wrong"


def test_an_ipv6_digest_has_its_pseudo_header() -> None:
    """RFC 8200 8.1: a length of four octets, the next header in the last."""
    here, there = parse_address("fd00::1"), parse_address("fd00::2")
    header = _signed(Md5((here, PEER_PORT, there, PORT), SECRET), 7)
    fixed = header[:16] + b"\0\0" + header[18:20]
    pseudo = here + there + (40).to_bytes(4) + bytes((0, 0, 0, 6))
    assert header[24:40] == md5(pseudo + fixed + SECRET).digest()


def test_a_digest_of_another_length_is_wrong() -> None:
    header = build_header(PEER_PORT, PORT, 7, 0, ACK, 100, 0, 0, bytes((MD5_SIGNATURE, 4, 0, 0)))
    assert Md5(PAIR, SECRET).verify(header, b"", 7) == "tcp.md5_wrong"
    header = build_header(PEER_PORT, PORT, 7, 0, ACK, 100, 0, 0, bytes((AUTHENTICATION, 4, 2, 1)))
    assert _ao(PAIR, 0, 7).verify(header, b"", 7) == "tcp.ao_wrong"


@pytest.mark.shows("RFC 5925 2.2")
def test_two_signatures_are_one_too_many() -> None:
    """RFC 5925 2.2."""
    first = _ao(RIAP, 0, 0)
    header = _signed(first, 7, options=bytes((MD5_SIGNATURE, 18)) + bytes(18))
    assert _ao(PAIR, 0, 0).verify(header, b"", 7) == "tcp.two_signatures"
    header = _signed(first, 7, options=first.option())
    assert _ao(PAIR, 0, 0).verify(header, b"", 7) == "tcp.two_signatures"


def _key(send: int, receive: int, secret: bytes = SECRET, peers: str = "0.0.0.0/0", **more: Any) -> MasterKey:
    return MasterKey(Prefix.parse(peers), send, receive, secret, **more)


def _ao(pair: tuple[bytes, int, bytes, int], local_isn: int, remote_isn: int | None, **more: Any) -> Ao:
    """With one key, which the peer has too."""
    authentication = Ao(pair, [_key(1, 1, **more)], local_isn)
    if remote_isn is not None:
        authentication.begin(remote_isn)
    return authentication


@pytest.mark.shows("RFC 5925 5.1", "RFC 5925 3.1")
@pytest.mark.parametrize(("covers_options", "verdict"), [(True, "tcp.ao_wrong"), (False, None)])
def test_other_options_are_signed_as_the_key_says(covers_options: bool, verdict: str | None) -> None:
    """RFC 5925 5.1 and the TCP option flag of 3.1: a middlebox that rewrites an option is noticed, or tolerated."""
    header = _signed(
        _ao(RIAP, 5, 9, covers_options=covers_options), 6, options=TcpOptions(timestamp=1).build()
    )
    receiver = _ao(PAIR, 9, 5, covers_options=covers_options)
    assert receiver.verify(header, b"", 6) is None
    assert receiver.verify(header[:-1] + b"\x09", b"", 6) == verdict


@pytest.mark.shows("RFC 5925 6.2")
def test_a_segment_of_an_earlier_round_of_the_sequence_numbers_is_no_replay() -> None:
    """RFC 5925 6.2: the sequence number extension is signed."""
    isn = 0xFFFFFFF0
    sender, receiver = _ao(RIAP, isn, 9), _ao(PAIR, 9, isn)
    for sequence in (isn + 1, isn + 0x100, isn + (1 << 32) + 1):
        header = _signed(sender, sequence)
        assert receiver.verify(header, b"", sequence) is None
        assert receiver.verify(header, b"", sequence + (1 << 32)) == "tcp.ao_wrong"
    first_round = _ao(RIAP, isn + (5 << 32), 9)
    assert _signed(first_round, isn + (5 << 32) + 1) == _signed(sender, isn + 1), "counted from the ISN"


def test_a_connection_whose_peer_is_unknown_verifies_only_its_syn() -> None:
    opening = _ao(PAIR, 9, None)
    assert opening.verify(_signed(_ao(RIAP, 5, 9), 6), b"", 6) == "tcp.ao_no_state"
    assert opening.verify(_signed(_ao(RIAP, 5, 9), 5, flags=SYN | ACK), b"", 5) is None
    assert opening.verify(_signed(_ao(RIAP, 5, None), 5, flags=SYN), b"", 5) is None


@pytest.mark.shows("RFC 5925 7.5", "RFC 5925 7.4")
def test_keys_are_known_by_their_identifiers() -> None:
    """RFC 5925 7.5: KeyID against RecvID, RNextKeyID against SendID."""
    sender = Ao(RIAP, [_key(10, 20), _key(11, 21, b"new")], 5)
    receiver = Ao(PAIR, [_key(20, 10), _key(21, 11, b"new")], 9)
    sender.begin(9)
    receiver.begin(5)
    assert receiver.verify(_signed(sender, 6), b"", 6) is None
    assert receiver.current.send_id == 20
    sender.request(21)
    assert receiver.verify(_signed(sender, 7), b"", 7) is None
    assert receiver.current.send_id == 21, "the peer asked for it"
    sender.use(11)
    assert receiver.verify(_signed(sender, 8), b"", 8) is None
    receiver.request(11)
    receiver.remove(receiver.master_keys[0])
    sender.use(10)
    assert receiver.verify(_signed(sender, 9), b"", 9) == "tcp.ao_unknown_key"


def _errno_of(call: Callable[[], None]) -> int:
    try:
        call()
    except OSError as problem:
        return problem.errno or 0
    return 0


def test_keys_come_and_go_while_the_connection_lasts() -> None:
    authentication = _ao(PAIR, 9, 5)
    later = _key(2, 2)
    authentication.add(later)
    calls: list[tuple[int, Callable[[], None]]] = [
        (errno.EEXIST, lambda: authentication.add(_key(3, 2))),
        (errno.EBUSY, lambda: authentication.remove(authentication.current)),
        (errno.ENOENT, lambda: authentication.remove(_key(2, 2))),
        (errno.ENOENT, lambda: authentication.use(7)),
        (errno.ENOENT, lambda: authentication.request(7)),
    ]
    for number, call in calls:
        assert _errno_of(call) == number
    authentication.remove(later)
    assert authentication.master_keys == [authentication.current]


# -- the table ------------------------------------------------------------------------------------------


def _md5_table(secret: bytes = SECRET, peers: str = "0.0.0.0/0") -> KeyTable:
    table = KeyTable()
    table.add_md5(Md5Key(Prefix.parse(peers), secret))
    return table


def _ao_table(*keys: MasterKey) -> KeyTable:
    table = KeyTable()
    for key in keys or (_key(1, 1),):
        table.add_master_key(key)
    return table


@pytest.mark.shows("RFC 2385 4.5")
def test_the_longest_prefix_says_which_md5_key() -> None:
    table = _md5_table(b"network", "10.0.0.0/8")
    table.add_md5(Md5Key(Prefix.parse("10.0.0.1/32"), b"host"))
    signed = table.authenticate(RIAP, 0), table.authenticate(PAIR, 0)
    assert all(isinstance(authentication, Md5) for authentication in signed)
    assert [signer is not None and _signed(signer, 7) for signer in signed] == [
        _signed(Md5(RIAP, b"network"), 7),
        _signed(Md5(PAIR, b"host"), 7),
    ]
    assert table.authenticate((HOST, PORT, parse_address("11.0.0.1"), 1), 0) is None
    table.remove_md5(Prefix.parse("10.0.0.0/8"))
    assert table.authenticate(RIAP, 0) is None


def test_keys_that_contradict_each_other_are_refused() -> None:
    table = _ao_table(_key(1, 2, peers="10.0.0.0/8"))
    table.add_master_key(_key(1, 2, peers="11.0.0.0/8"))
    calls: list[tuple[int, Callable[[], None]]] = [
        (errno.EEXIST, lambda: table.add_master_key(_key(1, 3, peers="10.0.0.1/32"))),
        (errno.EEXIST, lambda: table.add_master_key(_key(3, 2))),
        (errno.EKEYREJECTED, lambda: table.add_md5(Md5Key(Prefix.parse("10.0.0.1/32"), SECRET))),
        (errno.EKEYREJECTED, lambda: _md5_table().add_master_key(_key(1, 1, peers="10.0.0.0/8"))),
        (errno.ENOENT, lambda: table.remove_md5(ANYBODY)),
        (errno.ENOENT, lambda: table.remove(_key(1, 2))),
    ]
    for number, call in calls:
        assert _errno_of(call) == number
    with pytest.raises(ValueError, match="identifiers 256 and 0"):
        _key(256, 0)


def test_a_copy_goes_its_own_way() -> None:
    table = _ao_table()
    table.ao_required = True
    copy = table.copy()
    table.remove(table.master_keys[0])
    assert table.authenticate(PAIR, 0) is None
    assert isinstance(copy.authenticate(PAIR, 0), Ao)
    assert copy.ao_required


# -- a host and its peer --------------------------------------------------------------------------------


class SignedScript(Script):
    """The peer signs with ``signer``, if there is one."""

    def __init__(self, keys: KeyTable | None, **knobs: Any) -> None:
        super().__init__(**knobs)
        self.keys = keys
        self.signer: Authentication | None = None if keys is None else keys.authenticate(RIAP, PEER_ISN)

    def listen(self, backlog: int = 10, **syn: Any) -> None:
        super().listen(backlog, **syn)
        assert self.listener is not None
        self.listener.authentication = self.keys

    def learn_iss(self) -> Any:
        syn = super().learn_iss()
        if self.signer is not None and self.iss is not None:
            self.signer.begin(self.iss)
        return syn

    def _inject(self, protocol: int, body: bytes, codepoint: int = 0) -> None:
        if self.signer is not None and protocol == TCP:
            header = TcpHeader.parse(body)
            payload = body[header.header_length :]
            header.options = self.signer.option() + header.options
            header.checksum = 0
            raw = self.signer.sign(header.build(), payload, widen(header.sequence, PEER_ISN))
            total = pseudo_header_sum(PEER, HOST, TCP, len(raw) + len(payload)) + ones_sum(raw + payload)
            body = raw[:16] + (~fold(total) & 0xFFFF).to_bytes(2) + raw[18:] + payload
        super()._inject(protocol, body, codepoint)

    @property
    def dropped(self) -> dict[str, int]:
        return {
            reason: count
            for reason, count in self.host.counters.items()
            if reason.startswith(("tcp.md5", "tcp.ao", "tcp.two"))
        }


def _kinds(options: TcpOptions) -> list[int]:
    return [option.kind for option in options.unknown]


TABLES = pytest.mark.parametrize(
    ("table", "kind", "word"),
    [(_md5_table(), MD5_SIGNATURE, "md5"), (_ao_table(), AUTHENTICATION, "ao")],
    ids=["md5", "ao"],
)


@pytest.mark.shows("RFC 2385 2", "RFC 5925 7.4")
@TABLES
def test_a_signed_peer_is_answered_signed(table: KeyTable, kind: int, word: str) -> None:
    script = SignedScript(table)
    connection = script.accept()
    script.send("P.", 1, 1, b"x" * 400)  # across the wrap of the peer's sequence numbers
    script.send(".", 401, 1, b"y" * 100)
    assert connection.receive(1000) == b"x" * 400 + b"y" * 100
    assert connection.send(b"reply") == 5
    for segment in script.sent():
        assert _kinds(segment.options) == [kind]
    assert script.dropped == {}


@pytest.mark.shows("RFC 2385 2", "RFC 5925 7.5")
@TABLES
def test_what_is_not_signed_is_not_heard(table: KeyTable, kind: int, word: str) -> None:
    script = SignedScript(table)
    connection = script.accept()
    signer, script.signer = script.signer, None
    script.send("P.", 1, 1, b"forged")
    script.send("R", 1)
    script.expect_nothing()
    assert connection.state is State.ESTABLISHED
    assert connection.available == 0
    assert script.dropped == {f"tcp.{word}_missing": 2}
    script.signer = signer
    script.send("R", 1)
    assert script.host.tcp.connections == ()


@TABLES
def test_a_syn_must_be_signed_with_the_right_key(table: KeyTable, kind: int, word: str) -> None:
    script = SignedScript(table)
    script.listen()
    wrong = _md5_table(b"wrong") if word == "md5" else _ao_table(_key(1, 1, b"wrong"))
    script.signer = None
    script.send("S", 0, mss=1460)
    script.signer = wrong.authenticate(RIAP, PEER_ISN)
    script.send("S", 0, mss=1460)
    script.expect_nothing()
    assert script.dropped == {f"tcp.{word}_missing": 1, f"tcp.{word}_wrong": 1}


@TABLES
def test_a_reset_is_signed(table: KeyTable, kind: int, word: str) -> None:
    script = SignedScript(table)
    script.accept().abort()
    (reset,) = script.sent()
    assert reset.flags == "R."
    assert _kinds(reset.options) == [kind]


def test_an_unsigned_reset_does_not_refuse_a_signed_connection() -> None:
    """RFC 5925 7.7; the same goes for MD5: better a timeout than a forged refusal."""
    script = SignedScript(_md5_table())
    script.port, script.peer_port = PEER_PORT, PORT
    connection = script.host.tcp.connect(
        None, PEER_PORT, PEER, PORT, script.config, authentication=script.keys
    )
    syn = script.learn_iss()
    assert _kinds(syn.options) == [MD5_SIGNATURE]
    script.signer = None
    script.send("R.", 0, 1)
    assert connection.state is State.SYN_SENT
    script.signer = Md5((PEER, PORT, HOST, PEER_PORT), SECRET)
    script.send("R.", 0, 1)
    assert connection.take_error() == errno.ECONNREFUSED


def test_a_listener_resets_an_md5_peer_of_a_lost_connection_signed() -> None:
    script = SignedScript(_md5_table())
    script.listen()
    script.iss = 0
    script.send(".", 1000, 77)
    (reset,) = script.sent()
    assert (reset.flags, reset.sequence) == ("R", 77)
    assert reset.raw_options == Md5(PAIR, SECRET).option()[:4] + reset.raw_options[4:]
    raw = TcpHeader(PORT, PEER_PORT, 77, 0, 4, 0, options=reset.raw_options).build()
    assert Md5(RIAP, SECRET).verify(raw, b"", 77) is None


def test_md5_that_nobody_asked_for_opens_no_connection() -> None:
    """As in Linux; a TCP-AO option that no key matches is ignored, unless the listener wants one from everybody
    (RFC 5925 7.3)."""
    script = SignedScript(None)
    script.listen()
    script.send("S", 0, unknown=(Option(MD5_SIGNATURE, bytes(16)),))
    script.expect_nothing()
    assert script.dropped == {"tcp.md5_unexpected": 1}
    script.send("S", 0, unknown=(Option(AUTHENTICATION, bytes(14)),))
    assert script.learn_iss().flags == "S."


def test_a_listener_may_want_ao_from_everybody() -> None:
    script = SignedScript(_ao_table(_key(1, 1, peers="192.0.2.0/24")))
    assert script.keys is not None
    script.keys.ao_required = True
    script.listen()
    script.send("S", 0)
    script.expect_nothing()
    assert script.dropped == {"tcp.ao_missing": 1}


def test_the_signature_takes_room_from_every_segment() -> None:
    """RFC 9293 3.7.1: Eff.snd.MSS is without the options; the offered MSS is not changed (RFC 5925 2.2)."""
    for table, room in ((_md5_table(), 20), (_ao_table(), 16)):
        script = SignedScript(table)
        connection = script.accept()
        connection.send(bytes(3000))
        segments = script.sent()
        assert [segment.length for segment in segments] == [
            1460 - room,
            1460 - room,
            3000 - 2 * (1460 - room),
        ]
        assert connection.transmitter.offered_mss == 1460


def test_sack_blocks_fit_beside_the_signature() -> None:
    """Two with MD5, for which timestamps are given up as in Linux; one with TCP-AO beside timestamps."""
    for table, blocks in ((_md5_table(), 2), (_ao_table(), 1)):
        script = SignedScript(table, timestamps=True)
        script.accept(timestamp=1)
        for start in (1000, 2000, 3000):
            script.send(".", start, 1, bytes(100), timestamp=2)
        last = script.sent()[-1]
        assert len(last.sack) == blocks
        assert last.sack[0] == (3000, 3100)
        assert len(last.raw_options) <= 40
        assert (last.options.timestamp is None) == (blocks == 2)


@pytest.mark.shows("RFC 5925 7.8")
def test_hard_icmp_errors_are_not_believed_of_a_connection_with_ao() -> None:
    """RFC 5925 7.8, unless the user wants it otherwise."""
    for accepts in (False, True):
        table = _ao_table()
        table.accepts_icmp = accepts
        script = SignedScript(table)
        connection = script.accept()
        connection.send(bytes(1444))
        (packet,) = script.link.sent
        script.send_icmp_unreachable(4, packet, mtu=1000)
        assert (connection.path_mtu == 1000) == accepts
        assert script.host.counters["tcp.ao_icmp"] == (not accepts)


@pytest.mark.shows("RFC 5925 3.1")
def test_a_passive_open_takes_the_keys_that_the_syn_names() -> None:
    """RFC 5925 7.5, 3.1: several keys match, the peer has chosen."""
    script = SignedScript(_ao_table(_key(1, 1), _key(2, 2, b"second"), _key(3, 3, b"third")))
    signer = Ao(RIAP, [_key(2, 2, b"second"), _key(3, 3, b"third")], PEER_ISN)
    signer.request(3)
    script.signer = signer
    connection = script.accept()
    assert isinstance(connection.authentication, Ao)
    assert connection.authentication.current.send_id == 3
    assert connection.authentication.rnext.receive_id == 2


@TABLES
def test_syn_cookies_are_signed_and_their_acks_verified(table: KeyTable, kind: int, word: str) -> None:
    """Of a handshake of which nothing is kept, the ACK tells both initial sequence numbers."""
    script = SignedScript(table, syn_cookies="always")
    script.listen()
    script.send("S", 0, mss=1460)
    assert _kinds(script.learn_iss().options) == [kind]
    signer, script.signer = script.signer, None
    script.send(".", 1, 1)
    assert script.host.tcp.connections == ()
    script.signer = signer
    script.send("P.", 1, 1, b"request")
    assert script.listener is not None
    connection = script.listener.accept()
    assert connection is not None
    assert connection.receive(10) == b"request"
    assert connection.send(b"reply") == 5
    assert _kinds(script.sent()[-1].options) == [kind]
    assert script.dropped == {f"tcp.{word}_missing": 1}


def test_the_md5_key_of_a_connection_can_be_changed() -> None:
    script = SignedScript(_md5_table())
    connection = script.accept()
    connection.protect(_md5_table(b"new"))
    script.send("P.", 1, 1, b"old")
    script.signer = Md5(RIAP, b"new")
    script.send("P.", 1, 1, b"new")
    assert connection.receive(10) == b"new"
    connection.protect(None)
    script.sent()
    connection.send(bytes(1460))
    (segment,) = script.sent()
    assert (segment.length, segment.raw_options) == (1460, b"")


def test_an_established_connection_can_be_protected() -> None:
    script = SignedScript(None)
    connection = script.accept()
    connection.protect(_ao_table())
    signer = Ao(RIAP, [_key(1, 1)], PEER_ISN)
    assert script.iss is not None
    signer.begin(script.iss)
    script.send("P.", 1, 1, b"forged")
    script.signer = signer
    script.send("P.", 1, 1, b"signed")
    assert connection.receive(10) == b"signed"
    connection.send(bytes(1460))
    assert [segment.length for segment in script.sent()][-2:] == [1444, 16]


# -- two hosts on a bad line ----------------------------------------------------------------------------


class SignedPair(Pair):
    """A connection with keys at both ends."""

    def __init__(self, client_keys: KeyTable, server_keys: KeyTable, **more: Any) -> None:
        super().__init__(**more)
        self.client.abort()
        self.listener.authentication = server_keys
        self.watched: list[TcpOptions] = []
        self.clock.advance(SECOND)
        for host, link in zip(self.hosts, self.links, strict=True):
            host.counters.clear()
            link.watch = self._watch
        self.client = self.hosts[0].tcp.connect(
            None, 40001, SERVER, 80, self.config, authentication=client_keys
        )

    def _watch(self, packet: bytes) -> None:
        start = Ipv4Header.parse(packet).header_length
        self.watched.append(TcpOptions.parse(TcpHeader.parse(packet, start).options))

    def rejected(self) -> list[str]:
        return [
            reason
            for host in self.hosts
            for reason in host.counters
            if reason.startswith(("tcp.md5", "tcp.ao", "tcp.too", "tcp.bad"))
        ]

    def exchange(self, there: bytes, back: bytes) -> None:
        while self.server is None:
            self.clock.advance(20 * MILLISECOND)
        ends = Stream(self.client, there), Stream(self.server, back)
        for end in ends:
            end.step()
        for _ in range(3000):
            if ends[0].at_end and ends[1].at_end:
                break
            self.clock.advance(20 * MILLISECOND)
        assert (ends[1].received, ends[0].received) == (there, back)


@pytest.mark.shows("RFC 5925 7.4")
@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (_md5_table(), MD5_SIGNATURE),
        (_ao_table(_key(1, 1, algorithm=HMAC_SHA1)), AUTHENTICATION),
        (_ao_table(_key(1, 1, algorithm=AES_CMAC)), AUTHENTICATION),
        (_ao_table(_key(1, 1, covers_options=False)), AUTHENTICATION),
    ],
    ids=["md5", "sha1", "cmac", "without options"],
)
def test_every_segment_is_signed_and_every_octet_arrives(table: KeyTable, kind: int) -> None:
    line = Line(loss=0.02, duplicate=0.02, reorder=0.05)
    pair = SignedPair(table, table, there=line, back=line)
    pair.exchange(bytes(range(256)) * 400, b"answer" * 1000)
    assert pair.rejected() == []
    assert {tuple(_kinds(options)) for options in pair.watched} == {(kind,)}
    pair.close()


@pytest.mark.shows("RFC 5925 6.1")
def test_keys_roll_over_without_losing_a_segment() -> None:
    """RFC 5925 6.1: the new key is added at both ends, one asks for it, then the old one goes."""
    pair = SignedPair(_ao_table(_key(10, 20)), _ao_table(_key(20, 10)))
    pair.clock.advance(SECOND)
    assert pair.server is not None
    here, there = pair.client.authentication, pair.server.authentication
    assert isinstance(here, Ao)
    assert isinstance(there, Ao)
    old = here.current
    here.add(_key(11, 21, b"new"))
    there.add(_key(21, 11, b"new"))
    here.request(21)
    there.request(11)
    pair.client.send(b"first")
    pair.clock.advance(SECOND)
    pair.server.send(b"second")
    pair.clock.advance(SECOND)
    assert (here.current.send_id, there.current.send_id) == (11, 21)
    assert (pair.server.receive(10), pair.client.receive(10)) == (b"first", b"second")
    here.remove(old)
    there.remove(there.master_keys[0])
    pair.exchange(b"there" * 2000, b"back" * 2000)
    assert pair.rejected() == []
    pair.close()


def test_ends_with_different_keys_never_meet() -> None:
    pair = SignedPair(
        _md5_table(b"one"), _md5_table(b"other", f"{'.'.join(map(str, CLIENT))}/32"), syn_retries=2
    )
    pair.clock.advance(60 * SECOND)
    assert pair.client.take_error() == errno.ETIMEDOUT
    assert pair.rejected() == ["tcp.md5_wrong"]
    pair.close()
