"""docs/conformance.md is what the tests say, and a claim is worth something."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.claims import claims_of_script
from tests.conformance.claims import test_name as name_of
from tests.conformance.table import ROOT, ConformanceError, Document, Requirement, read_documents, render

ONE = [Document("RFC 1", "Host Software", {"": [Requirement("RFC 1", "2", "MUST", "Be there")]})]


def _run(*arguments: str, where: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_document_is_up_to_date() -> None:
    result = _run("tests.conformance", "--check")
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_requirement_of_rfc_9293_is_there() -> None:
    tcp = next(document for document in read_documents() if document.name == "RFC 9293")
    counts = {"MUST": 69, "SHLD": 31, "MAY": 18, "REC": 1}
    wanted = {f"{prefix}-{number}" for prefix, count in counts.items() for number in range(1, count + 1)}
    assert {requirement.identifier.rstrip("a") for requirement in tcp} == wanted


def test_a_row_names_its_tests() -> None:
    assert "| 2 | MUST | Be there | `a.py::x`<br>`b.py::y` |" in render(
        ONE, {"RFC 1 2": ["b.py::y", "a.py::x"]}, {}
    )


def test_a_row_without_test_gives_the_reason() -> None:
    assert "| 2 | MUST | Be there | *Nobody is.* |" in render(ONE, {}, {"RFC 1 2": "Nobody is."})


@pytest.mark.parametrize(
    ("claims", "reasons", "complaint"),
    [
        ({}, {}, "RFC 1 2 has neither a test nor a reason"),
        (
            {"RFC 1 2": ["x"]},
            {"RFC 1 2": "no"},
            "RFC 1 2 has a reason why it is not shown, and is shown by x",
        ),
        ({"RFC 1 2": ["x"], "RFC 1 3": ["y"]}, {}, "RFC 1 3 is no requirement of the table, but y claims"),
        ({"RFC 1 2": ["x"]}, {"RFC 1 3": "no"}, "RFC 1 3 is no requirement of the table, but has a reason"),
    ],
)
def test_what_is_not_so_is_not_written(
    claims: dict[str, list[str]], reasons: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ConformanceError, match=complaint):
        render(ONE, claims, reasons)


def test_names_have_no_class_and_no_parameters() -> None:
    assert name_of("tests/test_a.py::TestX::test_b[c::d]") == "tests/test_a.py::test_b"
    assert name_of("tests/a.pkt::ipv4") == "tests/a.pkt"


@pytest.mark.parametrize(
    ("body", "status", "processes"),
    [
        ("pytest.skip('not today')", 1, []),
        ("pytest.skip('not today')", 1, ["-n", "1"]),
        ("pytest.xfail('never')", 1, []),
        ("assert False", 1, []),
        ("if number: pytest.skip('one variant is enough')", 0, ["-n", "1"]),
    ],
)
def test_a_claim_that_does_not_pass_fails_the_run(
    tmp_path: Path, body: str, status: int, processes: list[str]
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = shows: what is shown\n")
    (tmp_path / "test_claim.py").write_text(
        "import pytest\n"
        "@pytest.mark.shows('RFC 1 2')\n"
        "@pytest.mark.parametrize('number', [0, 1])\n"
        f"def test_claim(number):\n    {body}\n"
    )
    result = _run("pytest", "-p", "tests.conformance.plugin", *processes, where=tmp_path)
    assert result.returncode == status, result.stdout


def test_a_script_claims_what_its_first_line_cites() -> None:
    line = (
        "// RFC 9293 3.7.1, MUST-14 and MUST-15, RFC 5961 3.2: not RFC 1337 3.\n// RFC 5961 4.2: nor this\n"
    )
    assert list(claims_of_script(line)) == ["RFC 9293 MUST-14", "RFC 9293 MUST-15", "RFC 5961 3.2"]
