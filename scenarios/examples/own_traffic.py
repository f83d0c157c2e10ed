"""The traffic and the expectation of ``own_traffic.yaml``: a client and a server of one's own."""

from __future__ import annotations

import socket

from scenarios.applications.flow import Flow
from scenarios.result import Result
from stack.host import Host


async def ask(host: Host, address: str, port: int, flow: Flow, words: list[str]) -> None:
    """Send one word after the other, and take note of how long each answer takes."""
    with host.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        await connection.connect((address, port))
        for word in words:
            asked = host.clock.now()
            await connection.sendall(word.encode() + b"\n")
            answer = await connection.recv(1000)
            flow.bytes += len(answer)
            flow.transfers += 1
            flow.latencies.add(host.clock.now() - asked)
            flow.intact &= answer == word.upper().encode() + b"\n"
    flow.complete = flow.transfers == len(words)


async def shout(host: Host, port: int, flow: Flow, words: list[str]) -> None:
    """Answer each line in capitals, on one connection after the other."""
    with host.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("0.0.0.0", port))
        listener.listen()
        while True:
            connection, _ = await listener.accept()
            with connection:
                while line := await connection.recv(1000):
                    await connection.sendall(line.upper())


def no_answer_was_late(result: Result) -> str | None:
    """An expectation: what is returned says what is wrong."""
    slowest = result.flows["words"].metrics["latency_max"]
    if slowest is None or slowest > 700_000_000:
        return f"the slowest answer took {slowest} ns"
    return None
