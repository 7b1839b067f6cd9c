"""The command `compare`: measure or read two sides, judge them, and write the verdict."""

import os
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from time import time

from bench.analysis.unfinished import missing_cases
from bench.compare.both_sides import BothSides
from bench.compare.build_evidence import build_evidence
from bench.compare.choose_sides import open_sides
from bench.compare.conclusion import ComparisonResult, exit_code
from bench.compare.decision import Rule
from bench.compare.defaults import with_comparison_defaults
from bench.compare.expected_time import comparison_seconds
from bench.compare.folder import create_folder, folder_exists
from bench.compare.judge import judge
from bench.compare.live_command import LiveSettings, compare_live, timed_phase_count
from bench.compare.matching import SideRecords
from bench.compare.options import CompareOptions
from bench.compare.outputs.files import write_files
from bench.compare.outputs.markdown import append_step_summary
from bench.compare.outputs.terminal import print_findings
from bench.options import WorkerOptions
from bench.plan.cases import plan_cases
from bench.plan.probes import PROFILES
from bench.plan.request import Request
from bench.plan.selection import BackendRegistry, Registry, select
from bench.records.folder import RunFolder, storage_errors
from bench.records.inert import inert
from bench.run.display import format_duration
from bench.run.header import selection_line
from bench.run.how_to_continue import how_to_continue
from bench.run.limits import job_count, parse_duration, run_name, worker_limits
from bench.run.status import StatusLine
from bench.spec import Unavailable

MARGIN = 0.02
"""A median is flagged from this far above the change that is tolerated."""


def compare_command(
    request: Request,
    runs: Sequence[str],
    options: CompareOptions,
    worker_options: WorkerOptions,
    *,
    default_tasks: Sequence[str],
    backends: BackendRegistry,
    tasks: Registry,
    entry: Path,
    root: Path,
) -> int:
    """Compare two sides; return the exit code.

    `runs` are the names of two stored runs, or empty for a live comparison. `default_tasks` are
    compared where the user names none; `entry` is the program that starts workers, `root` the
    folder of comparisons.
    """
    if runs:
        return _stored(runs, options, root)
    if not (options.aa or options.base or options.base_python or options.head_python):
        raise Unavailable(
            "compare needs two sides: name two stored runs (compare BASE HEAD), a commit (--base "
            "REV) or an interpreter (--base-python PATH), or compare a side with itself (--aa)"
        )
    asked, request = request, with_comparison_defaults(request, default_tasks)
    return _live(asked, request, options, worker_options, backends, tasks, entry, root)


def _stored(runs: Sequence[str], options: CompareOptions, root: Path) -> int:
    if len(runs) != 2:
        raise Unavailable(f"compare takes two stored runs (compare BASE HEAD), not {len(runs)}")
    live_options = ("base", "head", "base_python", "head_python", "aa", "build")
    if wrong := [name for name in live_options if getattr(options, name)]:
        flag = wrong[0].replace("_", "-")
        raise Unavailable(
            f"--{flag} is for live comparisons: leave it out to compare two stored runs"
        )
    rule = _rule(options)
    folders = BothSides(_run_folder(root, runs[0]), _run_folder(root, runs[1]))
    sides = folders.map(lambda folder: SideRecords(folder.records(), folder.info()))
    path = _new_path(options, root)
    create_folder(path)
    same_name = folders.base.id == folders.head.id
    labels = folders.map(lambda folder: folder.path if same_name else folder.id)
    about = [f"base: run {labels.base}", f"head: run {labels.head}"]
    about += ["stored runs: the weaker comparison"]
    missing = sides.map(lambda side: missing_cases(side.records, side.info))
    about += [f"run {label} is {line}" for label, line in zip(labels, missing, strict=True) if line]
    findings = judge(build_evidence(sides, live=False), rule)
    return _conclude(path, ComparisonResult(findings, about, rule, sides))


def _live(
    asked: Request,
    request: Request,
    options: CompareOptions,
    worker_options: WorkerOptions,
    backends: BackendRegistry,
    tasks: Registry,
    entry: Path,
    root: Path,
) -> int:
    rule, budget_s = _rule(options), parse_duration(options.budget) if options.budget else inf
    path = _new_path(options, root)
    time_limit_s = PROFILES[request.settings().profile].time_limit_s
    settings = LiveSettings(
        path=path,
        asked=asked,
        request=request,
        rule=rule,
        budget_s=budget_s,
        limits=worker_limits(worker_options, time_limit_s),
        jobs=job_count(worker_options),
        backends=backends,
        entry=entry,
    )
    names = request.get("backends") or ()
    with how_to_continue("start the comparison again", path), StatusLine() as status:
        since = time()  # the first trial import of an adapter may already compile something
        _announce(settings, options, status, tasks)
        with open_sides(options, names, entry, backends, since) as sides:
            result = compare_live(sides, settings, status)
    return _conclude(path, result)


def _announce(
    settings: LiveSettings, options: CompareOptions, status: StatusLine, tasks: Registry
) -> None:
    """Print what is compared and how long it takes, as far as this checkout knows it before the
    sides have said what they run."""
    base = _side_words(options.base, options.base_python)
    head = _side_words(options.head, options.head_python)
    base = f"{head}, against itself" if options.aa else base
    status.print(f"comparison {settings.path.name}: base {base}, head {head}")
    with suppress(Unavailable):  # a backend that only an interpreter of a side has
        selection, _ = select(settings.request, settings.backends, tasks)
        root, jobs = settings.path.parent, settings.jobs
        cases = plan_cases(selection)
        rows = timed_phase_count(cases)
        rule = settings.rule.for_rows(rows)
        status.print(selection_line(selection))
        if rows:
            status.print(f"at most {rule.rounds} rounds of {rule.pairs} pairs of fresh processes")
        seconds = comparison_seconds(cases, rule, jobs, tasks, settings.entry, root)
        status.expect(" to ".join(dict.fromkeys(map(format_duration, seconds))))
    status.show("opening both sides")


def _side_words(revision: str | None, python: str | None) -> str:
    return (revision or "the checkout") + (f" under {python}" if python else "")


def _conclude(path: Path, result: ComparisonResult) -> int:
    """Print and write the verdict; return the exit code."""
    print_findings(result.findings, result.about)
    print(f"records and verdicts: {inert(path)}")
    write_files(path, result)
    append_step_summary(result.findings, result.about)
    return exit_code(result.findings)


def _rule(options: CompareOptions) -> Rule:
    least, excluded = options.least, options.excluded
    if not MARGIN <= least < inf:
        raise Unavailable(f"--least must be a share of at least {MARGIN:g}, not {least:g}")
    if not least < excluded < inf:
        raise Unavailable(f"--excluded must be a share above {least:g}, not {excluded:g}")
    return Rule(
        tolerated=round(least - MARGIN, 9),
        least=least,
        excluded=excluded,
        pairs=options.pairs,
        rounds=options.rounds,
    )


def _run_folder(root: Path, name: str) -> RunFolder:
    """A stored run: by its name among the runs, or by a path, which can be a side of an earlier
    comparison."""
    if os.sep in name:
        return RunFolder.existing(root, name)
    return RunFolder.existing(root.parent / "runs", name)


def _new_path(options: CompareOptions, root: Path) -> Path:
    """The folder of this comparison, which is made later; `RecordsError` where it exists."""
    path = root / run_name(options.run_id)
    with storage_errors(f"cannot read {root}"):
        if path.exists():
            raise folder_exists(path)
    return path
