"""Recorded launches as pairs of a base and a head."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.compare.both_sides import BothSides
from bench.compare.decision import log_ratios
from bench.compare.launch_times import LaunchTimes, pair_log_ratio
from studies.guard_rates.collect import BASE, CONTROL, EFFECTS, SAME, State
from studies.json_lines import JsonLines

Launch = Sequence[Sequence[float]]
"""The samples of one launch in seconds, turn after turn."""
Ratios = Mapping[str, Sequence[float]]
"""Log-ratios of the pairs by model, head over base."""
PairRatio = Callable[[Launch, Launch], float]
"""The log-ratio of a pair, from the launch of the base and that of the head."""


@dataclass(frozen=True)
class Stream:
    """The pairs of one head in one state of the machine: launches by model, in the order in which
    they were recorded."""

    state: State
    head_name: str
    base: Mapping[str, Sequence[Launch]]
    head: Mapping[str, Sequence[Launch]]

    @property
    def models(self) -> list[str]:
        """The models that a comparison judges: all but the control."""
        return [model for model in self.base if model != CONTROL]

    @property
    def trials(self) -> int:
        """The number of pairs."""
        return len(self.base[CONTROL])

    def ratios(self, pair_ratio: PairRatio) -> Ratios:
        """The log-ratios of all pairs."""
        return {
            model: [pair_ratio(*pair) for pair in zip(self.base[model], launches, strict=True)]
            for model, launches in self.head.items()
        }


def read_streams(folder: Path) -> list[Stream]:
    """The streams of all states that the folder holds, the unchanged head first in each."""
    return [
        Stream(state, head, _launches(trials, BASE), _launches(trials, head))
        for state in State
        if (trials := JsonLines(folder / state.file).read())
        for head in (SAME, *EFFECTS)
    ]


def _launches(trials: Sequence[Mapping[str, Any]], side: str) -> dict[str, list[Launch]]:
    by_model: dict[str, list[Launch]] = {}
    for trial in trials:
        for model, launch in trial["launches"][side].items():
            by_model.setdefault(model, []).append(launch)
    return by_model


# ---- the ratio of a pair -----------------------------------------------------------------------


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
