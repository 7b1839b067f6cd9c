"""The command that runs a study, piece by piece, and writes its table."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from tabulate import tabulate  # type: ignore[import-untyped]

from bench.options import WorkerOptions, check_words
from bench.plan.case import Case
from bench.plan.cases import Selection, plan_cases
from bench.plan.estimate import estimate_total
from bench.plan.probes import TIMED_PROBES
from bench.plan.request import Request
from bench.plan.selection import Registry, select
from bench.plan.units import Unit
from bench.records.folder import RunFolder, storage_errors
from bench.run.display import format_duration
from bench.run.limits import job_count, worker_limits
from bench.run.measure import Workers, case_costs, remaining_cases, run_units
from bench.run.run_info import check_same_versions, describe_environment
from bench.spec import Unavailable
from studies.agreement import agreement, curves, pairs, parted, solved
from studies.claims import CLAIMS
from studies.every import EVERY
from studies.papers import AGREEMENT, PAPERS
from studies.rows import Experiment, Study
from studies.table import by_row, failed, failures, markdown

STUDIES: Mapping[str, Study] = {
    "papers": PAPERS,
    "claims": CLAIMS,
    "tasks": EVERY,
    "agreement": AGREEMENT,
}
TIME_LIMIT_S = 7200.0

Planned = Mapping[str, tuple[Case, Sequence[Experiment]]]
"""Cases and the rows that ask for them, by the case's key."""


def study_command(
    name: str | None,
    words: Sequence[str],
    worker_options: WorkerOptions,
    *,
    backends: Registry,
    tasks: Registry,
    entry: Path,
    root: Path,
    only: Sequence[str] | None,
    device: str,
    again: bool,
    dry_run: bool,
) -> int:
    """Run what is left of a study on a device, or of the rows that have one of the words in their
    name, in all of its backends or only in some, and write the table of all that is recorded; the
    exit code. Each device has a folder of its own. `again`: what failed, and what was skipped for
    it, is left, too."""
    if name is None:
        print("\n".join(f"{key:<10} {study.about}" for key, study in STUDIES.items()))
        return 0
    check_words("study", [name], list(STUDIES))
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise Unavailable(f"unknown device {device!r}. Known: cpu, cuda, cuda:1, …")
    device = device.removesuffix(":0")
    study, slots, run_id = STUDIES[name], job_count(worker_options), folder_name(name, device)
    planned, selections = plan(study, study.rows, backends, tasks, device)
    asked = [row for row in study.rows if not words or any(_named(row, w) for w in words)]
    if not asked:
        names = "; ".join(row.name for row in study.rows)
        raise Unavailable(f"no row of {name} has {' or '.join(words)} in its name: {names}")
    inside = check_words("backend of the study", only or [], [study.main, *study.others])
    chosen = [
        case
        for case, rows in planned.values()
        if any(row in asked for row in rows) and case.backend in (inside or [case.backend])
    ]
    if not chosen:
        raise Unavailable(
            f"{' and '.join(inside)}: cannot run on {device} here, or no part of these rows"
        )
    if root.exists() and not root.is_dir():
        raise Unavailable(f"{root} is no folder")
    there = RunFolder(root / run_id).has_records()
    folder = RunFolder.existing(root, run_id) if there else None
    if dry_run:
        left, costs, _ = _left(folder, chosen, selections, root, slots, again)
        seconds = {case.key: s for case, s in zip(left, costs, strict=True)}
        print(_by_row(asked, [planned[case.key] for case in chosen], seconds))
        return 0
    used = list(dict.fromkeys(case.backend for case, _ in planned.values()))
    if folder is None:
        info = {"request": {}, "study": name, **describe_environment(used, entry, backends)}
        folder = RunFolder.create(root, run_id, info)
    check_same_versions(folder, used, backends)
    with folder.lock():
        if folder.set_torn_line_aside():
            print("a half-written record was set aside; its case runs again", file=sys.stderr)
        left, costs, work = _left(folder, chosen, selections, root, slots, again)
        limits = worker_limits(worker_options, TIME_LIMIT_S)
        workers = Workers(entry=entry, backends=backends, limits=limits, jobs=slots)
        took = run_units(folder, left, costs, work, workers)
        folder.pack()
    _write(folder, study, planned)
    if took is None:
        print("stopped; the same command goes on with it", file=sys.stderr)
        return 130
    return 1 if failed(folder.records()) else 0


def _left(
    folder: RunFolder | None,
    chosen: Sequence[Case],
    selections: Sequence[Selection],
    root: Path,
    slots: int,
    again: bool,
) -> tuple[list[Case], list[float], list[Unit]]:
    """The cases that are not recorded yet, or not well, what each will take and in which processes;
    says how long that is."""
    left = remaining_cases(folder, chosen) if folder else list(chosen)
    if folder and again:
        well = {record.key for record in folder.records() if record.status == "ok"}
        left = [case for case in chosen if case.key not in well]
    costs = case_costs(left, selections, root)
    work = _pieces(left)
    expected = estimate_total(work, {c.key: s for c, s in zip(left, costs, strict=True)}, slots)
    print(
        f"{len(left)} of {len(chosen)} cases left, about {format_duration(expected)}",
        file=sys.stderr,
    )
    return left, costs, work


