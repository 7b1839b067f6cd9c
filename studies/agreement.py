"""Whether the backends learn alike: where their curves part, and whether any of them needs more
updates than the others."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from tabulate import tabulate  # type: ignore[import-untyped]

from bench.analysis.statistics import sign_test
from bench.probes.learning import MAX_STORED_LOSSES
from bench.records.record import Record
from bench.report.panels import WIDTH, line_styles
from bench.report.plots import STYLE
from bench.report.words import DASH, format_number
from bench.spec import Array
from studies.reading import updates

LEVEL, SEED, RESAMPLED = 0.05, 0, 200
SLOWER = (1.1, 1.25, 1.5)
"""Slowdowns of one backend's learning of which the power is told."""
COLUMNS, TITLE = 3, 42
"""Panels side by side, and letters in a line of a panel's title."""
APART = 0.01
"""Difference of two losses, over the larger, at which two curves count as parted."""
ENOUGH = 10
"""Seeds from which on it is drawn how many are solved when."""
TOLD = (
    "The same seed has the same weights and batches in every backend: what is left is rounding. "
    f"Curves count as parted at the first update whose losses differ by {100 * APART:g}%; the "
    f"losses of longer runs are averaged over blocks of updates, at most "
    f"{MAX_STORED_LOSSES:,} of them."
)


@dataclass(frozen=True)
class Pair:
    """One seed of one model, trained in two backends."""

    row: str
    cell: str
    seed: int
    other: Record
    main: Record

    @property
    def steps(self) -> tuple[float, float]:
        """Updates until solved, infinite where never."""
        return updates(self.other), updates(self.main)

    def exchanged(self, rng: np.random.Generator) -> "Pair":
        """The two records given to the backends at random, as if they learned alike."""
        if rng.random() < 0.5:
            return self
        return Pair(self.row, self.cell, self.seed, other=self.main, main=self.other)

    def slower(self, factor: float, within: float) -> tuple[float, float]:
        """As if the other backend needed `factor` times the updates: it was solved `within`, from
        0 to 1, the time between two looks, and what is later is seen at the look after it."""
        looks_at, (steps, mains) = self.other.samples["checkpoint_step"], self.steps
        if math.isinf(steps):
            return steps, mains
        before = looks_at[max(0, bisect_left(looks_at, steps) - 1)]
        late = bisect_left(looks_at, (before + within * (steps - before)) * factor)
        return (looks_at[late] if late < len(looks_at) else math.inf), mains


Pairs = Mapping[str, Sequence[Pair]]
"""By backend the seeds that it and the main one have trained."""


def pairs(own: Mapping[str, Sequence[Record]], names: Sequence[str], main: str) -> Pairs:
    """Of the backends that share seeds with the main one, by row and cell."""
    found: dict[tuple[str, str, int], dict[str, Record]] = {}
    for row, records in own.items():
        for r in records:
            if r.probe == "learning":
                key = row, r.case["cell"], r.case["seed"]
                found.setdefault(key, {})[r.case["backend"]] = r
    both = {
        name: [Pair(*key, r[name], r[main]) for key, r in found.items() if {name, main} <= {*r}]
        for name in names
        if name != main
    }
    return {name: seen for name, seen in both.items() if seen}


def agreement(found: Pairs, main: str) -> str:
    """The test of equality with its power; nothing where nothing is trained in two backends.

    Each backend is tested against the main one, not all at once: runs of four are not
    exchangeable, since those whose rounding is alike stay together for longer.
    """
    from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

    if not found:
        return ""
    signs = [counted([pair.steps for pair in seen]) for seen in found.values()]
    ps = multipletests([sign_test(*both) for both in signs], LEVEL, "holm")[1]
    rng = np.random.default_rng(SEED)
    shares = [(factor, *power(found, factor, rng)) for factor in SLOWER]
    by = [f"{100 * factor - 100:.0f}%, {_percent(*both)}" for factor, *both in shares]
    verdict = "A difference was found" if min(ps) <= LEVEL else "No difference was found"
    each = [_told(name, found[name], p) for name, p in zip(found, ps, strict=True)]
    return (
        f"{verdict} in the updates until solved between {main} and the others, by the exact sign "
        f"test of the seeds that are not solved at the same look, with Holm's correction: "
        f"{'; '.join(each)}. Power: of backends made alike (seeds drawn with replacement, the "
        f"records of the two swapped at random), one of which is then slowed down, it finds that "
        f"one so often, the least and the most over the backends: slower by {'; by '.join(by)}.\n"
    )


