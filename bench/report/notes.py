"""Notes below the tables: how the numbers were computed and what the flags mean."""

from collections.abc import Mapping

import pandas as pd

from bench.analysis.flags import MAX_OTHERS_BUSY, MAX_SPREAD, MAX_STOLEN
from bench.analysis.ranking import OVERALL_KEYS
from bench.analysis.statistics import MIN_FOR_INTERVAL, MIN_FOR_RANGE
from bench.analysis.tables import Tables
from bench.plan.probes import PHASE_NAMES
from bench.report.latency_words import latency_note
from bench.report.words import format_number, frame_rows

PARITY = (
    "Parity error: max|a − b| / max|b| with the reference b, for the array whose error is the "
    "largest in units of its tolerance."
)
SCORE = (
    "Score: the median over seeds at the end of training. With fewer than "
    f"{MIN_FOR_RANGE} seeds the values themselves are shown, and no interval. Solved: the "
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
FLOOR = (
    "× floor: the time over that of the matrix products that the model cannot avoid, at their "
    "shapes and one after the other, by the fastest library that the launches of its table "
    "measured: NumPy's on a CPU, and a framework's own where its adapter offers it."
)
TIMES = (
    "Times: one call. The time of a launch (a fresh process) is the lower quartile of its samples "
    "on a CPU and their median on other devices; the tables show the median over launches. First "
    "calls: the first calls of all timed phases together, compilation included."
)
RANKS = (
    "Rank: backends whose intervals overlap cannot be ordered and share ranks. 2–4 means that one "
    "backend was faster, and that two others may be. × fastest: the time over the least one. Not "
    "ranked (–) are rows without an interval, rows whose warm-up did not settle (w) or whose "
    "machine was loaded (l) or held back (h, q), rows of other code than was proven equal (o), and "
    "rows whose launches ran on different machines or under different versions (m)."
)
INTERVALS = (
    f"Intervals of medians: for {MIN_FOR_RANGE} to {MIN_FOR_INTERVAL - 1} launches or seeds their "
    "range, which holds the true median in 75% of cases for 3 values and in 93.8% for 5; for "
    f"{MIN_FOR_INTERVAL} or more the exact 95% interval (binomial order statistics)."
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
    "o": "other code was timed than was proven equal: an adapter, a task or the harness was edited "
    "in between",
    "m": "the launches ran on different machines or under different versions",
    "e": "the launches, or the seeds and their parity case, ran in different environments",
    "f": "fell back: the kernel that ran is not the one that the backend stands for",
    "i": "inference only: outputs and states are proven equal, and there are no gradients",
}


def notes(tables: Tables) -> list[str]:
    """The notes that these tables need."""
    learning, speed = tables.learning, tables.speed
    timed = [speed[f"{phase}_low_s"] for phase in tables.speed_phases]
    bounds = [learning["score_low"], *timed, tables.latency["p50_low_s"]]
    return [
        *(_learning_notes(learning) if len(learning) else []),
        *(_speed_notes(tables) if len(speed) else []),
        *([latency_note(tables.latency)] if len(tables.latency) else []),
        *_flag_notes(tables),
        *([RANKS] if tables.phases else []),
        *([INTERVALS] if any(column.notna().any() for column in bounds) else []),
    ]


def overall_lines(tables: Tables) -> list[str]:
    """A sentence for each phase, run, device, dtype and number of threads that compares at least
    two backends over at least two models."""
    lines, frame = [], tables.overall[tables.overall["phase"].isin(tables.speed_phases)]
    for keys, group in frame.groupby(list(OVERALL_KEYS), sort=False):
        models = int(group["models"].iloc[0])
        if models < 2 or len(group) < 2:
            continue
        phase, _, device, dtype, threads = map(str, keys)
        means = ", ".join(f"{r.backend} {format_number(r.relative)}" for r in frame_rows(group))
        lines.append(
            f"{PHASE_NAMES[phase].capitalize()}: time relative to the fastest, geometric mean over "
            f"the {models} models that all of these backends were timed on ({device}, {dtype}, "
            f"{threads} threads): {means}."
        )
    return lines


def _learning_notes(frame: pd.DataFrame) -> list[str]:
    return [
        PARITY,
        *([SCORE] if (frame["seeds"] > 0).any() else []),
        *([LONGER] if frame["score_x2"].notna().any() else []),
        *([GRADIENTS] if frame["gradient_nan"].notna().any() else []),
    ]


def _speed_notes(tables: Tables) -> list[str]:
    frame = tables.speed
    floors = [f"{phase}_floor_s" for phase in tables.speed_phases]
    few = any(frame[f"{phase}_launches"].between(1, 2).any() for phase in tables.speed_phases)
    return [
        TIMES,
        *([f"With fewer than {MIN_FOR_RANGE} launches no interval is shown."] if few else []),
        *([FLOOR] if frame[floors].notna().any(axis=None) else []),
    ]


def _flag_notes(tables: Tables) -> list[str]:
    frames = tables.learning, tables.speed, tables.latency
    raised = "".join(letters for frame in frames for letters in frame["flags"].fillna(""))
    meanings = [f"{flag}: {meaning}" for flag, meaning in FLAGS.items() if flag in raised]
    return [f"* Read these rows with care. {'; '.join(meanings)}."] if meanings else []
