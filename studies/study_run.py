"""A chosen part of a study, and what is left of it to measure."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate  # type: ignore[import-untyped]

import tasks
from bench.plan.case import Case
from bench.plan.estimate import Work
from bench.records.code import CodeDigests
from bench.records.folder import RunFolder
from bench.run.display import format_duration
from bench.run.measure import earlier_costs, planned_work
from bench.run.present_code import remaining_cases
from studies.experiment import Experiment, Study
from studies.planning import StudyPlan, study_units


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """A study on one device, and the part of it that was chosen."""

    study: Study
    plan: StudyPlan
    experiments: Sequence[Experiment]
    cases: Sequence[Case]
    path: Path
    """The folder of the records."""
    entry: Path
    code: CodeDigests
    jobs: int
    again: bool

    def existing_folder(self) -> RunFolder | None:
        """The folder of the records where there are any."""
        if RunFolder(self.path).has_records():
            return RunFolder.existing(self.path.parent, self.path.name)
        return None


def remaining_work(run: StudyRun, folder: RunFolder | None) -> Work:
    """The work that is left; prints what it is and how long it takes."""
    names = ", ".join(run.plan.backends)
    print(f"study {run.path.name}: {names}; records in {run.path}", file=sys.stderr, flush=True)
    cases = list(run.cases)
    if folder:
        cases = remaining_cases(folder, cases, run.code, prove_all=False, again=run.again)
    past = earlier_costs(run.entry, run.path.parent)
    work = planned_work(cases, study_units(cases), tasks, past)
    duration = format_duration(work.total_seconds(run.jobs))
    left = f"{len(cases)} of {len(run.cases)} cases left, about {duration}"
    print(left, file=sys.stderr, flush=True)
    return work


def show_remaining(run: StudyRun) -> None:
    """Print how many cases of each experiment are left, and how long they take on one processor."""
    seconds = remaining_work(run, run.existing_folder()).seconds
    rows = []
    for experiment in run.experiments:
        needed = run.plan.cases_of(experiment, run.cases)
        left = [seconds[case.key] for case in needed if case.key in seconds]
        rows.append([experiment.name, f"{len(left)} of {len(needed)}", format_duration(sum(left))])
    columns = ["row", "cases left", "on one processor"]
    print(tabulate(rows, columns, disable_numparse=True))
