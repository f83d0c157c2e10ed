"""From a file to a result."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from traceback import walk_tb

from links.pcapng import create_pcapng
from scenarios.packetdrill.interpreter import Interpreter
from scenarios.packetdrill.parser import parse
from scenarios.packetdrill.profiles import PROFILES, Profile, profile_for
from scenarios.packetdrill.result import MismatchError, Outcome, Result
from scenarios.packetdrill.settings import Family, family_symbols, fixed_family, read_settings
from scenarios.packetdrill.source import Source, UnsupportedError
from scenarios.problems import Problem, ScenarioError


def run_script(
    path: Path | str,
    profile: Profile | str | None = None,
    *,
    family: Family | None = None,
    symbols: Mapping[str, str] | None = None,
    lax: bool = False,
    pcap: Path | None = None,
) -> Result:
    """Play a script, over ``family`` unless it insists on another; None: IPv4. ``profile`` None: by its folder.

    ``symbols`` win over those of the script. ``lax``: the order and padding of TCP options do not matter. ``pcap`` is a
    directory for a capture, which is written whatever comes of the script. Raises ScenarioError for a file that cannot
    be read or is no script, KeyError if there is no such profile.
    """
    path = Path(path)
    if profile is None:
        profile = profile_for(path)
    elif isinstance(profile, str):
        profile = PROFILES[profile]
    asked = family or Family.IPV4
    given = dict(symbols or {})
    name = str(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ScenarioError([Problem(name, error.strerror or str(error))]) from None
    interpreter: Interpreter | None = None
    used = asked
    try:
        source = Source.read(name, text, profile.defines | given.keys())
        script = parse(source, {**family_symbols(asked), **given})
        used = fixed_family(source, script) or asked
        if used is not asked:
            script = parse(source, {**family_symbols(used), **given})
        settings = read_settings(source, script, used, given, profile)
        capture = nullcontext() if pcap is None else create_pcapng(pcap / f"{path.stem}-{used.value}.pcapng")
        with capture as writer:
            interpreter = Interpreter(script, settings, profile, lax=lax, capture=writer)
            end = _play(interpreter)
        if end is not None:
            raise end
    except ScenarioError:
        raise
    except UnsupportedError as missing:
        return Result(name, used.value, Outcome.UNSUPPORTED, missing.line, missing.construct)
    except MismatchError as failure:
        return Result(
            name,
            used.value,
            Outcome.FAILED,
            failure.line,
            failure.headline,
            failure.expected,
            failure.found,
            failure.differences,
            _history(interpreter),
        )
    except (
        Exception
    ) as error:  # whatever the stack raises is its failure, and no reason to leave out other scripts
        *_, (frame, line) = walk_tb(error.__traceback__)
        message = f"{type(error).__name__}: {error} at {frame.f_code.co_qualname}:{line}"
        event = 0 if interpreter is None else interpreter.line
        return Result(name, used.value, Outcome.FAILED, event, message, history=_history(interpreter))
    return Result(name, used.value, Outcome.PASSED)


def _play(interpreter: Interpreter) -> Exception | None:
    """What ended the script early, told and not raised: the capture of a failure is the one that is looked at."""
    try:
        interpreter.run()
    except Exception as error:
        return error
    return None


def _history(interpreter: Interpreter | None) -> tuple[str, ...]:
    return () if interpreter is None else interpreter.history
