"""The addresses that a scenario gives: whether they can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from scenarios.network import Lan, Network, NetworkLink, NetworkNode, Report
from scenarios.schema.topology import Family
from scenarios.validation import Mistake
from scenarios.yaml_reader import Place
from stack.wire.address import InterfaceAddress, Prefix

BYTES: dict[Family, int] = {"ipv4": 4, "ipv6": 16}
"""Length of an address."""


class _Given(NamedTuple):
    node: NetworkNode
    link: NetworkLink
    address: InterfaceAddress
    place: Place


def check_addresses(network: Network, report: Report) -> None:
    """Each address is there once, the networks do not overlap, and who shares a link shares a network."""
    lans = [(lan, list(_given(lan))) for lan in network.lans]
    first: dict[bytes, _Given] = {}
    for _, every in lans:
        for given in every:
            other = first.setdefault(given.address.address, given)
            if other is not given:
                text = f"{given.address} is an address of `{other.node.name}` already, at link `{other.link.name}`"
                report(Mistake(given.place, text))
    owners: list[tuple[Prefix, Lan]] = []
    for lan, every in lans:
        for size in BYTES.values():
            _check_networks(
                lan, [given for given in every if len(given.address.address) == size], owners, report
            )


def _given(lan: Lan) -> Iterator[_Given]:
    for node, link in lan.members:
        for index, address in enumerate(link.addresses.get(node.name, ())):
            yield _Given(node, link, address, (*link.given[node.name], index))


def _check_networks(lan: Lan, every: list[_Given], owners: list[tuple[Prefix, Lan]], report: Report) -> None:
    """The addresses of one family on one network."""
    prefixes: list[Prefix] = []
    for given in every:
        prefix = given.address.prefix
        if prefix in prefixes:
            continue
        own = [other for other in every if other.node is given.node and other.link is given.link]
        if own[0] is given and prefixes and not any(other.address.prefix in prefixes for other in own):
            report(Mistake(given.place, f"{given.address} is not in {prefixes[0]}, the network of its link"))
        for taken, owner in owners:
            if owner is not lan and (taken.contains(prefix.address) or prefix.contains(taken.address)):
                text = f"{prefix} overlaps with {taken}, the network of link `{owner.links[0].name}`"
                report(Mistake(given.place, text))
        prefixes.append(prefix)
    owners += [(prefix, lan) for prefix in prefixes]
