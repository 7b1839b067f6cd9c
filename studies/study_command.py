"""The command that runs what is left of a study and writes its tables."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate  # type: ignore[import-untyped]

import tasks
from bench.options import WorkerOptions, check_words
from bench.plan.availability import DEVICE
from bench.plan.case import Case
from bench.plan.estimate import Work
from bench.plan.selection import Registry
from bench.records.folder import RunFolder
from bench.records.record import latest_records
from bench.run.display import format_duration
from bench.run.limits import job_count, worker_limits
from bench.run.measure import Workers, earlier_costs, planned_work, run_work
from bench.run.present_code import PresentCode, remaining_cases
from bench.run.run_info import check_same_versions, describe_environment
from bench.spec import Unavailable
from studies.catalogue import STUDIES, folder_name
from studies.experiment import Experiment, Study
from studies.planning import StudyPlan, plan_study, study_units
from studies.study_report import write_report
from studies.tables.markdown import failed_cases

TIME_LIMIT_S = 7200.0


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
    code: PresentCode
    jobs: int
    again: bool

    def existing_folder(self) -> RunFolder | None:
        """The folder of the records where there are any."""
        if RunFolder(self.path).has_records():
            return RunFolder.existing(self.path.parent, self.path.name)
        return None


def study_command(
    name: str | None,
    words: Sequence[str],
    worker_options: WorkerOptions,
    *,
    backends: Registry,
    entry: Path,
    root: Path,
    only: Sequence[str] | None,
    device: str,
    again: bool,
    dry_run: bool,
) -> int:
    """Run what is left of a study on a device and write the tables of everything that is recorded.
    Return the exit code; without a name, list the studies.

    `words` choose the experiments whose group or name has one of them, `only` chooses backends.
    With `again`, cases that failed or were skipped count as left. Each device has its own folder.
    """
    if name is None:
        print("\n".join(f"{key:<10} {study.about}" for key, study in STUDIES.items()))
        return 0
    check_words("study", [name], list(STUDIES))
    study, device = STUDIES[name], _checked_device(device)
    print(f"study {name}: planning its cases", file=sys.stderr, flush=True)
    plan = plan_study(study, backends, device)
    experiments = _chosen_experiments(name, study, words)
    if root.exists() and not root.is_dir():
        raise Unavailable(f"{root} is not a folder")
    run = StudyRun(
        study=study,
        plan=plan,
        experiments=experiments,
        cases=_chosen_cases(study, plan, experiments, only, device),
        path=root / folder_name(name, device),
        entry=entry,
        code=PresentCode(backends, tasks, entry.parent),
        jobs=job_count(worker_options),
        again=again,
    )
    if dry_run:
        _show_remaining(run)
        return 0
    workers = Workers(
        entry=entry,
        backends=backends,
        limits=worker_limits(worker_options, TIME_LIMIT_S),
        jobs=run.jobs,
    )
    return _measure(run, workers, {"request": {}, "study": name})


def _measure(run: StudyRun, workers: Workers, info: Mapping[str, Any]) -> int:
    """Run what is left and write the report; return the exit code. `info` is what `run.json` of a
    new folder says beside the environment."""
    names = run.plan.backends
    folder = run.existing_folder()
    if folder is None:
        environment = describe_environment(names, workers.entry, workers.backends)
        folder = RunFolder.create(run.path.parent, run.path.name, {**info, **environment})
    check_same_versions(folder, names, workers.backends)
    with folder.lock():
        if folder.set_torn_line_aside():
            print("a half-written record was set aside; its case runs again", file=sys.stderr)
        work = _remaining_work(run, folder)
        seconds = run_work(folder, work, workers)
        folder.pack()
    write_report(folder, run.study, run.plan)
    if seconds is None:
        print("stopped; run the same command to continue", file=sys.stderr)
        return 130
    return 1 if failed_cases(folder.records()) else 0


def _checked_device(device: str) -> str:
    """The device, the first GPU by one name."""
    if not DEVICE.fullmatch(device):
        raise Unavailable(f"unknown device {device!r}. Known: cpu, cuda, cuda:1, …")
    return device.removesuffix(":0")


def _chosen_experiments(name: str, study: Study, words: Sequence[str]) -> list[Experiment]:
    """The experiments with one of the words in their group or name; all of them without words."""
    chosen = [e for e in study.experiments if not words or any(_has_word(e, w) for w in words)]
    if not chosen:
        names = "; ".join(experiment.name for experiment in study.experiments)
        raise Unavailable(f"no row of {name} has {' or '.join(words)} in its name: {names}")
    return chosen


def _has_word(experiment: Experiment, word: str) -> bool:
    return word.lower() in f"{experiment.group} {experiment.name}".lower()


def _chosen_cases(
    study: Study,
    plan: StudyPlan,
    chosen: Sequence[Experiment],
    only: Sequence[str] | None,
    device: str,
) -> list[Case]:
    """The cases of the experiments in the backends in `only`, or in all backends."""
    study_backends = [study.main_backend, *study.other_backends]
    names = check_words("backend of the study", only or [], study_backends) or study_backends
    cases = [
        planned.case
        for planned in plan.cases.values()
        if planned.case.backend in names and any(e in chosen for e in planned.experiments)
    ]
    if not cases:
        raise Unavailable(
            f"{' and '.join(names)}: cannot run on {device} here, or these rows do not use it"
        )
    return cases


def _remaining_work(run: StudyRun, folder: RunFolder | None) -> Work:
    """The work that is left; prints what it is and how long it takes."""
    names = ", ".join(run.plan.backends)
    print(f"study {run.path.name}: {names}; records in {run.path}", file=sys.stderr, flush=True)
    cases = _remaining_cases(run, folder) if folder else list(run.cases)
    past = earlier_costs(run.entry, run.path.parent)
    work = planned_work(cases, study_units(cases), tasks, past)
    duration = format_duration(work.total_seconds(run.jobs))
    left = f"{len(cases)} of {len(run.cases)} cases left, about {duration}"
    print(left, file=sys.stderr, flush=True)
    return work


def _remaining_cases(run: StudyRun, folder: RunFolder) -> list[Case]:
    """The cases that are left, or failed with `again`, and the proofs that they need."""
    remaining = remaining_cases(folder, run.cases, run.code, prove_all=False)
    if not run.again:
        return remaining
    latest = latest_records(folder.records())
    successful = {record.key for record in latest if record.status == "ok"}
    chosen = {case.key for case in remaining}
    return [case for case in run.cases if case.key in chosen or case.key not in successful]


def _show_remaining(run: StudyRun) -> None:
    """Print how many cases of each experiment are left, and how long they take on one processor."""
    seconds = _remaining_work(run, run.existing_folder()).seconds
    rows = []
    for experiment in run.experiments:
        needed = run.plan.cases_of(experiment, run.cases)
        left = [seconds[case.key] for case in needed if case.key in seconds]
        rows.append([experiment.name, f"{len(left)} of {len(needed)}", format_duration(sum(left))])
    columns = ["row", "cases left", "on one processor"]
    print(tabulate(rows, columns, disable_numparse=True))
