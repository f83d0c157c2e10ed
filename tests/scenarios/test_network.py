"""Topologies from generators and files, and what comes of them together with what is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from links.units import parse_duration
from scenarios.builder import build
from scenarios.loading import LoadedScenario, load_scenario
from scenarios.problems import ScenarioError

Write = Callable[..., Path]
Mistakes = Callable[[str], list[str]]

GML = """\
graph [
  directed 1
  node [ id 0 label "node at 1.2.3.4" host_bandwidth_up "1 Gbit" ]
  node [ id 1 label "node at 5.6.7.8" ]
  edge [ source 0 target 0 latency "1 ms" packet_loss 0.0 ]
  edge [ source 0 target 1 latency "50 ms" jitter "2 ms" packet_loss 0.01 ]
  edge [ source 1 target 0 latency "20 ms" packet_loss 0.0 ]
]
"""
ZOO = """\
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="l" for="node" attr.name="label" attr.type="string"/>
  <key id="y" for="node" attr.name="Latitude" attr.type="double"/>
  <key id="x" for="node" attr.name="Longitude" attr.type="double"/>
  <key id="s" for="edge" attr.name="LinkSpeedRaw" attr.type="double"/>
  <graph edgedefault="undirected">
    <node id="0"><data key="l">New York</data><data key="y">40.71</data><data key="x">-74.0</data></node>
    <node id="1"><data key="l">London</data><data key="y">51.5</data><data key="x">-0.12</data></node>
    <node id="2"><data key="l">Nowhere</data></node>
    <edge source="0" target="1"><data key="s">1E7</data></edge>
    <edge source="1" target="2"/>
  </graph>
