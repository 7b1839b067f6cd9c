"""A side of a comparison: which code runs under which interpreter, and what it would run."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.plan.case import Case
from bench.plan.request import Request
from bench.plan.selection import Registry
from bench.plan.units import Unit
from bench.processes.supervised import run_supervised
from bench.run.environment import Declared, pinned_environment
from bench.run.origin import Guarded
from bench.run.worker_command import StartCommand, WorkerCommand, worker_arguments
from bench.spec import Unavailable, path_of

PLAN_LIMIT_S = 300
"""Seconds that a side may take to say what it would run."""
HARNESS_PACKAGES = ("bench", "backends", "tasks")
"""The packages of the harness, which come before those of an adapter's repository."""
HIDDEN_MODULE = re.compile(rf"(?:No module named|from) '({'|'.join(HARNESS_PACKAGES)})[.']")
"""How Python says that a package of the harness lacks something."""
PRIVATE_FOLDERS = ("TMPDIR", "XDG_CACHE_HOME")
"""The variables that name folders in which kernels leave what they compile."""


@dataclass(frozen=True)
class Side:
    """The base or the head. `entry` is its `run_bench.py`; `moved` maps each backend that the user
    named as a file to the same file on this side, where that is another one."""

    name: str
    label: str
    python: str
    entry: Path
    moved: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    """The environment variables of its processes that differ from this process's."""
    guarded: Guarded | None = None
    """What the comparison guards; None where the sides do not differ in their code."""
    folder: Path | None = None
    """The working directory of its processes; None for that of this process."""

    def command(self, *words: str) -> list[str]:
        """The program that runs `run_bench.py` on this side with these arguments."""
        return [self.python, str(self.entry), *words]

    def start_command(self, plan: "SidePlan", cache: Path) -> StartCommand:
        """How to start the worker of a unit on this side. Its workers share what they compile in
        the folder `cache`, unless variables of the user's own say where. Caches that the adapter
        does not declare, and temporary files, lie there too: what the other side has compiled is
        not to be found."""
        private = {name: str(cache / name.lower()) for name in PRIVATE_FOLDERS}
        for folder in private.values():
            os.makedirs(folder, exist_ok=True)
        guarded = self.guarded if plan.tells_origin else None
        if guarded:
            guarded = replace(guarded, own=[*guarded.own, os.path.realpath(cache)])

        def start(unit: Unit, processors: Sequence[int]) -> WorkerCommand:
            declared, threads = plan.declared[unit.backend], len(processors)
            shared = declared.cache_variables(str(cache))
            if shared.keys() & os.environ.keys():
                shared = {}
            name = self.moved.get(unit.backend, unit.backend)
            return WorkerCommand(
                self.command(*worker_arguments(name, processors, guarded)),
                {
                    **pinned_environment(declared.environment[str(threads)], threads),
                    **private,
                    **shared,
                    **self.variables,
                },
                self.folder,
                plan.repeats_request,
            )

        return start


@dataclass(frozen=True)
class SidePlan:
    """What a side would run, what it cannot run, and its `run.json`."""

    cases: Sequence[Case]
    missing: Sequence[str]
    info: Mapping[str, Any]
    declared: Mapping[str, Declared]
    """The variables that each adapter declares, by the name that the user gave."""
    tells_origin: bool
    """Whether the side's workers can tell which files they loaded; older code cannot."""
    repeats_request: bool
    """Whether its workers begin each line with the name of the request; older code does not."""
    features: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What each adapter has, see `bench.spec.Supports.features`; empty for older code."""


def plan_side(side: Side, request: Request, backends: Registry) -> SidePlan:
    """Ask the side's own code for its plan, because sizes, settings and limits belong to what is
    compared. `Unavailable` where the side cannot be measured."""
    answer = _ask_for_plan(side, request)
    named = {file: name for name, file in side.moved.items()}
    try:
        plan = json.loads(answer)
        cases = [
            Case.from_flat({**case, "backend": named.get(case["backend"], case["backend"])})
            for case in plan["cases"]
        ]
        declared = {
            named.get(name, name): Declared(**variables)
            for name, variables in plan.get("declared", {}).items()
        }
        return SidePlan(
            cases,
            plan["missing"],
            plan["info"],
            declared or _declared_here(cases, backends),
            tells_origin="declared" in plan,
            repeats_request=bool(plan.get("repeats_request")),
            features={named.get(k, k): v for k, v in plan.get("features", {}).items()},
        )
    except (ValueError, KeyError, TypeError):
        raise _not_measurable(side, f"its plan is {answer!r:.100}") from None


def _declared_here(cases: Sequence[Case], backends: Registry) -> dict[str, Declared]:
    """What this checkout's adapters declare, for a side whose code is too old to say it."""
    threads = max((case.threads for case in cases), default=1)
    names = {case.backend for case in cases}
    return {name: Declared.by(backends.load(name), threads) for name in names}


