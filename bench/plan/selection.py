"""From what the user asked for to a `Selection`: names checked, devices found, sizes set."""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from importlib import util
from math import inf, isfinite
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bench.plan.cases import DEFAULT_PROBES, PHASES, PROBES, PROFILES, Selection
from bench.records import machine
from bench.spec import CELLS, DTYPES, GRU_VARIANTS, OPTIMISERS, Task, Unavailable
from bench.weights import SCHEMES

T = TypeVar("T")


ALL_BACKENDS = "all"
"""Stands for every backend that there is."""


class Registry(Protocol):
    """`backends` or `tasks`; `DEFAULT`, where it is there, has the names to run unasked."""

    def names(self) -> list[str]: ...
    def load(self, name: str) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Request:
    """The words of the command line; None stands for the default. Kept in `run.json`, so that
    a resumed run plans the same cases."""

    backends: Sequence[str] | None = None
    tasks: Sequence[str] | None = None
    cells: Sequence[str] | None = None
    devices: Sequence[str] | None = None
    dtypes: Sequence[str] | None = None
    probes: Sequence[str] | None = None
    seeds: Sequence[int] | None = None
    launches: int | None = None
    init: str | None = None
    forget_bias: float | None = None
    optimiser: str | None = None
    layers: Sequence[int] | None = None
    directions: Sequence[int] | None = None
    gru: Sequence[str] | None = None
    threads: int | None = None
    profile: str | None = None
    phases: Sequence[str] | None = None
    phase_s: float | None = None
    data: str | None = None
    column: str | None = None
    digest: str | None = None
    """Of the file, kept so that a resumed run does not go on with another."""

    def over(self, earlier: Mapping[str, Any]) -> "Request":
        """This request, with what it leaves open taken from an earlier one."""
        for name, value in earlier.items():
            if not _fits(name, value):
                raise Unavailable(f"run.json is damaged: {name} cannot be {value!r:.60}")
        return Request(**{**earlier, **self.given()})

    def given(self) -> dict[str, Any]:
        """What is not left open."""
        return {k: v for k, v in dataclasses.asdict(self).items() if v is not None}


def _fits(name: str, value: Any) -> bool:
    """Whether a request can hold this value."""
    if name in ("launches", "threads"):
        return isinstance(value, int)
    if name in ("init", "optimiser", "profile", "data", "column", "digest"):
        return isinstance(value, str)
    if name in ("forget_bias", "phase_s"):
        return isinstance(value, int | float)
    listed = name in Request.__dataclass_fields__
    kind = int if name in ("seeds", "layers", "directions") else str
    return (
        listed and isinstance(value, list) and bool(value) and all(type(v) is kind for v in value)
    )


@dataclass(frozen=True)
class Missing:
    """A backend that cannot run on a device that was asked for."""

    backend: str
    device: str
    reason: str

    def __str__(self) -> str:
        return f"{self.backend} on {self.device}: {self.reason}"


def select(
    request: Request, backends: Registry, tasks: Registry
) -> tuple[Selection, list[Missing]]:
    """What will run, and what was asked for but cannot. Raises `Unavailable` for a wrong word,
    for a backend named outright that is not installed, and where nothing is left to run."""
    name = check_words("profile", [_or(request.profile, "standard")], list(PROFILES))[0]
    profile = PROFILES[name]
    asked = _unique(request.backends or getattr(backends, "DEFAULT", backends.names()))
    loaded = {b: backends.load(b) for b in (backends.names() if ALL_BACKENDS in asked else asked)}
    file = user_series(request)
    sized_tasks = [_task(text, tasks, name, file) for text in _unique(request.tasks or ["adding"])]
    devices, missing = _devices(loaded, _unique(request.devices or ["cpu"]))
    lost = [m for m in missing if m.backend not in devices]
    if not devices or (request.backends and ALL_BACKENDS not in asked and lost):
        raise Unavailable("\n  ".join(["cannot run:", *map(str, missing)]))
    selection = Selection(
        backends=list(devices),
        tasks=sized_tasks,
        cells=check_words("cell", request.cells or ["rnn", "lstm", "gru"], CELLS),
        devices=devices,
        dtypes=check_words("dtype", request.dtypes or ["float32"], DTYPES),
        probes=_probes(request, sized_tasks),
        seeds=_whole("seeds", _unique(_or(request.seeds, profile.seeds)), least=0),
        launches=_whole("launches", [_or(request.launches, profile.launches)], least=1)[0],
        phase_s=_positive("phase_s", _or(request.phase_s, profile.phase_s)),
        phases=check_words("phase", request.phases or PHASES, PHASES),
        init=check_words("initialisation", [_or(request.init, "orthogonal")], list(SCHEMES))[0],
        forget_bias=_finite("forget bias", request.forget_bias),
        optimiser=check_words("optimiser", [_or(request.optimiser, "adam")], OPTIMISERS)[0],
        layers=_whole("layers", _unique(request.layers or [1]), least=1),
        directions=_directions(_unique(request.directions or [1])),
        gru=check_words("gru variant", request.gru or ["reset_after"], GRU_VARIANTS),
        threads=_threads(request.threads),
    )
    return selection, missing


