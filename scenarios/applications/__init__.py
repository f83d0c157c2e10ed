"""Applications: the traffic of a scenario and the servers of ``usernetstack live``.

Each is a coroutine over :class:`stack.sockets.asynchronous.AsyncSocket`. It knows asyncio and the
:class:`~stack.host.Host` that it is handed, and nothing else of the world, so it runs unchanged in virtual time and
on a TAP.

**A kind of traffic** is a :class:`~scenarios.applications.traffic.Traffic`: a frozen pydantic model
(``extra="forbid"``) whose fields are the parameters and whose field ``kind`` is the discriminator, with two
coroutines. :data:`KINDS` maps each ``kind`` to its class. What a schema has to say beside that (``name``, ``from``,
``to``, ``start``, ``port``) goes into subclasses.

**One run of it** is a :class:`~scenarios.applications.flow.Flow`: what happened so far, readable at any time, shared
by the two sides where they live in one process::

    flow = Flow("download", traffic.kind)
    server = simulation.spawn(b, traffic.server(b, port, flow))  # runs until it is cancelled
    client = simulation.spawn(a, traffic.client(a, "10.0.0.2", port, flow))  # returns when the traffic is done
    flow.bytes, flow.retransmissions, flow.latencies.percentile(99)  # at any time
    flow.result()  # a FlowResult: small, serialisable

- Quantities are text outside and ints inside: in Python, ``Ping.model_validate({"interval": "250ms"})``.
- ``address`` is text, IPv4 or IPv6; servers listen on both. ``port`` is the caller's choice, one per entry of a host;
  ``traffic.default_port`` is what people would expect. ``ping`` ignores it.
- Start the server before the client, cancel it once the client has returned. Cancelling a client or a server at any
  time closes every socket that it holds.
- What the network does to an application (refused, reset, timed out, closed too early, damaged) is in the flow, under
  the errno's name; neither coroutine raises for it.
- ``flow.complete`` says that all that the parameters ask for has happened; ``flow.finished`` (ns) that the client has
  returned, for better or worse.
"""

from scenarios.applications.bulk import Bulk
from scenarios.applications.custom import Python
from scenarios.applications.echo import Echo
from scenarios.applications.flow import Flow, FlowResult
from scenarios.applications.http.traffic import Http
from scenarios.applications.ping import Ping
from scenarios.applications.request_response import RequestResponse
from scenarios.applications.traffic import Traffic
from scenarios.applications.udp_stream import UdpStream

KINDS: dict[str, type[Traffic]] = {
    "bulk": Bulk,
    "request_response": RequestResponse,
    "udp_stream": UdpStream,
    "ping": Ping,
    "echo": Echo,
    "http": Http,
    "python": Python,
}
"""The class of each kind of traffic."""

__all__ = ["KINDS", "Flow", "FlowResult", "Traffic"]