def _percent(least: float, most: float) -> str:
    """`75–83%`, or `100%` where both are the same."""
    return "–".join(dict.fromkeys(f"{share:.0f}" for share in (least, most))) + "%"


def _told(name: str, seen: Sequence[Pair], p: float) -> str:
    later, sooner = counted([pair.steps for pair in seen])
    models = len({(pair.row, pair.cell) for pair in seen})
    seeds = f"{len(seen)} seeds of {models} model{'s' if models > 1 else ''}"
    return f"{name} is later in {later} and sooner in {sooner} of {seeds}, p = {format_number(p)}"


def counted(steps: Sequence[tuple[float, float]]) -> tuple[int, int]:
    """How often the other backend is later, and how often it is sooner."""
    return sum(a > b for a, b in steps), sum(a < b for a, b in steps)


def power(found: Pairs, factor: float, rng: np.random.Generator) -> tuple[float, float]:
    """In how many of a hundred draws the test finds one backend that needs `factor` times the
    updates of a main one that learns alike: the least and the most over that one."""
    shares = []
    for seen in found.values():
        rejected = 0
        for _ in range(RESAMPLED):
            drawn = [seen[k].exchanged(rng) for k in rng.integers(len(seen), size=len(seen))]
            late = [pair.slower(factor, rng.uniform()) for pair in drawn]
            rejected += sign_test(*counted(late)) <= LEVEL / len(found)
        shares.append(100 * rejected / RESAMPLED)
    return min(shares), max(shares)


def parted(found: Pairs, main: str) -> str:
    """For each model, the median update at which each backend's curve leaves the main one's;
    nothing where nothing is trained in two backends."""
    if not found:
        return ""
    lines = [
        [row, cell, *(_when(_of(seen, row, cell)) for seen in found.values())]
        for row, cell in _models(found)
    ]
    heads = ["experiment", "cell", *(f"{name}, {main}" for name in found)]
    return f"{TOLD}\n\n{tabulate(lines, heads, 'pipe', disable_numparse=True)}\n"


def _models(found: Pairs) -> list[tuple[str, str]]:
    return list(dict.fromkeys((p.row, p.cell) for seen in found.values() for p in seen))


def _of(seen: Sequence[Pair], row: str, cell: str) -> list[Pair]:
    return [pair for pair in seen if (pair.row, pair.cell) == (row, cell)]


def _when(mine: Sequence[Pair]) -> str:
    """Nothing where there is no such seed."""
    if not mine:
        return ""
    middle = median(parting(pair.other, pair.main) for pair in mine)
    return DASH if math.isinf(middle) else f"{middle:,.0f}"


def parting(a: Record, b: Record) -> float:
    """The first update whose losses are apart, or after which one run has no more; infinite where
    there is none."""
    steps, apart = distance(a, b)
    ends = _made(a), _made(b)
    end = math.inf if ends[0] == ends[1] else min(ends)
    return float(next((s for s, d in zip(steps, apart, strict=True) if not d <= APART), end))


