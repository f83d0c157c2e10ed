"""BBR version 3 (draft-ietf-ccwg-bbr): a window and a pace from a model of the path."""

from stack.tcp.congestion.bbr.bbr import Bbr
from stack.tcp.congestion.bbr.phase import Phase

__all__ = ["Bbr", "Phase"]
