"""The published records of the studies, for the tests of what the documents say about them."""

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from published_studies import published
from quotes import table_cells

from bench.records.record import Record
from studies.agreement.pairs import Pairs, find_pairs
from studies.tables.markdown import markdown
from studies.tables.published_figures import COLUMNS
from studies.tables.seeds import is_solved, is_solved_at_end, metric, updates_to_solve
from studies.tables.verdicts import AT_CHANCE, OUTSIDE, UNCLEAR, WITHIN

BACKENDS = ("jax", "numpy", "torch", "tensorflow")


def records(
    study: str,
    experiment: str,
    cell: str | None = None,
    *,
    backend: str | None = "jax",
    probe: str = "learning",
) -> list[Record]:
    """The records of one experiment, for one cell or all, by one backend or all."""
    return [
        record
        for record in published(study).by_experiment[experiment]
        if record.probe == probe
        and cell in (None, record.case["cell"])
        and backend in (None, record.case["backend"])
    ]


def lstm(experiment: str, study: str = "papers") -> list[Record]:
    """The LSTM in JAX."""
    return records(study, experiment, "lstm")


def claim_records(experiment: str, cell: str, probe: str = "learning") -> list[Record]:
    """The records of the study of claims."""
    return records("claims", experiment, cell, probe=probe)


def sequences(experiment: str) -> float:
    """The median number of sequences over the seeds of the LSTM that are solved."""
    solved = [record for record in lstm(experiment) if is_solved(record)]
    return median(record.case["batch"] * updates_to_solve(record) for record in solved)


def keeps_first_symbol(record: Record) -> bool:
    """Whether fewer than 1% of the sequences have the wrong symbol at the end."""
    return metric(record, "final.error") < 0.01


def pairs_with_jax(study: str) -> Pairs:
    """The seeds that each other backend and JAX have trained."""
    return find_pairs(published(study).by_experiment, BACKENDS, "jax")


class Learned(NamedTuple):
    """How many seeds are solved, how many of them still are at the end, and the median updates."""

    solved: int
    at_end: int
    updates: float


def learned(experiment: str, cell: str) -> Learned:
    """What the seeds of one setting of the study of claims learned."""
    seeds = claim_records(experiment, cell)
    solved = list(filter(is_solved, seeds))
    at_end = sum(map(is_solved_at_end, solved))
    return Learned(len(solved), at_end, median(map(updates_to_solve, seeds)))


def table_rows(study: str) -> list[list[str]]:
    """The texts in all rows of the tables of a study."""
    text = markdown(published(study).study, published(study).by_experiment)
    return [table_cells(line) for line in text.splitlines() if line.startswith("|")]


def verdicts() -> list[str]:
    """The verdicts on all published figures."""
    rows = [row for row in table_rows("papers") if len(row) == len(COLUMNS)]
    return [row[-1] for row in rows if row[-1].startswith((WITHIN, AT_CHANCE, OUTSIDE, UNCLEAR))]


def medians(experiment: str, cell: str, seeds: Sequence[int], study: str = "papers") -> list[float]:
    """The median score of these seeds in each backend that has them."""
    by_backend: dict[str, list[float]] = {}
    for record in records(study, experiment, cell, backend=None):
        if record.case["seed"] in seeds:
            by_backend.setdefault(record.case["backend"], []).append(metric(record, "score"))
    return [median(scores) for scores in by_backend.values() if not math.isinf(min(scores))]
