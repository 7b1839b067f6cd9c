"""The report of a study: its tables and figures, from its records."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from bench.records.folder import RunFolder, storage_errors
from bench.records.record import Record
from bench.records.storage import replace_file
from bench.report.plots import save_pages
from studies.agreement.divergence import divergence_table
from studies.agreement.equivalence import equivalence_text
from studies.agreement.pairs import find_pairs
from studies.agreement.plots import divergence_plots, solved_plots
from studies.experiment import Study
from studies.planning import StudyPlan
from studies.tables.markdown import failures_text, markdown, records_by_experiment


@dataclass(frozen=True)
class StudyReport:
    """The tables as Markdown, and the pages of each figure by file name; none where no seed is
    trained in two backends, or too few seeds are."""

    tables: str
    figures: Mapping[str, Sequence[Figure]]


def study_report(study: Study, plan: StudyPlan, records: Sequence[Record]) -> StudyReport:
    """The report of all records of planned cases. The first backend of the study that has records
    takes the place of the main one."""
    grouped = records_by_experiment(plan.experiments_by_key, records)
    by_experiment = {e.name: grouped[e.name] for e in study.experiments if e.name in grouped}
    used = {r.case["backend"] for group in by_experiment.values() for r in group}
    names = [name for name in (study.main_backend, *study.other_backends) if name in used]
    main = names[0] if names else study.main_backend
    tables = markdown(replace(study, main_backend=main), by_experiment) + failures_text(records)
    pairs = find_pairs(by_experiment, names, main)
    if not pairs:
        return StudyReport(tables, {"curves": [], "solved": []})
    # The curves of forecasts have no panel of their own unless the study has nothing else.
    series = {experiment.name for experiment in study.experiments if experiment.series}
    others = {name: group for name, group in by_experiment.items() if name not in series}
    drawn = find_pairs(others, names, main) or pairs
    tables += f"\n{equivalence_text(pairs, main)}\n{divergence_table(drawn, main)}"
    figures = {"curves": divergence_plots(drawn, main), "solved": solved_plots(pairs, main)}
    return StudyReport(tables, figures)


def write_report(folder: RunFolder, study: Study, plan: StudyPlan) -> None:
    """Write the tables and figures beside the records, and print the tables."""
    records = folder.records()
    if unplanned := sum(record.key not in plan.cases for record in records):
        print(
            f"{unplanned} records belong to no experiment of this version of the study and are "
            "left out",
            file=sys.stderr,
        )
    report = study_report(study, plan, records)
    with storage_errors(f"cannot write to {folder.path}"):
        for name, figures in report.figures.items():
            for path in [*folder.path.glob(f"{name}.png"), *folder.path.glob(f"{name}-*.png")]:
                path.unlink()
            save_pages(figures, folder.path / f"{name}.png")
        replace_file(folder.path / "table.md", report.tables.encode())
    print(report.tables)
    print(f"records and table: {folder.path}")
