"""The floor of a model's times: its unavoidable matrix products by the fastest library at hand."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import isfinite, nan
from statistics import median

import pandas as pd

from bench.analysis.launch import launch_time, rule_for
from bench.analysis.ranks import RANKED_KEYS
from bench.analysis.rows import Row
from bench.plan.probes import FLOOR_OF, FLOOR_SOURCES, floor_name

ModelKey = tuple[str | int, ...]
"""The values of `RANKED_KEYS`: rows that are ranked against each other have one floor."""
LibraryTimes = Mapping[tuple[str, str], Sequence[float]]
"""Seconds of each launch, by the name of the products and the library."""


def add_floors(frame: pd.DataFrame, rows: Iterable[Row]) -> None:
    """Add to the speed table, for each phase, its floor in seconds as `floor_s` and the time over
    it as `over_floor`. Both stay empty where no launch of the `rows` measured the floor."""
    floors = floors_by_model(rows)
    models = list(frame[list(RANKED_KEYS)].itertuples(index=False, name=None))
    for phase in FLOOR_OF:
        frame[f"{phase}_floor_s"] = [floors.get(key, {}).get(phase, nan) for key in models]
        frame[f"{phase}_over_floor"] = frame[f"{phase}_s"] / frame[f"{phase}_floor_s"]


def floors_by_model(rows: Iterable[Row]) -> dict[ModelKey, dict[str, float]]:
    """The floor in seconds of each timed phase that has one.

    A library has one time a launch, by the same rule as the rows, and the median over the launches
    of all backends that measured it. The least of the libraries is the floor.
    """
    times: dict[ModelKey, dict[tuple[str, str], list[float]]] = {}
    for row in rows:
        for record in row.measured("speed"):
            model = (*row.table_key, row.cell, record.case["threads"])
            for products, source in product(sorted(set(FLOOR_OF.values())), FLOOR_SOURCES):
                samples = record.samples.get(floor_name(products, source), ())
                library = row.backend if source == "own" else source
                if isfinite(seconds := launch_time(samples, rule_for(row.device))):
                    by_library = times.setdefault(model, {})
                    by_library.setdefault((products, library), []).append(seconds)
    return {model: _floors(by_library) for model, by_library in times.items()}


def _floors(times: LibraryTimes) -> dict[str, float]:
    """The floor of each phase: the time of the fastest library."""
    medians = {key: median(seconds) for key, seconds in times.items()}
    return {
        phase: min(seconds for (products, _), seconds in medians.items() if products == name)
        for phase, name in FLOOR_OF.items()
        if any(products == name for products, _ in medians)
    }
