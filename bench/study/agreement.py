"""Whether the backends learn alike: where their curves part, and whether any of them needs more
updates than the others."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from tabulate import tabulate  # type: ignore[import-untyped]

from bench.probes.learning import KEPT
from bench.records import Record
from bench.report.panels import WIDTH, looks
from bench.report.plots import STYLE
from bench.report.words import NONE, short
from bench.spec import Array
from bench.statistics import signed_rank

LEVEL, SEED, RESAMPLED = 0.05, 0, 200
SLOWER = (1.1, 1.25, 1.5)
"""Slowdowns of one backend's learning of which the power is told."""
COLUMNS, TITLE = 3, 42
"""Panels side by side, and letters in a line of a panel's title."""
APART = 0.01
"""Relative difference of two losses at which two curves count as parted."""
TOLD = (
    "The same seed has the same weights and batches in every backend: what is left is rounding. "
    f"Curves count as parted at the first update whose losses differ by {100 * APART:g}%; of runs "
    f"of more than {KEPT:,} updates, means of so many in a row that {KEPT:,} are left."
)

Steps = dict[str, float]
"""Updates until solved by backend, infinite where never."""


@dataclass(frozen=True)
class Block:
    """One seed of one model, trained in every backend."""

    row: str
    cell: str
    seed: int
    records: Mapping[str, Record]

    @property
    def steps(self) -> Steps:
        found = {name: r.metrics.get("steps_to_solve") for name, r in self.records.items()}
        return {name: math.inf if s is None else float(s) for name, s in found.items()}

    def shuffled(self, names: Sequence[str], rng: np.random.Generator) -> "Block":
        """The records given to these backends at random, as if they learned alike."""
        given = [self.records[names[k]] for k in rng.permutation(len(names))]
        return replace(self, records=dict(zip(names, given, strict=True)))

    def slower(self, backend: str, factor: float, within: float) -> Steps:
        """As if this backend needed `factor` times the updates: it was solved `within`, from 0 to
        1, the time between two looks, and what is later is seen at the look after it."""
        steps, looks_at = self.steps, self.records[backend].samples["checkpoint_step"]
        gaps = {after: (before, after) for before, after in pairwise(looks_at)}
        before, after = gaps.get(steps[backend], (steps[backend], steps[backend]))
        late = math.inf if math.isinf(after) else (before + within * (after - before)) * factor
        return {**steps, backend: min((k for k in looks_at if k >= late), default=math.inf)}


def blocks(own: Mapping[str, Sequence[Record]], names: Sequence[str]) -> list[Block]:
    """The seeds that all of these backends have trained, by row and cell."""
    found: dict[tuple[str, str, int], dict[str, Record]] = {}
    for row, records in own.items():
        for r in records:
            if r.probe == "learning" and r.case["backend"] in names:
                key = row, r.case["cell"], r.case["seed"]
                found.setdefault(key, {})[r.case["backend"]] = r
    return [Block(*key, seen) for key, seen in found.items() if len(seen) == len(names)]


def agreement(found: Sequence[Block], names: Sequence[str], main: str) -> str:
    """The test of equality with its power; nothing where nothing is trained everywhere.

    Each backend is tested against the main one, not all at once: their runs are not exchangeable.
    Those whose rounding is alike stay together for longer, so that of four backends one may be the
    odd one out in every seed, and a test of Friedman 1937 errs more often than it says.
    """
    from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

    others = [name for name in names if name != main]
    if not found or not others:
        return ""
    pairs = {name: [(block.steps[name], block.steps[main]) for block in found] for name in others}
    ps = multipletests([signed_rank(pairs[name]) for name in others], LEVEL, "holm")[1]
    rng = np.random.default_rng(SEED)
    shares = [(factor, *power(found, names, main, factor, rng)) for factor in SLOWER]
    by = [f"{100 * factor - 100:.0f}%: {least:.0f}–{most:.0f}%" for factor, least, most in shares]
    verdict = "A difference was found" if min(ps) <= LEVEL else "No difference was found"
    each = [_told(name, pairs[name], p) for name, p in zip(others, ps, strict=True)]
    return (
        f"{verdict} in the updates until solved between {main} and the others: the signed-rank "
        f"test of Wilcoxon 1945 over {len(found)} seeds of {len({(b.row, b.cell) for b in found})} "
        f"models, those left out that are solved at the same look, Holm's correction. "
        f"{'; '.join(each)}. Were one of them slower and all else alike, it would be found as "
        f"often as this, seeds drawn anew and their records and those of {main} exchanged at "
        f"random: by {'; by '.join(by)}, the least and the most over the backends.\n"
    )


