"""The Python in scripts is read, not run."""

from __future__ import annotations

import pytest

from scenarios.packetdrill.assertions import Code, FailedAssertionError
from scenarios.packetdrill.source import UnsupportedError

INFO = {"tcpi_snd_cwnd": 10, "tcpi_ca_state": 3, "tcpi_options": 7}


@pytest.mark.parametrize(
    "text",
    [
        "assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd",
        " assert 5 < tcpi_snd_cwnd <= 10 and not tcpi_snd_cwnd == 3",
        "\nassert (tcpi_options & TCPI_OPT_WSCALE) != 0, tcpi_options\nassert tcpi_ca_state == TCP_CA_Recovery\n",
        "x = tcpi_snd_cwnd * 2 - 1; assert x == 19; x += 1; assert x == 20",
        "assert abs(3 - tcpi_snd_cwnd) == 7 and max(1, 2) == 2 and tcpi_snd_cwnd in (9, 10)",
        "if tcpi_snd_cwnd > 5:\n    assert True\nelse:\n    assert False\n",
        "print(tcpi_snd_cwnd)",
    ],
)
def test_what_holds(text: str) -> None:
    Code().run(text, 1, INFO)


def test_what_does_not_hold_says_the_values_and_the_line() -> None:
    with pytest.raises(FailedAssertionError) as caught:
        Code().run("\n  assert tcpi_snd_cwnd == 10\n  assert tcpi_snd_cwnd == 11, 'grown'\n", 7, INFO)
    assert caught.value.line == 9
    assert caught.value.text == "assert tcpi_snd_cwnd == 11: tcpi_snd_cwnd = 10, grown"


def test_variables_last_from_one_part_to_the_next() -> None:
    code = Code()
    code.run("before = tcpi_snd_cwnd", 1, INFO)
    code.run("assert tcpi_snd_cwnd == before + 1", 2, {"tcpi_snd_cwnd": 11})


@pytest.mark.parametrize(
    "text",
    [
        "assert tcpi_unheard_of == 1",
        "import os",
        "assert __import__('os').system('true') == 0",
        "assert (lambda: 1)()",
        "assert ().__class__",
        "assert [x for x in (1,)]",
        "assert 1 << 1000000000",
        "while True: pass",
        "assert 'a' * 3",
        "assert (",
    ],
)
def test_anything_else_is_unsupported(text: str) -> None:
    with pytest.raises(UnsupportedError):
        Code().run(text, 1, INFO)
