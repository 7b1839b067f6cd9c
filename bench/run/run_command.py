"""The command `run`: plan, measure, report."""

import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bench.options import RunOptions, WorkerOptions
from bench.plan.case import Case
from bench.plan.cases import Selection, plan_cases
from bench.plan.estimate import Work
from bench.plan.probes import PROFILES
from bench.plan.request import Request
from bench.plan.selection import Registry, select
from bench.plan.units import plan_units
from bench.records.code import CodeDigests
from bench.records.folder import RunFolder
from bench.records.inert import inert
from bench.records.record import latest_records
from bench.run.display import format_duration
from bench.run.header import selection_line, work_lines
from bench.run.how_to_continue import how_to_continue
from bench.run.limits import job_count, parse_duration, quota_warning, run_name, worker_limits
from bench.run.measure import Workers, earlier_costs, planned_work, run_work
from bench.run.present_code import recorded_among, remaining_cases
from bench.run.resumed_request import resumed_request
from bench.run.run_info import check_same_environment, check_same_machine, first_info
from bench.spec import Unavailable


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What a run will do, after everything that the user asked for was checked."""

    selection: Selection
    cases: Sequence[Case]
    workers: Workers
    run_id: str
    """The name of the run, unless an earlier one is resumed."""
    budget_s: float
    """The seconds that the run may spend; if time is left, more launches are run."""
    again: bool
    """Whether failed and skipped cases of the resumed run are run once more."""
    tasks: Registry


def run_command(
    request: Request,
    options: RunOptions,
    worker_options: WorkerOptions,
    *,
    backends: Registry,
    tasks: Registry,
    entry: Path,
    root: Path,
) -> int:
    """Plan and measure; return the exit code.

    Nothing is written before everything that the user asked for was checked. `entry` is the
    program that starts workers, `root` the folder of runs.
    """
    earlier = _run_to_resume(options, root)
    if earlier:
        request = resumed_request(request, earlier, os.sep in (options.resume or ""))
    plan = _plan(request, options, worker_options, backends, tasks, entry)
    if options.dry_run:
        return _show_plan(plan, earlier, root)
    if earlier:
        check_same_environment(earlier, plan.selection.backends, backends)
        check_same_machine(earlier)
        return _measure(earlier, plan)
    info = first_info(request, plan.selection, entry, backends)
    return _measure(RunFolder.create(root, plan.run_id, info), plan)


def _run_to_resume(options: RunOptions, root: Path) -> RunFolder | None:
    """The folder of the run that is resumed; None for a new run."""
    if options.resume is None:
        if options.again:
            raise Unavailable("--again runs failed cases of an earlier run: name it by --resume ID")
        return None
    if options.run_id is not None:
        raise Unavailable("--run-id names a new run and --resume an old one: give one of them")
    return RunFolder.existing(root, options.resume)


def _plan(
    request: Request,
    options: RunOptions,
    worker_options: WorkerOptions,
    backends: Registry,
    tasks: Registry,
    entry: Path,
) -> RunPlan:
    """Check everything that the user asked for, and print which backends cannot run here."""
    selection, gaps = select(request, backends, tasks)
    default_time_s = PROFILES[selection.settings.profile].time_limit_s
    plan = RunPlan(
        selection=selection,
        cases=plan_cases(selection),
        workers=Workers(
            entry=entry,
            backends=backends,
            limits=worker_limits(worker_options, default_time_s),
            jobs=job_count(worker_options),
        ),
        run_id=run_name(options.run_id),
        budget_s=parse_duration(options.budget) if options.budget else 0.0,
        again=options.again,
        tasks=tasks,
    )
    for gap in gaps:
        print(f"not run: {inert(gap)}", file=sys.stderr)
    if warning := quota_warning(selection.settings.threads):
        print(warning, file=sys.stderr)
    for note in dict.fromkeys(n for _, task in selection.tasks for n in getattr(task, "notes", ())):
        print(inert(note))
    return plan


def _measure(folder: RunFolder, plan: RunPlan) -> int:
    """Run the cases that the folder has no record of; return the exit code."""
    with how_to_continue(f"continue with --resume {inert(folder.id)}"), folder.lock():
        if folder.set_torn_line_aside():
            print("a half-written record was set aside; its case runs again", file=sys.stderr)
        line = f"run {folder.id}: {selection_line(plan.selection)}"
        print(inert(line), file=sys.stderr, flush=True)
        work = _work(plan, folder, folder.path.parent, sys.stderr)
        seconds = run_work(folder, work, plan.workers, plan.budget_s, plan.cases)
        return _report(folder, seconds)


def _report(folder: RunFolder, seconds: float) -> int:
    """Print the report of a finished run; return the exit code."""
    from bench.analysis.compact import for_tables
    from bench.report.terminal import show_report

    records = latest_records(folder.records(for_tables))
    show_report(folder, records)
    failed = sum(record.status == "failed" for record in records)
    run, path = inert(folder.id), inert(folder.path)
    print(f"run {run}: {len(records)} cases in {format_duration(seconds)}, {failed} failed")
    print(f"records and more: {path}; tables and plots: run_bench.py report {path}")
    if failed:
        return 1
    measured = any(record.status == "ok" for record in records)
    return 0 if measured else 3


def _show_plan(plan: RunPlan, earlier: RunFolder | None, root: Path) -> int:
    """Print the cases that would run, and their expected time."""
    _work(plan, earlier, earlier.path.parent if earlier else root, sys.stdout, list_cases=True)
    return 0


def _work(
    plan: RunPlan, earlier: RunFolder | None, root: Path, output: TextIO, list_cases: bool = False
) -> Work:
    """What is left to measure; prints how much it is and how long it takes, after every case with
    `list_cases`. `root` holds the earlier runs that tell how long."""
    cases = _remaining(plan, earlier) if earlier else plan.cases
    for case in cases if list_cases else ():
        print(inert(case), file=output)
    units = plan_units(cases, random.Random(earlier.id if earlier else 0))
    past = earlier_costs(plan.workers.entry, root)
    work = planned_work(cases, units, plan.tasks, past)
    lines = work_lines(work, plan.workers.jobs, plan.budget_s, past[-1])
    print("\n".join(lines), file=output, flush=True)
    return work


def _remaining(plan: RunPlan, folder: RunFolder) -> list[Case]:
    """The cases of the plan that are left; says how many of them are recorded already, and why."""
    backends, checkout = plan.workers.backends, plan.workers.entry.parent
    code = CodeDigests(backends.load, plan.tasks.load, checkout)
    cases = remaining_cases(folder, plan.cases, code, prove_all=True, again=plan.again)
    if repeated := recorded_among(cases, folder):
        reason = "they failed or were skipped, or " if plan.again else ""
        reason += "the code of an adapter, a task or the harness has changed since"
        print(f"{len(repeated)} recorded cases run again: {reason}", file=sys.stderr)
    return cases
