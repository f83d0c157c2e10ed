"""Kernel settings by their names, as knobs of the stack: Linux's and FreeBSD's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from stack.clock import MILLISECOND, SECOND
from stack.config import TcpConfig, knobs

Changes: TypeAlias = dict[str, Any]
Setting: TypeAlias = Callable[[str], Changes]
"""What the value of a setting means; ValueError if the stack cannot be like that."""

_KNOBS: Final = frozenset(item.name for item in knobs(TcpConfig))


def _knob(name: str, convert: Callable[[int], Any]) -> Setting:
    def apply(text: str) -> Changes:
        return {name: convert(int(text, 0))}

    return apply


def _switch(name: str) -> Setting:
    return _knob(name, lambda value: value != 0)


def _count(name: str) -> Setting:
    return _knob(name, lambda value: value)


def _seconds(name: str) -> Setting:
    return _knob(name, lambda value: value * SECOND)


def _milliseconds(name: str) -> Setting:
    return _knob(name, lambda value: value * MILLISECOND)


def _only(*values: str) -> Setting:
    """The stack is like this, and cannot be otherwise."""

    def apply(text: str) -> Changes:
        if text not in values:
            raise ValueError(text)
        return {}

    return apply


def _harmless(text: str) -> Changes:
    """What cannot change any packet that a script sees, or would fail it if it did."""
    return {}


def _congestion(text: str) -> Changes:
    return {"congestion": "reno" if text == "newreno" else text}


def _choice(name: str, *choices: str) -> Setting:
    """A knob whose choices the setting numbers from 0."""

    def apply(text: str) -> Changes:
        number = int(text, 0)
        if not 0 <= number < len(choices):
            raise ValueError(text)
        return {name: choices[number]}

    return apply


def _ecn(text: str) -> Changes:
    """Linux: 0 neither, 1 asks and accepts, 2 accepts; 3 and 5 likewise with AccECN."""
    if text not in ("0", "1", "2", "3", "5"):
        raise ValueError(text)
    ecn = {"0": "off", "1": "request", "3": "request"}.get(text, "accept")
    return {"ecn": ecn, "accurate_ecn": text in ("3", "5")}


def _freebsd_ecn(text: str) -> Changes:
    """FreeBSD: 0 neither, 1 asks and accepts, 2 accepts; 3 accepts AccECN, 4 asks for it."""
    if text not in ("0", "1", "2", "3", "4"):
        raise ValueError(text)
    ecn = {"0": "off", "1": "request", "4": "request"}.get(text, "accept")
    return {"ecn": ecn, "accurate_ecn": text in ("3", "4")}


def _fast_open(text: str) -> Changes:
    """Linux: 1 client, 2 server, 0x4 and 0x200 without cookies, 0x400 for all listeners."""
    bits = int(text, 0)
    return {
        "fast_open": ("off", "client", "server", "both")[bits & 3],
        "fast_open_cookieless": ("off", "client", "server", "both")[bits >> 2 & 1 | bits >> 8 & 2],
        "fast_open_listeners": bool(bits & 0x400),
    }


def _fast_open_key(text: str) -> Changes:
    return {"fast_open_key": text.replace("-", "").replace(",", "")}


def _receive_memory(text: str) -> Changes:
    """tcp_rmem: half of the middle is the window that a connection begins with (tcp_adv_win_scale of 1)."""
    _, middle, last = map(int, text.split())
    return {"receive_buffer": max(middle // 2, 2048), "receive_buffer_max": max(last, 2048)}


def _send_memory(text: str) -> Changes:
    return {"send_buffer": max(int(text.split()[2]), 4096)}


def _rfc1323(text: str) -> Changes:
    """FreeBSD: 0 neither, 1 both, 2 window scaling, 3 timestamps."""
    return {"window_scaling": text in ("1", "2"), "timestamps": text in ("1", "3")}


def _delayed_ack(text: str) -> Changes:
    return {"delayed_ack": 0} if text == "0" else {"delayed_ack": 40 * MILLISECOND}


_LINUX: Final[Mapping[str, Setting]] = {
    "tcp_timestamps": _switch("timestamps"),
    "tcp_window_scaling": _switch("window_scaling"),
    "tcp_sack": _switch("sack"),
    "tcp_dsack": _switch("dsack"),
    "tcp_recovery": _knob("rack", lambda value: bool(value & 1)),
    "tcp_early_retrans": _knob("tail_loss_probe", lambda value: value in (3, 4)),
    "tcp_frto": _switch("frto"),
    "tcp_reordering": _count("duplicate_acks"),
    "tcp_moderate_rcvbuf": _switch("moderate_receive_buffer"),
    "tcp_slow_start_after_idle": _switch("slow_start_after_idle"),
    "tcp_congestion_control": _congestion,
    "tcp_syn_retries": _count("syn_retries"),
    "tcp_synack_retries": _count("synack_retries"),
    "tcp_retries2": _count("retries"),
    "tcp_orphan_retries": _knob("orphan_retries", lambda value: value or 8),
    "tcp_fin_timeout": _seconds("fin_wait_2"),
    "tcp_keepalive_time": _seconds("keepalive_idle"),
    "tcp_keepalive_intvl": _seconds("keepalive_interval"),
    "tcp_keepalive_probes": _count("keepalive_probes"),
    "tcp_rmem": _receive_memory,
    "tcp_wmem": _send_memory,
    "tcp_invalid_ratelimit": _milliseconds("invalid_ack_interval"),
    "tcp_challenge_ack_limit": _knob("challenge_acks", lambda value: min(value, 1_000_000)),
    "tcp_max_syn_backlog": _count("syn_backlog"),
    "tcp_rto_min_us": _knob("min_rto", lambda value: value * 1000),
    "tcp_max_tw_buckets": _count("time_wait_connections"),
    "tcp_ecn": _ecn,
    "tcp_ecn_option": _knob("accurate_ecn_option", bool),
    "tcp_fastopen": _fast_open,
    "tcp_fastopen_key": _fast_open_key,
    "tcp_fastopen_blackhole_timeout_sec": _seconds("fast_open_blackhole_timeout"),
    "tcp_syncookies": _choice("syn_cookies", "off", "overflow", "always"),
    "tcp_mtu_probing": _choice("mtu_probing", "off", "blackhole", "always"),
    "tcp_base_mss": _count("base_mss"),
    "tcp_syn_linear_timeouts": _count("syn_linear_timeouts"),
    "tcp_rto_max_ms": _milliseconds("max_rto"),
    "tcp_autocorking": _only("0"),
    "tcp_shrink_window": _only("0"),
    "tcp_thin_linear_timeouts": _only("0"),
    "tcp_abort_on_overflow": _only("0"),
    "tcp_stdurg": _only("0"),
    "tcp_notsent_lowat": _knob("notsent_lowat", lambda value: value & 0xFFFFFFFF),
    **dict.fromkeys(
        (
            "tcp_fack", "tcp_low_latency", "tcp_min_tso_segs", "tcp_tso_win_divisor", "tcp_tso_rtt_log",
            "tcp_limit_output_bytes", "tcp_pacing_ss_ratio", "tcp_pacing_ca_ratio", "tcp_no_metrics_save",
            "tcp_min_rtt_wlen", "tcp_max_reordering", "tcp_retries1", "tcp_ecn_fallback", "tcp_rfc1337",
            "tcp_tw_reuse", "tcp_adv_win_scale", "tcp_comp_sack_nr", "tcp_comp_sack_delay_ns",
            "tcp_comp_sack_slack_ns", "tcp_allowed_congestion_control", "tcp_app_win", "tcp_max_orphans", "tcp_mem",
            "tcp_workaround_signed_windows", "tcp_backlog_ack_defer", "ip_local_port_range", "ip_no_pmtu_disc",
            "tcp_l3mdev_accept", "tcp_reflect_tos",
            "auto_flowlabels", "tcp_ecn_option_beacon", "tcp_plb_enabled", "tcp_migrate_req", "tcp_child_ehash_entries",
            "tcp_pingpong_thresh", "fib_multipath_hash_policy", "ip_nonlocal_bind", "tcp_early_demux", "ip_early_demux",
        ),
        _harmless,
    ),
}  # fmt: skip

_FREEBSD: Final[Mapping[str, Setting]] = {
    "rfc1323": _rfc1323,
    "sack.enable": _switch("sack"),
    "initcwnd_segments": _count("initial_window"),
    "delayed_ack": _delayed_ack,
    "delacktime": _milliseconds("delayed_ack"),
    "tolerate_missing_ts": _knob("require_timestamps", lambda value: value == 0),
    "rexmit_min": _milliseconds("min_rto"),
    "rexmit_slop": _milliseconds("rto_slop"),
    "persmin": _milliseconds("persist_min"),
    "persmax": _milliseconds("persist_max"),
    "rexmit_initial": _milliseconds("initial_rto"),
    "msl": _knob("time_wait", lambda value: 2 * value * MILLISECOND),
    "finwait2_timeout": _milliseconds("fin_wait_2"),
    "fast_finwait2_recycle": _knob("fin_wait_2_as_keepalive", lambda value: value == 0),
    "keepinit": _milliseconds("open_timeout"),
    "maxunacktime": _milliseconds("user_timeout"),
    "always_keepalive": _switch("keepalive"),
    "keepidle": _milliseconds("keepalive_idle"),
    "keepintvl": _milliseconds("keepalive_interval"),
    "keepcnt": _count("keepalive_probes"),
    "retries": _count("retries"),
    "syncache.rexmtlimit": _count("synack_retries"),
    "cc.algorithm": _congestion,
    "recvspace": _count("receive_buffer"),
    "recvbuf_max": _count("receive_buffer_max"),
    "sendspace": _count("send_buffer"),
    "ecn.enable": _freebsd_ecn,
    "fastopen.server_enable": _choice("fast_open", "client", "both"),
    "fastopen.client_enable": _only("1"),
    "fastopen.acceptany": _choice("fast_open_cookieless", "off", "server"),
    "fastopen.psk_enable": _only("0"),
    "udp_tunneling_port": _only("0"),
    "path_mtu_discovery": _only("1"),
    "icmp_may_rst": _only("1"),
    "rexmit_drop_options": _only("0"),
    "mssdflt": _only("536"),
    "v6mssdflt": _only("1220"),
    "cc.abe": _switch("abe"),
    "cc.newreno.beta": _only("50"),
    "cc.newreno.beta_ecn": _only("80"),
    "functions_default": _only("freebsd"),
    "pmtud_blackhole_detection": _only("0"),
    "blackhole": _choice("black_hole", "off", "syn", "closed", "all"),
    "drop_synfin": _switch("drop_syn_fin"),
    "insecure_rst": _switch("reset_in_window"),
    "insecure_syn": _switch("syn_in_window"),
    "ack_war_timewindow": _milliseconds("invalid_ack_interval"),
    "ack_war_cnt": _knob("invalid_ack_count", lambda value: value or 1_000_000),
    "insecure_ack": _only("0"),
    "rfc3042": _only("1"),
    "rfc3390": _only("1"),
    "syncookies": _choice("syn_cookies", "off", "overflow"),
    "syncookies_only": _choice("syn_cookies", "overflow", "always"),
    **dict.fromkeys(
        (
            "ecn.maxretries", "syncache.rst_on_sock_fail", "syncache.see_other",
            "syncache.bucketlimit", "syncache.cachelimit", "syncache.count", "syncache.hashsize", "blackhole_local",
            "functions_inherit_listen_socket_stack", "newcwv", "soreceive_stream", "msl_local",
            "udp_tunneling_overhead",
            "fastopen.autokey", "fastopen.keylen", "fastopen.maxkeys", "fastopen.maxpsks", "fastopen.numkeys",
            "fastopen.numpsks", "fastopen.path_disable_time", "fastopen.ccache_bucket_limit", "recvbuf_auto",
            "require_unique_port", "map_limit", "split_limit", "pmtud_blackhole_mss", "v6pmtud_blackhole_mss",
            "bb.log_auto_all", "bb.log_auto_mode", "bb.log_auto_ratio", "sack.lrd", "sack.tso", "do_tcpdrain",
            "rfc3465", "abc_l_var", "rfc6675_pipe", "do_prr", "do_prr_conservative", "do_lrd", "tso",
            "hostcache.enable", "hostcache.purge", "hostcache.purgenow", "hostcache.expire", "hostcache.prune",
            "ts_offset_per_conn", "sendbuf_auto", "sendbuf_max", "sendbuf_inc", "recvbuf_inc",
            "minmss", "log_in_vain", "log_debug",
            "cc.cubic.hystart",
            "reass.maxqueuelen", "reass.maxsegments", "sack.maxholes", "sack.globalmaxholes", "sack.revised",
            "isn_reseed_interval", "maxtcptw", "per_cpu_timers", "cc.available", "cc.cubic.hystart_bblogs",
            "cc.hystartplusplus.bblogs", "nolocaltimewait",
        ),
        _harmless,
    ),
}  # fmt: skip

_CORE: Final[Mapping[str, Setting]] = {
    "net.core.somaxconn": _count("backlog_max"),
    "kern.ipc.somaxconn": _count("backlog_max"),
    "net.inet.ip.ttl": _only("64"),
    "net.inet6.ip6.hlim": _only("64"),
    "kern.ipc.soacceptqueue": _count("backlog_max"),
    "sys.module.tcp_cubic.parameters.hystart": _switch("hystart"),
    "sys.module.tcp_cubic.parameters.hystart_detection": _switch("hystart"),
    **dict.fromkeys(
        (
            "net.core.wmem_max", "net.core.rmem_max", "net.core.wmem_default", "net.core.rmem_default",
            "net.core.optmem_max", "net.core.default_qdisc", "net.core.netdev_max_backlog",
            "net.core.high_order_alloc_disable",
            "kern.ipc.maxsockbuf", "kern.timecounter.alloweddeviation", "net.ipv6.auto_flowlabels",
            "net.inet.ip.process_options", "net.inet.icmp.icmplim", "net.inet.icmp.icmplim_output",
            "net.inet.ip.portrange.randomized", "net.inet.ip.random_id", "net.inet.ip.rfc6864",
            "net.inet.icmp.drop_redirect", "net.inet.icmp.icmplim_jitter", "net.inet6.icmp6.errppslimit",
            "kern.ipc.tls.enable", "sys.module.tcp_cubic.parameters.hystart_ack_delta_us",
            "sys.module.tcp_cubic.parameters.hystart_low_window",
        ),
        _harmless,
    ),
}  # fmt: skip
_PREFIXES: Final = (("net.ipv4.", _LINUX), ("net.ipv6.", _LINUX), ("net.inet.tcp.", _FREEBSD))


def changes(name: str, value: str) -> Changes:
    """The knobs of :class:`~stack.config.TcpConfig` that a setting means.

    Raises KeyError for a setting that is not known or has no counterpart, ValueError for a value that cannot be had.
    """
    setting = _CORE.get(name)
    for prefix, table in _PREFIXES:
        if setting is None and name.startswith(prefix):
            setting = table.get(name.removeprefix(prefix))
    if setting is None:
        raise KeyError(name)
    found = setting(value)
    for knob in found:
        if knob not in _KNOBS:
            raise KeyError(knob)
    return found
