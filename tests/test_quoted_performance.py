"""Every figure that the page on performance quotes follows from the published samples."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from quotes import Page, table_cells

from studies.json_lines import JsonLines
from studies.native.comparisons import comparisons
from studies.native.floor import THEIRS
from studies.native.problem import CELLS, SHAPES
from studies.native.ratio import NO_TARGET
from studies.native.tables import Row, comparison_rows, read_finished

FOLDER, FLOOR_FOLDER = ROOT / "results/native-cpu", ROOT / "results/floor-cpu"
FLOOR_SHAPES = ("tiny", "small", "braun-1x320", "fastrnns")
FLOOR_SENTENCES = {
    "g": "The whole interval meets the target in {} of these {} models; in {} it has the target "
    "inside, in {} it misses",
    "f": "The whole interval is within the target in {} of {} single steps; {} are unclear and {} "
    "miss it",
}
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
    return rows_of(FOLDER)


@pytest.fixture(scope="module")
def floor_rows() -> list[Row]:
    return rows_of(FLOOR_FOLDER)


def rows_of(folder: Path) -> list[Row]:
    environment, records = read_finished(folder / "samples.jsonl")
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


def test_page_has_no_unchecked_figure(rows: list[Row], floor_rows: list[Row]) -> None:
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
    for shape in FLOOR_SHAPES:
        ratios = [best_of_ours(floor_rows)[shape, cell]["ratio"] for cell in CELLS]
        assert page.quotes("| | {} | {} | {} |", *ratios)
    for part, sentence in FLOOR_SENTENCES.items():
        verdicts = Counter(
            row["verdict"]
            for row in floor_rows
            if row["part"] == part and row["target"] != NO_TARGET
        )
        passed, unclear, missed = (verdicts[v] for v in ("PASS", "unclear", "MISSED"))
        assert sum(verdicts.values()) == passed + unclear + missed
        assert page.quotes(sentence, passed, passed + unclear + missed, unclear, missed)
    assert page.unchecked_figures((), DEFINITIONS) == []


def best_of_ours(rows: list[Row]) -> dict[tuple[str, str], Row]:
    """The row of the fastest of this project's implementations, by shape and cell."""
    chosen = (row for row in rows if row["part"] == "g" and row["target"] != NO_TARGET)
    return {(row["shape"].split()[0], row["cell"]): row for row in chosen}


def test_table_of_the_floor_names_the_fastest_of_ours(floor_rows: list[Row]) -> None:
    best = best_of_ours(floor_rows)
    for shape in FLOOR_SHAPES:
        rows = [best[shape, cell] for cell in CELLS]
        cells = [f"`{row['ours'].split()[0]}` {row['ratio']}" for row in rows]
        assert " | ".join(["", f"`{shape}`", *cells, ""]).strip() in TEXT


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


def test_fastest_of_ours_takes_less_time_than_every_library(floor_rows: list[Row]) -> None:
    best = best_of_ours(floor_rows)
    assert len(best) == len(FLOOR_SHAPES) * len(CELLS)
    for model, ours in best.items():
        others = [
            float(row["ours, ms"])
            for row in floor_rows
            if (row["shape"].split()[0], row["cell"], row["ours"]) in {(*model, n) for n in THEIRS}
            and row["part"] == "g"
            and "ours, ms" in row
        ]
        assert others and float(ours["ours, ms"]) < min(others), model