def _by_row(
    asked: Sequence[Experiment],
    chosen: Sequence[tuple[Case, Sequence[Experiment]]],
    left: Mapping[str, float],
) -> str:
    """How many cases of each row are left, and how long they take on one processor."""
    lines = []
    for row in asked:
        keys = [case.key for case, rows in chosen if row in rows]
        own = [left[key] for key in keys if key in left]
        lines.append([row.name, f"{len(own)} of {len(keys)}", format_duration(sum(own))])
    return str(tabulate(lines, ["row", "cases left", "on one processor"], disable_numparse=True))


def _named(row: Experiment, word: str) -> bool:
    return word.lower() in f"{row.group} {row.name}".lower()


def folder_name(study: str, device: str) -> str:
    """Where the records of a study on a device are."""
    return study if device == "cpu" else f"{study}-{device.replace(':', '-')}"


def plan(
    study: Study,
    rows: Sequence[Experiment],
    backends: Registry,
    tasks: Registry,
    device: str = "cpu",
) -> tuple[Planned, list[Selection]]:
    """Every case once; of backends that cannot run on the device here, and of rows whose data are
    not installed, a line says so."""
    names, gaps = _installed((study.main, *study.others), backends, tasks, device)
    main = study.main if study.main in names else names[0]
    found: dict[str, tuple[Case, list[Experiment]]] = {}
    selections = []
    for row in rows:
        for request in row.requests(main, [name for name in names if name != main], device):
            try:
                selection, _ = select(request, backends, tasks)
            except Unavailable as error:
                gaps.append(f"{row.name}: {error}")
                break
            selections.append(selection)
            for case in plan_cases(selection):
                found.setdefault(case.key, (case, []))[1].append(row)
    for gap in gaps:
        print(f"not run: {gap}", file=sys.stderr)
    return found, selections


def _installed(
    names: Sequence[str], backends: Registry, tasks: Registry, device: str
) -> tuple[list[str], list[str]]:
    there, gaps = [], []
    for name in names:
        try:
            select(Request({"backends": [name], "devices": [device]}), backends, tasks)
            there.append(name)
        except Unavailable as error:
            gaps.append(" ".join(str(error).split()))
    if not there:
        raise Unavailable("\n  ".join(["none of the study's backends can run here:", *gaps]))
    return there, gaps


def _pieces(left: Sequence[Case]) -> list[Unit]:
    """A process a model and backend, so that they are spread over the processors, and a process
    does not hold what all the models have compiled; what is timed in one a launch, alone."""
    groups: dict[tuple[Any, ...], list[Case]] = {}
    for case in left:
        alone = case.launch if case.probe in TIMED_PROBES else None
        place = (case.backend, case.device, case.threads, alone is not None)
        groups.setdefault((*place, case.model_key, alone), []).append(case)
    return [
        Unit(backend, device, threads, timed, tuple(group))
        for (backend, device, threads, timed, _, _), group in groups.items()
    ]


def _write(folder: RunFolder, study: Study, planned: Planned) -> None:
    text, drawn = report(folder, study, planned)
    if stray := sum(record.key not in planned for record in folder.records()):
        print(f"{stray} records are of no row as it is planned here; left out", file=sys.stderr)
    with storage_errors(f"cannot write to {folder.path}"):
        for name, figure in drawn.items():
            path = folder.path / f"{name}.png"
            path.unlink(missing_ok=True)
            if figure:
                figure.savefig(path, metadata={"Software": None})
        (folder.path / "table.md").write_text(text, encoding="utf-8")
    print(text)
    print(f"records and table: {folder.path}")


def report(
    folder: RunFolder, study: Study, planned: Planned
) -> tuple[str, Mapping[str, Figure | None]]:
    """The tables of all that is recorded; and by name the figures, where backends can be
    compared. The first backend of the study that has records is the main one."""
    records = folder.records()
    found = by_row({key: rows for key, (_, rows) in planned.items()}, records)
    own = {row.name: found[row.name] for row in study.rows if row.name in found}
    used = {r.case["backend"] for mine in own.values() for r in mine}
    names = [name for name in (study.main, *study.others) if name in used]
    study = replace(study, main=names[0]) if names else study
    text = markdown(study, own) + failures(records)
    alike = pairs(own, names, study.main)
    if not alike:
        return text, dict.fromkeys(("curves", "solved"))
    own_line = {row.name: own[row.name] for row in study.rows if not row.line and row.name in own}
    shown = pairs(own_line, names, study.main) or alike
    text += f"\n{agreement(alike, study.main)}\n{parted(shown, study.main)}"
    figures = {"curves": curves(shown, study.main), "solved": solved(alike, study.main)}
    return text, figures
