"""Tables for people: numbers as words, with their units in the heads of the columns."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from bench.analysis.rows import FINAL_PREFIX, ROW_KEYS, classical_scores
from bench.analysis.statistics import MIN_FOR_INTERVAL

DASH = "–"
INTERVAL = " 95%"
"""Ends the name of a column that holds the interval of the column of that name."""

ENDLESS = 1e6
"""Steps of a half-life that no fitted line tells from a level one."""
TEXT = (*ROW_KEYS, "by", "path", "flags", "probes", "status", "check", "verdict", "reason")
"""Columns of text, set to the left; numbers are set to the right."""


def format_number(value: Any, digits: int = 3) -> str:
    """`0.000817`, `12.3`, `19,600`, `3.9e-07`, `∞`, and – for what there is not."""
    if value is None or pd.isna(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    scientific = f"{value:.{digits - 1}e}"
    exponent = int(scientific.split("e")[1])
    if not -4 <= exponent < 7:
        return scientific
    return f"{float(scientific):,.{max(0, digits - 1 - exponent)}f}"


def entries(frame: pd.DataFrame) -> list[Any]:
    """The rows of a frame, a column an attribute."""
    return list(frame.itertuples())


def plain(value: Any) -> str:
    """A setting or a constant: `0.01`, `halves`, and – for none."""
    return DASH if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def between(low: Any, high: Any, scale: float = 1.0) -> str:
    """`0.141–0.310`."""
    known = not (pd.isna(low) or pd.isna(high))
    return f"{format_number(low * scale)}–{format_number(high * scale)}" if known else DASH


def learning_words(part: pd.DataFrame) -> pd.DataFrame:
    """Parity, scores and gradients, by cell and backend."""
    return _worded(
        part,
        {
            "cell": lambda r: r.cell,
            "backend": lambda r: r.backend,
            "parity error": lambda r: format_number(r.parity_error, 2),
            "tolerance": lambda r: format_number(r.parity_tolerance, 2),
            "score": _score,
            f"score{INTERVAL}": lambda r: between(r.score_low, r.score_high),
            "solved": lambda r: f"{r.solved:.0f}/{r.seeds}" if r.seeds else DASH,
            f"solved{INTERVAL}": _solved_interval,
            "steps to solve": _steps_to_solve,
            "gradient norm": _gradient_norm,
            "half-life (steps)": _half_life,
            "NaN/Inf": _not_finite,
            "score ×2 as long": lambda r: _longer(r.score_x2, r.chance_x2),
            "score ×4 as long": lambda r: _longer(r.score_x4, r.chance_x4),
            "flags": lambda r: f"*{r.flags}" if r.flags else "",
        },
    )


def measure_words(part: pd.DataFrame) -> pd.DataFrame:
    """Every score of the models, medians over seeds, and below them of the classical methods; empty
    where the deciding score is all there is."""
    models = part[part["seeds"] > 0].to_dict("records")
    first = models[0] if models else {}
    names = [
        str(name).removeprefix(FINAL_PREFIX) for name in first if str(name).startswith(FINAL_PREFIX)
    ]
    measures = [name for name in names if not pd.isna(first[FINAL_PREFIX + name])]
    known = classical_scores(first, first.get("metric"))
    if len(measures) < 2 and not any(len(scores) > 1 for scores in known.values()):
        return pd.DataFrame()
    lines = [
        [
            f"{model['cell']}, {model['backend']}",
            *(format_number(model[FINAL_PREFIX + name]) for name in measures),
        ]
        for model in models
    ]
    lines += [
        [method, *(format_number(scores.get(name)) for name in measures)]
        for method, scores in known.items()
    ]
    return pd.DataFrame(lines, columns=["by", *measures])


def speed_words(part: pd.DataFrame) -> pd.DataFrame:
    """Times and memory, the fastest first in each cell."""
    return _worded(
        part,
        {
            "cell": lambda r: r.cell,
            **({"threads": lambda r: str(r.threads)} if part["threads"].nunique() > 1 else {}),
            "rank": lambda r: DASH if pd.isna(r.rank) else f"{r.rank:.0f}",
            "backend": lambda r: r.backend,
            **_phase("step"),
            "× fastest": lambda r: format_number(r.relative),
            **_phase("forward"),
            **_phase("gradients"),
            "first calls (s)": lambda r: format_number(r.first_call_s, 2),
            "open (s)": lambda r: format_number(r.open_s, 2),
            "sequences/s": lambda r: format_number(r.sequences_per_s),
            "GFLOP/s": lambda r: format_number(r.gflops),
            "of product": _product_share,
            "memory (MiB)": _memory,
            "path": lambda r: r.executed_path or DASH,
            "flags": lambda r: f"*{r.flags}" if r.flags else "",
        },
    )


def not_measured_words(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the columns that say the same in every row."""
    same = [name for name in ("run", "device", "dtype") if frame[name].nunique() < 2]
    return frame.drop(columns=[*same, "cases"])


