"""TCP: RFC 9293 and what has been added to it.

A segment comes in through :class:`~stack.tcp.protocol.Tcp`, which finds its connection; the steps of RFC 9293
3.10.7 are in :mod:`~stack.tcp.arrival`; acknowledgments go on to the :class:`~stack.tcp.sender.Sender`, data to the
:class:`~stack.tcp.receiver.Receiver`.
"""
