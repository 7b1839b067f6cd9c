"""The times of a launch, and the ratio of a pair of launches.

Where the sides took turns, a launch consists of blocks, and a block of one side has its partner a
few hundredths of a second away. The ratio of a pair is then the median over the ratios of such
blocks: what the machine does between blocks is the same on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from bench.analysis.launch import LaunchRule, launch_time
from bench.compare.both_sides import BothSides
from bench.compare.decision import log_ratios
from bench.plan.probes import ADVANCE
from bench.records.record import Record


@dataclass(frozen=True)
class LaunchTimes:
    """Seconds of a call in one phase of one launch; NaN where a sample is not a time."""

    seconds: float
    """The median of the blocks, or the fastest sample where there are no blocks, because a
    disturbance only adds time. For `advance` the p50: the median sample in place of the fastest."""
    blocks: Sequence[float] = ()
    """The fastest sample of each block (`advance`: the median one), where the sides took turns."""
    mean: float = nan
    """The mean of all samples."""

    @classmethod
    def from_record(cls, record: Record, phase: str) -> "LaunchTimes":
        """The times in a record that has samples of this phase."""
        samples, size = record.samples[phase], int(record.metrics.get(f"{phase}_block") or 0)
        rule = LaunchRule.MEDIAN if phase == ADVANCE else LaunchRule.MINIMUM
        if not size or len(samples) % size:
            times = cls(launch_time(samples, rule))
        else:
            starts = range(0, len(samples), size)
            times = cls.from_blocks([samples[first : first + size] for first in starts], rule)
        return replace(times, mean=float(np.mean(samples)))

    @classmethod
    def from_blocks(
        cls, blocks: Sequence[Sequence[float]], rule: LaunchRule = LaunchRule.MINIMUM
    ) -> "LaunchTimes":
        """The times of a launch in turns, from the samples of each block."""
        times = tuple(launch_time(block, rule) for block in blocks)
        return cls(float(np.median(times)), times)


def pair_log_ratio(pair: BothSides[LaunchTimes]) -> float:
    """The log-ratio of a pair of launches, head over base. NaN, which decides nothing, where a time
    is not a positive number."""
    base, head = pair
    if base.blocks and len(base.blocks) == len(head.blocks):
        return float(np.median(log_ratios(base.blocks, head.blocks)))
    return log_ratios([base.seconds], [head.seconds])[0]


def mean_log_ratio(pair: BothSides[LaunchTimes]) -> float:
    """The log-ratio of the means of a pair of launches, head over base; NaN where one is no
    time."""
    base, head = pair
    return log_ratios([base.mean], [head.mean])[0]
