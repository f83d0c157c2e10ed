"""The measurements of docs/goodput.md: that they can be made, and what they have to show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import goodput
from benchmarks.goodput import DOCUMENT, Cell, linux_cells, ns3_cells
from scenarios.loading import load_scenario

ROOT = Path(__file__).parents[1]


def cell_of(control: str, loss: float) -> Cell:
    return next(cell for cell in linux_cells() if (cell.control, cell.loss) == (control, loss))


def test_every_cell_is_a_scenario() -> None:
    for cell in (*linux_cells(), *ns3_cells()):
        scenario = load_scenario(ROOT / f"benchmarks/topologies/{cell.topology}.yaml", cell.settings)
        assert scenario.model.duration == cell.duration * 1_000_000_000


def test_bbr_fills_nine_tenths_of_the_line_at_three_per_cent_loss() -> None:
    cell = replace(cell_of("bbr", 0.03), duration=3)
    rate, _ = goodput._run(cell, seed=1)
    assert rate > 0.9 * cell.line


@pytest.mark.parametrize("control", ["cubic", "reno"])
def test_windows_are_those_of_linux_at_three_per_cent_loss(control: str) -> None:
    """Two Linux 6.18.44 kernels: 2.71 and 3.34 Mbit/s, the means of 54 flows each."""
    kernels = {"cubic": 2.71, "reno": 3.34}
    cell = cell_of(control, 0.03)
    rates = [goodput._run(cell, seed)[0] for seed in range(1, 5)]
    assert 0.8 < sum(rates) / len(rates) / kernels[control] < 1.25


def test_theory_is_capped_by_the_line() -> None:
    cell = cell_of("reno", 0.001)
    assert cell.theory(0.02) == pytest.approx(22.4, abs=0.1)
    assert cell.theory(0.001) == pytest.approx(50 * 1448 / 1514 * 0.999)


def test_tables_go_into_their_places_and_the_text_stays(tmp_path: Path) -> None:
    document = tmp_path / "goodput.md"
    document.write_text((ROOT / DOCUMENT).read_text() + "the end\n")
    goodput.write({"linux": "one\n", "ns-3": "two\n"}, document)
    goodput.write({"linux": "three\n"}, document)
    text = document.read_text()
    assert "<!-- linux -->\n\nthree\n\n<!-- end of linux -->" in text
    assert "<!-- ns-3 -->\n\ntwo\n\n<!-- end of ns-3 -->" in text
    assert text.startswith("# Goodput")
    assert text.endswith("the end\n")


def test_a_document_without_a_place_for_a_table_is_an_error(tmp_path: Path) -> None:
    document = tmp_path / "goodput.md"
    document.write_text("nothing")
    with pytest.raises(SystemExit, match="no place"):
        goodput.write({"linux": "one"}, document)
