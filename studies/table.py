"""The table of a study: a line a figure, ours beside what was published; or a line a setting, and
what becomes of the claims."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from tabulate import tabulate  # type: ignore[import-untyped]

from bench.analysis.rows import BASELINE_PREFIX
from bench.analysis.statistics import share_interval
from bench.records.record import Record
from bench.report.words import DASH, format_number
from studies.grid import grids
from studies.reading import counted, kept, number, updates
from studies.rows import SCORE, SEQUENCES, SOLVED, Experiment, Figure, Study
from studies.series import series

HEADS = (
    *("experiment", "cell", "figure", "published", "ours", "updates", "solved", "others"),
    "verdict",
)
OUTSIDE = "outside"
BESIDE = ("seasonal", "autoregression", "perceptron", "nearest neighbour")
"""Classical methods whose scores stand beside ours."""
COUNTED = {SCORE: "score", SEQUENCES: "sequences_to_solve"}
SIDES = (*["left"] * 3, *["right"] * 4, "left", "left")


def by_row(
    rows: Mapping[str, Sequence[Experiment]], records: Sequence[Record]
) -> dict[str, list[Record]]:
    """What is measured of each row, by its name; `rows` says of a case's key whose it is."""
    own: dict[str, list[Record]] = {}
    for record in records:
        for row in rows.get(record.key, ()) if record.status == "ok" else ():
            own.setdefault(row.name, []).append(record)
    return own


def markdown(study: Study, own: Mapping[str, Sequence[Record]]) -> str:
    """All that is measured, by group of rows."""
    if study.grid:
        return grids(study, own)
    learned = {name: [r for r in found if r.probe == "learning"] for name, found in own.items()}
    rows = [row for row in study.rows if learned.get(row.name)]
    parts = []
    for group in dict.fromkeys(row.group for row in rows):
        inside = [row for row in rows if row.group == group]
        parts.append(f"{group}: {study.sources[group]}" if group in study.sources else group)
        if inside[0].line:
            parts.append(series(study, inside, learned))
        else:
            parts += _figures([(row, _lines(study, row, learned[row.name])) for row in inside])
    return "\n\n".join(parts) + "\n"


def _figures(lines: Sequence[tuple[Experiment, Sequence[Sequence[str]]]]) -> list[str]:
    """The table of a group, without what papers say where they say nothing; in what settings
    differ, and why ours is outside where it is."""
    every = [line for _, own in lines for line in own]
    published = any(line[HEADS.index("published")] != DASH for line in every)
    shown = [k for k, head in enumerate(HEADS) if published or head not in ("published", "verdict")]
    heads, sides, *table = ([line[k] for k in shown] for line in (HEADS, SIDES, *every))
    why: dict[str, list[str]] = {}
    for row, own in lines:
        outside = any(line[-1].startswith(OUTSIDE) for line in own)
        for reason in (*row.differs, *(row.why if outside else ())):
            why.setdefault(reason, []).append(row.name)
    reasons = [f"- {'; '.join(names)}: {reason}" for reason, names in why.items()]
    made = str(tabulate(table, heads, "pipe", colalign=sides, disable_numparse=True))
    return [made, *(["\n".join(reasons)] if reasons else [])]


def failed(records: Sequence[Record]) -> list[Record]:
    """Of the cases that failed and were not run again with success the last record."""
    last = {r.key: r for r in records}
    well = {r.key for r in records if r.status == "ok"}
    return [r for key, r in last.items() if r.status == "failed" and key not in well]


def failures(records: Sequence[Record]) -> str:
    """A line for each case that failed, since it is in no other table; nothing where none did."""
    lines = [
        f"- failed: {r.case['backend']} {r.case['cell']} {r.case['task']}, {r.probe}, "
        f"seed {r.case['seed']}: {r.reason}"
        for r in failed(records)
    ]
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def _lines(study: Study, row: Experiment, records: Sequence[Record]) -> list[list[str]]:
    """A line for each published figure, and one for each cell of which nothing is published."""
    found = []
    for cell in row.cells:
        own = [r for r in records if r.case["cell"] == cell]
        if not own:
            continue
        figures = [f for f in row.published if f.cell == cell]
        figures = figures or [Figure(cell, _usual(own), math.nan, math.nan, math.nan)]
        found += [[row.name, cell, *_compared(study, f, own)] for f in figures]
    return found


def _usual(records: Sequence[Record]) -> str:
    return SEQUENCES if any(r.metrics["solved"] for r in records) else SCORE


