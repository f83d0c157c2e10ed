"""The command ``usernetstack``.

Exit status: 0 if all expectations held, 1 if some did not, 2 for bad input or environment. What a command needs is
imported when it runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from scenarios.problems import ScenarioError

FAILED = 1
BAD_INPUT = 2

app = typer.Typer(
    name="usernetstack",
    help="A TCP/IP stack in Python: repeatable networks in virtual time, real traffic on a TAP.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The entry point. What is wrong with a command line is told in one line."""
    from typer.exceptions import TyperException

    try:
        status = app(prog_name="usernetstack", standalone_mode=False)
    except TyperException as error:
        _complain(f"usernetstack: error: {' '.join(error.format_message().split())}")
        status = BAD_INPUT
    except typer.Abort:
        status = FAILED
    if "scenarios.files" in sys.modules:
        from scenarios.files import give_up_what_cannot_be_flushed

        give_up_what_cannot_be_flushed()
    sys.exit(status)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"usernetstack {version('usernetstack')}")
        except PackageNotFoundError:
            print("usernetstack, not installed")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        _complain(context.get_help())
        raise typer.Exit(BAD_INPUT)


Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scenarios in YAML.")]


@app.command()
def run(
    files: Files,
    seed: Annotated[int | None, typer.Option(min=0, help="In place of the scenario's own seed.")] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="A..B", help="One run with each of these seeds.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Replace a value: topology.links.wire.both.loss=5%"),
    ] = None,
    json: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write the results as JSON.")] = None,
    pcap: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a capture of each run, in pcapng.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what failed.")] = False,
) -> None:
    """Run scenarios in virtual time, and judge them by their expectations."""
    from scenarios.problems import ScenarioError
    from scenarios.runs import Order, execute
    from scenarios.signals import ending_signals

    try:
        order = Order.parse(
            files, seed=seed, seeds=seeds, settings=settings or [], json=json, pcap=pcap, quiet=quiet
        )
        with ending_signals():
            passed = execute(order)
    except ScenarioError as error:
        _refuse(error)
    raise typer.Exit(0 if passed else FAILED)


@app.command()
def check(files: Files) -> None:
    """Validate scenarios, and say everything that is wrong with them."""
    from scenarios.files import put_out
    from scenarios.loading import load_scenario
    from scenarios.problems import Problem, ScenarioError
    from scenarios.runner import verify

    problems: list[Problem] = []
    for file in files:
        try:
            verify(load_scenario(file))
            put_out(f"{file}: no mistakes")
        except ScenarioError as error:
            problems += error.problems
    if problems:
        _refuse(ScenarioError(problems))


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenarios, for editors."""
    from scenarios.files import put_out, to_json
    from scenarios.problems import ScenarioError
    from scenarios.schema.document import json_schema

    try:
        put_out(to_json(json_schema()))
    except ScenarioError as error:
        _refuse(error)


@app.command()
def live(
    tap: Annotated[str | None, typer.Option(metavar="NAME", help="A TAP device: Ethernet.")] = None,
    tun: Annotated[str | None, typer.Option(metavar="NAME", help="A TUN device: bare IP.")] = None,
    address: Annotated[
        list[str] | None, typer.Option(metavar="IP/LENGTH", help="An address of the stack; repeatable.")
    ] = None,
    gateway: Annotated[
        list[str] | None,
        typer.Option(metavar="IP", help="The next hop of the default route, one per family."),
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(metavar="IP/LENGTH", help="An address to give to the kernel's end; repeatable."),
    ] = None,
    mac: Annotated[str | None, typer.Option(metavar="MAC", help="The MAC address of the stack.")] = None,
    mtu: Annotated[int, typer.Option(help="Bytes of IP packet, for both ends.")] = 1500,
    offload: Annotated[
        bool,
        typer.Option("--offload/--no-offload", help="Leave checksums and segmentation to the kernel."),
    ] = True,
    impair: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What both directions meet: 'loss=1%, delay=20ms, reorder=2%'."),
    ] = None,
    pcap: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a capture, in pcapng.")] = None,
    serve: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND:PORT",
            help="http:PORT:DIRECTORY, echo:PORT, discard:PORT or chargen:PORT; repeatable.",
        ),
    ] = None,
    fetch: Annotated[str | None, typer.Option(metavar="URL", help="Fetch this over HTTP, then end.")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to put what was fetched.")
    ] = None,
    ping: Annotated[str | None, typer.Option(metavar="IP", help="Ping this address, then end.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of all chance; without it, another each time.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print connections too.")] = False,
) -> None:
    """Be a machine at the other end of a TAP or TUN device, until Ctrl-C."""
    from scenarios.live import LiveOptions, run_live

    options = LiveOptions(
        tap=tap,
        tun=tun,
        address=tuple(address or ()),
        gateway=tuple(gateway or ()),
        peer=tuple(peer or ()),
        mac=mac,
        mtu=mtu,
        offload=offload,
        impair=impair,
        pcap=pcap,
        serve=tuple(serve or ()),
        fetch=fetch,
        output=output,
        ping=ping,
        seed=seed,
        quiet=quiet,
        verbose=verbose,
    )
    raise typer.Exit(run_live(options))


@app.command()
def packetdrill(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE|DIR...", help="Scripts, and directories of *.pkt.")
    ],
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="linux|freebsd|rfc",
            help="How the stack is to be; by default as a folder of the script is called, or linux.",
        ),
    ] = None,
    define: Annotated[
        list[str] | None,
        typer.Option(metavar="SYM=VAL", help="A symbol of the scripts, in place of their own; repeatable."),
    ] = None,
    ipv4: Annotated[bool, typer.Option("--ipv4", help="Run over IPv4 (the default).")] = False,
    ipv6: Annotated[bool, typer.Option("--ipv6", help="Run over IPv6.")] = False,
    ipv4_mapped: Annotated[
        bool, typer.Option("--ipv4-mapped", help="Run over IPv4 through IPv6 sockets.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Run over all three.")] = False,
    json: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write the results as JSON.")] = None,
    pcap: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a capture of each run, in pcapng.")
    ] = None,
    lax: Annotated[
        bool, typer.Option("--lax", help="The order and padding of TCP options do not matter.")
    ] = False,
) -> None:
    """Play packetdrill scripts against the stack, in virtual time."""
    from scenarios.packetdrill.command import Order, execute
    from scenarios.packetdrill.settings import Family
    from scenarios.problems import ScenarioError

    wanted = {Family.IPV4: ipv4, Family.IPV4_MAPPED: ipv4_mapped, Family.IPV6: ipv6}
    families = [family for family in Family if everything or wanted[family]]
    try:
        order = Order.parse(
            paths, profile=profile, define=define or [], families=families, json=json, pcap=pcap, lax=lax
        )
        passed = execute(order)
    except ScenarioError as error:
        _refuse(error)
    raise typer.Exit(0 if passed else FAILED)


def _refuse(error: ScenarioError) -> NoReturn:
    """Print each mistake on a line of its own, and end."""
    for problem in error.problems:
        _complain(str(problem))
    raise typer.Exit(BAD_INPUT)


def _complain(text: str) -> None:
    with suppress(OSError):  # there is nobody else to tell
        print(text, file=sys.stderr)
