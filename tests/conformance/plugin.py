"""A test that claims to show something must pass, wherever it is run.

That it fails is seen anyway; that all its variants were skipped, or expected to fail, is made a failure of the run
here.
"""

from __future__ import annotations

import pytest

from tests.conformance.claims import claims_of_script, test_name


class Proofs:
    """Notes which of the tests with a claim have passed; one in each process, the controller's of xdist sees all."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.skipped: set[str] = set()

    @property
    def missing(self) -> list[str]:
        """Tests with a claim of which no variant has passed."""
        return sorted(self.skipped - self.passed)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Take the claims of a script from its comments."""
        if item.path.suffix == ".pkt" and (claims := list(claims_of_script(item.path.read_text()))):
            item.add_marker(pytest.mark.shows(*claims))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what has become of a test."""
        if "shows" in report.keywords:
            if report.skipped:
                self.skipped.add(test_name(report.nodeid))
            elif report.passed and report.when == "call":
                self.passed.add(test_name(report.nodeid))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A claim without proof fails the run."""
        if self.missing and not hasattr(session.config, "workerinput"):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say why."""
        for name in self.missing:
            terminalreporter.write_line(f"{name} claims to show a requirement, but was skipped", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Watch this run."""
    config.pluginmanager.register(Proofs(), "conformance")
