"""What a dotted name in a condition refers to."""

from __future__ import annotations

import pytest

from scenarios.expression import ExpressionError
from scenarios.names import Names
from scenarios.quantities import Dimension

NAMES = Names(flows=("download", "wire"), links=("wire", "n0-n1"), hosts=("client", "server"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("time", ("time", "", "both", "", Dimension.DURATION)),
        ("flow.download.bytes", ("flow", "download", "both", "bytes", Dimension.SIZE)),
        ("download.bytes", ("flow", "download", "both", "bytes", Dimension.SIZE)),
        ("link.wire.drops", ("link", "wire", "both", "drops", Dimension.COUNT)),
        ("link.wire.forward.utilisation", ("link", "wire", "forward", "utilisation", Dimension.SHARE)),
        ("n0-n1.backward.up", ("link", "n0-n1", "backward", "up", Dimension.FLAG)),
        ("client.tcp.bad_checksum", ("host", "client", "both", "tcp.bad_checksum", Dimension.COUNT)),
    ],
)
def test_references(path: str, expected: tuple[object, ...]) -> None:
    assert tuple(NAMES.refer(path)) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("wire.drops", "`wire` is the name of several things; write `flow.wire.drops` or `link.wire.drops`"),
        ("flow.donwload.bytes", "unknown flow `donwload`; did you mean `download`?"),
        ("donwload.bytes", "unknown name `donwload`; did you mean `download`?"),
        ("download.byte", "unknown metric `byte`; did you mean `bytes`?"),
        ("link.wire.forward.drop", "unknown metric `drop`; did you mean `drops`?"),
        ("host.client.tcp.nosuch", "unknown counter `tcp.nosuch`; did you mean `tcp.no_syn`?"),
        ("client.tcp.bad_cheksum", "unknown counter `tcp.bad_cheksum`; did you mean `tcp.bad_checksum`?"),
        ("download", "`download` names no metric; write `download.` and one"),
        ("flow.bytes", "unknown flow `bytes`; known: `download`, `wire`"),
    ],
)
def test_what_refers_to_nothing(path: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        NAMES.refer(path)
    assert str(caught.value) == message


def test_the_only_flow_needs_no_name() -> None:
    names = Names(flows=("download",), links=(), hosts=())
    assert names.refer("flow.bytes").name == "download"
