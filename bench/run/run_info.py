"""The contents of `run.json`: the request, the versions and the machine of a run."""

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
    """The commit, the machine, and the package versions that the named backends require."""
    return {
        **machine.commit(entry.parent),
        "versions": _versions(names, backends),
        "machine": machine.describe_machine(),
        "environments": {},
        "sessions_s": [],
    }


def check_same_versions(folder: RunFolder, names: Sequence[str], backends: Registry) -> None:
    """Raise `RecordsError` where a version differs from the version at the run's start.

    The parity records of the run prove nothing about other versions.
    """
    earlier, current = folder.info().get("versions") or {}, _versions(names, backends)
    changed = [f"{k} {earlier[k]} is now {v}" for k, v in current.items() if earlier.get(k, v) != v]
    if changed:
        raise RecordsError(
            f"run {folder.id} was started with other versions: {', '.join(changed)}. "
            "Nothing was changed; start a new run"
        )


def _versions(names: Sequence[str], backends: Registry) -> dict[str, str | None]:
    loaded = [backends.load(name) for name in names]
    packages = {"numpy", *(p for module in loaded for p in getattr(module, "REQUIRES", ()))}
    return {"python": sys.version.split()[0], **machine.versions(sorted(packages))}
