"""From a selection to cases, and from cases to units of work for worker processes."""

import dataclasses
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from bench.spec import ModelSpec, Supports, Task, Training, Unavailable
from bench.weights import scheme_limit

T = TypeVar("T")

GATE = "parity"  # the probe that proves a model
PROBES = (GATE, "learning", "gradients", "lengths", "memory", "speed")
DEFAULT_PROBES = tuple(name for name in PROBES if name != "lengths")
"""The probes of a run that names none."""
PHASES = ("forward", "gradients", "step")
"""What the speed probe times."""
TIMED_PROBES = ("speed",)
"""Probes that need the machine to themselves: their cases run one worker at a time."""
ISOLATED_PROBES = ("memory",)
"""Probes that need a process to themselves."""


@dataclass(frozen=True)
class Profile:
    """How much is measured: seeds, launches (fresh processes for the speed probe), seconds a
    timed phase may take, and seconds after which a case is given up."""

    seeds: tuple[int, ...]
    launches: int
    phase_s: float
    time_limit_s: float


PROFILES: Mapping[str, Profile] = {
    "smoke": Profile(seeds=(0,), launches=1, phase_s=0.1, time_limit_s=120),
    "standard": Profile(seeds=(0, 1, 2), launches=3, phase_s=0.4, time_limit_s=900),
    "paper": Profile(seeds=(0, 1, 2, 3, 4), launches=10, phase_s=2.0, time_limit_s=7200),
}


IMPORT_PROBE = "import"
"""In place of a probe: the framework is imported, so that the next case need not wait for it."""


@dataclass(frozen=True)
class Case:
    """backend × model × task × device × probe settings × seed, as one flat mapping."""

    settings: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.settings[name]
        except KeyError:
            raise AttributeError(f"a case has no setting {name!r}") from None

    @cached_property
    def key(self) -> str:
        """The same for the same case, whatever the order of its settings."""
        return json.dumps(self.settings, sort_keys=True)

    @cached_property
    def model_key(self) -> str:
        """What the parity gate proves: the case without its probe, seed and launch."""
        own = {k: v for k, v in self.settings.items() if k not in PROBE_SETTINGS}
        return json.dumps(own, sort_keys=True)

    @property
    def model(self) -> ModelSpec:
        return _fields_of(ModelSpec, self.settings)

    @property
    def training(self) -> Training:
        return _fields_of(Training, self.settings)

    def with_task(self, template: Task) -> Task:
        """The task at this case's size; `template` is any instance of it."""
        own = {f.name: self.settings[f.name] for f in dataclasses.fields(template)}  # type: ignore[arg-type]
        return dataclasses.replace(template, **own)  # type: ignore[type-var]

    def __str__(self) -> str:
        place = "" if self.device == "cpu" else f" on {self.device}"
        launch = f" launch {self.launch}" if self.launch is not None else f" seed {self.seed}"
        return f"{self.backend} {self.cell} {self.task} {self.dtype}{place} {self.probe}{launch}"


UNPROVEN = "not proven equal: "
"""Begins the reason of a case that is skipped because the parity gate is shut."""

PROBE_SETTINGS = ("probe", "seed", "launch", "phases", "phase_s", "threads")


def _fields_of(kind: Callable[..., T], settings: Mapping[str, Any]) -> T:
    names = (f.name for f in dataclasses.fields(kind))  # type: ignore[arg-type]
    return kind(**{name: settings[name] for name in names})


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the user asked for, names resolved: a task is (its name, the task at its size)."""

    backends: Sequence[str]
    tasks: Sequence[tuple[str, Task]]
    cells: Sequence[str]
    devices: Mapping[str, Sequence[str]]
    """The devices that each backend runs on."""
    dtypes: Sequence[str]
    probes: Sequence[str]
    seeds: Sequence[int]
    launches: int
    phase_s: float
    init: str
    threads: int
    layers: Sequence[int] = (1,)
    directions: Sequence[int] = (1,)
    gru: Sequence[str] = ("reset_after",)
    forget_bias: float | None = None
    optimiser: str = "adam"
    phases: Sequence[str] = PHASES


def plan_cases(selection: Selection) -> list[Case]:
    """Every case once, parity first: whatever is selected, a model is proven before it is used."""
    every = [
        Case({**_base(selection, backend, device, name, task, model), **settings})
        for backend in selection.backends
        for device in selection.devices[backend]
        for name, task in selection.tasks
        for model in _models(selection, name, task)
        for settings in _repetitions(selection, task)
    ]
    return list({case.key: case for case in every}.values())


def _models(selection: Selection, name: str, task: Task) -> list[ModelSpec]:
    """Every model asked for, on this task; `Unavailable` where there is no such model."""
    if 2 in selection.directions and getattr(task, "asks_next", False):
        raise Unavailable(
            f"task {name}: directions must be 1, not 2: it asks for the input that comes next, "
            "which a network that also reads backwards has seen"
        )
    try:
        return _specs(selection, task)
    except ValueError as error:
        raise Unavailable(f"task {name}: {error}") from error


def _specs(selection: Selection, task: Task) -> list[ModelSpec]:
    """The gru's variant changes no other cell: those come with the first variant alone."""
    return [
        ModelSpec(
            cell=cell,
            inputs=task.inputs,
            hidden=task.hidden,
            outputs=task.outputs,
            layers=layers,
            bidirectional=directions == 2,
            readout=task.readout,
            loss=task.loss,
            dtype=dtype,
            gru=variant,
            decoder=getattr(task, "decoder", 0),
        )
        for dtype in selection.dtypes
        for layers in selection.layers
        for directions in selection.directions
        for cell in selection.cells
        for variant in (selection.gru if cell == "gru" else selection.gru[:1])
    ]


