"""packetdrill scripts, played against a host in virtual time."""

from scenarios.packetdrill.profiles import PROFILES, Profile
from scenarios.packetdrill.result import Outcome, Result
from scenarios.packetdrill.running import run_script
from scenarios.packetdrill.settings import Family

__all__ = ["PROFILES", "Family", "Outcome", "Profile", "Result", "run_script"]