</graphml>
"""


def load(write: Write, topology: str) -> LoadedScenario:
    return load_scenario(write(f"topology: {topology}\n"))


def test_a_generator_gives_routers_and_leaves_that_are_hosts(write: Write) -> None:
    network = load(write, "{generator: {kind: star, n: 3, link: {delay: 5ms}}}").network
    assert {name: node.kind for name, node in network.nodes.items()} == {
        "n0": "router", "n1": "host", "n2": "host", "n3": "host",
    }  # fmt: skip
    assert list(network.links) == ["n0-n1", "n0-n2", "n0-n3"]
    delays = [link.forward.delay for link in network.links.values()]
    assert all(delay is not None and delay.time == 5_000_000 for delay in delays)


def test_nodes_of_a_grid_have_names(write: Write) -> None:
    assert list(load(write, "{generator: {kind: grid_2d, m: 2, n: 2}}").network.nodes) == [
        "n0_0", "n0_1", "n1_0", "n1_1",
    ]  # fmt: skip


def test_every_generator_makes_a_network_in_one_piece(write: Write) -> None:
    for parameters in (
        "kind: path, n: 4", "kind: cycle, n: 4", "kind: star, n: 3", "kind: wheel, n: 5", "kind: complete, n: 4",
        "kind: grid_2d, m: 2, n: 3", "kind: ladder, n: 3", "kind: barbell, m1: 3, m2: 1", "kind: lollipop, m: 3, n: 2",
        "kind: balanced_tree, r: 2, h: 2", "kind: barabasi_albert, n: 8, m: 2",
        "kind: watts_strogatz, n: 8, k: 4, p: 10%",
    ):  # fmt: skip
        network = load(write, f"{{generator: {{{parameters}}}}}").network
        first, *others = network.nodes.values()
        assert all(network.way(first, other) is not None for other in others), parameters


def test_random_shapes_follow_their_own_seed(write: Write) -> None:
    shapes = [
        list(
            load(write, f"{{generator: {{kind: barabasi_albert, n: 20, m: 2, seed: {seed}}}}}").network.links
        )
        for seed in (1, 1, 2)
    ]
    assert shapes[0] == shapes[1] != shapes[2]


def test_what_is_written_adds_to_what_is_generated(write: Write) -> None:
    network = load(
        write,
        """
  generator: {kind: path, n: 3, link: {delay: 5ms}}
  nodes: {n2: {kind: router}, client: {kind: host}}
  links:
    client-n0: {between: [client, n0]}
    n0-n1: {between: [n0, n1], both: {loss: 1%}}""",
    ).network
    assert {name: node.kind for name, node in network.nodes.items()} == {
        "n0": "router", "n1": "router", "n2": "router", "client": "host",
    }  # fmt: skip
    assert sorted(network.links) == ["client-n0", "n0-n1", "n1-n2"]
    assert network.links["n0-n1"].forward.delay is None, "a link that is written again is as it is written"
    assert len(network.nodes["n0"].links) == 2


def test_gml_as_shadow_has_it(write: Write) -> None:
    write(GML, "g.gml")
    network = load(write, "{file: g.gml}").network
    assert list(network.nodes) == ["node_at_1_2_3_4", "node_at_5_6_7_8"]
    (link,) = network.links.values()
    assert link.forward.delay is not None
    assert link.backward.delay is not None
    assert (link.forward.delay.time, link.forward.delay.jitter) == (50_000_000, 2_000_000)
    assert link.backward.delay.time == 20_000_000
    assert link.forward.loss is not None
    assert link.forward.loss.probability == 0.01


def test_graphml_as_the_topology_zoo_has_it(write: Write) -> None:
    write(ZOO, "zoo.graphml")
    network = load(write, "{file: {path: zoo.graphml, link: {queue: 50 packets, rate: 1Mbit/s}}}").network
    assert list(network.links) == ["New_York-London", "London-Nowhere"]
    atlantic, unknown = network.links.values()
    assert atlantic.forward.delay is not None
    assert parse_duration("27ms") < atlantic.forward.delay.time < parse_duration("29ms"), "5,570 km of fibre"
    assert atlantic.forward.rate is not None
    assert atlantic.forward.rate.constant == 10_000_000, "what the file says goes before"
    assert atlantic.forward.queue.limit.packets == 50
    assert unknown.forward.delay is None


def test_labels_that_are_not_distinct_give_way_to_ids(write: Write) -> None:
    write('graph [ node [ id 0 label "x" ] node [ id 1 label "x" ] edge [ source 0 target 1 ] ]', "g.gml")
    assert list(load(write, "{file: g.gml}").network.nodes) == ["n0", "n1"]


def test_a_file_that_is_no_graph(write: Write, mistakes: Mistakes) -> None:
    write("<graphml><oops", "g.graphml")
    write("graph [ node [ id 0 ] edge [ source 0 target 7 ] ]", "g.gml")
    (found,) = mistakes("topology: {file: g.graphml}")
    assert found.startswith("1:18: g.graphml is no graph that networkx can read: ")
    (found,) = mistakes("topology: {file: g.gml}")
    assert found.startswith("1:18: g.gml is no graph that networkx can read: ")


def test_a_rate_that_cannot_be_in_a_file(write: Write, mistakes: Mistakes) -> None:
    write(GML.replace('"50 ms"', '"a while"'), "g.gml")
    (found,) = mistakes("topology: {file: g.gml}")
    assert found == "1:18: 'a while' is not a duration; write it like 20ms, 1.5s or 2min"


def test_given_addresses_stay_and_the_others_are_computed(write: Write) -> None:
    scenario = load(
        write,
        """
  nodes: {a: {kind: host, addresses: 192.0.2.7/24}, b: {kind: host}, r: {kind: router}}
  links: {a-r: {between: [a, r]}, r-b: {between: [r, b]}}""",
    )
    with build(scenario, 1) as simulation:
        addresses = {
            name: [str(address) for card in machine.cards.values() for address in card.addresses]
            for name, machine in simulation.machines.items()
        }
    assert addresses["a"][0] == "192.0.2.7/24"
    assert addresses["r"][0] == "192.0.2.1/24"
    assert all(any(":" in address for address in mine) for mine in addresses.values()), (
        "dual stack by default"
    )


def test_a_given_network_can_be_too_small(write: Write) -> None:
    scenario = load(
        write,
        """
  nodes: {a: {kind: host, addresses: 192.0.2.1/30}, b: {kind: host}, c: {kind: host}, s: {kind: switch}}
  links: {a-s: {between: [a, s]}, b-s: {between: [b, s]}, c-s: {between: [c, s]}}""",
    )
    with pytest.raises(ScenarioError, match=r"^s.yaml:\d+:\d+: 192.0.2.0/30 has no address left$"):
        build(scenario, 1)


def test_families_can_be_left_out(write: Write) -> None:
    scenario = load(
        write, "{families: ipv6, nodes: {a: {kind: host}, b: {kind: host}}, links: {w: {between: [a, b]}}}"
    )
    with build(scenario, 1) as simulation:
        (card,) = simulation.machines["a"].cards.values()
        assert [len(address.address) for address in card.addresses] == [16]


def test_settings_of_a_node_go_before_those_of_all(write: Write) -> None:
    scenario = load_scenario(
        write(
            """\
            topology:
              nodes: {a: {kind: host, stack: {tcp: {sack: false}}}, b: {kind: router}}
              links: {w: {between: [a, b]}}
            stack: {tcp: {congestion: reno, sack: true}, ip: {hop_limit: 32}}
            """
        )
    )
    with build(scenario, 1) as simulation:
        a, b = simulation.hosts["a"].config, simulation.hosts["b"].config
    assert (a.tcp.congestion, a.tcp.sack, a.ip.hop_limit, a.ip.forwarding) == ("reno", False, 32, False)
    assert (b.tcp.congestion, b.tcp.sack, b.ip.hop_limit, b.ip.forwarding) == ("reno", True, 32, True)


def test_settings_that_contradict_those_of_all(mistakes: Mistakes) -> None:
    assert mistakes(
        """\
        topology:
          nodes: {a: {kind: host, stack: {ports: {ephemeral_low: 50000}}}}
        stack: {ports: {ephemeral_high: 40000}}
        """
    ) == ["2:34: ephemeral_low must not be above ephemeral_high"]
