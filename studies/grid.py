"""The tables of a grid: a line a setting, a column a cell; and the claims that it decides."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]
from tabulate import tabulate  # type: ignore[import-untyped]

from bench.analysis.launch import launch_time
from bench.analysis.statistics import superiority
from bench.records.record import Record
from bench.report.words import DASH, format_number
from studies.reading import kept, number, score, updates
from studies.rows import SCORE, SOLVED, Claim, Experiment, Study

LEVEL, SEED = 0.05, 0
LEGEND = (
    "Seeds solved, and the median of the updates until then, or, where no more than half are, of "
    "the score. Of longer sequences: the median score at the length trained on, at twice and at "
    "four times that, over the score of chance. Of steps that were timed: the median score at the "
    "end, and when the fastest setting in the column has made all its updates."
)
SAID = (
    "What decides a claim is the updates until solved, seeds that are not being ranked after them "
    "by their score; or whether a seed is solved; or the score. Better: how often a seed of the "
    "first setting is, than one of the second, ties counting half. p: Mann & Whitney 1947, "
    "two-sided, all ways to share the seeds out, with Holm's correction over all claims of the "
    "study."
)

Learned = Mapping[str, Sequence[Record]]
"""Records by the row's name."""


def grids(study: Study, own: Learned) -> str:
    """Everything that is recorded by the main backend."""
    own = {
        name: [r for r in found if r.case["backend"] == study.main] for name, found in own.items()
    }
    parts = []
    for group in dict.fromkeys(row.group for row in study.rows):
        rows = [row for row in study.rows if row.group == group and own.get(row.name)]
        if rows:
            parts += [group, _grid(rows, own)]
    seeds = {row.name: row.seeds for row in study.rows}
    whole = [claim for claim in study.claims if _whole(own, claim, seeds)]
    claims = [SAID, _claims(whole, own, len(study.claims))] if whole else []
    return "\n\n".join([*([LEGEND] if parts else []), *parts, *claims]) + "\n"


def _grid(rows: Sequence[Experiment], own: Learned) -> str:
    cells = list(dict.fromkeys(cell for row in rows for cell in row.cells))
    lines = [
        [
            row.name,
            *(
                _told(_of(own, row.name, cell))
                + _longer(_of(own, row.name, cell, "lengths"))
                + _in_time(rows, row, cell, own)
                for cell in cells
            ),
        ]
        for row in rows
    ]
    sides = ("left", *["left"] * len(cells))
    heads = ["setting", *cells]
    return str(tabulate(lines, heads, "pipe", colalign=sides, disable_numparse=True))


def _of(own: Learned, name: str, cell: str, probe: str = "learning") -> list[Record]:
    return [r for r in own.get(name, ()) if r.case["cell"] == cell and r.probe == probe]


def _told(records: Sequence[Record]) -> str:
    """`8 of 8, 450`, `8 of 8, 6 at the end, 450` or `3 of 8, mse 0.012`."""
    if not records:
        return DASH
    steps = [updates(r) for r in records]
    count, middle = sum(map(math.isfinite, steps)), median(steps)
    said = f"{middle:,.0f}"
    if math.isinf(middle):
        said = f"{records[0].case['metric']} {format_number(median(map(score, records)))}"
    return f"{count} of {len(records)}{kept(records)}, {said}"


def _longer(records: Sequence[Record]) -> str:
    """`; 0.0021, 0.35, 1.2`, or nothing."""
    if not records:
        return ""
    ends = [name.removeprefix("score") for name in records[0].metrics if name.startswith("score.")]
    scores = [
        median(number(r, f"score{end}") / number(r, f"chance{end}") for r in records)
        for end in ends
    ]
    return f"; {', '.join(map(format_number, scores))}"


def _in_time(rows: Sequence[Experiment], row: Experiment, cell: str, own: Learned) -> str:
    """`; 0.0021, 0.0034 in 1.2 s`, or nothing."""
    took = {r.name: step_seconds(_of(own, r.name, cell, "speed")) for r in rows}
    learned = _of(own, row.name, cell)
    if not learned or math.inf in took.values():
        return ""
    fastest = min(took.values())
    most = float(learned[0].case["steps"])
    scores = [score_at(r, most * (fastest / took[row.name])) for r in learned]
    ends = format_number(median(map(score, learned)))
    return f"; {ends}, {format_number(median(scores))} in {format_number(fastest * most)} s"


def step_seconds(timed: Sequence[Record]) -> float:
    """The median over launches of a step's time."""
    return median([launch_time(r.samples["step"], r.case["device"]) for r in timed] or [math.inf])


def score_at(record: Record, update: float) -> float:
    """At the last look up to this update."""
    curve = zip(
        record.samples["checkpoint_step"], record.samples[record.case["metric"]], strict=True
    )
    last = [score for step, score in curve if step <= update][-1]
    return math.inf if math.isnan(last) else float(last)


def _claims(claims: Sequence[Claim], own: Learned, count: int) -> str:
    """A line each; `count` is how many the study makes, with those that are not measured yet."""
    rng = np.random.default_rng(SEED)
    sides = [_outcomes(own, claim) for claim in claims]
    found = [superiority(first, second, rng) for first, second in sides]
    ps = multipletests([p for _, p in found] + [1.0] * (count - len(found)), LEVEL, "holm")[1]
    lines = [
        [
            claim.says,
            *(f"{name}, {cell}" for name, cell in (claim.better, claim.worse)),
            claim.by,
            f"{len(first)}, {len(second)}",
            f"{100 * share:.0f}%",
            format_number(p),
            _verdict(share, p),
        ]
        for claim, (first, second), (share, _), p in zip(claims, sides, found, ps, strict=False)
    ]
    heads = ["claim", "first", "second", "by", "seeds", "better", "p", "here"]
    return str(tabulate(lines, heads, "pipe", disable_numparse=True))


def _verdict(share: float, p: float) -> str:
    if p > LEVEL:
        return "not settled"
    return "holds" if share > 0.5 else "the opposite holds"


def _whole(own: Learned, claim: Claim, seeds: Mapping[str, int]) -> bool:
    """Whether all its seeds are there."""
    return all(len(_of(own, *side)) >= seeds[side[0]] for side in (claim.better, claim.worse))


def _outcomes(own: Learned, claim: Claim) -> list[list[tuple[float, float]]]:
    """Of each side, its seeds, the better before the worse."""
    outcome = {"updates": _sooner, SOLVED: _unsolved, SCORE: _end}[claim.by]
    return [[outcome(r) for r in _of(own, *side)] for side in (claim.better, claim.worse)]


def _sooner(record: Record) -> tuple[float, float]:
    steps = updates(record)
    return steps, score(record) if math.isinf(steps) else 0.0


def _end(record: Record) -> tuple[float, float]:
    return score(record), 0.0


def _unsolved(record: Record) -> tuple[float, float]:
    return float(math.isinf(updates(record))), 0.0
