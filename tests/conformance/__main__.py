"""``python -m tests.conformance [--check]``: write docs/conformance.md, or see whether it is as it would be written."""

from __future__ import annotations

import sys

import pytest

from tests.conformance.claims import claims_of
from tests.conformance.table import DOCUMENT, ROOT, ConformanceError, read_documents, read_reasons, render


class Collector:
    """Takes the claims out of the tests that pytest collects."""

    def __init__(self) -> None:
        self.claims: dict[str, set[str]] = {}
        self.failures: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be read is no reason to forget its claims."""
        if report.failed:
            self.failures.append(report.longreprtext)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """All tests are known."""
        self.claims = claims_of(session.items)


def conformance() -> str:
    """The table by the tests as they are now. Raises ConformanceError if it would not be true."""
    collector = Collector()
    arguments = ["--collect-only", "-p", "no:terminal", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    status = pytest.main([*arguments, str(ROOT / "tests")], plugins=[collector])
    if collector.failures or status is not pytest.ExitCode.OK:
        raise ConformanceError("\n".join(collector.failures) or f"pytest: {status!r}")
    return render(read_documents(), collector.claims, read_reasons())


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    try:
        text = conformance()
    except ConformanceError as problem:
        print(problem)
        return 1
    if "--check" not in arguments:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(text)
    elif not DOCUMENT.exists() or DOCUMENT.read_text() != text:
        print("docs/conformance.md is out of date: run make conformance")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
