"""The command that runs what is left of a study and writes its tables."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tasks
from bench.options import WorkerOptions, check_words
from bench.plan.availability import DEVICE
from bench.plan.case import Case
from bench.plan.selection import Registry
from bench.records.code import CodeDigests
from bench.records.folder import RunFolder
from bench.run.how_to_continue import how_to_continue
from bench.run.limits import job_count, worker_limits
from bench.run.measure import Workers, run_work
from bench.run.run_info import check_same_environment, describe_environment
from bench.spec import Unavailable
from studies.catalogue import STUDIES, folder_name
from studies.experiment import Experiment, Study
from studies.planning import StudyPlan, plan_study
from studies.study_report import write_report
from studies.study_run import StudyRun, remaining_work, show_remaining
from studies.tables.markdown import failed_cases

TIME_LIMIT_S = 7200.0


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
    [name] = check_words("study", [name], list(STUDIES))
    study, device = STUDIES[name], _checked_device(device.lower())
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
        code=CodeDigests(backends.load, tasks.load, entry.parent),
        jobs=job_count(worker_options),
        again=again,
    )
    if dry_run:
        show_remaining(run)
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
    check_same_environment(folder, names, workers.backends)
    with how_to_continue("run the same command to continue"), folder.lock():
        if folder.set_torn_line_aside():
            print("a half-written record was set aside; its case runs again", file=sys.stderr)
        work = remaining_work(run, folder)
        try:
            run_work(folder, work, workers)
        except KeyboardInterrupt:
            _report(folder, run)
            raise
        _report(folder, run)
    return 1 if failed_cases(folder.records()) else 0


def _report(folder: RunFolder, run: StudyRun) -> None:
    """Pack the records and write the tables."""
    folder.pack()
    print(f"writing the tables of {run.path}", file=sys.stderr, flush=True)
    write_report(folder, run.study, run.plan)


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
