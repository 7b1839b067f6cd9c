"""The table of scores: a line a series, classical methods beside the cells."""

from collections.abc import Mapping, Sequence
from statistics import median

from tabulate import tabulate  # type: ignore[import-untyped]

from bench.records import Record
from bench.report.words import NONE, short
from bench.study.rows import Row, Study

BASELINE = "baseline."
"""Begins the names of the classical methods' scores."""


def series(study: Study, rows: Sequence[Row], learned: Mapping[str, Sequence[Record]]) -> str:
    """Each line that rows share: the classical methods' scores, those of the cells by the main
    backend, and how far the other backends are from it."""
    cells = list(dict.fromkeys(cell for row in rows for cell in row.cells))
    lines: dict[str, list[Record]] = {}
    for row in rows:
        lines.setdefault(row.line, []).extend(learned[row.name])
    named = dict.fromkeys(name for found in lines.values() for name in found[0].metrics)
    methods = [name for name in named if name.startswith(BASELINE)]
    table = []
    for line, found in lines.items():
        main = [r for r in found if r.case["backend"] == study.main]
        classical = [found[0].metrics.get(name) for name in methods]
        scores = [_scores([r for r in main if r.case["cell"] == cell]) for cell in cells]
        told = [NONE if value is None else short(value) for value in classical]
        table.append([line, *told, *scores, _apart(study, found) or NONE])
    names = [name.removeprefix(BASELINE) for name in methods]
    heads = ["series", *names, *cells, "others"]
    sides = ["left", *["right"] * (len(names) + len(cells)), "left"]
    return str(tabulate(table, heads, "pipe", colalign=sides, disable_numparse=True))


def _scores(records: Sequence[Record]) -> str:
    """`0.115 (0.0856–0.128)`: the median, the least and the largest."""
    scores = [_score(r) for r in records]
    if not scores:
        return NONE
    return f"{short(median(scores))} ({short(min(scores))}–{short(max(scores))})"


def _apart(study: Study, records: Sequence[Record]) -> str:
    """`numpy 0.1% (12)`: the median of how far a seed's score is from that of the same one in the
    main backend, and how many of all cells there are."""
    by_backend: dict[str, dict[tuple[str, int], float]] = {}
    for r in records:
        of = by_backend.setdefault(r.case["backend"], {})
        of[r.case["cell"], r.case["seed"]] = _score(r)
    main = by_backend.pop(study.main, {})
    off = {
        name: [abs(score / main[seed] - 1) for seed, score in scores.items() if seed in main]
        for name, scores in by_backend.items()
    }
    return ", ".join(
        f"{name} {100 * median(far):.1f}% ({len(far)})" for name, far in off.items() if far
    )


def _score(record: Record) -> float:
    value = record.metrics["score"]
    return float("nan" if value is None else value)
