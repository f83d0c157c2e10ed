"""Networks from graphs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import networkx
import pytest

from links.impairments.spec import Impairments
from links.simulated.addressing import assign_addresses, assign_routes
from links.simulated.simulation import Simulation, TopologyError
from links.simulated.topology import Topology, from_graph, generate, load

SHADOW = """
graph [
  directed 0
  node [ id 0 label "home" host_bandwidth_down "100 Mbit" host_bandwidth_up "10 Mbit" ]
  node [ id 1 label "server" host_bandwidth_down "1 Gbit" host_bandwidth_up "1 Gbit" ]
  edge [ source 0 target 0 latency "1 ms" packet_loss 0.0 ]
  edge [ source 0 target 1 latency "50 ms" jitter "2 ms" packet_loss 0.01 ]
]
"""

ZOO = """<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="label" attr.type="string" for="node" id="d0" />
  <key attr.name="Latitude" attr.type="double" for="node" id="d1" />
  <key attr.name="Longitude" attr.type="double" for="node" id="d2" />
  <key attr.name="LinkSpeedRaw" attr.type="double" for="edge" id="d3" />
  <graph edgedefault="undirected">
    <node id="0"><data key="d0">Vienna</data><data key="d1">48.2085</data><data key="d2">16.3721</data></node>
    <node id="1"><data key="d0">Linz</data><data key="d1">48.3064</data><data key="d2">14.2861</data></node>
    <node id="2"><data key="d0">Graz</data></node>
    <edge source="0" target="1"><data key="d3">10000000000.0</data></edge>
    <edge source="1" target="2" />
  </graph>
