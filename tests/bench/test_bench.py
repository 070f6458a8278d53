"""The benchmarks are imported, and their arithmetic is right. Nothing is timed here."""

import importlib
from pathlib import Path

import pytest

from .measure import Aim, Row, Sample, Verdict, as_json, interleaved, ratios, row, table, verdicts

MODULES = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith("test_"))


@pytest.mark.parametrize("name", MODULES)
def test_every_module_is_imported(name: str) -> None:
    importlib.import_module(f"tests.bench.{name}" if name != "__init__" else "tests.bench")


def test_runs_are_interleaved() -> None:
    order: list[str] = []

    def run(name: str) -> Sample:
        order.append(name)
        return Sample(len(order), 0)

    samples = interleaved({"a": lambda: run("a"), "b": lambda: run("b")}, 2)
    assert order == ["a", "b", "a", "b"]
    assert [s.wall for s in samples["b"]] == [2, 4]


def test_a_row_holds_medians_of_each_quantity_by_itself() -> None:
    found = row("bench", "x", 10, [Sample(3, 1), Sample(1, 5), Sample(2, 9)])
    assert (found.wall, found.cpu, found.runs) == (2, 5, 3)


def test_a_ratio_is_met_up_to_its_aim_and_a_missing_peer_has_none() -> None:
    rows = [Row("b", "us", 2, 1, 1.0, 3.0), Row("b", "peer", 2, 1, 4.0, 6.0), Row("b", "gone", 2, missing="not installed")]
    found = verdicts(rows, "us", [Aim("wall", "peer", 0.25), Aim("cpu", "peer", 0.4), Aim("cpu", "gone", 1.0)])
    assert [(v.aim.quantity, v.ratio, v.met) for v in found] == [("wall", 0.25, True), ("cpu", 0.5, False)]


def test_what_is_printed_names_the_missing_and_the_unmet() -> None:
    rows = [Row("b", "us", 2, 1, 1.0, 3.0), Row("b", "gone", 2, missing="not installed")]
    assert "1500.000" in table(rows)[1]
    assert table(rows)[2].endswith("not installed")
    found = [Verdict("b", 2, "us", Aim("cpu", "peer", 0.4), 0.5)]
    assert "NOT met" in ratios(found)[0]
    assert as_json(rows, found)["ratios"]