def joined(frame: pd.DataFrame) -> pd.DataFrame:
    """Each interval put behind its value: `0.155 [0.141–0.310]`."""
    frame = frame.copy()
    for name in [n for n in frame.columns if n.endswith(INTERVAL)]:
        interval = frame.pop(name)
        value = next(n for n in frame.columns if n.split(" (")[0] == name.removesuffix(INTERVAL))
        frame[value] = frame[value].where(interval == DASH, frame[value] + " [" + interval + "]")
        frame = frame.rename(columns={value: f"{value} [95%]"})
    return frame


def _worded(part: pd.DataFrame, columns: Mapping[str, Callable[[Any], str]]) -> pd.DataFrame:
    """One column of words for each function of a row; those that say nothing are left out."""
    rows = entries(part)
    words = {name: [word(row) for row in rows] for name, word in columns.items()}
    return pd.DataFrame({n: w for n, w in words.items() if not set(w) <= {DASH, ""}}, dtype=object)


def _phase(name: str) -> dict[str, Callable[[Any], str]]:
    def value(row: Any) -> str:
        return format_number(getattr(row, f"{name}_s") * 1e3)

    def interval(row: Any) -> str:
        return between(getattr(row, f"{name}_low_s"), getattr(row, f"{name}_high_s"), 1e3)

    return {f"{name} (ms)": value, f"{name}{INTERVAL}": interval}


def _longer(score: Any, chance: Any) -> str:
    """`0.29 (chance 0.17)`."""
    return DASH if pd.isna(score) else f"{format_number(score)} (chance {format_number(chance, 2)})"


def _score(row: Any) -> str:
    """The median; below three seeds the values themselves."""
    if not row.seeds:
        return DASH
    if row.seeds < MIN_FOR_INTERVAL:
        return ", ".join(map(_one_score, row.scores))
    some = 0 < row.diverged < row.seeds
    return _one_score(row.score) + (f" ({row.diverged:.0f} diverged)" if some else "")


def _one_score(score: float) -> str:
    return "diverged" if math.isinf(score) else format_number(score)


def _solved_interval(row: Any) -> str:
    known = not pd.isna(row.solved_low)
    return f"{100 * row.solved_low:.0f}–{100 * row.solved_high:.0f}%" if known else DASH


def _steps_to_solve(row: Any) -> str:
    """`750, 1 > 4000`: the median of the seeds that solved it, and how many did not within the
    steps of training."""
    if pd.isna(row.steps_to_solve):
        return DASH
    open_ended = row.seeds - row.solved
    censored = f", {open_ended:.0f} > {row.steps}" if open_ended else ""
    return f"{row.steps_to_solve:.0f}{censored}"


def _gradient_norm(row: Any) -> str:
    if pd.isna(row.gradient_nan):
        return DASH
    pair = (row.gradient_norm_first, row.gradient_norm_last)
    return " → ".join("NaN" if pd.isna(value) else format_number(value) for value in pair)


def _half_life(row: Any) -> str:
    values = (row.half_life_initial, row.half_life_trained)
    pair = ["∞" if abs(value) > ENDLESS else format_number(value, 2) for value in values]
    return DASH if set(pair) == {DASH} else " → ".join(pair)


def _not_finite(row: Any) -> str:
    if pd.isna(row.gradient_nan):
        return DASH
    return f"{row.gradient_nan:.0f}/{row.gradient_inf:.0f}"


def _product_share(row: Any) -> str:
    """GFLOP/s over those of a product of large matrices on the same threads."""
    return DASH if pd.isna(row.product_share) else f"{row.product_share:.0%}"


def _memory(row: Any) -> str:
    """The framework's allocator on a device that has one, else the growth of the process."""
    size = row.process_growth_bytes if row.device == "cpu" else row.device_peak_bytes
    return DASH if size is None or pd.isna(size) else format_number(size / 2**20)
