"""The ratio of a pair of launches, by the guard's rule and by others."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.compare.both_sides import BothSides
from bench.compare.decision import log_ratios
from bench.compare.launch_times import LaunchTimes, pair_log_ratio

Launch = Sequence[Sequence[float]]
"""The samples of one launch in seconds, turn after turn."""
PairRatio = Callable[[Launch, Launch], float]
"""The log-ratio of a pair, from the launch of the base and that of the head."""


def guard_ratio(base: Launch, head: Launch) -> float:
    """As the guard computes it: the median over turns."""
    times = BothSides(base, head).map(LaunchTimes.from_blocks)
    return pair_log_ratio(times)


def turns_by(statistic: Callable[[Sequence[float]], Any]) -> PairRatio:
    """The median over turns of the ratio of this statistic of the samples of a turn."""

    def ratio(base: Launch, head: Launch) -> float:
        per_turn = ([float(statistic(turn)) for turn in launch] for launch in (base, head))
        return float(np.median(log_ratios(*per_turn)))

    return ratio


def launches_by(statistic: Callable[[Any], Any]) -> PairRatio:
    """The ratio of this statistic of all samples of a launch, as without turns."""

    def ratio(base: Launch, head: Launch) -> float:
        return log_ratios(*([float(statistic(samples(launch)))] for launch in (base, head)))[0]

    return ratio


def samples(launch: Launch) -> Any:
    """All samples of a launch."""
    return np.concatenate([np.asarray(turn) for turn in launch])
