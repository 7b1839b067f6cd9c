"""Recorded launches as pairs of a base and a head."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.guard_rates.collect import BASE, CONTROL, EFFECTS, SAME, State
from studies.guard_rates.pair_ratios import Launch, PairRatio
from studies.json_lines import JsonLines

Ratios = Mapping[str, Sequence[float]]
"""Log-ratios of the pairs by model, head over base."""


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
