"""The table of published figures: a row for each figure, with ours beside it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from statistics import median

from bench.analysis.rows import BASELINE_PREFIX
from bench.plan.case import Case
from bench.records.record import Record
from bench.report.words import DASH, format_number
from bench.weights import weight_shapes
from studies.experiment import SCORE, SEQUENCES, Experiment, PublishedFigure, Study
from studies.tables.pipe_table import pipe_table
from studies.tables.seeds import is_solved, share_text, still_solved_text, updates_to_solve
from studies.tables.verdicts import (
    figure_text,
    our_figure,
    published_text,
    spread_text,
    verdict,
)

COLUMNS = (
    *("experiment", "cell", "figure", "published", "ours", "updates", "solved", "others"),
    *("weights", "trained on", "differs in", "verdict"),
)
ALIGNMENT = (*["left"] * 3, *["right"] * 4, "left", "right", "right", "left", "left")
ONLY_WITH_PUBLISHED = ("published", "weights", "trained on", "differs in", "verdict")
"""Columns that a table without any published figure leaves out."""
BASELINES = ("seasonal", "autoregression", "perceptron", "nearest neighbour")
"""Classical methods whose scores stand beside ours."""


def published_tables(
    study: Study, experiments: Sequence[Experiment], learning: Mapping[str, Sequence[Record]]
) -> list[str]:
    """The table of a group of experiments and, below it, the notes."""
    notes = list(dict.fromkeys(note for e in experiments for note in e.differences))
    rows = [
        row
        for experiment in experiments
        for row in _rows(study, experiment, learning[experiment.name], notes)
    ]
    lines = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return [_table(rows), *(["\n".join(lines)] if lines else [])]


def _table(rows: Sequence[Sequence[str]]) -> str:
    compared = any(row[COLUMNS.index("published")] != DASH for row in rows)
    kept = [k for k, name in enumerate(COLUMNS) if compared or name not in ONLY_WITH_PUBLISHED]
    columns, alignment, *body = ([line[k] for k in kept] for line in (COLUMNS, ALIGNMENT, *rows))
    return pipe_table(body, columns, alignment)


def _rows(
    study: Study, experiment: Experiment, records: Sequence[Record], notes: Sequence[str]
) -> Iterator[Sequence[str]]:
    """A row for each published figure, and one for each cell without any. `notes` are numbered from
    1; a row names those of its experiment."""
    numbers = ", ".join(str(1 + notes.index(note)) for note in experiment.differences) or DASH
    for cell in experiment.cells:
        cell_records = [record for record in records if record.case["cell"] == cell]
        if cell_records:
            figures = [figure for figure in experiment.published if figure.cell == cell]
            for figure in figures or [_unpublished(cell, cell_records)]:
                yield [experiment.name, cell, *_columns(study, figure, cell_records, numbers)]


def _unpublished(cell: str, records: Sequence[Record]) -> PublishedFigure:
    """A figure without a published value: sequences where any seed is solved, else the score."""
    quantity = SEQUENCES if any(map(is_solved, records)) else SCORE
    return PublishedFigure(cell, quantity, math.nan, math.nan, math.nan)


def _columns(
    study: Study, figure: PublishedFigure, records: Sequence[Record], notes: str
) -> list[str]:
    """The columns of a row after the experiment and the cell."""
    by_backend: dict[str, list[Record]] = {}
    for record in records:
        by_backend.setdefault(record.case["backend"], []).append(record)
    main = by_backend.pop(study.main_backend, [])
    quantity, value = figure.quantity, our_figure(figure.quantity, main)
    updates = float(median(map(updates_to_solve, main))) if main else math.nan
    return [
        _score_name(records[0]) if quantity == SCORE else quantity,
        published_text(figure),
        f"{figure_text(quantity, value)}{spread_text(quantity, main)}",
        figure_text(SEQUENCES, updates),
        share_text(sum(map(is_solved, main)), len(main)) + still_solved_text(main),
        _other_backends(quantity, study.main_backend, main, by_backend) or DASH,
        _weights_text(figure, records[0]),
        _training_text(records[0]),
        notes,
        verdict(figure, main),
    ]


def _weights_text(figure: PublishedFigure, record: Record) -> str:
    """`4,610 (156)`: the trained weights of our network and, where they follow from sizes in the
    paper, of the published one."""
    shapes = weight_shapes(Case.from_flat(record.case).model)
    published = f" ({figure.weights})" if figure.weights else ""
    return f"{sum(map(prod, shapes.values())):,}{published}"


def _training_text(record: Record) -> str:
    """`40,000`: the sequences of a whole training run, after which it ends."""
    return f"{int(record.case['steps']) * int(record.case['batch']):,}"


def _other_backends(
    quantity: str,
    main_name: str,
    main: Sequence[Record],
    others: Mapping[str, Sequence[Record]],
) -> str:
    """`numpy 3,000 (3 of 3), torch 3,500 (2 of 3); jax 8,000 (3 of 3)`: the other backends and,
    where the main backend has more seeds than they, its figure for their seeds."""
    if not others:
        return ""
    seeds = {record.case["seed"] for records in others.values() for record in records}
    same_seeds = [record for record in main if record.case["seed"] in seeds]
    text = ", ".join(_backend_text(quantity, name, records) for name, records in others.items())
    if 0 < len(same_seeds) < len(main):
        text += f"; {_backend_text(quantity, main_name, same_seeds)}"
    return text


def _backend_text(quantity: str, name: str, records: Sequence[Record]) -> str:
    text = figure_text(quantity, our_figure(quantity, records))
    return f"{name} {text} ({sum(map(is_solved, records))} of {len(records)})"


def _score_name(record: Record) -> str:
    """`nmse; autoregression 0.123, perceptron 0.155`: the score, and the classical methods."""
    values = {name: record.metrics.get(f"{BASELINE_PREFIX}{name}") for name in BASELINES}
    texts = [f"{name} {format_number(v)}" for name, v in values.items() if v is not None]
    return "; ".join([str(record.case["metric"]), *([", ".join(texts)] if texts else [])])
