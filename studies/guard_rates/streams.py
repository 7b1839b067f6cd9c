"""Recorded launches as streams of pairs, head and base."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.compare.decision import log_ratios
from studies.guard_rates.collect import BASE, BUSY, CONTROL, HEADS, QUIET
from studies.json_lines import JsonLines

Launches = Mapping[str, Sequence[Sequence[float]]]
"""Samples in seconds by model, launch after launch."""
Stream = tuple[Launches, Launches]
"""Base and head, launches in pairs."""
Ratios = Mapping[str, Sequence[float]]
"""Log-ratios of the pairs by model, head over base."""
LaunchTime = Callable[[Sequence[float]], Any]
"""The time of a launch in seconds, from its samples."""


def read_streams(folder: Path) -> Mapping[str, Stream]:
    """By head, the launches of the base and of the head in the same blocks; `same, busy` has the
    launches of the head `same` beside a busy process."""
    streams: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for file, suffix in ((QUIET, ""), (BUSY, ", busy")):
        for line in JsonLines(folder / file).read():
            launches = line["launches"]
            for head in (name for name in HEADS if name in launches):
                stream = streams.setdefault(head + suffix, ({}, {}))
                for side, name in zip(stream, (BASE, head), strict=True):
                    for model, seconds in launches[name].items():
                        side.setdefault(model, []).append(seconds)
    return streams


def stream_ratios(stream: Stream, launch_time: LaunchTime = min) -> Ratios:
    """The log-ratios of the pairs."""
    return {
        model: log_ratios(*([launch_time(launch) for launch in side[model]] for side in stream))
        for model in stream[0]
    }


def models_by_comparison(models: Mapping[str, Any]) -> list[list[str]]:
    """The models of each comparison, which covers one task at one size."""
    by_task: dict[str, list[str]] = {}
    for name in sorted(models):
        if name != CONTROL:
            by_task.setdefault(name.split(maxsplit=1)[1], []).append(name)
    return list(by_task.values())