def _probes(request: Request, sized_tasks: Sequence[tuple[str, Task]]) -> list[str]:
    """Those asked for; of lengths there must be a task that has longer forms."""
    names = check_words("probe", request.probes or DEFAULT_PROBES, PROBES)
    longer = any(hasattr(task, "longer") for _, task in sized_tasks)
    if not longer and "lengths" in names:
        tried = ", ".join(dict.fromkeys(name for name, _ in sized_tasks))
        raise Unavailable(f"{tried} has no longer sequences: there is nothing for lengths to score")
    return names


def why_unavailable(backend: Any, device: str) -> str | None:
    """Why a backend cannot run on a device here, without importing its framework; or None."""
    found = machine.versions(getattr(backend, "REQUIRES", ()))
    if missing := [name for name, version in found.items() if not version and not _module(name)]:
        return f"not installed: {', '.join(missing)}"
    own = getattr(backend, "unavailable", None)
    reasons = [own(device) if own else None, machine.why_no_cuda(device)]
    return "; ".join(reason for reason in reasons if reason) or None


def _module(package: str) -> bool:
    """Whether a module of the package's name is there, as builds under other names bring it."""
    try:
        return util.find_spec(package.replace("-", "_")) is not None
    except (ImportError, ValueError):
        return False


def _devices(
    loaded: Mapping[str, Any], asked: Sequence[str]
) -> tuple[dict[str, list[str]], list[Missing]]:
    for word in asked:
        if not re.fullmatch(r"cpu|auto|cuda(:\d+)?", word):
            raise Unavailable(f"unknown device {word!r}. Known: cpu, cuda, cuda:1, …, auto")
    wanted = _unique(d for word in asked for d in (("cpu", "cuda") if word == "auto" else (word,)))
    found: dict[str, list[str]] = {}
    missing = []
    for name, backend in loaded.items():
        for device in wanted:
            if reason := why_unavailable(backend, device):
                missing.append(Missing(name, device, reason))
            else:
                found.setdefault(name, []).append(device)
    return found, missing


def user_series(request: Request) -> dict[str, str]:
    """Settings of a task that reads the user's own file; none where there is no such file."""
    if request.data is None and request.column is None:
        return {}
    if request.data is None or request.column is None:
        raise Unavailable("--data FILE and --column NAME go together")
    path = Path(request.data).expanduser().resolve()
    if path.exists() and not path.is_file():
        raise Unavailable(f"--data: {path} is no regular file")
    try:
        digest = sha256(path.read_bytes()).hexdigest()[:32]
    except OSError as error:
        raise Unavailable(f"--data: {path} cannot be read: {error.strerror or error}") from None
    if request.digest not in (None, digest):
        raise Unavailable(f"--data: {path} has changed since the run was begun. Begin a new run")
    return {"series": "csv", "data": str(path), "column": request.column, "digest": digest}


def _task(text: str, tasks: Registry, profile: str, file: Mapping[str, str]) -> tuple[str, Task]:
    """`adding`, `adding:paper` (a size by its name) or `adding:length=200:hidden=32`."""
    name, *options = text.split(":")
    module = tasks.load(name)
    named = options[0] if options and options[0] in module.PROFILES else None
    profile = named or profile
    options = options[1:] if named else options
    pairs = _pairs(name, named, options, list(module.PROFILES))
    if file and not hasattr(module.PROFILES[profile], "column"):
        raise Unavailable(f"task {name} reads no file of yours: --data goes with forecasting")
    if file and (named not in (None, *PROFILES) or file.keys() & pairs.keys()):
        raise Unavailable(
            f"task {name}: {text!r} names a series, and so does --data: give one of them"
        )
    task = task_at_size(name, module, profile, {**pairs, **file})
    if reason := getattr(task, "unavailable", lambda: None)():
        raise Unavailable(f"task {name}: {reason}")
    return name, task


