"""The command `run`: plan, measure, report; and `plan`, which prints what a run would do."""

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.options import RunOptions, WorkerOptions
from bench.plan.case import Case
from bench.plan.cases import Selection, plan_cases
from bench.plan.estimate import cost_group, estimate_total, past_costs
from bench.plan.probes import PROFILES
from bench.plan.request import Request
from bench.plan.selection import Registry, select
from bench.plan.units import plan_units
from bench.records.folder import RunFolder
from bench.records.record import Record
from bench.run.display import format_duration
from bench.run.limits import job_count, parse_duration, run_name, worker_limits
from bench.run.measure import Workers, case_costs, remaining_cases, run_units
from bench.run.run_info import check_same_versions, first_info
from bench.spec import Unavailable


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
    """Plan and measure; return the exit code. Nothing is written before everything that was asked
    for is known to be right. `entry` is the program that starts workers, `root` the folder of
    runs."""
    if options.run_id is not None and options.resume is not None:
        raise Unavailable("--run-id names a new run and --resume an old one: give one of them")
    folder = RunFolder.existing(root, options.resume) if options.resume is not None else None
    if folder:
        request = request.over(folder.request())
    selection, gaps = select(request, backends, tasks)
    cases = plan_cases(selection)
    workers = Workers(
        entry=entry,
        backends=backends,
        limits=worker_limits(worker_options, PROFILES[selection.settings.profile].time_limit_s),
        jobs=job_count(worker_options),
    )
    run_id = run_name(options.run_id)
    budget_s = parse_duration(options.budget) if options.budget else 0.0
    for gap in gaps:
        print(f"not run: {gap}", file=sys.stderr)
    if options.dry_run:
        remaining = remaining_cases(folder, cases) if folder else cases
        return _show_plan(remaining, selection, folder.path.parent if folder else root, workers)
    if folder is None:
        folder = RunFolder.create(root, run_id, first_info(request, selection, entry, backends))
    else:
        check_same_versions(folder, selection.backends, backends)
    with folder.lock():
        if folder.set_torn_line_aside():
            print("a half-written record was set aside; its case runs again", file=sys.stderr)
        return _measure(folder, cases, selection, workers, budget_s)


def _measure(
    folder: RunFolder,
    cases: Sequence[Case],
    selection: Selection,
    workers: Workers,
    budget_s: float,
) -> int:
    remaining = remaining_cases(folder, cases)
    costs = case_costs(remaining, [selection], folder.path.parent)
    units = plan_units(remaining, random.Random(folder.id))
    seconds = run_units(folder, remaining, costs, units, workers, budget_s)
    if seconds is None:
        print(f"stopped; go on by --resume {folder.id}", file=sys.stderr)
        return 130
    return _conclude(folder, folder.records(), seconds)


def _conclude(folder: RunFolder, records: Sequence[Record], seconds: float) -> int:
    """Show the report of a finished run; the exit code."""
    from bench.report.terminal import show_report

    show_report(folder, records)
    failed = sum(record.status == "failed" for record in records)
    print(f"run {folder.id}: {len(records)} cases in {format_duration(seconds)}, {failed} failed")
    print(f"records and more: {folder.path}; tables and plots: run_bench.py report {folder.path}")
    return 1 if failed else exit_code_without_failures(records)


def exit_code_without_failures(records: Sequence[Record]) -> int:
    """0 where something was measured, 3 where nothing was."""
    return 0 if any(record.status == "ok" for record in records) else 3


def _show_plan(cases: Sequence[Case], selection: Selection, root: Path, workers: Workers) -> int:
    for case in cases:
        print(case)
    past = past_costs(root)
    measured = sum(cost_group(case.flat()) in past for case in cases)
    costs = case_costs(cases, [selection], root)
    units = plan_units(cases, random.Random(0))
    by_case = {case.key: seconds for case, seconds in zip(cases, costs, strict=True)}
    expected = format_duration(estimate_total(units, by_case, workers.jobs))
    print(f"{len(cases)} cases in {len(units)} worker processes, about {expected}")
    print(f"({measured} cases estimated from earlier runs here, the others roughly)")
    return 0


def plan_command(request: str, backends: Registry, tasks: Registry, entry: Path) -> int:
    """Print, as JSON, what this checkout under this interpreter would run: for a comparison,
    which asks each of its sides."""
    planned = Request().over(json.loads(request))
    selection, gaps = select(planned, backends, tasks)
    plan = {
        "cases": [case.flat() for case in plan_cases(selection)],
        "missing": [str(gap) for gap in gaps],
        "info": first_info(planned, selection, entry, backends),
    }
    print(json.dumps(plan))
    return 0
