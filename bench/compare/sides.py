"""The two sides of a comparison: which code under which interpreter, and what it would run."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.plan.case import Case
from bench.plan.request import Request
from bench.plan.selection import Registry
from bench.plan.units import Unit
from bench.run.environment import worker_environment
from bench.run.process import WorkerCommand
from bench.run.runner import StartCommand
from bench.spec import Unavailable

PLAN_LIMIT_S = 300
"""Seconds that a side may take to say what it would run."""


@dataclass(frozen=True)
class Side:
    """Base or head. `entry` is its `run_bench.py`; `moved` has the backends given as files that
    lie elsewhere on this side, by the name that was asked for."""

    name: str
    label: str
    python: str
    entry: Path
    moved: Mapping[str, str] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        return [self.python, str(self.entry), *words]

    def worker(self, backend: str, processors: Sequence[int]) -> list[str]:
        """What starts a worker process on this side."""
        chosen = ["--processors", *map(str, processors), "--parent", str(os.getpid())]
        return self.command("worker", "--backend", self.moved.get(backend, backend), *chosen)

    def starter(self, backends: Registry, backend: str | None = None) -> StartCommand:
        """What starts the worker of a unit on this side, or always of the one backend."""

        def start(unit: Unit, processors: Sequence[int]) -> WorkerCommand:
            name = backend or unit.backend
            environment = worker_environment(backends, name, len(processors))
            return WorkerCommand(self.worker(name, processors), environment)

        return start


@dataclass(frozen=True)
class Plan:
    """What a side would run, and its `run.json`."""

    cases: Sequence[Case]
    missing: Sequence[str]
    info: Mapping[str, Any]


def plan(side: Side, request: Request) -> Plan:
    """Ask the side itself: sizes, settings and limits are part of what is compared. Raises
    `Unavailable` where the side cannot be measured."""
    words = dict(request.values)
    if "backends" in words:
        words["backends"] = [side.moved.get(name, name) for name in words["backends"]]
    try:
        done = subprocess.run(
            side.command("plan", json.dumps(words)),
            capture_output=True,
            text=True,
            timeout=PLAN_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"the {side.name} ({side.label}) cannot be measured: {error}") from None
    if done.returncode:
        said = _last(done.stderr)
        if "unrecognized arguments: plan" in said:
            said = "its run_bench.py knows no comparisons, it is too old"
        raise Unavailable(f"the {side.name} ({side.label}) cannot be measured: {said}")
    try:
        told = json.loads(done.stdout)
        names = {there: asked for asked, there in side.moved.items()}
        found = [
            Case.from_flat({**c, "backend": names.get(c["backend"], c["backend"])})
            for c in told["cases"]
        ]
        return Plan(found, told["missing"], told["info"])
    except (ValueError, KeyError, TypeError):
        raise Unavailable(
            f"the {side.name} ({side.label}) cannot be measured: its plan is {done.stdout!r:.100}"
        ) from None


def _last(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].removeprefix("run_bench.py: ")[:400] if lines else "it says nothing"


def interpreter(option: str, path: str) -> str:
    """The path of a Python that starts, or `Unavailable`."""
    found = shutil.which(path)
    if found is None:
        raise Unavailable(f"{option}: no such program: {path}")
    try:
        done = subprocess.run(
            [found, "-c", "import sys; print(sys.version_info >= (3, 11))"],
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{option}: {path} does not start: {error}") from None
    if done.stdout.strip() != "True":
        said = "is older than Python 3.11" if done.stdout.strip() == "False" else "is no Python"
        raise Unavailable(f"{option}: {path} {said}")
    return os.path.abspath(found)  # not resolved: a link tells Python its environment


def checkout(of: Path) -> Path:
    """The root of the repository that holds this file, or `Unavailable`."""
    try:
        return Path(_git(of.resolve().parent, "rev-parse", "--show-toplevel"))
    except Unavailable as error:
        raise Unavailable(f"{of} lies in no git repository: {error}") from None


@contextmanager
def worktree(repository: Path, revision: str) -> Iterator[tuple[Path, str]]:
    """The files of a revision in a folder of their own, for as long as it is needed, and the
    revision's full name."""
    try:
        commit = _git(
            repository, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}"
        )
    except Unavailable:
        branches = _git(repository, "for-each-ref", "--format=%(refname:short)", "--count=8")
        hint = f"; it knows {', '.join(branches.split())}" if branches else ""
        shallow = _git(repository, "rev-parse", "--is-shallow-repository") == "true"
        hint += "; it is a shallow clone: fetch more of it" if shallow else ""
        raise Unavailable(f"no revision {revision!r} in {repository}{hint}") from None
    folder = Path(tempfile.mkdtemp(prefix="recurrent-bench-"))
    try:
        _git(repository, "worktree", "add", "--detach", "--force", str(folder / "tree"), commit)
        yield folder / "tree", commit
    finally:
        with suppress(Unavailable):
            _git(repository, "worktree", "remove", "--force", str(folder / "tree"))
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(Unavailable):
            _git(repository, "worktree", "prune")


def files_moved(backends: Sequence[str], old: Path, new: Path) -> dict[str, str]:
    """Where backends given as files below `old` lie below `new`, a worktree of it."""
    moved = {}
    for name in backends:
        path = Path(name).resolve()
        if name.endswith(".py") and path.is_relative_to(old.resolve()):
            moved[name] = str(new / path.relative_to(old.resolve()))
    return moved


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=300
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"git does not work: {error}") from None
    if done.returncode:
        raise Unavailable(_last(done.stderr))
    return done.stdout.strip()