def _compared(study: Study, figure: Figure, records: Sequence[Record]) -> list[str]:
    by_backend: dict[str, list[Record]] = {}
    for record in records:
        by_backend.setdefault(record.case["backend"], []).append(record)
    main = by_backend.get(study.main, [])
    ours = _value(figure.what, main)
    others = {name: own for name, own in by_backend.items() if name != study.main}
    return [
        _score_of(records[0]) if figure.what == SCORE else figure.what,
        _published(figure),
        f"{_shown(figure.what, ours)}{_spread(figure.what, main)}",
        _shown(SEQUENCES, float(median(map(updates, main)))) if main else DASH,
        _solved(main),
        _beside(figure.what, study.main, main, others) or DASH,
        verdict(figure, ours, main),
    ]


def _beside(
    what: str, name: str, main: Sequence[Record], others: Mapping[str, Sequence[Record]]
) -> str:
    """`numpy 3,000 (3 of 3), torch 3,500 (2 of 3); jax 8,000 (3 of 3)`: the others, how many of
    their seeds are solved, and the main backend's of the same seeds where it has more."""
    seeds = {r.case["seed"] for own in others.values() for r in own}
    same = [r for r in main if r.case["seed"] in seeds]
    told = [_of_seeds(what, key, own) for key, own in others.items()]
    mine = [_of_seeds(what, name, same)] if 0 < len(same) < len(main) else []
    return "; ".join([", ".join(told), *mine]) if told else ""


def _of_seeds(what: str, name: str, records: Sequence[Record]) -> str:
    solved = sum(bool(r.metrics["solved"]) for r in records)
    return f"{name} {_shown(what, _value(what, records))} ({solved} of {len(records)})"


def _score_of(record: Record) -> str:
    """`nmse; autoregression 0.123, perceptron 0.155`, where there is something to stand beside."""
    named = {name: record.metrics.get(f"{BASELINE_PREFIX}{name}") for name in BESIDE}
    known = [f"{name} {format_number(value)}" for name, value in named.items() if value is not None]
    return "; ".join([str(record.case["metric"]), *([", ".join(known)] if known else [])])


def verdict(figure: Figure, ours: float, records: Sequence[Record]) -> str:
    """`within` the published range, or on which side of it."""
    if math.isnan(figure.value) or math.isnan(ours):
        return DASH
    if figure.what == SOLVED:
        interval = share_interval(round(ours * len(records)), len(records))
        assert interval
        if interval[0] <= figure.high and interval[1] >= figure.low:
            return "within"
    elif figure.low <= ours <= figure.high:
        return "within"
    if math.isinf(ours) and figure.what == SEQUENCES:
        return f"{OUTSIDE}: no more than half solved"
    below, above = ("fewer", "more") if figure.what == SEQUENCES else ("lower", "higher")
    return f"{OUTSIDE}: {below if ours < figure.low else above}"


def _value(what: str, records: Sequence[Record]) -> float:
    """The median over seeds; of sequences a seed that is not solved counts as infinity."""
    if not records:
        return math.nan
    if what == SOLVED:
        return sum(bool(r.metrics["solved"]) for r in records) / len(records)
    return float(median(number(r, COUNTED[what]) for r in records))


def _spread(what: str, records: Sequence[Record]) -> str:
    """From the least to the largest of the seeds; ∞ of sequences where a seed is not solved."""
    if what == SOLVED or len(records) < 2:
        return ""
    values = [number(r, COUNTED[what]) for r in records]
    least, most = (_shown(what, v, never="∞") for v in (min(values), max(values)))
    return f" ({least}–{most})" if what == SCORE or least != "∞" else ""


def _solved(records: Sequence[Record]) -> str:
    count = sum(bool(r.metrics["solved"]) for r in records)
    return counted(count, len(records)) + kept(records)


def _published(figure: Figure) -> str:
    if math.isnan(figure.value):
        return DASH
    if figure.spread:
        return f"{_shown(figure.what, figure.low)}–{_shown(figure.what, figure.high)}"
    return _shown(figure.what, figure.value)


def _shown(what: str, value: float, never: str = DASH) -> str:
    if math.isnan(value):
        return DASH
    if what == SEQUENCES and math.isinf(value):
        return never
    if what == SOLVED:
        return f"{100 * value:.0f}%"
    return f"{value:,.0f}" if what == SEQUENCES else format_number(value)
