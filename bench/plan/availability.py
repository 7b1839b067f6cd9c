"""Tells whether a backend can run here, without importing its framework."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import util
from importlib.machinery import PathFinder
from typing import Any

from bench.records import machine
from bench.spec import Unavailable

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
    try:
        if reason := getattr(backend, "unavailable", lambda _: None)(device):
            return str(reason)
        for name, argument in (("environment", 1), ("compilation_cache", ANY_FOLDER)):
            getattr(backend, name, lambda _: None)(argument)
    except Unavailable as error:
        return str(error)
    return None


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
    """Whether a module of the package's name exists: builds under other names install it too. None
    is imported: `importlib.util.find_spec` would import the packages that hold the module."""
    first, *others = package.replace("-", "_").split(".")
    try:
        spec = util.find_spec(first)
        for name in others:
            places = spec.submodule_search_locations if spec else None
            spec = PathFinder.find_spec(name, list(places)) if places else None
    except (ImportError, ValueError):
        return False
    return spec is not None
