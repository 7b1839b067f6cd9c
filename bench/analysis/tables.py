"""From records to tables of raw numbers: seconds, bytes, nothing rounded. Everything is computed
from the stored samples; what has not passed the parity gate enters no table of results."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.rows import (
    BASELINE_PREFIX,
    FINAL_PREFIX,
    ROW_KEYS,
    TABLE_KEYS,
    Row,
    deciding_metric,
    rows_from_records,
)
from bench.analysis.statistics import geometric_mean_ratio, interquartile_mean, median_interval
from bench.analysis.statistics import share_interval as share
from bench.analysis.timing import SPEED, fell_back, is_whole, timed
from bench.plan.probes import UNPROVEN
from bench.probes.gradients import half_life
from bench.probes.lengths import LENGTH_FACTORS
from bench.records.record import Record

SEED = 0
"""Of the generator that resamples for the intervals: the same records, the same tables."""

LONGER = tuple(f"{name}_x{times}" for times in LENGTH_FACTORS[1:] for name in ("score", "chance"))
"""Scores, and those of chance, on sequences so many times as long as those trained on."""
LEARNING = (
    *ROW_KEYS,
    *("parity_error", "parity_tolerance", "seeds", "metric", "score", "score_low", "score_high"),
    *("score_interquartile_mean", "scores", "diverged", "chance", "threshold"),
    *("solved", "solved_low", "solved_high", "steps_to_solve", "steps"),
    *("gradient_norm_first", "gradient_norm_last", "half_life_initial", "half_life_trained"),
    *("gradient_nan", "gradient_inf", *LONGER, "flags"),
)
NOT_MEASURED = (*ROW_KEYS, "probes", "cases", "status", "reason")


@dataclass(frozen=True)
class Tables:
    """All tables of the same records. `rows` is what they were made from."""

    rows: Sequence[Row]
    learning: pd.DataFrame
    speed: pd.DataFrame
    overall: pd.DataFrame
    not_measured: pd.DataFrame


def build_tables(records: Sequence[Record], infos: Mapping[str, Mapping[str, Any]]) -> Tables:
    """`infos` holds what `run.json` says, by run."""
    found = rows_from_records(records)
    rng = np.random.default_rng(SEED)
    times = speed(found, infos, rng)
    learned = learning(found, infos, rng)
    return Tables(found, learned, times, overall(times), not_measured(found))


def learning(
    found: Sequence[Row], infos: Mapping[str, Mapping[str, Any]], rng: np.random.Generator
) -> pd.DataFrame:
    """Parity, scores, and gradients: a row a model and backend. Scores are lower-is-better; one
    that is not finite counts as infinitely bad, so that a median over seeds does not hide it."""
    proven = [row for row in found if not row.unproven]
    made = [_learned(row, rng) | _flags(row, infos.get(row.run, {})) for row in proven]
    named = dict.fromkeys(name for row in made for name in row)
    others = [n for begin in (FINAL_PREFIX, BASELINE_PREFIX) for n in named if n.startswith(begin)]
    return pd.DataFrame(made, columns=[*LEARNING, *others])


def speed(
    found: Sequence[Row], infos: Mapping[str, Mapping[str, Any]], rng: np.random.Generator
) -> pd.DataFrame:
    """Times and memory, ranked by the step time among the backends that ran the same model on
    the same device with as many threads."""
    made = [entry for row in found if not row.unproven for entry in timed(row, infos, rng)]
    frame = pd.DataFrame(made, columns=list(SPEED))
    steps = frame.groupby([*TABLE_KEYS, "cell", "threads"], sort=False)["step_s"]
    frame["relative"] = frame["step_s"] / steps.transform("min")
    frame["rank"] = steps.rank(method="min").astype("Int64")
    frame["group"] = steps.ngroup()
    frame = frame.sort_values(["group", "step_s"], kind="stable", ignore_index=True)
    return frame.drop(columns="group")


def overall(times: pd.DataFrame) -> pd.DataFrame:
    """The geometric mean of each backend's step time over the fastest's, taken over the models
    that all the backends of a run, device, dtype and number of threads were timed on."""
    shared = ["run", "device", "dtype", "threads"]
    made = []
    for place, part in times.groupby(shared, sort=False):
        grid = part.pivot_table(index=["task", "cell"], columns="backend", values="relative")
        whole = grid.dropna()
        for backend in whole.columns if len(whole) else ():
            ratio = geometric_mean_ratio(whole[backend].tolist(), [1.0] * len(whole))
            made.append((*place, backend, len(whole), ratio))
    frame = pd.DataFrame(made, columns=[*shared, "backend", "models", "relative"])
    return frame.sort_values([*shared, "relative"], kind="stable", ignore_index=True)


def not_measured(found: Sequence[Row]) -> pd.DataFrame:
    """What failed, was skipped, or was measured but is not proven equal, and why."""
    made = []
    for row in found:
        reasons: dict[tuple[str, str], Counter[str]] = {}
        for record in row.records:
            if why := _missing(row, record):
                reasons.setdefault(why, Counter())[record.probe] += 1
        for (status, reason), probes in reasons.items():
            names = (f"{name} ×{count}" if count > 1 else name for name, count in probes.items())
            made.append((*row.keys.values(), ", ".join(names), probes.total(), status, reason))
    return pd.DataFrame(made, columns=list(NOT_MEASURED))


def _missing(row: Row, record: Record) -> tuple[str, str] | None:
    """Status and reason of a record that enters no table of results; None for the others."""
    if record.status == "ok":
        if row.unproven and record.probe != "parity":
            return "left out", UNPROVEN + row.unproven
        if record.probe == "speed" and not is_whole(record):
            return "left out", "samples are missing"
        return None
    reason = _printable(record.reason or "no reason recorded")
    refers = record.probe != "parity" and record.reason == UNPROVEN + (row.unproven or "")
    return record.status, f"{UNPROVEN}see parity" if refers else reason


def _printable(text: str) -> str:
    """Without line breaks and without what steers a terminal."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _learned(row: Row, rng: np.random.Generator) -> dict[str, Any]:
    learned = row.measured("learning")
    first: Mapping[str, Any] = learned[0].metrics if learned else {}
    entry: dict[str, Any] = {**row.keys, **_parity(row), "metric": deciding_metric(learned)}
    entry |= {"chance": first.get("chance"), "threshold": first.get("threshold")}
    entry |= {name: value for name, value in first.items() if name.startswith(BASELINE_PREFIX)}
    entry |= {
        name: _middle([_number(r, name) for r in learned])
        for name in first
        if name.startswith(FINAL_PREFIX)
    }
    entry |= _scores(learned, rng) | _solved(learned) | _gradients(row.measured("gradients"))
    return entry | _longer(row.measured("lengths"))


