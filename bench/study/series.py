"""The table of scores: a line a series, classical methods beside the cells."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from tabulate import tabulate  # type: ignore[import-untyped]

from bench.records import Record
from bench.report.words import NONE, short
from bench.study.reading import ranged, score
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
        scores = [ranged([score(r) for r in main if r.case["cell"] == cell]) for cell in cells]
        told = [NONE if value is None else short(value) for value in classical]
        table.append([line, *told, *scores, _apart(study, found) or NONE])
    names = [name.removeprefix(BASELINE) for name in methods]
    heads = ["series", *names, *cells, "others"]
    sides = ["left", *["right"] * (len(names) + len(cells)), "left"]
    return str(tabulate(table, heads, "pipe", colalign=sides, disable_numparse=True))


def _apart(study: Study, records: Sequence[Record]) -> str:
    """`numpy 0.1% (12)`: the median of how far a seed's score is from that of the same one in the
    main backend, and how many of all cells there are."""
    by_backend: dict[str, dict[tuple[str, int], float]] = {}
    for r in records:
        of = by_backend.setdefault(r.case["backend"], {})
        of[r.case["cell"], r.case["seed"]] = score(r)
    main = by_backend.pop(study.main, {})
    off = {
        name: [_off(own, main[seed]) for seed, own in scores.items() if seed in main]
        for name, scores in by_backend.items()
    }
    return ", ".join(
        f"{name} {100 * median(far):.1f}% ({len(far)})" for name, far in off.items() if far
    )


def _off(ours: float, theirs: float) -> float:
    """Relative to theirs; nothing where both are the same, both infinite among them."""
    if ours == theirs:
        return 0.0
    return abs(ours / theirs - 1) if theirs and math.isfinite(theirs) else math.inf
