"""Turns a request into a `Selection`: fills in defaults, resolves names, checks devices."""

from collections.abc import Sequence
from typing import Any, Protocol

from bench.options import ALL_BACKENDS, Settings, same_word
from bench.plan.availability import Gap, usable_devices
from bench.plan.cases import Selection
from bench.plan.request import Request
from bench.plan.task_words import task_from_words, user_series
from bench.plan.trial_import import load_checked
from bench.spec import Task, Unavailable


class Registry(Protocol):
    """The package `backends` or `tasks`: names, and the module behind each name.

    `DEFAULT` lists what runs where the user names none, `FOR_DATA` what runs on a user's file.
    """

    def names(self) -> list[str]: ...
    def load(self, name: str) -> Any: ...


class BackendRegistry(Registry, Protocol):
    """The package `backends`, which names the backend that all others are compared with."""

    REFERENCE: str


def select(request: Request, backends: Registry, tasks: Registry) -> tuple[Selection, list[Gap]]:
    """What will run, and which backends cannot run here on a device that the user chose.

    Raises `Unavailable` for a wrong word, for a named backend that cannot run at all, and if no
    backend can run.
    """
    settings = request.settings()
    known = [*backends.names(), ALL_BACKENDS]
    chosen = [same_word(name, known) for name in settings.backends]
    named = chosen or getattr(backends, "DEFAULT", backends.names())
    names = backends.names() if ALL_BACKENDS in named else named
    loaded = {name: load_checked(backends, name) for name in names}
    sized_tasks = _sized_tasks(settings, tasks)
    devices, gaps = usable_devices(loaded, settings.devices)
    missing = [gap for gap in gaps if gap.backend not in devices]
    must_run = bool(settings.backends) and ALL_BACKENDS not in named
    if not devices or (must_run and missing):
        raise Unavailable("\n  ".join(["cannot run:", *map(str, gaps)]))
    _check_lengths(settings, sized_tasks)
    selection = Selection(
        settings=settings, backends=list(devices), tasks=sized_tasks, devices=devices
    )
    return selection, gaps


def _sized_tasks(settings: Settings, tasks: Registry) -> list[tuple[str, Task]]:
    series = user_series(settings)
    default = getattr(tasks, "FOR_DATA" if series else "DEFAULT", ())
    return [
        task_from_words(text, load_checked(tasks, text.split(":")[0]), settings.profile, series)
        for text in (_as_listed(t, tasks) for t in settings.tasks or default)
    ]


def _as_listed(text: str, tasks: Registry) -> str:
    """A task's words with its name as the registry spells it; capital letters do not count."""
    name, colon, words = text.partition(":")
    return same_word(name, tasks.names()) + colon + words


def _check_lengths(settings: Settings, sized_tasks: Sequence[tuple[str, Task]]) -> None:
    """Raise `Unavailable` if `lengths` is chosen and no task has longer sequences."""
    if "lengths" in settings.probes and not any(hasattr(t, "longer") for _, t in sized_tasks):
        names = ", ".join(dict.fromkeys(name for name, _ in sized_tasks))
        raise Unavailable(f"{names} has no longer sequences: there is nothing for lengths to score")