def _flags(row: Row, info: Mapping[str, Any]) -> dict[str, str]:
    """What a reader must know of the kernel that ran, and of what was proven."""
    parity = row.measured("parity")
    inference = any(r.metrics.get("gradients_compared") == 0 for r in parity)
    untimed = [r for r in row.records if r.probe != "speed"]
    return {"flags": "f" * fell_back(untimed, info) + "i" * inference}


def _parity(row: Row) -> dict[str, Any]:
    """The worst array of the worst parity record."""
    pairs = [
        (_number(r, "parity_error"), _number(r, "parity_tolerance")) for r in row.measured("parity")
    ]
    error, tolerance = max(pairs, key=lambda pair: pair[0] / pair[1])
    return {"parity_error": error, "parity_tolerance": tolerance}


def _scores(learned: Sequence[Record], rng: np.random.Generator) -> dict[str, Any]:
    if not learned:
        return {"seeds": 0, "scores": ()}
    raw = [_number(r, "score") for r in learned]
    scores = [value if math.isfinite(value) else math.inf for value in raw]
    low, high = median_interval(scores, rng) or (None, None)
    return {
        "seeds": len(scores),
        "score": median(scores),
        "score_low": low,
        "score_high": high,
        "score_interquartile_mean": interquartile_mean(scores),
        "scores": tuple(scores),
        "diverged": sum(math.isinf(value) for value in scores),
    }


def _solved(learned: Sequence[Record]) -> dict[str, Any]:
    if not learned:
        return {}
    steps = [_number(r, "steps_to_solve") for r in learned if r.metrics.get("solved")]
    low, high = share(len(steps), len(learned)) or (None, None)
    return {
        "solved": len(steps),
        "solved_low": low,
        "solved_high": high,
        "steps_to_solve": median(steps) if steps else None,
        "steps": learned[0].case.get("steps"),
    }


def _longer(found: Sequence[Record]) -> dict[str, Any]:
    values = {name: [_number(r, name.replace("_", ".")) for r in found] for name in LONGER}
    return {name: _middle(own) for name, own in values.items() if own}


def _gradients(found: Sequence[Record]) -> dict[str, Any]:
    if not found:
        return {}
    names = ("gradient_norm_first", "gradient_norm_last")
    entry: dict[str, Any] = {n: median(_number(r, n) for r in found) for n in names}
    for moment in ("initial", "trained"):
        norms = [r.samples.get(f"hidden_gradient_norm.{moment}", ()) for r in found]
        entry[f"half_life_{moment}"] = _middle_half_life([half_life(np.array(n)) for n in norms])
    for kind in ("gradient_nan", "gradient_inf"):
        entry[kind] = sum(_number(r, kind) for r in found)
    return entry


def _middle_half_life(lives: Sequence[float | None]) -> float:
    """The half-life of the median rate: rates order decay, level and growth along one line,
    which half-lives (positive, infinite, negative) do not. NaN of none."""
    known = [1 / life for life in lives if life]
    if not known:
        return math.nan
    rate = median(known)
    return 1 / rate if rate else math.inf


def _middle(scores: Sequence[float]) -> float:
    """The median over seeds; a score that there is not counts as infinitely bad."""
    return median(math.inf if math.isnan(score) else score for score in scores)


def _number(record: Record, name: str) -> float:
    """A metric; NaN where none was recorded."""
    value = record.metrics.get(name)
    return math.nan if value is None else float(value)
