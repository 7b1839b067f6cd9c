"""Say why a row is inconclusive, in words that follow from the figures that the row shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, exp, inf, log2
from typing import Protocol

from bench.compare.paired_tests import pseudomedian, walsh_interval

LARGEST_LOG = 709.0
"""`exp` of more overflows."""


class Cause(StrEnum):
    """Why a decision is inconclusive."""

    NO_RATIO = "no ratio"
    """A value is not a positive number, so that a pair has no ratio."""
    CONTROL = "control"
    """The control changed between the sides, or was not timed."""
    FEW_PAIRS = "few pairs"
    UNCONFIRMED = "unconfirmed"
    """A round flagged the row, and the next one did not confirm it, or has not yet."""
    SLOW_LAUNCHES = "slow launches"
    """Some launches of the head were much slower, too few for a test."""
    NOISE = "noise"
    """Pairs scatter too far for their number, whatever their centre."""
    BETWEEN = "between"
    """The interval is narrow enough, but neither a change nor its absence is significant."""


class Bounds(Protocol):
    """The changes that a rule tests, as ratios of head over base, minus 1."""

    @property
    def tolerated(self) -> float: ...
    @property
    def least(self) -> float: ...
    @property
    def excluded(self) -> float: ...


@dataclass(frozen=True)
class Figures:
    """What a row shows: ratios of head over base."""

    ratio: float
    """The pseudomedian of the pairs, in logarithms."""
    low: float
    high: float
    """The interval of `ratio`; from 0 to infinity where there are too few pairs."""
    confidence: float
    """The confidence of the interval: that at which the rule's test of a pass decides."""
    scatter_low: float
    scatter_high: float
    """The smallest and the largest ratio of a pair."""
    pairs: int

    @classmethod
    def from_log_ratios(cls, log_ratios: Sequence[float], confidence: float) -> "Figures":
        """The figures of at least one pair, all finite."""
        low, high = walsh_interval(log_ratios, confidence)
        return cls(
            ratio=ratio_of(pseudomedian(log_ratios)),
            low=ratio_of(low),
            high=ratio_of(high),
            confidence=confidence,
            scatter_low=ratio_of(min(log_ratios)),
            scatter_high=ratio_of(max(log_ratios)),
            pairs=len(log_ratios),
        )

    @property
    def has_interval(self) -> bool:
        """Whether there are enough pairs for an interval at this confidence."""
        return self.high < inf

    def is_noisy(self, bounds: Bounds) -> bool:
        """Whether the interval is wider than the gap between the tolerated and the excluded change:
        it could then contain both, wherever its centre was."""
        return self.high > self.low * (1 + bounds.excluded) / (1 + bounds.tolerated)


@dataclass(frozen=True)
class Flag:
    """A round after which a row was flagged, counted from 1; the ratio of all pairs up to it, and
    that of the next round alone, None where that was not measured."""

    round: int
    ratio: float
    next_ratio: float | None


def ratio_of(log_ratio: float) -> float:
    """The ratio, infinite where it is too large for a float."""
    return exp(log_ratio) if log_ratio < LARGEST_LOG else inf


def percent(ratio: float) -> str:
    """`+4.2%`: the change that a ratio of head over base is."""
    return f"{100 * (ratio - 1):+.1f}%"


def undecided_reason(
    figures: Figures, bounds: Bounds, flag: Flag | None, rows: int
) -> tuple[Cause, str]:
    """Why neither a change nor its absence is shown. `rows` is the number of rows that share the
    level of the tests."""
    if not figures.has_interval:
        needed = ceil(log2(2 / (1 - figures.confidence)))
        return Cause.FEW_PAIRS, f"too few pairs for an interval: {needed} are needed"
    scatter = f"pairs scatter {percent(figures.scatter_low)} … {percent(figures.scatter_high)}"
    if flag:
        return Cause.UNCONFIRMED, f"{_flag_words(flag)}: {scatter}"
    shown = "; ".join(filter(None, [_shown(figures, bounds), _not_flagged(figures, bounds, rows)]))
    if figures.is_noisy(bounds):
        return Cause.NOISE, f"{scatter}, too far for {figures.pairs} pairs: {shown}"
    return Cause.BETWEEN, shown


def _flag_words(flag: Flag) -> str:
    flagged = f"flagged at {percent(flag.ratio)} after round {flag.round}"
    if flag.next_ratio is None:
        return f"{flagged}, not confirmed yet"
    return f"{flagged}, not confirmed in round {flag.round + 1} ({percent(flag.next_ratio)})"


def _shown(figures: Figures, bounds: Bounds) -> str:
    """Which change the interval shows, and which it cannot exclude."""
    change = "no change"
    if figures.low > 1 or figures.high < 1:
        change = "an increase" if figures.low > 1 else "a decrease"
    limits = (1 + bounds.excluded, 1 / (1 + bounds.excluded))
    inside = [percent(limit) for limit in limits if figures.low <= limit <= figures.high]
    if len(inside) == 2:
        return f"{change} is shown, and neither {inside[0]} nor {inside[1]} can be excluded"
    if inside:
        return f"{change} is shown, and {inside[0]} cannot be excluded"
    if limits[1] < figures.low and figures.high < limits[0]:
        within = f"{percent(limits[1])} … {percent(limits[0])}"
        return (
            f"{change} is shown; the interval lies in {within}, but the test does not reject both"
        )
    return f"{change} is shown"


def _not_flagged(figures: Figures, bounds: Bounds, rows: int) -> str:
    """Why a change beyond the tolerated one was not flagged; empty where the interval has none."""
    if 1 / (1 + bounds.tolerated) <= figures.high and figures.low <= 1 + bounds.tolerated:
        return ""
    least = 1 + bounds.least if figures.low > 1 else 1 / (1 + bounds.least)
    sharing = f", at a level that {rows} rows share" if rows > 1 else ""
    return f"not flagged: a round must show at least {percent(least)}{sharing}"
