"""Kernel settings become knobs; what has no counterpart is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.packetdrill import Outcome, run_script
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
        ("net.inet.tcp.blackhole", "3", {"black_hole": "all"}),
        ("net.inet.tcp.ack_war_cnt", "0", {"invalid_ack_count": 1_000_000}),
        ("net.inet.tcp.syncookies_only", "1", {"syn_cookies": "always"}),
        ("net.inet.tcp.fast_finwait2_recycle", "1", {"fin_wait_2_as_keepalive": False}),
        ("net.inet.tcp.keepinit", "5000", {"open_timeout": 5 * SECOND}),
        ("net.core.somaxconn", "10", {"backlog_max": 10}),
    ],
)
def test_settings_of_both_systems(name: str, value: str, knobs: dict[str, object]) -> None:
    assert changes(name, value) == knobs


@pytest.mark.parametrize("name", ["net.ipv4.tcp_unheard_of", "vm.swappiness", "net.inet.tcp.unheard_of"])
def test_unknown_settings(name: str) -> None:
    with pytest.raises(KeyError):
        changes(name, "1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net.ipv4.tcp_shrink_window", "1"),
        ("net.inet.tcp.path_mtu_discovery", "0"),
        ("net.inet.tcp.udp_tunneling_port", "9899"),
        ("net.inet.tcp.blackhole", "4"),
    ],
)
def test_a_value_that_cannot_be_had(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=value):
        changes(name, value)


@pytest.mark.parametrize(
    ("construct", "name"),
    [
        ("--udp_encapsulation=server\n", "udp_encapsulation"),
        ("+0 setsockopt(3, IPPROTO_TCP, TCP_LOG, [1], 4) = 0\n", "TCP_LOG"),
        ("+0 setsockopt(3, IPPROTO_TCP, TCP_REMOTE_UDP_ENCAPS_PORT, [9899], 4) = 0\n", "UDP_ENCAPS"),
        ("+0 < S 0:0(0) win 1000 <mss 1460>/udp(9899 > 9899)\n", "TCP in UDP"),
    ],
)
def test_what_freebsd_has_and_the_stack_has_not(tmp_path: Path, construct: str, name: str) -> None:
    script = tmp_path / "test.pkt"
    opened = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
    script.write_text(construct + opened if construct.startswith("--") else opened + construct)
    result = run_script(script, "freebsd")
    assert result.outcome is Outcome.UNSUPPORTED
    assert name in str(result)


SCRIPT = """0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.1 < . 1:1(0) ack 1 win 32792
+0 accept(3, ..., ...) = 4
+0 write(4, ..., 10000) = 10000
+0 > . 1:3001(3000) ack 1
+.1 < . 1:1(0) ack 3001 win 32792
+0 > . 3001:9001(6000) ack 1
+0 `/tmp/sysctl_restore_${PPID}.sh`
"""


@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        ("ip route change 192.0.2.1 via 192.168.0.2 dev tun0 initcwnd 3", Outcome.PASSED),
        ("ip ro replace default dev tun0 initcwnd 3 rto_min 10ms", Outcome.PASSED),
        ("ip route change default dev tun0 initcwnd 4", Outcome.FAILED),
        ("ip route change default dev tun0 initcwnd", Outcome.UNSUPPORTED),
        ("ip route change default dev tun0 initcwnd many", Outcome.UNSUPPORTED),
        ("ip route change default dev tun0 window 3000", Outcome.UNSUPPORTED),
    ],
)
def test_a_route_has_knobs_too(tmp_path: Path, command: str, outcome: Outcome) -> None:
    script = tmp_path / "test.pkt"
    script.write_text(f"`{command}`\n{SCRIPT}")
    result = run_script(script)
    assert result.outcome is outcome, str(result)
