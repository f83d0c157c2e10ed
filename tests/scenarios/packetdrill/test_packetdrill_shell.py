"""Kernel settings become knobs; what has no counterpart is named."""

from __future__ import annotations

import pytest

from scenarios.packetdrill.sysctls import changes
from stack.clock import MILLISECOND, SECOND


@pytest.mark.parametrize(
    ("name", "value", "knobs"),
    [
        ("net.ipv4.tcp_timestamps", "0", {"timestamps": False}),
        (
            "net.ipv4.tcp_rmem",
            "4096 540000 15728640",
            {"receive_buffer": 270000, "receive_buffer_max": 15728640},
        ),
        ("net.ipv4.tcp_fin_timeout", "5", {"fin_wait_2": 5 * SECOND}),
        ("net.ipv4.tcp_orphan_retries", "0", {"orphan_retries": 8}),
        ("net.ipv4.tcp_min_tso_segs", "4", {}),
        ("net.inet.tcp.rfc1323", "3", {"window_scaling": False, "timestamps": True}),
        ("net.inet.tcp.cc.algorithm", "newreno", {"congestion": "reno"}),
        ("net.inet.tcp.msl", "100", {"time_wait": 200 * MILLISECOND}),
        ("net.core.somaxconn", "10", {"backlog_max": 10}),
    ],
)
def test_settings_of_both_systems(name: str, value: str, knobs: dict[str, object]) -> None:
    assert changes(name, value) == knobs


@pytest.mark.parametrize("name", ["net.ipv4.tcp_unheard_of", "vm.swappiness", "net.inet.tcp.unheard_of"])
def test_unknown_settings(name: str) -> None:
    with pytest.raises(KeyError):
        changes(name, "1")


def test_a_value_that_cannot_be_had() -> None:
    with pytest.raises(ValueError, match="1"):
        changes("net.ipv4.tcp_shrink_window", "1")
