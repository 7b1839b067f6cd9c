"""The guard's decision, a pure function of numbers: is the head slower than its base?

A number is what one launch gave, one fresh process: iterations inside a launch are not
independent and never count as if they were. Launches come in pairs, one of each side, close in
time; a pair gives one log-ratio, head over base. Pairs come in rounds:

- A cell is flagged where the one-sided signed-rank test (Wilcoxon 1945) of all its log-ratios so
  far rejects "at most 3% slower", Holm's correction (1979) over all cells of the comparison, the
  level shared by the looks; and the median is at least +5%.
- A flag is confirmed by the next round alone: the same test at the whole level, and the same least
  median. Only then the cell has regressed. Improved is the mirror image.
- It passes where both a change of +10% and one of −9.1%, its mirror image, are rejected by the
  same test (two one-sided tests, Schuirmann 1987): a pass says what it excludes.
- Otherwise it is inconclusive: either more rounds decide, or the machine is too noisy to say.
- Where the control, a kernel that neither side can change, moved between the sides, nothing is
  concluded: the machine did it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from math import ceil, exp, inf, log, log1p, log2

import numpy as np

from bench.spec import Array

EXACT = 16


class Verdict(StrEnum):
    PASS = "pass"
    REGRESSED = "regressed"
    IMPROVED = "improved"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"
    MISSING = "missing"

    @property
    def green(self) -> bool:
        return self in (Verdict.PASS, Verdict.IMPROVED)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What counts as a change, and what it takes to say so; ratios are head over base, less 1."""

    tolerated: float = 0.03
    least: float = 0.05
    excluded: float = 0.10
    level: float = 0.05
    pairs: int = 10
    """Of a round."""
    rounds: int = 3
    """At most. A rule of one round flags without a confirmation."""

    def __post_init__(self) -> None:
        if not 0 <= self.tolerated <= self.least < self.excluded:
            raise ValueError("tolerated, least and excluded must grow in this order")
        if not 0 < self.level < 1 or self.pairs < 1 or self.rounds < 1:
            raise ValueError("the level must lie between 0 and 1, pairs and rounds be at least 1")

    @property
    def looks(self) -> int:
        """How often a cell can be flagged: the last round can only confirm."""
        return max(1, self.rounds - 1)

    def for_cells(self, cells: int) -> "Rule":
        """The same with as many pairs as it takes to flag one of so many cells at all: n pairs
        give no p-value under 2⁻ⁿ."""
        least = ceil(log2(self.looks * max(1, cells) / self.level))
        return replace(self, pairs=max(self.pairs, least))


Rounds = Sequence[Sequence[float]]
"""Log-ratios of a cell's pairs, head over base, by round."""

Test = Callable[[Array, float], float]
"""The one-sided p-value against "the centre of these is at most so much"."""


@dataclass(frozen=True)
class Decision:
    """The verdict on one cell. `ratio` is the median over its pairs, `low` and `high` a 95%
    interval of the pseudomedian, `p` the smaller one-sided p-value, uncorrected; each None
    where there are too few pairs."""

    verdict: Verdict
    reason: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    open: bool = False
    """Whether another round could decide."""
    flagged: bool = False
    """Whether that round is to confirm a flag."""


def decide(
    cells: Mapping[str, Rounds], rule: Rule, control: Rounds = (), test: Test | None = None
) -> dict[str, Decision]:
    """The verdict on each cell. `cells` has all cells of the comparison, for which Holm's
    correction is made; later rounds have those alone that were open after the one before."""
    test = test or signed_rank
    flags = [_flags(cells, rule, look, test) for look in range(1, rule.looks + 1)]
    moved = _moved(control, rule)
    return {
        name: _decision(rounds, [flag.get(name, 0) for flag in flags], rule, moved, test)
        for name, rounds in cells.items()
    }


def _flags(cells: Mapping[str, Rounds], rule: Rule, look: int, test: Test) -> dict[str, int]:
    """By cell, after `look` rounds: 1 flagged as slower, −1 as faster, 0 neither."""
    seen = {name: _pooled(rounds[:look]) for name, rounds in cells.items() if len(rounds) >= look}
    flags = dict.fromkeys(seen, 0)
    for side in (1, -1):
        ps = {name: test(side * d, log1p(rule.tolerated)) for name, d in seen.items()}
        for name in holm(ps, rule.level / rule.looks, len(cells)):
            if side * _median(seen[name]) >= log1p(rule.least):
                flags[name] = side
    return flags


def _decision(rounds: Rounds, flags: Sequence[int], rule: Rule, moved: str, test: Test) -> Decision:
    pooled = _pooled(rounds)
    if not len(pooled):
        return Decision(Verdict.NOT_COMPARABLE, "no pair of launches")
    if not np.isfinite(pooled).all():
        return Decision(Verdict.INCONCLUSIVE, "a time is not a positive number")
    found = _described(pooled, rule, test)
    side = _confirmed(rounds, flags, rule, test)
    if moved:
        return replace(found, reason=moved)
    if side:
        verdict = Verdict.REGRESSED if side > 0 else Verdict.IMPROVED
        return replace(found, verdict=verdict, reason="")
    last = len(rounds)
    flagged = last <= len(flags) and flags[last - 1] != 0 and rule.rounds > 1
    if flagged:
        return replace(found, reason="not confirmed yet", open=True, flagged=True)
    if _equal(pooled, rule, test):
        return replace(found, verdict=Verdict.PASS, reason="")
    undecided = f"neither a change nor ±{100 * rule.excluded:.3g}% can be excluded"
    return replace(found, reason=undecided, open=last < rule.rounds)


