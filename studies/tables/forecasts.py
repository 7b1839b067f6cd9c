"""The tables of forecasts: a row for each series, classical methods beside the cells."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.analysis.rows import FINAL_PREFIX, classical_scores
from bench.records.record import Record
from bench.report.words import DASH, format_number
from studies.experiment import Experiment, Study
from studies.tables.pipe_table import pipe_table
from studies.tables.seeds import final_score, metric, range_text, share_text

METHOD_TO_BEAT = "autoregression"
"""The classical method that the cells are compared with."""


@dataclass(frozen=True)
class SeriesScores:
    """What is recorded about one series."""

    name: str
    records: Sequence[Record]
    main_backend: str

    @property
    def measure(self) -> str:
        """The score that decides."""
        return str(self.records[0].case["metric"])

    @property
    def classical(self) -> dict[str, dict[str, float]]:
        """Scores of the classical methods, by method and measure."""
        return classical_scores(self.records[0].metrics, self.measure)

    def classical_text(self, method: str, measure: str) -> str:
        """The score of a classical method by a measure; a dash where there is none."""
        return _number_text(self.classical.get(method, {}).get(measure))

    def cell_records(self, cell: str) -> list[Record]:
        """The records of the main backend with this cell."""
        main = (r for r in self.records if r.case["backend"] == self.main_backend)
        return [record for record in main if record.case["cell"] == cell]


def forecast_tables(
    study: Study, experiments: Sequence[Experiment], learning: Mapping[str, Sequence[Record]]
) -> list[str]:
    """The scores of each series; how many seeds beat the autoregression; the other measures."""
    cells = list(dict.fromkeys(cell for experiment in experiments for cell in experiment.cells))
    series = _series(study, experiments, learning)
    methods = list(dict.fromkeys(method for entry in series for method in entry.classical))
    blocks = [_scores(series, methods, cells)]
    if METHOD_TO_BEAT in methods:
        title = f"Seeds whose score at the end is below that of the {METHOD_TO_BEAT}"
        blocks += [title, _seeds_that_beat(series, cells)]
    if rows := _other_measures(series, methods, cells):
        alignment = ["left", "left", *["right"] * (len(methods) + len(cells))]
        columns = ["series", "measure", *methods, *cells]
        blocks += [
            "The same forecasts by other measures, medians over seeds",
            pipe_table(rows, columns, alignment),
        ]
    return blocks


def _series(
    study: Study, experiments: Sequence[Experiment], learning: Mapping[str, Sequence[Record]]
) -> list[SeriesScores]:
    records: dict[str, list[Record]] = {}
    for experiment in experiments:
        records.setdefault(experiment.series, []).extend(learning[experiment.name])
    return [
        SeriesScores(name, series_records, study.main_backend)
        for name, series_records in records.items()
    ]


def _scores(series: Sequence[SeriesScores], methods: Sequence[str], cells: Sequence[str]) -> str:
    rows = [
        [entry.name, *(entry.classical_text(method, entry.measure) for method in methods)]
        + [
            range_text([final_score(record) for record in entry.cell_records(cell)])
            for cell in cells
        ]
        + [_other_backends(entry) or DASH]
        for entry in series
    ]
    alignment = ["left", *["right"] * (len(methods) + len(cells)), "left"]
    return pipe_table(rows, ["series", *methods, *cells, "others"], alignment)


def _seeds_that_beat(series: Sequence[SeriesScores], cells: Sequence[str]) -> str:
    rows = [
        [entry.name, *(_share_below(entry.cell_records(cell), limit) for cell in cells)]
        for entry in series
        if (limit := entry.classical.get(METHOD_TO_BEAT, {}).get(entry.measure)) is not None
    ]
    return pipe_table(rows, ["series", *cells], ["left", *["right"] * len(cells)])


def _share_below(records: Sequence[Record], limit: float) -> str:
    return share_text(sum(final_score(record) < limit for record in records), len(records))


def _other_measures(
    series: Sequence[SeriesScores], methods: Sequence[str], cells: Sequence[str]
) -> list[list[str]]:
    """A row for each series and each measure that does not decide."""
    return [
        [entry.name, measure, *(entry.classical_text(method, measure) for method in methods)]
        + [_median_text(entry.cell_records(cell), measure) for cell in cells]
        for entry in series
        for measure in dict.fromkeys(name for scores in entry.classical.values() for name in scores)
        if measure != entry.measure
    ]


def _median_text(records: Sequence[Record], measure: str) -> str:
    values = [metric(record, FINAL_PREFIX + measure) for record in records]
    return _number_text(median(values) if values else None)


def _number_text(value: float | None) -> str:
    return DASH if value is None else format_number(value)


def _other_backends(series: SeriesScores) -> str:
    """`numpy 0.1% (12)`: the median relative difference between a seed's score and the score of
    the same seed in the main backend, and the number of seeds in all cells."""
    scores: dict[str, dict[tuple[str, int], float]] = {}
    for r in series.records:
        scores.setdefault(r.case["backend"], {})[r.case["cell"], r.case["seed"]] = final_score(r)
    main = scores.pop(series.main_backend, {})
    differences = {
        name: [
            _relative_difference(value, main[seed])
            for seed, value in values.items()
            if seed in main
        ]
        for name, values in scores.items()
    }
    return ", ".join(
        f"{name} {100 * median(values):.1f}% ({len(values)})"
        for name, values in differences.items()
        if values
    )


def _relative_difference(value: float, reference: float) -> float:
    """Relative to the reference; 0 where both are equal, also where both are infinite."""
    if value == reference:
        return 0.0
    finite = reference and math.isfinite(reference)
    return abs(value / reference - 1) if finite else math.inf
