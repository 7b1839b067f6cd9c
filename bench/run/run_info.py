"""The contents of `run.json`: the request, the versions and the machine of a run."""

import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.plan.cases import Selection
from bench.plan.request import Request
from bench.plan.selection import Registry
from bench.plan.task_words import user_series
from bench.records import machine
from bench.records.folder import RecordsError, RunFolder
from bench.records.speed_variables import speed_variables
from bench.run.environment import PINNED


def first_info(
    request: Request, selection: Selection, entry: Path, backends: Registry
) -> dict[str, Any]:
    """The contents of a new `run.json`.

    The request names the backends and the number of threads even where the user left them to this
    machine: on another machine, a resumed run has the same cases or says why it cannot continue.
    """
    settings = selection.settings
    request = request.replacing(backends=list(selection.backends), threads=settings.threads)
    if series := user_series(settings):
        request = request.replacing(digest=series["digest"])
    return {
        "request": dict(request.values),
        **describe_environment(selection.backends, entry, backends),
    }


def describe_environment(names: Sequence[str], entry: Path, backends: Registry) -> dict[str, Any]:
    """The commit, the package versions that the named backends require, the machine, the variables
    that decide speed, and an identity that no other run has."""
    return {
        **machine.commit(entry.parent),
        "versions": _versions(names, backends),
        "machine": machine.describe_machine(),
        "variables": _variables(names, backends),
        "identity": secrets.token_hex(8),
        "environments": {},
        "sessions_s": [],
    }


def check_same_environment(folder: RunFolder, names: Sequence[str], backends: Registry) -> None:
    """Raise `RecordsError` where a version, or a variable that decides speed, is not as it was when
    the run was started.

    The parity records of the run prove nothing about other versions and other kernels.
    """
    info, current = folder.info(), _versions(names, backends)
    earlier = info.get("versions") or {}
    changed = [f"{k} {earlier[k]} is now {v}" for k, v in current.items() if earlier.get(k, v) != v]
    _refuse(folder, "versions", changed)
    if (variables := info.get("variables")) is not None:
        now = _variables(names, backends)
        differing = [k for k in sorted({*variables, *now}) if variables.get(k) != now.get(k)]
        changed = [
            f"{k} {variables.get(k, 'unset')} is now {now.get(k, 'unset')}" for k in differing
        ]
        _refuse(folder, "environment variables", changed)


def check_same_machine(folder: RunFolder) -> None:
    """Raise `RecordsError` where this is not the machine of the run, or its quota has changed:
    times of both would stand in one row."""
    if earlier := folder.info().get("machine"):
        differences = machine.machine_differences(earlier, machine.describe_machine())
        _refuse(folder, "machine facts", differences)


def _refuse(folder: RunFolder, what: str, changes: Sequence[str]) -> None:
    if changes:
        raise RecordsError(
            f"run {folder.id} was started with other {what}: {', '.join(changes)}. "
            "Nothing was changed; start a new run"
        )


def _variables(names: Sequence[str], backends: Registry) -> dict[str, str]:
    """The variables of this process that decide speed; workers get them."""
    sources = [backends, *(backends.load(name) for name in names)]
    patterns = [p for source in sources for p in getattr(source, "SPEED_VARIABLES", ())]
    return speed_variables(os.environ, patterns, PINNED)


def _versions(names: Sequence[str], backends: Registry) -> dict[str, str | None]:
    loaded = [backends.load(name) for name in names]
    packages = {"numpy", *(p for module in loaded for p in getattr(module, "REQUIRES", ()))}
    return {"python": sys.version.split()[0], **machine.versions(sorted(packages))}