def _described(pooled: Array, rule: Rule, test: Test) -> Decision:
    low, high = walsh_interval(pooled)
    ps = [test(side * pooled, log1p(rule.tolerated)) for side in (1, -1)]
    ratio = exp(_median(pooled))
    found = Decision(Verdict.INCONCLUSIVE, "", ratio, p=min(ps))
    return found if low == -inf else replace(found, low=exp(low), high=exp(high))


def _confirmed(rounds: Rounds, flags: Sequence[int], rule: Rule, test: Test) -> int:
    """1 where a flag for slower was confirmed by the round after it, −1 for faster, else 0."""
    if rule.rounds == 1:
        return flags[0]
    for flag, after in zip(flags, rounds[1:], strict=False):
        d = flag * np.asarray(after, dtype=np.float64)
        significant = flag and test(d, log1p(rule.tolerated)) <= rule.level
        if significant and _median(d) >= log1p(rule.least):
            return flag
    return 0


def _equal(d: Array, rule: Rule, test: Test) -> bool:
    """Looked at after every round, so that the level is shared by the rounds."""
    bound = log1p(rule.excluded)
    return all(test(-side * d, -bound) <= rule.level / rule.rounds for side in (1, -1))


def _moved(control: Rounds, rule: Rule) -> str:
    """What the control did, where it moved; or nothing. It is one cell, and nobody confirms it."""
    d = _pooled(control)
    if not len(d):
        return ""
    if not np.isfinite(d).all():
        return "a time of the control is not a positive number"
    for side in (1, -1):
        significant = signed_rank(side * d, log1p(rule.tolerated)) <= rule.level
        if significant and side * _median(d) >= log1p(rule.least):
            return f"the machine itself changed: the control by {100 * (exp(_median(d)) - 1):+.1f}%"
    return ""


def signed_rank(d: Iterable[float], bound: float) -> float:
    """The one-sided p-value of the signed-rank test against "the centre of d is at most `bound`":
    exact, ties with their mean rank, zeros ranked and left out (Pratt 1959). 1 where there is
    nothing, or a NaN."""
    x = np.asarray(d, dtype=np.float64) - bound
    if not len(x) or np.isnan(x).any():
        return 1.0
    from scipy.stats import rankdata  # type: ignore[import-untyped]

    doubled = np.rint(2 * rankdata(np.abs(x))).astype(int)
    seen = int(doubled[x > 0].sum())
    return float(min(1.0, _by_chance(tuple(sorted(doubled[x != 0].tolist())))[seen:].sum()))


@lru_cache(maxsize=64)
def _by_chance(ranks: tuple[int, ...]) -> Array:
    """The probabilities of the sums of these ranks, each of which is in it or not by a fair coin;
    the same over and over, since most ranks are 1 to n."""
    ways = np.ones(1)
    for rank in ranks:
        ways = np.pad(ways, (0, rank)) / 2 + np.pad(ways, (rank, 0)) / 2
    ways.setflags(write=False)
    return ways


def sign_flip(d: Iterable[float], bound: float) -> float:
    """The same of the sign-flip test of the mean (Fisher 1935, section 21): the share of all ways
    to give the differences signs whose sum is at least the one seen. Exact up to 16 differences,
    of 65,536 ways drawn with a fixed seed beyond."""
    x = np.asarray(d, dtype=np.float64) - bound
    n = len(x)
    if not n or np.isnan(x).any():
        return 1.0
    if n <= EXACT:
        signs = 1 - 2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1, 1], (2**EXACT, n))
        signs[0] = 1
    sums = signs @ np.abs(x)
    return float(np.mean(sums >= x.sum() - 1e-12 * np.abs(x).sum()))


def holm(ps: Mapping[str, float], level: float, cells: int | None = None) -> list[str]:
    """The names whose hypotheses are rejected, the smallest p first, with an error of at most
    `level` for all `cells` together (Holm 1979, Scand. J. Statist. 6); `cells` is their number
    where some are not among `ps`."""
    left, rejected = cells or len(ps), []
    for name in sorted(ps, key=lambda name: ps[name]):
        if ps[name] > level / left:
            break
        rejected.append(name)
        left -= 1
    return rejected


def walsh_interval(d: Iterable[float], level: float = 0.95) -> tuple[float, float]:
    """The interval of the pseudomedian that the signed-rank test gives when it is inverted: the
    Walsh averages but for the k smallest and the k largest (Hollander & Wolfe 1999, section 3.4);
    infinite where there are too few values for the level."""
    x = np.asarray(d, dtype=np.float64)
    walsh = np.sort([(x[i] + x[j]) / 2 for i in range(len(x)) for j in range(i, len(x))])
    ways = _by_chance(tuple(range(1, len(x) + 1)))
    outside = int(np.searchsorted(np.cumsum(ways), (1 - level) / 2, side="right"))
    if outside == 0:
        return -inf, inf
    return float(walsh[outside - 1]), float(walsh[-outside])


def log_ratios(base: Sequence[float], head: Sequence[float]) -> list[float]:
    """Of launches in pairs, seconds; NaN where one is not a positive number, which decides
    nothing."""
    if len(base) != len(head):
        raise ValueError(f"{len(head)} launches of the head, {len(base)} of the base: no pairs")
    return [
        log(h) - log(b) if 0 < b < inf and 0 < h < inf else float("nan")
        for b, h in zip(base, head, strict=True)
    ]


def _pooled(rounds: Rounds) -> Array:
    return np.asarray([d for one in rounds for d in one], dtype=np.float64)


def _median(d: Array) -> float:
    return float(np.median(d)) if len(d) else 0.0
