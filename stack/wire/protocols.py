"""Protocol numbers: IPv4's Protocol and IPv6's Next Header field (the IANA registry that both share)."""

from __future__ import annotations

from typing import Final

HOP_BY_HOP: Final = 0
ICMP: Final = 1
IGMP: Final = 2
TCP: Final = 6
UDP: Final = 17
ROUTING: Final = 43
FRAGMENT: Final = 44
ICMPV6: Final = 58
NO_NEXT_HEADER: Final = 59
DESTINATION_OPTIONS: Final = 60