def _base(
    selection: Selection, backend: str, device: str, name: str, task: Task, model: ModelSpec
) -> dict[str, Any]:
    training = Training(
        learning_rate=task.learning_rate,
        clip_norm=task.clip_norm,
        optimiser=selection.optimiser,
    )
    return {
        "backend": backend,
        "device": device,
        "task": name,
        "metric": task.metric,
        "init": selection.init,
        "forget_bias": selection.forget_bias,
        **dataclasses.asdict(task),  # type: ignore[call-overload]
        **dataclasses.asdict(model),
        **dataclasses.asdict(training),
    }


def _repetitions(selection: Selection, task: Task) -> list[dict[str, Any]]:
    """Learning, gradients and lengths run once a seed, next to each other since one training run
    serves them all; speed runs once a launch, the others once."""
    first = selection.seeds[0]
    once = {"seed": first, "launch": None, "threads": 1}
    phases = " ".join(name for name in PHASES if name in selection.phases)
    timed: dict[str, Any] = {"seed": first, "threads": selection.threads}
    timed |= {"phase_s": selection.phase_s}
    timed |= {"phases": phases} if phases != " ".join(PHASES) else {}
    training = ["learning", "gradients", *(["lengths"] if hasattr(task, "longer") else [])]
    trained = [(probe, seed) for seed in selection.seeds for probe in training]
    every: list[dict[str, Any]] = [
        {"probe": GATE, **once},
        *({"probe": probe, **once, "seed": seed} for probe, seed in trained),
        {"probe": "memory", **once},
        *({"probe": "speed", **timed, "launch": launch} for launch in range(selection.launches)),
    ]
    return [s for s in every if s["probe"] == GATE or s["probe"] in selection.probes]


@dataclass(frozen=True)
class Unit:
    """Cases for one fresh worker process: one backend, one device."""

    backend: str
    device: str
    threads: int
    timed: bool
    cases: tuple[Case, ...]

    def waits_for(self, first: "Unit") -> bool:
        """Whether the other proves a model that this one uses and does not prove itself."""
        own, others = ({c.model_key for c in u.cases if c.probe == GATE} for u in (self, first))
        return any(case.model_key in others - own for case in self.cases)


def plan_units(planned: Iterable[Case], rng: random.Random) -> list[Unit]:
    """Untimed cases in one unit a backend and device, after it each memory case in a process of
    its own, where nothing was allocated or compiled before; then, launch by launch, the timed
    ones, backends and cases in an order shuffled anew for each launch, so that a drift of the
    machine's speed falls on all of them alike."""
    planned = list(planned)
    untimed = _grouped(
        (c for c in planned if c.probe not in (*TIMED_PROBES, *ISOLATED_PROBES)), timed=False
    )
    for case in planned:
        if case.probe in ISOLATED_PROBES:
            untimed += _grouped([case], timed=False)
    timed = [c for c in planned if c.probe in TIMED_PROBES]
    for launch in sorted({c.launch for c in timed}):
        block = [c for c in timed if c.launch == launch]
        rng.shuffle(block)
        group = _grouped(block, timed=True)
        rng.shuffle(group)
        untimed += group
    return untimed


def _grouped(chosen: Iterable[Case], timed: bool) -> list[Unit]:
    groups: dict[tuple[str, str, int], list[Case]] = {}
    for case in chosen:
        groups.setdefault((case.backend, case.device, case.threads), []).append(case)
    return [Unit(*key, timed, tuple(group)) for key, group in groups.items()]


PROBE_NEEDS: Mapping[str, Sequence[str]] = {
    "learning": ("training",),
    "gradients": ("training", "hidden_gradients"),
    "lengths": ("training",),
}
"""What a probe asks of a backend beyond expressing the model."""


def case_limit(backend: Any, case: Case) -> str | None:
    """Why a case cannot be: what the backend declares that it does not express, with whose limit
    it is, or initial weights that the cell does not have; None where it can."""
    supports: Supports = getattr(backend, "SUPPORTS", Supports())
    asked = [supports.limit(case.model), *map(supports.lacks, PROBE_NEEDS.get(case.probe, ()))]
    return next(filter(None, asked), None) or scheme_limit(case.init, case.cell)
