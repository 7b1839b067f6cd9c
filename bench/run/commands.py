"""The commands that run cases and report on them."""

import json
import os
import random
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench.plan.cases import PROFILES, Case, Selection, Unit, plan_cases, plan_units
from bench.plan.estimate import START_S, cost_group, estimate_seconds, estimate_total, past_seconds
from bench.plan.selection import Registry, Request, select, user_series
from bench.records import machine
from bench.records.folder import Record, RecordsError, RunFolder
from bench.report.report_command import report_command as report_command
from bench.run.budget import next_launch
from bench.run.display import LiveProgress, SilentProgress, format_duration
from bench.run.process import Limits
from bench.run.runner import Runner, run_to_completion
from bench.spec import Unavailable

MEMORY_SHARE = 0.8


def run_command(
    request: Request,
    *,
    backends: Registry,
    tasks: Registry,
    entry: Path,
    root: Path,
    run_id: str | None,
    resume: str | None,
    dry_run: bool,
    time_limit: float | None,
    memory_limit: float | None,
    jobs: int | None,
    budget: str | None,
) -> int:
    """Plan and measure; the exit code. Nothing is written before all that was asked is known."""
    if run_id is not None and resume is not None:
        raise Unavailable("--run-id names a new run and --resume an old one: give one of them")
    folder = RunFolder.existing(root, resume) if resume is not None else None
    if folder:
        request = request.over(folder.request())
    selection, missing = select(request, backends, tasks)
    planned = plan_cases(selection)
    limits, jobs = worker_limits(request, time_limit, memory_limit), job_count(jobs)
    run_id, budget_s = run_name(run_id), parse_duration(budget) if budget else 0.0
    for gap in missing:
        print(f"not run: {gap}", file=sys.stderr)
    if dry_run:
        left = remaining_cases(folder, planned) if folder else planned
        return _show_plan(left, selection, folder.path.parent if folder else root, jobs)
    if folder is None:
        folder = RunFolder.create(root, run_id, first_info(request, selection, entry, backends))
    else:
        check_same_versions(folder, selection.backends, backends)
    with folder.lock():
        if folder.set_torn_line_aside():
            print("a half-written record was set aside; its case runs again", file=sys.stderr)
        return _measure(folder, planned, selection, entry, limits, jobs, budget_s)


def _measure(
    folder: RunFolder,
    planned: Sequence[Case],
    selection: Selection,
    entry: Path,
    limits: Limits,
    jobs: int,
    budget_s: float,
) -> int:
    left = remaining_cases(folder, planned)
    costs = case_costs(left, [selection], folder.path.parent)
    work = plan_units(left, random.Random(folder.id))
    took = run_units(folder, left, costs, work, entry, limits, jobs, budget_s)
    if took is None:
        print(f"stopped; go on by --resume {folder.id}", file=sys.stderr)
        return 130
    return _conclude(folder, folder.records(), took)


def remaining_cases(folder: RunFolder, planned: Sequence[Case]) -> list[Case]:
    """The cases that are not recorded yet."""
    have = {record.key for record in folder.records()}
    return [case for case in planned if case.key not in have]


def run_units(
    folder: RunFolder,
    left: Sequence[Case],
    costs: Sequence[float],
    work: Sequence[Unit],
    entry: Path,
    limits: Limits,
    jobs: int,
    budget_s: float = 0.0,
) -> float | None:
    """Run these units of the cases left into a folder that is locked; the seconds it took, or
    None where it was interrupted."""
    start = perf_counter()
    with LiveProgress(left, costs) if sys.stderr.isatty() else SilentProgress() as progress:
        run = Runner(folder, _starter(entry), limits, progress, folder.info())
        for record in folder.records():
            run.note_parity(record)
        try:
            run_to_completion(run.all(work, jobs))
            run_to_completion(_spend(run, start + budget_s))
        except KeyboardInterrupt:
            return None
    took = perf_counter() - start
    run.info.setdefault("sessions_s", []).append(took)
    folder.write_info(run.info)
    return took


async def _spend(run: Runner, deadline: float) -> None:
    """More launches where the intervals are widest, for as long as one fits into the time."""
    rng, processors = np.random.default_rng(0), machine.cpus()
    while (left := deadline - perf_counter()) > 0:
        unit = next_launch(run.folder.records(), left, rng, START_S)
        if unit is None:
            return
        await run.unit(unit, 0, processors[: unit.threads])


def parse_duration(text: str) -> float:
    """`90`, `90s`, `10m` or `1.5h`."""
    found = re.fullmatch(r"(\d+(?:\.\d*)?)([smh]?)", text.strip())
    if not found or not float(found[1]):
        raise Unavailable(f"--budget must be a time such as 90s, 10m or 1h, not {text!r}")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]


