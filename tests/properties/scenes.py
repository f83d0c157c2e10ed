"""Random conversations over random lines between hosts with random settings, all of it as a scenario's data."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Scene = dict[str, Any]

_CONVERSATION = "tests.properties.conversation"
_BOUNDED = {
    "time_wait": "1s",
    "fin_wait_2": "5s",
    "max_rto": "4s",
    "retries": 6,
    "orphan_retries": 4,
    "syn_retries": 4,
    "keepalive": True,
    "keepalive_idle": "30s",
    "keepalive_interval": "5s",
    "keepalive_probes": 4,
}
"""Whatever happens, each connection comes to an end in minutes."""


def _some(**choices: Any) -> st.SearchStrategy[Scene]:
    """Any of these keys with one of their values, and the others left alone."""
    return st.fixed_dictionaries(
        {}, optional={key: st.sampled_from(values) for key, values in choices.items()}
    )


SETTINGS = _some(
    sack=[False],
    timestamps=[False],
    window_scaling=[False],
    ecn=["off", "request"],
    accurate_ecn=[True],
    congestion=["reno", "bbr", "dctcp", "vegas"],
    hystart=[False],
    abe=[False],
    pacing=[True],
    initial_window=[1, 2, 40],
    mss=[88, 536, 1000],
    nodelay=[True],
    send_buffer=["4KiB", "16KiB"],
    receive_buffer=["2KiB", "8KiB"],
    moderate_receive_buffer=[False],
    delayed_ack=["0ms", "150ms"],
    quick_acks=[0],
    min_rto=["200ms", "1s"],
    duplicate_acks=[1, 10],
    rack=[False],
    tail_loss_probe=[False],
    frto=[False],
    dsack=[False],
    mtu_probing=["off", "always"],
    syn_cookies=["always", "off"],
    out_of_order_segments=[1, 4],
    window_clamp=["1000B", "20kB"],
    user_timeout=["10s"],
    slow_start_after_idle=[False],
)
LINES = _some(
    rate=["200kbit/s", "2Mbit/s", "20Mbit/s"],
    loss=[
        "1%",
        "5%",
        "25%",
        {"gemodel": {"p": "2%", "r": "30%"}},
        {"every": 7},
        {"probability": "5%", "ecn": True},
    ],
    duplicate=["2%", "30%"],
    corrupt=["1%", "10%"],
    delay=["1ms", "20ms", {"time": "30ms", "jitter": "25ms"}, "300ms"],
    queue=["3 packets", "20 packets", {"limit": "30 packets", "discipline": "codel", "ecn": True}],
    reorder=["5%", "50%"],
    mtu=["1000B"],
    drop=[
        {"match": "tcp and syn", "nth": 1},
        {"match": "tcp and fin", "nth": 1},
        {"match": "tcp and rst", "nth": 1},
    ],
).map(lambda line: _consistent(line))
SIDES = st.fixed_dictionaries(
    {
        "data": st.sampled_from([0, 1, 500, 5_000, 20_000, 100_000]),
        "chunk": st.sampled_from([10, 1_000, 65_536]),
        "pause": st.sampled_from([0, 0, 0, 1, 700]),
        "ending": st.sampled_from(["shut", "shut", "shut", "close", "reset"]),
        "read": st.sampled_from([100, 4_096, 1 << 20]),
        "rest": st.sampled_from([0, 0, 0, 5, 900]),
    }
).map(lambda side: _unhurried(side))


def _consistent(line: Scene) -> Scene:
    """Without what has no effect, and is refused."""
    if "rate" not in line:
        line.pop("queue", None)
    if "delay" not in line:
        line.pop("reorder", None)
    return line


def _unhurried(side: Scene) -> Scene:
    """Nobody pauses ten thousand times."""
    chunk = (
        max(side["chunk"], side["data"] // 200) if side["pause"] else max(side["chunk"], side["data"] // 2000)
    )
    read = max(side["read"], 4_096) if side["rest"] < 900 else 1 << 20
    return {**side, "chunk": chunk, "read": read}


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """A scenario."""
    client, server = draw(SIDES), draw(SIDES)
    family = draw(st.sampled_from(["ipv4", "ipv6"]))
    judges = [f"{_CONVERSATION}:was_true"]
    if client["ending"] == server["ending"] == "shut":
        judges.append(f"{_CONVERSATION}:was_whole")
    return {
        "name": "talk",
        "seed": draw(st.integers(0, 1000)),
        "duration": "2h",
        "stack": {"tcp": _BOUNDED},
        "topology": {
            "nodes": {
                name: {"kind": "host", "stack": {"tcp": draw(SETTINGS)}} for name in ("client", "server")
            },
            "links": {
                "wire": {
                    "between": ["client", "server"],
                    "forward": draw(LINES),
                    "backward": draw(LINES),
                    "mtu": draw(st.sampled_from([1500, 9000, 576 if family == "ipv4" else 1280])),
                }
            },
            "families": [family],
            "checksum_offload": draw(st.booleans()),
        },
        "traffic": {
            "talk": {
                "kind": "python",
                "from": "client",
                "to": "server",
                "python": f"{_CONVERSATION}:call",
                "python_server": f"{_CONVERSATION}:answer",
                "arguments": {"client": client, "server": server},
            }
        },
        "expect": {"python": judges},
    }