def _ask_for_plan(side: Side, request: Request) -> str:
    """The standard output of `run_bench.py plan` on this side."""
    options = dict(request.values)
    if "backends" in options:
        options["backends"] = [side.moved.get(name, name) for name in options["backends"]]
    if side.folder:
        options |= _absolute_files(options)
    try:
        done = run_supervised(
            side.command("plan", json.dumps(options)),
            PLAN_LIMIT_S,
            {**os.environ, **side.variables},
            side.folder,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_measurable(side, str(error)) from None
    if done.returncode:
        reason = last_line(done.stderr)
        for name, file in side.moved.items():
            reason = reason.replace(file, name)
        if "unrecognized arguments: plan" in reason:
            reason = "its run_bench.py is too old: it has no command `plan`"
        can_build = side.guarded is not None and len(side.guarded.own) == 1
        raise _not_measurable(side, reason + import_hint(reason, can_build))
    return done.stdout


def import_hint(reason: str, can_build: bool) -> str:
    """What to do about an adapter that does not import; empty for another reason. `can_build` says
    that its code could be built, and is not."""
    if "does not import" not in reason:
        return ""
    if hidden := HIDDEN_MODULE.search(reason):
        return (
            f". The harness has a package {hidden[1]!r}, which comes first: give the package of "
            "the repository another name"
        )
    return '. If its code must be built first, say how by --build "COMMAND"' if can_build else ""


def _absolute_files(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that can name files by a path, with absolute paths: both sides read the same task
    file and the same data, from whatever folder."""
    changed: dict[str, Any] = {}
    if data := options.get("data"):
        changed["data"] = str(path_of(data))
    if tasks := options.get("tasks"):
        changed["tasks"] = list(map(_absolute_task, tasks))
    return changed


def _absolute_task(words: str) -> str:
    name, colon, rest = words.partition(":")
    if name.endswith(".py"):
        name = str(path_of(name))
    return name + colon + rest


def _not_measurable(side: Side, reason: str) -> Unavailable:
    return Unavailable(f"the {side.name} ({side.label}) cannot be measured: {reason}")


def last_line(text: str) -> str:
    """The last line of what a program wrote, without the name of our own program."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].removeprefix("run_bench.py: ")[:400] if lines else "it gives no reason"


def find_interpreter(option: str, path: str) -> str:
    """The absolute path of a Python that starts. `Unavailable` names the option where it does
    not."""
    program = shutil.which(path)
    if program is None:
        raise Unavailable(f"{option}: no such program: {path}")
    try:
        done = subprocess.run(
            [program, "-c", "import sys; print(sys.version_info >= (3, 11))"],
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{option}: {path} does not start: {error}") from None
    recent = done.stdout.strip()
    if recent != "True":
        reason = "is older than Python 3.11" if recent == "False" else "is not a Python interpreter"
        raise Unavailable(f"{option}: {path} {reason}")
    # Not resolved: Python finds its virtual environment by the link that it was started from.
    return os.path.abspath(program)
