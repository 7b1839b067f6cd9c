"""The floor of a model's times: its unavoidable matrix products by the fastest library at hand."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, nan
from statistics import median
from typing import Any, NamedTuple

import pandas as pd

from bench.analysis.flags import is_disturbed
from bench.analysis.launch import launch_time, rule_for
from bench.analysis.ranks import RANKED_KEYS
from bench.analysis.rows import Row
from bench.plan.probes import FLOOR_OF, FLOOR_SOURCES, floor_name

ModelKey = tuple[str | int, ...]
"""The values of `RANKED_KEYS`: rows that are ranked against each other have one floor."""


class FloorTime(NamedTuple):
    """Seconds of the products in one launch, and whether the machine was disturbed meanwhile."""

    seconds: float
    disturbed: bool


def add_floors(
    frame: pd.DataFrame, rows: Iterable[Row], infos: Mapping[str, Mapping[str, Any]]
) -> None:
    """Add to the speed table, for each phase, its floor in seconds as `floor_s` and the time over
    it as `over_floor`. Both stay empty where no launch of the `rows` measured the floor. `infos`
    holds the content of `run.json`, by run."""
    floors = floors_by_model(rows, infos)
    models = list(frame[list(RANKED_KEYS)].itertuples(index=False, name=None))
    for phase in FLOOR_OF:
        frame[f"{phase}_floor_s"] = [floors.get(key, {}).get(phase, nan) for key in models]
        frame[f"{phase}_over_floor"] = frame[f"{phase}_s"] / frame[f"{phase}_floor_s"]


def floors_by_model(
    rows: Iterable[Row], infos: Mapping[str, Mapping[str, Any]]
) -> dict[ModelKey, dict[str, float]]:
    """The floor in seconds of each timed phase that has one.

    A library has one time a launch, by the same rule as the rows, and the median over the launches
    of all backends that measured it; disturbed launches count only where there are no others. The
    least of the libraries is the floor.
    """
    times: dict[ModelKey, dict[tuple[str, str], list[FloorTime]]] = {}
    for row in rows:
        rule, info = rule_for(row.device), infos.get(row.run, {})
        for record in row.measured("speed"):
            by_library = times.setdefault((*row.table_key, row.cell, record.case["threads"]), {})
            for products in dict.fromkeys(FLOOR_OF.values()):
                for source in FLOOR_SOURCES:
                    samples = record.samples.get(floor_name(products, source), ())
                    library = row.backend if source == "own" else source
                    if isfinite(seconds := launch_time(samples, rule)):
                        time = FloorTime(seconds, is_disturbed(record, info))
                        by_library.setdefault((products, library), []).append(time)
    return {model: _floors(by_library) for model, by_library in times.items()}


def _floors(times: Mapping[tuple[str, str], Sequence[FloorTime]]) -> dict[str, float]:
    """The floor of each phase, from the times by products and library."""
    least: dict[str, float] = {}
    for (products, _), launches in times.items():
        disturbed = all(launch.disturbed for launch in launches)
        seconds = median(t.seconds for t in launches if t.disturbed == disturbed)
        least[products] = min(least.get(products, seconds), seconds)
    return {phase: least[name] for phase, name in FLOOR_OF.items() if name in least}