def _conclude(folder: RunFolder, records: Sequence[Record], took: float) -> int:
    from bench.report.terminal import show_report

    show_report(folder, records)
    failed = sum(record.status == "failed" for record in records)
    print(f"run {folder.id}: {len(records)} cases in {format_duration(took)}, {failed} failed")
    print(f"records and more: {folder.path}; tables and plots: run_bench.py report {folder.path}")
    return 1 if failed else _measured(records)


def _measured(records: Sequence[Record]) -> int:
    """The exit code of records without failures."""
    return 0 if any(record.status == "ok" for record in records) else 3


def plan_command(request: str, backends: Registry, tasks: Registry, entry: Path) -> int:
    """Print, as JSON, what this checkout under this interpreter would run: for a comparison,
    which asks each of its sides."""
    asked = Request().over(json.loads(request))
    selection, missing = select(asked, backends, tasks)
    told = {
        "cases": [case.settings for case in plan_cases(selection)],
        "missing": [str(gap) for gap in missing],
        "info": first_info(asked, selection, entry, backends),
    }
    print(json.dumps(told))
    return 0


def _show_plan(planned: Sequence[Case], selection: Selection, root: Path, jobs: int) -> int:
    for case in planned:
        print(case)
    known = past_seconds(root)
    seen = sum(cost_group(case) in known for case in planned)
    costs = case_costs(planned, [selection], root)
    work = plan_units(planned, random.Random(0))
    expected = estimate_total(work, {c.key: s for c, s in zip(planned, costs, strict=True)}, jobs)
    print(
        f"{len(planned)} cases in {len(work)} worker processes, about {format_duration(expected)}"
    )
    print(f"({seen} cases estimated from earlier runs here, the others roughly)")
    return 0


def case_costs(planned: Sequence[Case], selections: Sequence[Selection], root: Path) -> list[float]:
    """Seconds that each case will take, as far as is known."""
    templates = {name: task for selection in selections for name, task in selection.tasks}
    return estimate_seconds(planned, templates, past_seconds(root))


def _starter(entry: Path) -> Callable[[Unit, Sequence[int]], Sequence[str]]:
    def command(unit: Unit, processors: Sequence[int]) -> Sequence[str]:
        chosen = ["--processors", *map(str, processors), "--parent", str(os.getpid())]
        return [sys.executable, str(entry), "worker", "--backend", unit.backend, *chosen]

    return command


def worker_limits(request: Request, time_s: float | None, memory_gib: float | None) -> Limits:
    for option, value in (("--time-limit", time_s), ("--memory-limit", memory_gib)):
        if value is not None and not 0 < value < inf:
            raise Unavailable(f"{option} must be a positive number, not {value:g}")
    there = machine.memory_bytes() or inf
    return Limits(
        time_s=time_s or PROFILES[request.profile or "standard"].time_limit_s,
        memory_bytes=memory_gib * 2**30 if memory_gib else MEMORY_SHARE * there,
    )


def job_count(asked: int | None) -> int:
    if asked is not None and asked < 1:
        raise Unavailable(f"--jobs must be at least 1, not {asked}")
    there = len(machine.cpus())
    return min(asked or there, there)


def run_name(asked: str | None) -> str:
    if asked is None:
        return datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", asked):
        raise Unavailable(f"a run id has letters, digits, '.', '_' and '-' only, not {asked!r}")
    return asked


def check_same_versions(folder: RunFolder, names: Sequence[str], backends: Registry) -> None:
    """What was proven under one version is not proven under another."""
    then, now = folder.info().get("versions", {}), _versions(names, backends)
    changed = [f"{k} {then[k]} is now {v}" for k, v in now.items() if then.get(k, v) != v]
    if changed:
        raise RecordsError(
            f"run {folder.id} was begun with other versions: {', '.join(changed)}. "
            "Nothing was changed; begin a new run"
        )


def _versions(names: Sequence[str], backends: Registry) -> dict[str, str | None]:
    loaded = [backends.load(name) for name in names]
    packages = {"numpy", *(p for module in loaded for p in getattr(module, "REQUIRES", ()))}
    return {"python": sys.version.split()[0], **machine.versions(sorted(packages))}


def first_info(
    request: Request, selection: Selection, entry: Path, backends: Registry
) -> dict[str, Any]:
    """The request with what this machine decided made explicit: resumed on another one, the run
    goes on with the same cases or says why it cannot."""
    asked = replace(
        request,
        backends=list(selection.backends),
        threads=selection.threads,
        digest=user_series(request).get("digest"),
    )
    return {"request": asked.given(), **describe_environment(selection.backends, entry, backends)}


def describe_environment(names: Sequence[str], entry: Path, backends: Registry) -> dict[str, Any]:
    """The commit, the versions of these backends' packages and the machine."""
    return {
        **machine.commit(entry.parent),
        "versions": _versions(names, backends),
        "machine": machine.describe_machine(),
        "environments": {},
        "sessions_s": [],
    }
