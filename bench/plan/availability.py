"""Tells whether a backend can run here, without importing its framework."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import util
from typing import Any

from bench.processes.stop import Stopped
from bench.processes.variables import check_variables
from bench.records import machine
from bench.spec import Unavailable, folders_of, place_of

ANY_FOLDER = "/the/compilation/cache"
"""Stands for the folder of a compilation cache that does not exist yet."""
DEVICE = re.compile(r"cpu|cuda(:[0-9]{1,4})?")
"""How devices are written."""


@dataclass(frozen=True)
class Gap:
    """A backend that cannot run on a device that the user chose, and the reason."""

    backend: str
    device: str
    reason: str

    def __str__(self) -> str:
        return f"{self.backend} on {self.device}: {self.reason}"


def why_unavailable(backend: Any, device: str) -> str | None:
    """Why a backend cannot run on a device of this machine; None if it can."""
    versions = machine.versions(getattr(backend, "REQUIRES", ()))
    missing = [n for n, version in versions.items() if not version and not _is_module(n)]
    if missing:
        return f"not installed: {', '.join(missing)} (pip install {' '.join(missing)})"
    reasons = [_declared_reason(backend, device), machine.why_no_cuda(device)]
    return "; ".join(reason for reason in reasons if reason) or None


def _declared_reason(backend: Any, device: str) -> str | None:
    """Why the adapter itself says that it cannot run, or how it failed to say so."""
    reason, error = _declared(backend, "unavailable", device)
    if reason is not None and not isinstance(reason, str):
        error = f"its unavailable() returned {reason!r:.60}; it must return a text or None"
    errors = [error, reason]
    for name, argument in (("environment", 1), ("compilation_cache", ANY_FOLDER)):
        variables, failure = _declared(backend, name, argument)
        errors.append(failure or _why_no_variables(name, variables))
    return next(filter(None, errors), None)


def _why_no_variables(name: str, variables: Any) -> str | None:
    """Why no process can have the variables that a function of the adapter returned."""
    try:
        check_variables({} if variables is None else variables)
    except ValueError as error:
        return f"its {name}() returned what is no environment: {error}"
    return None


def _declared(backend: Any, name: str, argument: Any) -> tuple[Any, str | None]:
    """What an optional function of the adapter returns, and how it failed."""
    function = getattr(backend, name, lambda _: None)
    try:
        return function(argument), None
    except Stopped:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it raises is the reason
        place = place_of(error, folders_of(backend))
        return None, f"its {name}() raised {type(error).__name__}: {error}{place}"


def usable_devices(
    backends: Mapping[str, Any], words: Sequence[str]
) -> tuple[dict[str, list[str]], list[Gap]]:
    """The devices that each backend can use, among those that the words name, and the gaps.

    `auto` stands for the CPU and the first GPU. Raises `Unavailable` if a word names no device.
    """
    devices = _named_devices(words)
    usable: dict[str, list[str]] = {}
    gaps = []
    for name, backend in backends.items():
        for device in devices:
            if reason := why_unavailable(backend, device):
                gaps.append(Gap(name, device, reason))
            else:
                usable.setdefault(name, []).append(device)
    return usable, gaps


def _named_devices(words: Sequence[str]) -> list[str]:
    words = [word.lower() for word in words]
    for word in words:
        if word != "auto" and not DEVICE.fullmatch(word):
            raise Unavailable(f"unknown device {word!r}. Known: cpu, cuda, cuda:1, …, auto")
    expanded = [("cpu", "cuda") if word == "auto" else (word,) for word in words]
    return list(dict.fromkeys(device for devices in expanded for device in devices))


def _is_module(package: str) -> bool:
    """Whether a module of the package's name exists: builds under other names install it too."""
    try:
        return util.find_spec(package.replace("-", "_")) is not None
    except (ImportError, ValueError):
        return False
