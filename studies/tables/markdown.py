"""All tables of a study, from its records."""

from collections.abc import Mapping, Sequence

from bench.records.record import Record, latest_records
from bench.report.markup import markdown_list
from studies.experiment import Experiment, Study
from studies.tables.forecasts import forecast_tables
from studies.tables.grid import grid_tables
from studies.tables.published_figures import published_tables


def records_by_experiment(
    experiments: Mapping[str, Sequence[Experiment]], records: Sequence[Record]
) -> dict[str, list[Record]]:
    """The successful records of each experiment, by its name. `experiments` are those that need a
    case, by the case's key."""
    grouped: dict[str, list[Record]] = {}
    for record in records:
        if record.status == "ok":
            for experiment in experiments.get(record.key, ()):
                grouped.setdefault(experiment.name, []).append(record)
    return grouped


def markdown(study: Study, records: Mapping[str, Sequence[Record]]) -> str:
    """The tables of all groups that have records, `records` being by experiment."""
    if study.grid:
        return grid_tables(study, records)
    learning = {name: [r for r in rs if r.probe == "learning"] for name, rs in records.items()}
    measured = [experiment for experiment in study.experiments if learning.get(experiment.name)]
    blocks = []
    for group in dict.fromkeys(experiment.group for experiment in measured):
        members = [experiment for experiment in measured if experiment.group == group]
        blocks.append(f"{group}: {study.sources[group]}" if group in study.sources else group)
        if members[0].series:
            blocks += forecast_tables(study, members, learning)
        else:
            blocks += published_tables(study, members, learning)
    return "\n\n".join(blocks) + "\n"


def failed_cases(records: Sequence[Record]) -> list[Record]:
    """The last record of each case that failed when it was measured last."""
    return [record for record in latest_records(records) if record.status == "failed"]


def failures_text(records: Sequence[Record]) -> str:
    """A line for each failed case, which no table shows; nothing where none failed."""
    lines = [
        f"failed: {r.case['backend']} {r.case['cell']} {r.case['task']}, {r.probe}, "
        f"seed {r.case['seed']}: {r.reason}"
        for r in failed_cases(records)
    ]
    return f"\n{markdown_list(lines)}\n" if lines else ""
