"""The command that compares two sides and gives the verdict."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.compare.checks import findings
from bench.compare.decision import Rule
from bench.compare.live import Comparison
from bench.compare.options import CompareOptions
from bench.compare.pairs import Finding, Sides
from bench.compare.sides import Plan, Side, checkout, files_moved, interpreter, plan, worktree
from bench.compare.write import exit_code, show, summary, write
from bench.options import WorkerOptions
from bench.plan.probes import PROFILES
from bench.plan.request import Request
from bench.plan.selection import Registry
from bench.records.folder import RecordsError, RunFolder, storage_errors
from bench.run.display import status_line
from bench.run.limits import job_count, parse_duration, run_name, worker_limits
from bench.run.runner import run_to_completion
from bench.spec import Unavailable

DEFAULT_TASK = "adding:short"
SEEDS = tuple(range(8))
COMPARED = ("parity", "learning", "gradients", "speed")
ROOM = 0.02
"""The least change is so far above what is tolerated, whatever it is."""
PHASE_S = 0.15
THREADS = 1
"""With as many threads as processors, whatever else runs stops them all at each barrier: a second
busy process makes small kernels several times slower."""


def compare_command(
    request: Request,
    runs: Sequence[str],
    given: CompareOptions,
    worker_options: WorkerOptions,
    *,
    backends: Registry,
    entry: Path,
    root: Path,
) -> int:
    """Measure or read two sides, say what differs, write it down; the exit code."""
    if runs:
        return _stored(runs, given, root)
    live = given.aa or given.base or given.base_python or given.head_python
    if not live:
        raise Unavailable(
            "compare what? Two stored runs (compare BASE HEAD), two commits (--base REV), two "
            "interpreters (--base-python PATH), or a side with itself (--aa)"
        )
    rule, budget = _rule(given), parse_duration(given.budget) if given.budget else inf
    _new(given, root)
    request = _defaults(request)
    with _sides(given, request, entry) as sides:
        return _live(sides, request, rule, budget, given, worker_options, backends, entry, root)


def _stored(runs: Sequence[str], given: CompareOptions, root: Path) -> int:
    if len(runs) != 2:
        raise Unavailable(f"two stored runs make a comparison, not {len(runs)}")
    clash = ("base", "head", "base_python", "head_python", "aa")
    if wrong := [name for name in clash if getattr(given, name)]:
        raise Unavailable(f"stored runs are compared as they are: --{wrong[0]} has no meaning")
    rule = _rule(given)
    base, head = (_folder(root, name) for name in runs)
    sides = Sides(base.records(), head.records(), base.info(), head.info(), live=False)
    path = _new(given, root)
    with storage_errors(f"cannot write to {path}"):
        path.mkdir(parents=True)
    about = [f"base: run {base.id}", f"head: run {head.id}", "stored runs: the weaker comparison"]
    return _conclude(path, findings(sides, rule), about, sides, rule)


def _new(given: CompareOptions, root: Path) -> Path:
    """The folder of a comparison that is not there yet."""
    path: Path = root / run_name(given.run_id)
    if path.exists():
        raise RecordsError(f"comparison {path.name} exists in {root}")
    return path


def _conclude(
    path: Path, found: Sequence[Finding], about: Sequence[str], sides: Sides, rule: Rule
) -> int:
    """Say it, write it down, and the exit code."""
    show(found, about)
    print(f"records and verdicts: {path}")
    write(path, found, about, sides, rule)
    summary(found, about)
    return exit_code(found)


def _folder(root: Path, name: str) -> RunFolder:
    """A run by its name among the runs, or by its path, or a side of a comparison."""
    if os.sep in name:
        return RunFolder.existing(root, name)
    return RunFolder.existing(root.parent / "runs", name)


def _live(
    sides: tuple[Side, Side],
    request: Request,
    rule: Rule,
    budget: float,
    given: CompareOptions,
    worker_options: WorkerOptions,
    backends: Registry,
    entry: Path,
    root: Path,
) -> int:
    settings = request.settings()
    plans = (plan(sides[0], request), plan(sides[1], request))
    for side, planned in zip(sides, plans, strict=True):
        for gap in planned.missing:
            print(f"{side.name}: not run: {gap}", file=sys.stderr)
    rule = rule.for_cells(_cells(plans, request))
    path = _new(given, root)
    own = Side("control", "", sys.executable, entry)
    try:
        with TemporaryDirectory(prefix="recurrent-bench-") as compiled, status_line() as say:
            comparison = Comparison.create(
                path,
                sides,
                plans,
                rule,
                control=own.starter(backends, "numpy"),
                start=tuple(side.starter(backends) for side in sides),
                limits=worker_limits(worker_options, PROFILES[settings.profile].time_limit_s),
                budget_s=budget,
                compiled=Path(compiled),
            )
            run_to_completion(comparison.measure(job_count(worker_options), say))
    except KeyboardInterrupt:
        print(f"stopped; what was measured is in {path}", file=sys.stderr)
        return 130
    measured, about = comparison.sides(), [f"{side.name}: {side.label}" for side in sides]
    both = [gap for gap in plans[0].missing if gap in plans[1].missing]
    about += [f"on neither side: {gap}" for gap in both]
    return _conclude(path, findings(measured, rule), about, measured, rule)


def _cells(plans: tuple[Plan, Plan], request: Request) -> int:
    """How many decisions on speed there will be."""
    timed = [case for case in plans[0].cases if case.probe == "speed"]
    return len(timed) * len(request.get("phases") or ())


def _defaults(request: Request) -> Request:
    if wrong := [name for name in request.get("probes") or () if name not in COMPARED]:
        raise Unavailable(f"{wrong[0]!r} is not compared; of {', '.join(COMPARED)}")
    return request.with_defaults(
        tasks=[DEFAULT_TASK],
        probes=list(COMPARED),
        seeds=list(SEEDS),
        phases=["step"],
        threads=THREADS,
    ).replacing(launches=1, phase_s=PHASE_S)


def _rule(given: CompareOptions) -> Rule:
    least, excluded = given.least, given.excluded
    if not ROOM <= least < inf:
        raise Unavailable(f"--least must be a share of at least {ROOM:g}, not {least:g}")
    if not least < excluded < inf:
        raise Unavailable(f"--excluded must be a share above {least:g}, not {excluded:g}")
    return Rule(
        tolerated=round(least - ROOM, 9),
        least=least,
        excluded=excluded,
        pairs=given.pairs,
        rounds=given.rounds,
    )


@contextmanager
def _sides(given: CompareOptions, request: Request, entry: Path) -> Iterator[tuple[Side, Side]]:
    """Base and head, their worktrees in place for as long as they are measured."""
    if given.aa and (given.base or given.base_python):
        raise Unavailable("--aa compares the head with itself: it takes no base")
    pythons = {
        name: interpreter(f"--{name}-python", path) if path else sys.executable
        for name, path in (("base", given.base_python), ("head", given.head_python))
    }
    if given.aa:
        pythons["base"] = pythons["head"]
    with ExitStack() as stack:
        head = _side(stack, "head", given.head, pythons["head"], request, entry)
        if given.aa:
            base = replace(head, name="base", label=f"{head.label}, against itself")
        else:
            base = _side(stack, "base", given.base, pythons["base"], request, entry)
        yield base, head


def _side(
    stack: ExitStack, name: str, revision: str | None, python: str, request: Request, entry: Path
) -> Side:
    """The code of a side: the checkout as it is, or a revision of it. Where a backend is a file
    of another repository, that repository is the one that has the revision."""
    with_python = "" if python == sys.executable else f" under {python}"
    if revision is None:
        return Side(name, f"the checkout{with_python}", python, entry)
    files = [Path(b) for b in request.get("backends") or () if b.endswith(".py")]
    own = {checkout(file) for file in files} or {checkout(entry)}
    if len(own) > 1:
        raise Unavailable(f"backends of several repositories have no common {revision!r}")
    (repository,) = own
    tree, commit = stack.enter_context(worktree(repository, revision))
    label = f"{revision} ({commit[:12]}){with_python}"
    if repository == checkout(entry):
        entry = tree / entry.resolve().relative_to(repository)
        if not entry.exists():
            raise Unavailable(f"the {name} ({label}) has no {entry.name}")
    return Side(
        name, label, python, entry, files_moved(request.get("backends") or (), repository, tree)
    )
