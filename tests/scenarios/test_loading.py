"""Bad input: every mistake at once, each at its place, with what was meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from scenarios.loading import load_scenario
from scenarios.problems import ScenarioError

Mistakes = Callable[[str], list[str]]
Write = Callable[..., Path]

EXAMPLES = Path(__file__).resolve().parents[2] / "scenarios" / "examples"
WORDS = re.compile(r"[\w.%>=<-]+|[{}\[\]:,*&|]")
PARTS = re.compile(r"[\w.%>=<-]+|\s+|.")

GOOD = """\
name: good
topology:
  nodes:
    client: {kind: host}
    server: {kind: host}
  links:
    wire: {between: [client, server], both: {rate: 10Mbit/s, delay: 10ms}}
traffic:
  upload: {kind: bulk, from: client, to: server, bytes: 1MB}
"""


def test_a_good_scenario_has_no_mistakes(mistakes: Mistakes) -> None:
    assert mistakes(GOOD) == []


def test_every_mistake_at_once_in_the_order_of_the_file(mistakes: Mistakes) -> None:
    assert mistakes(
        """\
        name: 5
        seed: -1
        duration: 30
        topolgy: {}
        topology:
          nodes:
            client: {kind: hots}
            server: {kind: host, adresses: 10.0.0.1/24}
            switch: {kind: switch}
            router: {}
          links:
            wire:
              between: [client, sever]
              both: {rate: 0, delay: -5ms, loss: 101%, reorde: 1%}
            loop: {between: [server, server]}
            spare: {between: [server, switch]}
        traffic:
          upload: {kind: bulk, from: client, to: servr, bytes: 1MB, start: -3s}
          ask: {kind: request_respnse, from: client, to: server}
          stream: {kind: udp_stream, from: switch, to: server, port: 70000}
          half: {kind: bulk, from: client, bytes: 1MB, duration: 1s}
        events:
          - {at: 1s, kind: down, link: wier}
          - {kind: up, link: wire}
          - {when: uplod.bytes > 1MB, kind: reboot, host: server}
          - {at: 1s, kind: impair, link: spare, change: {loss: lots}}
        expect:
          flows:
            upload: {delivered: everything, intact: perhaps, godput: ">= 1Mbit/s", retransmissions: few}
            download: {resets: 0}
          hosts:
            switch: {tcp.bad_checksum: 0}
          digest: abc
        stack: {tcp: {congestion: cubik, delayed_ack: 2s}}
        """
    ) == [
        "1:7: 5 is not a name: a letter, then letters, digits, `_` or `-`",
        "2:7: -1 is less than 0",
        "3:11: '30' needs a unit: 30ms or 30s?",
        "4:1: unknown key `topolgy`; did you mean `topology`?",
        "7:13: unknown kind `hots`; did you mean `host`?",
        "8:26: unknown key `adresses`; did you mean `addresses`?",
        "10:5: `kind` is missing; one of `host`, `router`, `switch`",
        "13:25: unknown node `sever`; did you mean `server`?",
        "14:20: at rate 0 nothing ever arrives; a link that is down is 'up: false'",
        "14:30: a duration cannot be negative, but '-5ms' is",
        "14:42: '101%' is more than 100%",
        "14:48: unknown key `reorde`; did you mean `reorder`?",
        "15:21: `server` is linked to itself",
        "18:42: unknown node `servr`; did you mean `server`?",
        "18:68: a duration cannot be negative, but '-3s' is",
        "19:8: unknown kind `request_respnse`; did you mean `request_response`?",
        "20:36: `switch` is a switch; it has no stack",
        "20:62: 70000 is more than 65535",
        "21:3: `to` is missing",
        "23:32: unknown link `wier`; did you mean `wire`?",
        "24:5: an event has either `at`, a time, or `when`, a condition",
        "25:12: unknown name `uplod`; did you mean `upload`?",
        "26:56: 'lots' is not a probability; write it like 1% or 0.01",
        "29:25: 'everything' is not a size; write it like 1500B, 10MB or 64KiB",
        "29:45: 'perhaps' is neither true nor false",
        "29:54: unknown key `godput`; did you mean `goodput`?",
        "29:93: 'few' is not a count; write a whole number",
        "30:5: unknown flow `download`; known: `upload`, `ask`, `stream`, `half`",
        "32:13: `switch` is a switch; it has no stack",
        "33:11: 'abc' is not a digest: 64 hexadecimal digits",
        "34:8: congestion must be one of bbr, cubic, dctcp, reno, vegas or module:Class, not 'cubik'",
        "34:47: 2s is too much, at most 500ms",
    ]


@pytest.mark.parametrize(
    ("topology", "expected"),
    [
        ("links: {a-b: {between: [a, x]}}", "unknown node `x`; known: `a`, `b`, `r`, `s`, `t`"),
        (
            "links: {a-b: {between: [a, b], addresses: {a: 10.0.0.1}}}",
            "'10.0.0.1' needs a prefix length, as in 10.0.0.0/8",
        ),
        (
            "links: {a-b: {between: [a, b], addresses: {a: 10.0.0.1/24, b: 10.0.0.1/24}}}",
            "10.0.0.1/24 is an address of `a` already, at link `a-b`",
        ),
        (
            "links: {a-b: {between: [a, b], addresses: {a: 10.0.0.1/24, b: 10.0.1.2/24}}}",
            "10.0.1.2/24 is not in 10.0.0.0/24, the network of its link",
        ),
        (
            "links: {a-r: {between: [a, r], addresses: {r: 10.0.0.1/16}}, "
            "b-r: {between: [b, r], addresses: {r: 10.0.7.1/24}}}",
            "10.0.7.0/24 overlaps with 10.0.0.0/16, the network of link `a-r`",
        ),
        (
            "links: {a-b: {between: [a, b], addresses: {c: 10.0.0.1/24}}}",
            "`c` is no end of this link; known: `a`, `b`",
        ),
        ("links: {a-s: {between: [a, s], addresses: {s: 10.0.0.1/24}}}", "`s` is a switch, which has no address"),
        (
            "links: {a-b: {between: [a, b], addresses: {a: 10.0.0.255/24}}}",
            "10.0.0.255/24 is the address of the network itself or its broadcast address",
        ),
        (
            "links: {a-b: {between: [a, b], addresses: {a: 224.0.0.1/24}}}",
            "224.0.0.1/24 cannot be the address of an interface",
        ),
        (
            "links: {s-t: {between: [s, t]}, again: {between: [t, s]}}",
            "`again` closes a loop of switches, in which broadcasts go round for ever",
        ),
        (
            "links: {a-b: {between: [a, b], mtu: 20}}",
            "20 is less than 68",
        ),
        ("generator: {kind: barbel, m1: 3, m2: 1}", "unknown kind `barbel`; did you mean `barbell`?"),
        ("generator: {kind: barbell, m1: 3}", "`m2` is missing"),
        (
            "generator: {kind: barabasi_albert, n: 3, m: 5}",
            "networkx: Barabási–Albert network must have m >= 1 and m < n",
        ),
        ("file: nowhere.graphml", "cannot read nowhere.graphml: No such file or directory"),
        ("file: s.yaml", "s.yaml is neither .graphml nor .gml"),
    ],
)  # fmt: skip
def test_mistakes_in_the_topology(mistakes: Mistakes, topology: str, expected: str) -> None:
    nodes = "a: {kind: host}, b: {kind: host}, r: {kind: router}, s: {kind: switch}, t: {kind: switch}"
    (found,) = mistakes(f"topology:\n  nodes: {{{nodes}}}\n  {topology}\n")
    assert found.startswith("3:")
    assert expected in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("traffic: {f: {kind: ping, from: client, to: lonely}}", "`lonely` is unreachable from `client`"),
        (
            "traffic:\n  f: &f {kind: bulk, from: client, to: server, bytes: 1B, port: 80}\n  g: *f",
            "port 80 of `server` is in use by `f`",
        ),
        ("traffic: {f: {kind: ping, from: client, to: server, start: 2min}}", "120s is not before the end of the run"),
        ("traffic: {f: {kind: bulk, from: client, to: server}}", "give either bytes or duration"),
        (
            "traffic: {f: {kind: python, from: client, to: server, python: 'nothing:there'}}",
            "module `nothing` cannot be imported: No module named 'nothing'",
        ),
        ("events: [{at: 2h, kind: heal}]", "7200s is after the end of the run, 60s"),
        ("events: [{at: 1s, when: time > 2s, kind: heal}]", "an event has either `at`, a time, or `when`, a condition"),
        ("events: [{when: time > 1MB, kind: heal}]", "'MB' in '1MB' is no unit of time"),
        ("events: [{at: 1s, kind: partition, groups: [[client], [client]]}]", "`client` is in another group already"),
        ("events: [{at: 1s, kind: partition, groups: [[nobody]]}]", "unknown node `nobody`"),
        ("events: [{at: 1s, kind: partition, groups: []}]", "at least 1 needed"),
        ("events: [{at: 1s, kind: flap, link: wire, period: 0s, count: 1}]", "'0s' is not more than 0"),
        ("events: [{at: 1s, kind: impair, link: wire, change: {reorder: 1%, delay: null}}]", "it needs a delay"),
        ("events: [{at: 1s, kind: impair, link: wire, change: [loss]}]", "are no impairments"),
        (
            "events: [{at: 1s, kind: add_route, host: client, to: lonely, via: lonely}]",
            "`lonely` is no neighbour of `client`",
        ),
        (
            "events: [{at: 1s, kind: add_address, host: lonely, address: 10.0.0.9/24}]",
            "`lonely` has 0 links; say at which `link`",
        ),
        ("events: [{at: 1s, kind: drop, link: wire}]", "unknown kind `drop`"),
        (
            "topology: {nodes: {a: {kind: host, addresses: 10.0.0.1/24}}}",
            "`a` has 0 links; give its addresses at these",
        ),
        ("expect: {flows: {f: {goodput: 5Mbit/s}}}", "'5Mbit/s' would have to be met exactly"),
        (
            "expect: {hosts: {server: {tcp.bad_cheksum: 0}}}",
            ":27: unknown counter `tcp.bad_cheksum`; did you mean `tcp.bad_checksum`?",
        ),
        (
            "events: [{when: host.server.tcp.bad_cheksum > 3, kind: down, link: wire}]",
            ":17: unknown counter `tcp.bad_cheksum`; did you mean `tcp.bad_checksum`?",
        ),
        (
            "traffic: {f: {kind: ping, from: client, to: server, port: 80}}",
            ":53: `ping` has no ports",
        ),
        (
            "traffic: {f: {kind: ping, from: client, to: server}}\nexpect: {flows: {f: {rtt: '> 1ms'}}}",
            "3:22: `rtt` is measured of connections, and `ping` consists of datagrams",
        ),
        (
            "traffic: {f: {kind: bulk, bytes: 1kB, from: client, to: server}}\nexpect: {flows: {f: {loss: 0%}}}",
            "3:22: `loss` is measured of datagrams, and `bulk` consists of connections",
        ),
        (
            "traffic: {f: {kind: echo, from: client, to: server}}\nexpect: {flows: {f: {jitter: '< 1ms'}}}",
            "3:22: `jitter` is measured of datagrams, and `echo` consists of connections",
        ),
        (
            "traffic: {f: {kind: http, from: client, to: server}}\n"
            "events: [{when: f.loss > 1%, kind: down, link: wire}]",
            "3:17: `loss` is measured of datagrams, and `http` consists of connections",
        ),
        ("expect: {python: 'asyncio:sleep'}", "`asyncio:sleep` is a coroutine function (async def)"),
        (
            "expect: {python: 'shutil:copyfile'}",
            "`shutil:copyfile` cannot be called with a result: missing a required argument: 'dst'",
        ),
        (
            "traffic: {f: {kind: python, from: client, to: server, python: 'os:getcwd'}}",
            "`os:getcwd` is no coroutine function (async def)",
        ),
        ("expect: {python: 'os:nothing'}", "the module `os` has no function `nothing`"),
        ("expect: {python: 'import os'}", "'import os' is not of the form module:function"),
        ("expect: {links: {wire: {forward: {drop: 0}}}}", "unknown key `drop`; did you mean `drops`?"),
        (
            "stack: {ports: {ephemeral_low: 2000, ephemeral_high: 1500}}",
            "ephemeral_low must not be above ephemeral_high",
        ),
        ("stack: {tcp: {mss: 1.5kB, nodely: true}}", "unknown key `nodely`; did you mean `nodelay`?"),
        ("outputs: {pcaps: x}", "unknown key `pcaps`; did you mean `pcap`?"),
        ("name: link", "`link` has a meaning of its own in conditions; take another name"),
        ("traffic: [1, 2]", "a list is not a mapping"),
        ("events: {at: 1s}", "a mapping is not a list"),
        ("duration:", "a value is missing"),
    ],
)  # fmt: skip
def test_mistakes_elsewhere(mistakes: Mistakes, text: str, expected: str) -> None:
    topology = (
        "topology: {nodes: {client: {kind: host}, server: {kind: host}, lonely: {kind: host}}, "
        "links: {wire: {between: [client, server], both: {delay: 10ms}}}}\n"
    )
    found = mistakes(text + "\n" if text.startswith("topology") else topology + text + "\n")
    assert any(expected in line for line in found), found
    assert len(found) <= 2


def test_an_asymmetric_error_is_told_where_it_is(mistakes: Mistakes) -> None:
    found = mistakes(
        """\
        topology:
          nodes: {a: {kind: host}, b: {kind: host}}
          links:
            wire:
              between: [a, b]
              both: {rate: 1Mbit/s}
              forward: {queue: 5}
              backward: {reorder: 2%, delay: {time: 5ms, jiter: 1ms}}
        """
    )
    assert found == [
        "7:24: '5' of what? Write '100 packets', '150kB', '20ms' or '1bdp'",
        "8:50: unknown key `jiter`; did you mean `jitter`?",
    ]


def test_what_echo_measures_depends_on_its_transport(mistakes: Mistakes) -> None:
    text = GOOD.replace("kind: bulk,", "kind: echo, protocol: udp,").replace(", bytes: 1MB", "")
    assert mistakes(text + "expect: {flows: {upload: {loss: 0%, jitter: '< 1ms'}}}\n") == []


def test_a_mistake_is_not_followed_by_what_pydantic_could_not_do_because_of_it(mistakes: Mistakes) -> None:
    """What is left out of a Gilbert-Elliott model follows from what is given, and not if that is wrong."""
    found = mistakes(GOOD.replace("delay: 10ms", "loss: {gemodel: {p: 101%}}"))
    assert found == ["7:82: '101%' is more than 100%"]


def test_a_broken_part_is_not_blamed_twice(mistakes: Mistakes) -> None:
    """The node with the mistake is still known by its name, and nothing is unreachable because of it."""
    assert mistakes(GOOD.replace("server: {kind: host}", "server: {kind: hosst}")) == [
        "5:13: unknown kind `hosst`; did you mean `host`?"
    ]
    assert mistakes(GOOD.replace("[client, server], both", "[client, server], boht")) == [
        "7:39: unknown key `boht`; did you mean `both`?"
    ]


def test_a_failed_generator_leaves_its_nodes_in_doubt(mistakes: Mistakes) -> None:
    found = mistakes(
        """\
        topology:
          generator: {kind: star, n: 0}
          nodes: {a: {kind: host}}
          links: {a-n0: {between: [a, n0]}}
        traffic: {f: {kind: ping, from: a, to: n1}}
        """
    )
    assert found == ["2:30: 0 is less than 1"]


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ScenarioError, match=r"^nowhere.yaml: cannot be read: No such file or directory$"):
        load_scenario("nowhere.yaml")
    with pytest.raises(ScenarioError, match=r"^/: cannot be read: Is a directory$"):
        load_scenario("/")


def test_the_whole_may_be_wrong(mistakes: Mistakes) -> None:
    assert mistakes("name: x") == ["1:1: `topology` is missing"]
    assert mistakes("topology: 5") == ["1:11: 5 is not a mapping"]


def test_thousands_of_mistakes_are_cut_short(mistakes: Mistakes) -> None:
    flows = "".join(f"  f{number}: {{kind: ping, from: client, to: x}}\n" for number in range(1000))
    found = mistakes(GOOD + flows)
    assert len(found) == 101
    assert found[-1].endswith("and 900 more")


def test_overrides_replace_values(write: Write) -> None:
    file = write(GOOD)
    loaded = load_scenario(
        file,
        {
            "topology.links.wire.both.loss": "5%",
            "traffic.upload.bytes": "2MB",
            "stack.tcp": "{congestion: reno}",
        },
    )
    assert loaded.network.links["wire"].forward.loss is not None
    assert loaded.network.links["wire"].forward.loss.probability == 0.05
    assert loaded.model.traffic["upload"].bytes == 2_000_000
    assert loaded.model.stack.tcp.congestion == "reno"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("topology.links.wire.both.loss", "101%", "--set topology.links.wire.both.loss=101%: '101%' is more than 100%"),
        ("traffic.upload.byte", "1", "--set traffic.upload.byte=1: unknown key `byte`; did you mean `bytes`?"),
        ("traffic.x.7.y.z", "x", "--set traffic.x.7.y.z=x: `kind` is missing; one of "),
        ("events.7", "x", "--set events.7=x: "),
        ("", "x", "--set =x: there is no such place in the scenario"),
        ("name", "[", "--set name=[:1:2: this is not YAML"),
    ],
)  # fmt: skip
def test_overrides_can_be_wrong(write: Write, path: str, value: str, expected: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(write(GOOD), {path: value})
    assert str(caught.value).startswith(expected)


def test_the_name_of_a_scenario_is_that_of_its_file(write: Write) -> None:
    assert load_scenario(write(GOOD.replace("name: good\n", ""), "my scenario.yaml")).name == "my_scenario"


def test_mutilated_scenarios_are_refused_or_read(write: Write) -> None:
    """Words of real scenarios in places where they do not belong: mistakes to tell, never another exception."""
    texts = [file.read_text() for file in sorted(EXAMPLES.glob("*.yaml"))]
    words = sorted({word for text in texts for word in WORDS.findall(text)})
    words += ["null", "-1", "0", "1e999", ".nan", "[]", "{}", "9" * 30, "é", "fe80::1/64", "&a", "*a"]
    chance = Random(4711)
    refused = 0
    for _ in range(300):
        parts = PARTS.findall(chance.choice(texts))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(parts))
            if chance.random() < 0.3:
                del parts[place]
            else:
                parts[place] = chance.choice(words) + chance.choice(("", " "))
        try:
            load_scenario(write("".join(parts)))
        except ScenarioError as error:
            refused += 1
            for problem in error.problems:
                assert "\n" not in str(problem)
                assert len(str(problem)) < 500
    assert 100 < refused < 300
