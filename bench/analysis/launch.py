"""One figure for a launch: how the raw samples of one fresh process become one time."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np

from bench.analysis.statistics import sorted_quantile


class LaunchRule(StrEnum):
    """The statistic of a launch's samples that stands for the launch."""

    LOWER_QUARTILE = "lower quartile"
    """For tables of a CPU, where disturbances only add time."""
    MEDIAN = "median"
    """For tables of other devices."""
    MINIMUM = "minimum"
    """For the guard, which compares launches in pairs."""


QUANTILES: Mapping[LaunchRule, float] = {
    LaunchRule.LOWER_QUARTILE: 0.25,
    LaunchRule.MEDIAN: 0.5,
    LaunchRule.MINIMUM: 0.0,
}


def rule_for(device: str) -> LaunchRule:
    """The rule of tables and plots: the lower quartile on a CPU, the median on other devices."""
    return LaunchRule.LOWER_QUARTILE if device == "cpu" else LaunchRule.MEDIAN


def launch_time(samples: Sequence[float], rule: LaunchRule) -> float:
    """Seconds a call in one launch. NaN without samples, and where a sample is not a time: zero,
    negative or not finite."""
    times = np.sort(np.asarray(samples, np.float64))  # NaN comes last
    if not len(times) or not (times[0] > 0 and times[-1] < math.inf):
        return math.nan
    return sorted_quantile(times, QUANTILES[rule])