def _pairs(
    name: str, size: str | None, options: Sequence[str], sizes: Sequence[str]
) -> dict[str, str]:
    """The texts of `option=value`, each option once, behind a size or none."""
    if wrong := [option for option in options if "=" not in option]:
        near = get_close_matches(wrong[0], sizes)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        why = f"is neither option=value nor a size ({', '.join(sizes)}){hint}"
        if wrong[0] in sizes:
            first = f"is a size, which comes first: {name}:{wrong[0]}:{options[0]}"
            why = f"is a second size beside {size!r}" if size else first
        raise Unavailable(f"task {name}: {wrong[0]!r} {why}")
    pairs = [option.split("=", 1) for option in options]
    given = [option for option, _ in pairs]
    if twice := [option for option in given if given.count(option) > 1]:
        raise Unavailable(f"task {name}: {twice[0]} is given {given.count(twice[0])} times")
    return dict(pairs)


def check_words(kind: str, words: Sequence[str], choices: Collection[str]) -> list[str]:
    """The words, each once; `Unavailable` names a wrong one, what is near it, and the choices."""
    for word in words:
        if word not in choices:
            near = get_close_matches(word, choices, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}" if near else ""
            raise Unavailable(f"unknown {kind} {word!r}{hint}. Known: {', '.join(choices)}")
    return _unique(words)


def _whole(name: str, values: Sequence[int], least: int) -> list[int]:
    if wrong := [v for v in values if v < least]:
        raise Unavailable(f"{name} must be a whole number from {least} up, not {wrong[0]}")
    return list(values)


def _directions(values: Sequence[int]) -> list[int]:
    if wrong := [v for v in values if v not in (1, 2)]:
        raise Unavailable(f"directions must be 1 or 2 (bidirectional), not {wrong[0]}")
    return list(values)


def _finite(name: str, value: float | None) -> float | None:
    if value is not None and not isfinite(value):
        raise Unavailable(f"{name} must be a number, not {value}")
    return value


def _positive(name: str, value: float) -> float:
    if not 0 < value < inf:
        raise Unavailable(f"{name} must be a positive number, not {value:g}")
    return value


def _threads(asked: int | None) -> int:
    there = len(machine.cpus())
    threads = there if asked is None else asked
    if not 1 <= threads <= there:
        raise Unavailable(f"threads must lie between 1 and the {there} processors, not {threads}")
    return threads


def _or(value: T | None, default: T) -> T:
    return default if value is None else value


def _unique(words: Any) -> list[Any]:
    return list(dict.fromkeys(words))


def task_at_size(name: str, module: Any, profile: str, options: Mapping[str, str]) -> Task:
    """A task at a size that has a name, a profile's or its own, with `option=value` changes; bad
    ones raise `Unavailable`."""
    task = module.PROFILES[profile]
    names = [f.name for f in dataclasses.fields(task)]
    changes: dict[str, Any] = {}
    for option, text in options.items():
        check_words(f"option of task {name}", [option], names)
        changes[option] = _parsed(name, option, text, getattr(task, option))
    try:
        changed: Task = dataclasses.replace(task, **changes)
    except (ValueError, TypeError) as error:
        raise Unavailable(f"task {name}: {error}") from error
    if idle := [option for option in options if option in getattr(changed, "unread", ())]:
        raise Unavailable(f"task {name}: {idle[0]} changes nothing here, leave it out")
    return changed


def _parsed(name: str, option: str, text: str, current: Any) -> Any:
    """The text as the kind of value that the option has now."""
    if isinstance(current, str):
        return text
    if text.lower() == "none":
        return None
    try:
        return int(text) if isinstance(current, int) else float(text)
    except ValueError:
        kind = "a whole number" if isinstance(current, int) else "a number"
        raise Unavailable(f"task {name}: {option} must be {kind}, not {text!r}") from None