</graphml>
"""


def dump(impairments: Impairments | None) -> Any:
    return None if impairments is None else impairments.model_dump(exclude_unset=True, by_alias=True)


def links(topology: Topology) -> list[tuple[str, str]]:
    return [(link.a, link.b) for link in topology.links]


def test_generators() -> None:
    star = from_graph(generate("star", {"n": 3}, Random(1)))
    assert star.nodes == {"n0": "router", "n1": "host", "n2": "host", "n3": "host"}
    assert links(star) == [("n0", "n1"), ("n0", "n2"), ("n0", "n3")]
    barbell = from_graph(generate("barbell", {"m1": 3, "m2": 1}, Random(1)))
    assert set(barbell.nodes.values()) == {"router"}
    grid = from_graph(generate("grid_2d", {"m": 2, "n": 2}, Random(1)))
    assert list(grid.nodes) == ["n0-0", "n0-1", "n1-0", "n1-1"]


def test_a_generators_chance_is_that_of_the_stream() -> None:
    parameters = {"n": 12, "k": 4, "p": 0.5}
    one, again, other = (
        links(from_graph(generate("watts_strogatz", parameters, Random(seed)))) for seed in ("a", "a", "b")
    )
    assert one == again != other
    fixed = [
        links(from_graph(generate("watts_strogatz", parameters | {"seed": 7}, Random(seed)))) for seed in "ab"
    ]
    assert fixed[0] == fixed[1]


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("stern", {}, "no graph generator 'stern'"),
        ("__class__", {}, "no graph generator"),
        ("shortest_path", {}, "no graph generator"),
        ("star", {"m": 3}, "star takes n, but not m"),
        ("star", {"n": 3, "create_using": 1}, "but not create_using"),
        ("star", {}, "star: .*missing"),
        ("barbell", {"m1": 1, "m2": 0}, "barbell: "),
        ("random_regular", {"d": 3, "n": 5}, "random_regular: "),
    ],
)
def test_generators_that_cannot(name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        generate(name, parameters, Random(1))


def test_shadows_gml(tmp_path: Path) -> None:
    path = tmp_path / "network.gml"
    path.write_text(SHADOW)
    topology = from_graph(load(path))
    assert topology.nodes == {"home": "host", "server": "host"}
    (link,) = topology.links
    assert (link.a, link.b, link.backward) == ("home", "server", None)
    assert link.forward == Impairments.model_validate(
        {"delay": {"time": "50ms", "jitter": "2ms"}, "loss": "1%"}
    )


def test_topology_zoos_graphml(tmp_path: Path) -> None:
    path = tmp_path / "network.graphml"
    path.write_text(ZOO)
    topology = from_graph(load(path), defaults=Impairments.parse_text("loss=1%"))
    assert topology.nodes == {"Vienna": "host", "Linz": "router", "Graz": "host"}
    fast, plain = topology.links
    assert fast.forward.rate is not None
    assert fast.forward.rate.constant == 10**10
    assert fast.forward.delay is not None
    assert 750_000 < fast.forward.delay.time < 800_000, "155 km of fibre"
    assert dump(plain.forward) == dump(Impairments.parse_text("loss=1%"))


def test_attributes_of_nodes_and_edges() -> None:
    graph = networkx.MultiGraph()
    graph.add_node("hub", kind="switch")
    graph.add_edge("hub", "a", delay="3ms", rate="10 Mbit/s", color="red", weight=2.5)
    graph.add_edge("hub", "a", netem="delay 5ms loss 1%")
    graph.add_edge("hub", "b")
    topology = from_graph(graph, defaults=Impairments.parse_text("delay=1ms, mtu=1400"))
    assert topology.nodes == {"hub": "switch", "a": "host", "b": "host"}
    assert [(link.forward, link.weight) for link in topology.links] == [
        (Impairments.model_validate({"delay": "3ms", "rate": "10Mbit/s", "mtu": 1400}), 2.5),
        (Impairments.model_validate({"netem": "delay 5ms loss 1%", "mtu": 1400}), 1),
        (Impairments.model_validate({"delay": "1ms", "mtu": 1400}), 1),
    ]


def test_directed_edges_are_directions() -> None:
    graph = networkx.MultiDiGraph()
    graph.add_edge("a", "b", latency="10ms")
    graph.add_edge("a", "b", latency="11ms")
    graph.add_edge("b", "a", latency="20ms")
    graph.add_edge("c", "b", latency="30ms")
    topology = from_graph(graph)

    def delay(impairments: Impairments | None) -> int | None:
        return None if impairments is None or impairments.delay is None else impairments.delay.time // 10**6

    assert [(link.a, link.b, delay(link.forward), delay(link.backward)) for link in topology.links] == [
        ("a", "b", 10, 20),
        ("a", "b", 11, None),
        ("c", "b", 30, None),
    ]
    assert topology.nodes == {"a": "host", "b": "router", "c": "host"}


def test_labels_that_are_not_distinct_are_no_names() -> None:
    graph = networkx.Graph()
    graph.add_node(0, label="Springfield")
    graph.add_node(1, label="Springfield")
    graph.add_edge(0, 1)
    assert list(from_graph(graph).nodes) == ["n0", "n1"]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"delay": "fast"}, "edge a-b: delay.*fast"),
        ({"latency": 5}, "edge a-b: delay.*unit"),
        ({"packet_loss": 1.5}, "edge a-b: loss"),
        ({"bandwidth": "0 Mbit"}, "edge a-b: rate"),
        ({"weight": -1}, "edge a-b: weight: -1"),
        ({"weight": "heavy"}, "edge a-b: weight: 'heavy'"),
    ],
)
def test_edges_that_cannot_be(attributes: dict[str, Any], message: str) -> None:
    graph = networkx.Graph()
    graph.add_edge("a", "b", **attributes)
    with pytest.raises(TopologyError, match=message):
        from_graph(graph)


def test_nodes_that_cannot_be() -> None:
    graph = networkx.Graph()
    graph.add_node("a", kind="toaster")
    with pytest.raises(TopologyError, match="node a is a 'toaster', which is none of host, router, switch"):
        from_graph(graph)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.gml", "graph [ node [", "a.gml: "),
        ("a.gml", "\xff", "a.gml: "),
        ("a.graphml", "<graphml", "a.graphml: "),
        ("a.graphml", "<a/>", "a.graphml: "),
        ("a.txt", "", "neither GraphML"),
    ],
)
def test_files_that_are_no_graphs(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(TopologyError, match=message):
        load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("a.gml", "a.graphml"):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / name)


def test_without_a_graph_networkx_is_not_imported() -> None:
    """It takes most of a second."""
    program = (
        "import sys, links.simulated.topology, links.simulated.addressing; print('networkx' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "False"


def test_built_it_is_a_network_in_which_all_reach_all() -> None:
    graph = networkx.Graph()
    graph.add_node("lan", kind="switch")
    for edge in (("a", "lan"), ("b", "lan"), ("lan", "r"), ("r", "s"), ("s", "c")):
        graph.add_edge(*edge, delay="1ms")
    with Simulation() as simulation:
        from_graph(graph).build(simulation)
        assign_addresses(simulation)
        assign_routes(simulation)
        assert set(simulation.switches) == {"lan"}
        assert [name for name, host in simulation.hosts.items() if host.config.ip.forwarding] == ["r", "s"]
        assert simulation.wires["s-c"].forward.spec.delay is not None
        c = simulation.machines["c"].cards["eth0"].addresses[0].address
        assert simulation.hosts["a"].path(c).mtu == 1500