def distance(a: Record, b: Record) -> tuple[Array, Array]:
    """Updates, and the difference of the losses there over the larger of them; nothing where the
    losses of one are means of more in a row than those of the other, which stopped early."""
    x, y = (np.array(r.samples["loss"], np.float64) for r in (a, b))
    widths = [-(-_made(r) // MAX_STORED_LOSSES) for r in (a, b)]
    count = min(len(x), len(y)) if widths[0] == widths[1] else 0
    x, y = x[:count], y[:count]
    larger = np.maximum(np.abs(x), np.abs(y))
    apart = np.divide(np.abs(x - y), larger, out=np.zeros(count), where=x != y)
    return np.arange(count) * widths[0], apart


def _made(record: Record) -> int:
    """How many were made: a run stops where its loss is no longer finite."""
    return int(record.samples["checkpoint_step"][-1])


def curves(found: Pairs, main: str) -> Figure:
    """How far each backend's loss is from the main one's, the first seed of each model."""
    models, seen = _models(found), line_styles([main, *found])
    with rc_context(STYLE):
        drawn, axes = _panels(models)
        for axis, (row, cell) in zip(axes, models, strict=True):
            for name in found:
                for pair in _of(found[name], row, cell)[:1]:
                    steps, apart = distance(pair.other, pair.main)
                    axis.plot(steps, apart, color=seen[name].colour, linewidth=1.0, label=name)
            axis.set_yscale("log")
            axis.axhline(APART, color="#555555", linewidth=0.8, linestyle=":", label="parted")
        _captioned(
            drawn,
            axes,
            f"How far losses are from {main}'s, float32, the first seed of each model",
            "|a − b| / max(a, b)",
        )
    return drawn


def solved(found: Pairs, main: str) -> Figure | None:
    """The share of the seeds that all backends share that is solved after so many updates, of
    models of which there are enough of them."""
    models = [
        model
        for model in _models(found)
        if min(len(_of(pairs_, *model)) for pairs_ in found.values()) >= ENOUGH
    ]
    if not models:
        return None
    seen = line_styles([main, *found])
    with rc_context(STYLE):
        drawn, axes = _panels(models)
        for axis, (row, cell) in zip(axes, models, strict=True):
            mine = {name: [p.steps[0] for p in _of(own, row, cell)] for name, own in found.items()}
            mine[main] = [pair.steps[1] for pair in _of(next(iter(found.values())), row, cell)]
            for name in (main, *found):
                steps, share = _risen(mine[name], _end(found, row, cell))
                axis.plot(
                    steps,
                    share,
                    color=seen[name].colour,
                    linewidth=1.0,
                    label=name,
                    drawstyle="steps-post",
                )
            axis.set_ylim(0, 1.02)
        _captioned(drawn, axes, "Seeds solved, the same ones in each backend", "share")
    return drawn


def _risen(steps: Sequence[float], end: float) -> tuple[list[float], list[float]]:
    """Updates from none to the end, and the share of all seeds that is solved from there on."""
    within = sorted(step for step in steps if math.isfinite(step))
    counts = [0, *range(1, len(within) + 1), len(within)]
    return [0.0, *within, end], [count / len(steps) for count in counts]


def _end(found: Pairs, row: str, cell: str) -> float:
    """Where the longest run of a model ends."""
    mine = [pair for seen in found.values() for pair in _of(seen, row, cell)]
    return max(_made(run) for pair in mine for run in (pair.main, pair.other))


def _panels(models: Sequence[tuple[str, str]]) -> tuple[Figure, list[Any]]:
    """A panel a model, its name above it."""
    height = -(-len(models) // COLUMNS)
    drawn = Figure(figsize=(WIDTH, 1.7 * height + 0.6))
    grid = drawn.subplots(height, COLUMNS, squeeze=False).ravel()
    for axis in grid[len(models) :]:
        axis.remove()
    for axis, (row, cell) in zip(grid, models, strict=False):
        axis.set_title(fill(f"{row}, {cell}", TITLE), fontsize=7)
    return drawn, list(grid[: len(models)])


def _captioned(drawn: Figure, axes: Sequence[Any], title: str, what: str) -> None:
    """The title and one legend of what is drawn in any panel, above them; what the axes are."""
    labelled = {
        name: line
        for axis in axes
        for line, name in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    text: Any = {"title": title, "title_fontsize": 10, "fontsize": 8}
    place: Any = {"loc": "outside upper center", "ncols": len(labelled), "frameon": False}
    drawn.legend(labelled.values(), labelled.keys(), **text, **place)
    drawn.supxlabel("updates", fontsize=9)
    drawn.supylabel(what, fontsize=9)