def _told(name: str, pairs: Sequence[tuple[float, float]], p: float) -> str:
    later, sooner = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    return f"{name} is later in {later} and sooner in {sooner}, p = {short(p)}"


def power(
    found: Sequence[Block],
    names: Sequence[str],
    main: str,
    factor: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """In how many of a hundred draws the test finds one backend that needs `factor` times the
    updates of a main one that learns alike: the least and the most over that one."""
    shares = []
    others = [name for name in names if name != main]
    for slow in others:
        rejected = 0
        for _ in range(RESAMPLED):
            drawn = [found[k] for k in rng.integers(len(found), size=len(found))]
            alike = [block.shuffled((slow, main), rng) for block in drawn]
            late = [block.slower(slow, factor, rng.uniform()) for block in alike]
            p = signed_rank([(steps[slow], steps[main]) for steps in late])
            rejected += p <= LEVEL / len(others)
        shares.append(100 * rejected / RESAMPLED)
    return min(shares), max(shares)


def parted(found: Sequence[Block], names: Sequence[str], main: str) -> str:
    """For each model, the median update at which each backend's curve leaves the main one's;
    nothing where nothing is trained everywhere."""
    if not found:
        return ""
    others = [name for name in names if name != main]
    lines = []
    for row, cell in dict.fromkeys((b.row, b.cell) for b in found):
        mine = [b for b in found if (b.row, b.cell) == (row, cell)]
        lines.append([row, cell, *(_when(mine, name, main) for name in others)])
    heads = ["experiment", "cell", *(f"{name}, {main}" for name in others)]
    return f"{TOLD}\n\n{tabulate(lines, heads, 'pipe', disable_numparse=True)}\n"


def _when(mine: Sequence[Block], name: str, main: str) -> str:
    parted = [parting(block.records[name], block.records[main]) for block in mine]
    middle = median(parted)
    return NONE if math.isinf(middle) else f"{middle:,.0f}"


def parting(a: Record, b: Record) -> float:
    """The first update whose losses are apart, or after which one run has no more; infinite where
    there is none."""
    steps, apart = distance(a, b)
    ends = _updates(a), _updates(b)
    end = math.inf if ends[0] == ends[1] else min(ends)
    return float(next((s for s, d in zip(steps, apart, strict=True) if not d <= APART), end))


def distance(a: Record, b: Record) -> tuple[Array, Array]:
    """Updates, and the relative difference of the losses there; nothing where the losses of one
    are means of more in a row than those of the other, which stopped early."""
    x, y = (np.array(r.samples["loss"], np.float64) for r in (a, b))
    widths = [-(-_updates(r) // KEPT) for r in (a, b)]
    count = min(len(x), len(y)) if widths[0] == widths[1] else 0
    x, y = x[:count], y[:count]
    apart = np.divide(np.abs(x - y), np.abs(y), out=np.zeros(count), where=x != y)
    return np.arange(count) * widths[0], apart


def _updates(record: Record) -> int:
    """How many were made: a run stops where its loss is no longer finite."""
    return int(record.samples["checkpoint_step"][-1])


def figure(found: Sequence[Block], names: Sequence[str], main: str) -> Figure:
    """How far each backend's loss is from the main one's, the first seed of each model."""
    first = {(b.row, b.cell): b for b in reversed(found)}
    models = list(reversed(first.values()))
    height = -(-len(models) // COLUMNS)
    seen = looks(names)
    with rc_context(STYLE):
        drawn = Figure(figsize=(WIDTH, 1.7 * height + 0.6))
        axes = list(_axes(drawn, height, len(models)))
        for axis, block in zip(axes, models, strict=True):
            for name in names:
                if name != main:
                    steps, apart = distance(block.records[name], block.records[main])
                    look = seen[name]
                    axis.plot(steps, apart, color=look.colour, linewidth=1.0, label=name)
            axis.set_title(fill(f"{block.row}, {block.cell}", TITLE), fontsize=7)
            axis.set_yscale("log")
            axis.axhline(APART, color="#555555", linewidth=0.8, linestyle=":")
        axes[0].legend(fontsize=8, frameon=False)
        drawn.suptitle(
            f"Relative difference of the losses, float32, same seed, from {main}'s", fontsize=10
        )
        drawn.supxlabel("updates", fontsize=9)
    return drawn


def _axes(drawn: Figure, height: int, count: int) -> Iterator[Any]:
    grid = drawn.subplots(height, COLUMNS, squeeze=False).ravel()
    for axis in grid[count:]:
        axis.remove()
    yield from grid[:count]
