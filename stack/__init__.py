"""The protocol core: a TCP/IP host written against an abstract clock and abstract links.

Nothing in here opens a file, starts a thread, reads a wall clock or rolls dice of its own;
a :class:`~stack.host.Host` is handed a clock, links and a random stream.
"""
