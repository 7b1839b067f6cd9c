"""The commands behind `run_bench.py`."""

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

from bench import machine
from bench.display import Live, Quiet, duration
from bench.estimate import history, kind, seconds, total
from bench.plan import PROFILES, Case, Selection, Unit, cases, units
from bench.records import Record, RecordsError, RunFolder
from bench.process import Limits
from bench.select import Registry, Request, select, why_not
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
) -> int:
    if run_id and resume:
        raise Unavailable("--run-id names a new run and --resume an old one: give one of them")
    folder = RunFolder.existing(root, resume) if resume else None
    if folder:
        request = request.over(folder.info().get("request", {}))
    selection, missing = select(request, backends, tasks)
    for gap in missing:
        print(f"not run: {gap}", file=sys.stderr)
    planned = cases(selection)
    limits = _limits(request, time_limit, memory_limit)
    jobs = _jobs(jobs)
    if dry_run:
        return _show_plan(planned, selection, root, jobs)
    if folder is None:
        folder = RunFolder.create(root, _run_id(run_id), _first_info(request, entry))
    with folder.lock():
        if folder.set_torn_line_aside():
            print("a half-written record was set aside; its case runs again", file=sys.stderr)
        return _measure(folder, planned, selection, entry, limits, jobs)


def _measure(
    folder: RunFolder,
    planned: Sequence[Case],
    selection: Selection,
    entry: Path,
    limits: Limits,
    jobs: int,
) -> int:
    start, before = perf_counter(), folder.records()
    have = {record.key for record in before}
    left = [case for case in planned if case.key not in have]
    costs = _costs(left, selection, folder.path.parent)
    progress = Live(left, costs) if sys.stderr.isatty() else Quiet()
    with progress:
        run = Run(folder, _starter(entry), limits, progress, folder.info())
        for record in before:
            run.learn_of(record)
        try:
            asyncio.run(run.all(units(left, random.Random(folder.id)), jobs))
        except ExceptionGroup as group:
            storage, other = group.split(RecordsError)
            raise (other or storage.exceptions[0]) from None  # type: ignore[union-attr]
        except KeyboardInterrupt:
            print(f"stopped; go on by --resume {folder.id}", file=sys.stderr)
            return 130
    records = folder.records()
    run.info.setdefault("sessions_s", []).append(perf_counter() - start)
    folder.write_info(run.info)
    return _conclude(folder, records, perf_counter() - start)


def _conclude(folder: RunFolder, records: Sequence[Record], took: float) -> int:
    from bench.report.terminal import show

    show(folder, records)
    failed = sum(record.status == "failed" for record in records)
    print(f"run {folder.id}: {len(records)} cases in {duration(took)}, {failed} failed")
    print(f"records and more: {folder.path}; tables and plots: run_bench.py report {folder.id}")
    if not any(record.status == "ok" for record in records):
        return 3
    return 1 if failed else 0


def list_command(backends: Registry, tasks: Registry) -> int:
    print("backends")
    for name in backends.names():
        module = backends.load(name)
        found = machine.versions(getattr(module, "REQUIRES", ()))
        known = ", ".join(f"{package} {version}" for package, version in found.items() if version)
        print(f"  {name:<14} {known}")
        for device in ("cpu", "cuda"):
            reason = why_not(module, device)
            print(f"    {device:<6} {'available' if reason is None else reason}")
    print("tasks")
    for name in tasks.names():
        module = tasks.load(name)
        reason = getattr(module, "unavailable", lambda: None)()
        summary = (module.__doc__ or "").strip().splitlines()[0]
        print(f"  {name:<14} {summary}" + (f" Not available: {reason}" if reason else ""))
    return 0


def report_command(
    runs: Sequence[str], formats: Sequence[str], output: Path | None, root: Path
) -> int:
    from bench.report.write import write

    folders = [RunFolder.existing(root, run) for run in runs]
    records = [record for folder in folders for record in folder.records()]
    for path in write(folders, records, formats, output or folders[0].path / "report"):
        print(path)
    return 0 if any(record.status == "ok" for record in records) else 3


def _show_plan(planned: Sequence[Case], selection: Selection, root: Path, jobs: int) -> int:
    for case in planned:
        print(case)
    known = history(root)
    seen = sum(1 for c in planned if seconds(c, known, 0) != seconds(c, {}, 0))
    costs = _costs(planned, selection, root)
    work = units(planned, random.Random(0))
    expected = total(work, {c.key: s for c, s in zip(planned, costs, strict=True)}, jobs)
    print(f"{len(planned)} cases in {len(work)} worker processes, about {duration(expected)}")
    print(f"({seen} cases estimated from earlier runs here, the others roughly)")
    return 0


def _costs(planned: Sequence[Case], selection: Selection, root: Path) -> list[float]:
    known = history(root)
    lengths = {name: task.time for name, task in selection.tasks}
    return [seconds(case, known, lengths[case.task]) for case in planned]


def _starter(entry: Path) -> Callable[[Unit, Sequence[int]], Sequence[str]]:
    def command(unit: Unit, processors: Sequence[int]) -> Sequence[str]:
        chosen = ["--processors", *map(str, processors)]
        return [sys.executable, str(entry), "worker", "--backend", unit.backend, *chosen]

    return command


def _limits(request: Request, time_s: float | None, memory_gib: float | None) -> Limits:
    if time_s is not None and time_s <= 0:
        raise Unavailable(f"--time-limit must be positive, not {time_s:g}")
    if memory_gib is not None and memory_gib <= 0:
        raise Unavailable(f"--memory-limit must be positive, not {memory_gib:g}")
    profile = PROFILES[request.profile or "standard"]
    there = machine.memory_bytes() or float("inf")
    return Limits(
        time_s=time_s or profile.time_limit_s,
        memory_bytes=memory_gib * 2**30 if memory_gib else MEMORY_SHARE * there,
    )


def _jobs(asked: int | None) -> int:
    if asked is not None and asked < 1:
        raise Unavailable(f"--jobs must be at least 1, not {asked}")
    return asked or len(machine.cpus())


def _run_id(asked: str | None) -> str:
    if asked is None:
        return datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", asked):
        raise Unavailable(f"a run id has letters, digits, '.', '_' and '-' only, not {asked!r}")
    return asked


def _first_info(request: Request, entry: Path) -> dict[str, Any]:
    return {
        "request": {name: value for name, value in asdict(request).items() if value is not None},
        **machine.commit(entry.parent),
        "machine": machine.machine(),
        "environments": {},
    }
