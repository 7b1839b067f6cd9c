"""The tables of a grid: a row for each setting, a column for each cell, and the claims below."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from bench.analysis.launch import launch_time, rule_for
from bench.records.record import Record
from bench.report.words import DASH, format_number
from studies.experiment import Experiment, Study
from studies.tables import claim_decisions
from studies.tables.pipe_table import pipe_table
from studies.tables.seeds import final_score, metric, still_solved_text, updates_to_solve

LEGEND = (
    "Seeds solved, and the median number of updates until solved or, where no more than half of "
    "the seeds are solved, the median score. With longer sequences: the median score at the length "
    "of training, at twice and at four times that length, each divided by the score of chance. "
    "With timed steps: the median score at the end of training, and the median score at the time "
    "when the fastest setting of the column has made all its updates."
)

Records = Mapping[str, Sequence[Record]]
"""Records by the name of the experiment."""


def grid_tables(study: Study, records: Records) -> str:
    """Everything that the main backend has recorded."""
    records = {
        name: [record for record in group if record.case["backend"] == study.main_backend]
        for name, group in records.items()
    }
    blocks = []
    for group in dict.fromkeys(experiment.group for experiment in study.experiments):
        measured = [e for e in study.experiments if e.group == group and records.get(e.name)]
        if measured:
            blocks += [group, _grid(measured, records)]
    return "\n\n".join([*([LEGEND] if blocks else []), *blocks, *_claims(study, records)]) + "\n"


def _claims(study: Study, records: Records) -> list[str]:
    """The table of the claims that are measured, with its legend."""
    learning = {
        (e.name, cell): select(records, e.name, cell) for e in study.experiments for cell in e.cells
    }
    seeds = {experiment.name: experiment.seeds for experiment in study.experiments}
    complete = claim_decisions.complete_claims(study.claims, learning, seeds)
    if not complete:
        return []
    table = claim_decisions.claims_table(complete, learning, len(study.claims))
    return [claim_decisions.LEGEND, table]


def _grid(experiments: Sequence[Experiment], records: Records) -> str:
    cells = list(dict.fromkeys(cell for experiment in experiments for cell in experiment.cells))
    rows = [
        [experiment.name, *(_cell_text(experiments, experiment, cell, records) for cell in cells)]
        for experiment in experiments
    ]
    return pipe_table(rows, ["setting", *cells], ["left"] * (1 + len(cells)))


def _cell_text(
    experiments: Sequence[Experiment], experiment: Experiment, cell: str, records: Records
) -> str:
    return (
        _learning_text(select(records, experiment.name, cell))
        + _lengths_text(select(records, experiment.name, cell, "lengths"))
        + _speed_text(experiments, experiment, cell, records)
    )


def select(records: Records, name: str, cell: str, probe: str = "learning") -> list[Record]:
    """The records of one experiment with one cell and probe."""
    return [r for r in records.get(name, ()) if r.case["cell"] == cell and r.probe == probe]


def _learning_text(records: Sequence[Record]) -> str:
    """`8 of 8, 450`, `8 of 8, 6 at the end, 450` or `3 of 8, mse 0.012`."""
    if not records:
        return DASH
    updates = [updates_to_solve(record) for record in records]
    solved, middle = sum(map(math.isfinite, updates)), median(updates)
    text = f"{middle:,.0f}"
    if math.isinf(middle):
        text = f"{records[0].case['metric']} {format_number(median(map(final_score, records)))}"
    return f"{solved} of {len(records)}{still_solved_text(records)}, {text}"


def _lengths_text(records: Sequence[Record]) -> str:
    """`; 0.0021, 0.35, 1.2`: scores over chance at one, two and four times the length; nothing
    without records."""
    if not records:
        return ""
    names = (name for name in records[0].metrics if name.startswith("score."))
    suffixes = [name.removeprefix("score") for name in names]
    ratios = [
        median(metric(r, f"score{suffix}") / metric(r, f"chance{suffix}") for r in records)
        for suffix in suffixes
    ]
    return f"; {', '.join(map(format_number, ratios))}"


def _speed_text(
    experiments: Sequence[Experiment], experiment: Experiment, cell: str, records: Records
) -> str:
    """`; 0.0021, 0.0034 in 1.2 s`: the score at the end, and the score in the time of the fastest
    setting; nothing without timed steps."""
    seconds = {e.name: step_seconds(select(records, e.name, cell, "speed")) for e in experiments}
    learning = select(records, experiment.name, cell)
    if not learning or math.inf in seconds.values():
        return ""
    fastest, updates = min(seconds.values()), float(learning[0].case["steps"])
    update = updates * (fastest / seconds[experiment.name])
    in_time = format_number(median(score_at(record, update) for record in learning))
    at_end = format_number(median(map(final_score, learning)))
    return f"; {at_end}, {in_time} in {format_number(fastest * updates)} s"


def step_seconds(speed: Sequence[Record]) -> float:
    """The time of one training update: the median over launches; infinite without launches."""
    times = [
        launch_time(record.samples["step"], rule_for(record.case["device"])) for record in speed
    ]
    return median(times or [math.inf])


def score_at(record: Record, update: float) -> float:
    """The score at the last checkpoint up to this update."""
    steps, scores = (record.samples[n] for n in ("checkpoint_step", record.case["metric"]))
    last = [score for step, score in zip(steps, scores, strict=True) if step <= update][-1]
    return math.inf if math.isnan(last) else float(last)
