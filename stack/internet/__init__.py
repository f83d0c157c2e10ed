"""The internet layer: IPv4 and IPv6, and what they need from the links below and give to the transports above."""
