"""Every figure that the page on performance quotes follows from the published samples."""

import re
from collections import Counter

import numpy as np
import pytest
from conftest import ROOT
from quotes import Page, table_cells

from studies.json_lines import JsonLines
from studies.native.comparisons import comparisons
from studies.native.problem import CELLS, SHAPES
from studies.native.tables import Row, comparison_rows

FOLDER = ROOT / "results/native-cpu"
TEXT = (ROOT / "docs/performance.md").read_text()
DEFINITIONS = (
    "above 32 MiB",
    "Each 4 KiB",
    "(Werbos 1990)",
    "within the 2% of part a",
    "costs at most 2% (part a)",
    "lstm with 32 units",
)
"""Constants of glibc and of the definition of the parts."""


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    environment, *records = JsonLines(FOLDER / "samples.jsonl").read()
    rng = np.random.default_rng(environment["settings"]["seed"])
    return comparison_rows(environment, records, rng)


def claimed_parts() -> dict[str, list[str]]:
    """The rows of the page's table: part → claim, target, passed, unclear."""
    lines = [line for line in TEXT.splitlines() if re.match(r"\| [a-z] \|", line)]
    return {part: texts for part, *texts in map(table_cells, lines)}


@pytest.mark.parametrize("part", claimed_parts())
def test_verdicts_of_a_part_are_those_of_its_samples(part: str, rows: list[Row]) -> None:
    verdicts = Counter(row["verdict"] for row in rows if row["part"] == part)
    _, _, passed, unclear = claimed_parts()[part]
    assert (passed, unclear) == (str(verdicts["PASS"]), str(verdicts["unclear"]))
    assert not verdicts["MISSED"] and not verdicts["not comparable"]


@pytest.mark.parametrize("part", claimed_parts())
def test_targets_of_a_part_are_those_of_its_comparisons(part: str) -> None:
    targets = {
        f"≥ {100 * c.target:.0f}%" if c.rate else f"≤ {c.target:g}"
        for shape in SHAPES
        for cell in CELLS
        for c in comparisons(shape, cell, [part], ["torch", "tensorflow", "jax", "numpy"])
        if c.target is not None
    }
    assert {*claimed_parts()[part][1].split("; ")} == targets


def test_page_has_the_parts_that_were_measured() -> None:
    environment, *_ = JsonLines(FOLDER / "samples.jsonl").read()
    assert [*claimed_parts()] == environment["settings"]["parts"]


def test_page_has_no_unchecked_figure(rows: list[Row]) -> None:
    verdicts = Counter(row["verdict"] for row in rows)
    page = Page(ROOT / "docs/performance.md")
    assert page.quotes(
        "the whole interval meets its target in {} comparisons; in {} the interval has the target "
        "inside, which settles nothing; in none does the whole interval miss",
        verdicts["PASS"],
        verdicts["unclear"],
    )
    for part, (claim, target, passed, unclear) in claimed_parts().items():
        claim = " ".join(re.sub(r"`[^`]*`", " ", claim).split())
        assert page.quotes("| {} | {} | {} | {} | {} |", part, claim, target, passed, unclear)
    assert page.unchecked_figures((), DEFINITIONS) == []


def test_machine_is_the_one_that_the_page_names() -> None:
    environment, *_ = JsonLines(FOLDER / "samples.jsonl").read()
    assert environment["machine"]["processor"] == "AMD EPYC"
    assert environment["settings"]["threads"] == 2
    assert "an AMD EPYC with two threads" in " ".join(TEXT.split())


def test_tiny_shape_has_the_units_that_the_page_names() -> None:
    assert SHAPES["tiny"].hidden == 32


def test_rnn_of_jax_beats_those_of_flax_and_keras_at_the_small_shape_only(rows: list[Row]) -> None:
    verdicts = {
        (row["shape"].split()[0], row["base"]): row["verdict"]
        for row in rows
        if (row["part"], row["cell"], row["phase"]) == ("b", "rnn", "step")
        and row["base"] in ("flax", "keras-jax")
    }
    assert len(verdicts) == 6
    for (shape, _), verdict in verdicts.items():
        assert verdict == ("PASS" if shape == "small" else "unclear")
