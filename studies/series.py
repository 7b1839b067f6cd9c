"""The table of scores: a line a series, classical methods beside the cells."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from tabulate import tabulate  # type: ignore[import-untyped]

from bench.analysis.rows import FINAL_PREFIX, classical_scores
from bench.records.record import Record
from bench.report.words import DASH, format_number
from studies.reading import counted, number, ranged, score
from studies.rows import Experiment, Study

TO_BEAT = "autoregression"
"""The classical method to which the cells are held."""


def series(
    study: Study, rows: Sequence[Experiment], learned: Mapping[str, Sequence[Record]]
) -> str:
    """Each line that rows share: the classical methods' scores, those of the cells by the main
    backend, and how far the other backends are from it; how many seeds are better than the method
    to beat; and the other measures."""
    cells = list(dict.fromkeys(cell for row in rows for cell in row.cells))
    lines: dict[str, list[Record]] = {}
    for row in rows:
        lines.setdefault(row.line, []).extend(learned[row.name])
    known = {line: _classical(found) for line, found in lines.items()}
    methods = list(dict.fromkeys(method for scores in known.values() for method in scores))
    deciding = {line: found[0].case["metric"] for line, found in lines.items()}
    main = {
        line: [r for r in own if r.case["backend"] == study.main] for line, own in lines.items()
    }

    def told(line: str, measure: str) -> list[str]:
        return [_told(known[line].get(method, {}).get(measure)) for method in methods]

    table = [
        [line, *told(line, deciding[line])]
        + [ranged([score(r) for r in main[line] if r.case["cell"] == cell]) for cell in cells]
        + [_apart(study, found) or DASH]
        for line, found in lines.items()
    ]
    others = [
        [line, measure, *told(line, measure)]
        + [_median(main[line], cell, measure) for cell in cells]
        for line in lines
        for measure in dict.fromkeys(name for own in known[line].values() for name in own)
        if measure != deciding[line]
    ]
    sides = ["right"] * (len(methods) + len(cells))
    parts = [_tabled(["series", *methods, *cells, "others"], ["left", *sides, "left"], table)]
    if TO_BEAT in methods:
        beaten = [
            [line, *(_better(main[line], cell, own[TO_BEAT][deciding[line]]) for cell in cells)]
            for line, own in known.items()
            if TO_BEAT in own
        ]
        below = _tabled(["series", *cells], ["left", *["right"] * len(cells)], beaten)
        parts += [f"Seeds whose score at the end is below that of the {TO_BEAT}", below]
    if others:
        more = _tabled(["series", "measure", *methods, *cells], ["left", "left", *sides], others)
        parts += ["The same forecasts by other measures, medians over seeds", more]
    return "\n\n".join(parts)


def _classical(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    return classical_scores(records[0].metrics, records[0].case["metric"])


def _median(records: Sequence[Record], cell: str, measure: str) -> str:
    own = [number(r, FINAL_PREFIX + measure) for r in records if r.case["cell"] == cell]
    return _told(median(own) if own else None)


def _better(records: Sequence[Record], cell: str, than: float) -> str:
    own = [score(r) < than for r in records if r.case["cell"] == cell]
    return counted(sum(own), len(own))


def _told(value: float | None) -> str:
    return DASH if value is None else format_number(value)


def _tabled(heads: Sequence[str], sides: Sequence[str], table: Sequence[Sequence[str]]) -> str:
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
