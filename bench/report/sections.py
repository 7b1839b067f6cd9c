"""What stands together for a reader: one section a task, size, device and dtype."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.rows import TABLE_KEYS, Row, classical_scores, rows_by_table
from bench.analysis.statistics import MIN_FOR_INTERVAL
from bench.analysis.tables import Tables
from bench.analysis.timing import FLAGS
from bench.report.words import (
    entries,
    format_number,
    learning_words,
    measure_words,
    plain,
    speed_words,
)

INTERVALS = (
    "Intervals of medians: 95% percentile bootstrap. They stay within the values, whose range "
    "holds the true median in at most 75% of cases for 3 values, 94% for 5. Where intervals "
    "overlap, the order is not settled."
)

PROMPT = 30
"""Letters that are shown of what a model reads before it writes."""
PRODUCT = (
    "Of product: GFLOP/s over those of NumPy's product of two large matrices in the same process."
)


@dataclass(frozen=True)
class Section:
    """`place` is run, task, device and dtype; every cell of the tables is a string; `score` and
    `settings` are lines to stand above them, `score` empty where nothing was learned; `measures`
    are all scores of models and of classical methods, where there are several; `written` is what
    trained models wrote, by whom."""

    place: tuple[str, ...]
    title: str
    score: str
    settings: str
    learning: pd.DataFrame
    measures: pd.DataFrame
    speed: pd.DataFrame
    written: Mapping[str, str]


def sections(made: Tables) -> list[Section]:
    """One for each group of rows of which something was measured."""
    several = len({row.run for row in made.rows}) > 1
    found = []
    for place, group in rows_by_table(made.rows).items():
        learned, timed = part_of(made.learning, place), part_of(made.speed, place)
        if not len(learned) + len(timed):
            continue
        run, *title = place
        found.append(
            Section(
                place,
                ", ".join([*title, *([f"run {run}"] if several else [])]),
                _about_score(learned),
                ", ".join(f"{k} {plain(v)}" for k, v in group[0].size.items()),
                learning_words(learned),
                measure_words(learned),
                speed_words(timed),
                _written(group),
            )
        )
    return found


def overall_lines(frame: pd.DataFrame) -> list[str]:
    """A sentence for each device, dtype and number of threads with two models or more."""
    lines = []
    for place, part in frame.groupby(["run", "device", "dtype", "threads"], sort=False):
        count = int(part["models"].iloc[0])
        if count < 2 or len(part) < 2:
            continue
        _, device, dtype, threads = place
        means = ", ".join(f"{r.backend} {format_number(r.relative)}" for r in entries(part))
        lines.append(
            f"Step time × fastest, geometric mean over the {count} models that all of these were "
            f"timed on ({device}, {dtype}, {threads} threads): {means}."
        )
    return lines


def notes(made: Tables) -> list[str]:
    """How the numbers were made, as far as these tables need it."""
    learned = _learning_notes(made.learning) if len(made.learning) else []
    timed = _speed_notes(made.speed) if len(made.speed) else []
    known = made.learning["score_low"].notna().any() or made.speed["step_low_s"].notna().any()
    return [*learned, *timed, *_flag_notes(made), *([INTERVALS] if known else [])]


def part_of(frame: pd.DataFrame, place: Sequence[str]) -> pd.DataFrame:
    """What the frame holds of a run, task, device and dtype."""
    here = pd.Series(True, index=frame.index)
    for name, value in zip(TABLE_KEYS, place, strict=True):
        here &= frame[name] == value
    return frame[here]


def _written(group: Sequence[Row]) -> dict[str, str]:
    """Of text: what each model wrote after training with its first seed."""
    found = {}
    for row in group:
        learned = row.measured("learning")
        if learned and (codes := learned[0].samples.get("written")):
            prompt = _text(learned[0].samples.get("prompt", ()))
            after = f", after {prompt[-PROMPT:]!r}" if prompt else ""
            found[f"{row.backend} {row.cell}, seed {learned[0].case['seed']}{after}"] = _text(codes)
    return found


def _text(codes: Sequence[float]) -> str:
    return "".join(chr(int(code)) for code in codes)


def _about_score(part: pd.DataFrame) -> str:
    """`Score: mse; chance 0.167, solved below 0.01; autoregression 0.21`."""
    learned = part[part["seeds"] > 0]
    if learned.empty:
        return ""
    first: Mapping[Any, Any] = learned.iloc[0].to_dict()
    scores = classical_scores(first, first["metric"])
    baselines = [f"{name} {format_number(own[first['metric']])}" for name, own in scores.items()]
    parts = [
        f"Score: {first['metric'] or 'unnamed'}, lower is better",
        f"chance {plain(first['chance'])}, solved below {plain(first['threshold'])}",
        *([f"classical methods: {', '.join(baselines)}"] if baselines else []),
    ]
    return "; ".join(parts)


def _learning_notes(frame: pd.DataFrame) -> list[str]:
    lines = [
        "Parity error: max|a − b| / max|b| against the reference b, of the array that comes "
        "closest to its tolerance."
    ]
    if (frame["seeds"] > 0).any():
        lines.append(
            "Score: at the end of training, median over seeds; with fewer than "
            f"{MIN_FOR_INTERVAL} seeds the values themselves, and no interval. Solved: the seeds "
            "whose score was below the threshold at any look during training, with the exact "
            "(Clopper-Pearson) 95% interval "
            "of the share."
        )
    if frame["score_x2"].notna().any():
        lines.append(
            "Score ×2, ×4 as long: of the trained model, the median over seeds, on sequences so "
            "many times as long as those it was trained on."
        )
    if frame["gradient_nan"].notna().any():
        lines.append(
            "Gradients: medians over seeds. Norm: of all weights before clipping, at the first → "
            "at the last step. Half-life: steps back in time over which the norm of dL/dh halves, "
            "by a straight line through its logarithm, at the initial → at the trained weights; "
            "∞: level, negative: grows backwards in time."
        )
    return lines


def _speed_notes(frame: pd.DataFrame) -> list[str]:
    few = frame["launches"].min() < MIN_FOR_INTERVAL
    threads = " or ".join(str(count) for count in sorted(set(frame["threads"])))
    return [
        f"Times: one call, on {threads} threads. In a launch (a fresh process; here "
        f"{_span(frame['launches'])}) the lower quartile of its samples on a CPU, the median on "
        "other devices; over launches the median. First calls: forward, gradients and step, "
        "compilation included.",
        *([f"With fewer than {MIN_FOR_INTERVAL} launches no interval is shown."] if few else []),
        *([PRODUCT] if frame["product_share"].notna().any() else []),
    ]


def _flag_notes(made: Tables) -> list[str]:
    used = "".join([*made.learning["flags"].fillna(""), *made.speed["flags"]])
    raised = [f"{flag}: {meaning}" for flag, meaning in FLAGS.items() if flag in used]
    return [f"* to be read with care. {'; '.join(raised)}."] if raised else []


def _span(counts: "pd.Series[int]") -> str:
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"
