"""Notes below the tables: how the numbers were computed and what the flags mean."""

from collections.abc import Mapping

import pandas as pd

from bench.analysis.flags import MAX_OTHERS_BUSY, MAX_SPREAD, MAX_STOLEN
from bench.analysis.ranking import OVERALL_KEYS
from bench.analysis.statistics import MIN_FOR_INTERVAL
from bench.analysis.tables import Tables
from bench.report.latency_words import latency_note
from bench.report.words import format_number, frame_rows

PARITY = (
    "Parity error: max|a − b| / max|b| with the reference b, for the array whose error is the "
    "largest in units of its tolerance."
)
SCORE = (
    "Score: the median over seeds at the end of training. With fewer than "
    f"{MIN_FOR_INTERVAL} seeds the values themselves are shown, and no interval. Solved: the "
    "number of seeds whose score was below the threshold at any checkpoint, with the exact "
    "(Clopper-Pearson) 95% interval of the share."
)
LONGER = (
    "Score ×2, ×4 as long: the median over seeds of the trained model's score on sequences that "
    "are 2 and 4 times as long as the training sequences."
)
GRADIENTS = (
    "Gradients: medians over seeds. Norm: the norm of the gradient of all weights before "
    "clipping, at the first → at the last step. Half-life: the number of steps back in time over "
    "which the norm of dL/dh halves, from a straight line fitted to its logarithm, at the initial "
    "→ at the trained weights; ∞ means that the norm is level, a negative value that it grows "
    "backwards in time."
)
PRODUCT = (
    "The column 'of product' is the GFLOP/s as a share of those that NumPy's product of two large "
    "matrices reaches in the same process."
)
INTERVALS = (
    "Intervals of medians are 95% percentile bootstrap intervals. They stay within the range of "
    "the values, which holds the true median in at most 75% of cases for 3 values and 94% for 5. "
    "Where intervals overlap, the order is not settled."
)
FLAGS: Mapping[str, str] = {
    "w": "the warm-up did not settle within its time limit",
    "s": "the samples of a launch spread widely: their interquartile range is over "
    f"{MAX_SPREAD:.0%} of the median",
    "l": "the machine was loaded: other processes kept more than "
    f"{MAX_OTHERS_BUSY:g} of a processor busy",
    "h": "held back: a processor or GPU was throttled, or the host of the virtual machine took "
    f"away more than {MAX_STOLEN:.0%} of a processor",
    "q": "throttled: the container used up its quota of processors, or the quota is smaller than "
    "the number of threads",
    "c": "copies to NumPy are inside the clock because the backend offers no native calls",
    "e": "the launches ran in different environments",
    "f": "fell back: the kernel that ran is not the one that the backend stands for",
    "i": "inference only: outputs and states are proven equal, and there are no gradients",
}


def notes(tables: Tables) -> list[str]:
    """The notes that these tables need."""
    learning, speed = tables.learning, tables.speed
    intervals = learning["score_low"].notna().any() or speed["step_low_s"].notna().any()
    return [
        *(_learning_notes(learning) if len(learning) else []),
        *(_speed_notes(speed) if len(speed) else []),
        *([latency_note(tables.latency)] if len(tables.latency) else []),
        *_flag_notes(tables),
        *([INTERVALS] if intervals else []),
    ]


def overall_lines(frame: pd.DataFrame) -> list[str]:
    """A sentence for each run, device, dtype and number of threads that compares at least two
    backends over at least two models."""
    lines = []
    for keys, group in frame.groupby(list(OVERALL_KEYS), sort=False):
        models = int(group["models"].iloc[0])
        if models < 2 or len(group) < 2:
            continue
        _, device, dtype, threads = keys
        means = ", ".join(f"{r.backend} {format_number(r.relative)}" for r in frame_rows(group))
        lines.append(
            f"Step time relative to the fastest, geometric mean over the {models} models that all "
            f"of these backends were timed on ({device}, {dtype}, {threads} threads): {means}."
        )
    return lines


def _learning_notes(frame: pd.DataFrame) -> list[str]:
    return [
        PARITY,
        *([SCORE] if (frame["seeds"] > 0).any() else []),
        *([LONGER] if frame["score_x2"].notna().any() else []),
        *([GRADIENTS] if frame["gradient_nan"].notna().any() else []),
    ]


def _speed_notes(frame: pd.DataFrame) -> list[str]:
    few = frame["launches"].min() < MIN_FOR_INTERVAL
    threads = " or ".join(str(count) for count in sorted(set(frame["threads"])))
    return [
        f"Times: one call on {threads} threads. The time of a launch (a fresh process; here "
        f"{_range(frame['launches'])}) is the lower quartile of its samples on a CPU and their "
        "median on other devices; the table shows the median over launches. First calls: the "
        "first forward, gradients and step together, compilation included.",
        *([f"With fewer than {MIN_FOR_INTERVAL} launches no interval is shown."] if few else []),
        *([PRODUCT] if frame["product_share"].notna().any() else []),
    ]


def _flag_notes(tables: Tables) -> list[str]:
    frames = tables.learning, tables.speed, tables.latency
    raised = "".join(letters for frame in frames for letters in frame["flags"].fillna(""))
    meanings = [f"{flag}: {meaning}" for flag, meaning in FLAGS.items() if flag in raised]
    return [f"* Read these rows with care. {'; '.join(meanings)}."] if meanings else []


def _range(counts: "pd.Series[int]") -> str:
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"
