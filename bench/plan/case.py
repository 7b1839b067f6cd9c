"""A case: backend × model × task × device × probe settings × seed, with typed parts.

A case is flattened at two borders only: in its record, where `case` is one flat mapping, and on
the pipe to a worker.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from bench.plan.probes import DEFAULT_PHASES
from bench.records.record import settings_key, without_nonfinite
from bench.spec import ModelSpec, Task, Training
from bench.spec.added_settings import left_out

MODEL_FIELDS = tuple(f.name for f in fields(ModelSpec))
TRAINING_FIELDS = tuple(f.name for f in fields(Training))
PROBE_SETTINGS = ("probe", "seed", "launch", "phases", "phase_s", "threads")
"""Settings that do not change the model, so that the parity gate need not prove it again."""
ProcessKey = tuple[str, str, int]
"""Backend, device and number of threads: cases that agree in them can share a process."""
CASE_FIELDS = ("backend", "device", "task", "metric", "init", "forget_bias", *PROBE_SETTINGS)
REQUEST = "request"
"""A key beside the settings of a case on the pipe to a worker: the name of the request. Every line
that the worker sends begins with it, so that an answer belongs to its case."""
IN_TURNS = "in_turns"
"""Another such key: the worker is to pause where its probe can."""
TAKEN_NAMES = frozenset((*CASE_FIELDS, *MODEL_FIELDS, *TRAINING_FIELDS, REQUEST, IN_TURNS)) - {
    *("metric", "hidden", "inputs", "outputs", "readout", "loss", "decoder"),
    *("learning_rate", "clip_norm"),
}
"""Names that no setting of a task can have: a flat case has another value under them. The others
are those that the model, the training and the case take from the task."""


@dataclass(frozen=True, kw_only=True)
class TaskSettings:
    """A task at one size: its name, its metric, and its options by name.

    Options that are also fields of the model or the training, such as `hidden` and
    `learning_rate`, are kept there and not here.
    """

    name: str
    metric: str
    options: Mapping[str, Any]

    @classmethod
    def from_task(cls, name: str, task: Task) -> "TaskSettings":
        """The settings of a task with this name."""
        values = [(f, getattr(task, f.name)) for f in fields(task)]  # type: ignore[arg-type]
        other_fields = (*MODEL_FIELDS, *TRAINING_FIELDS)
        options = {
            setting.name: value
            for setting, value in values
            if setting.name not in other_fields and not left_out(setting, value)
        }
        return cls(name=name, metric=task.metric, options=options)


@dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """The scheme of the initial weights, and the bias of the lstm's forget gate (None: the
    scheme's own). See `bench.weights`."""

    scheme: str = "orthogonal"
    forget_bias: float | None = None


@dataclass(frozen=True, kw_only=True)
class SpeedSettings:
    """Which phases are timed, and how many seconds one phase may take."""

    phase_s: float
    phases: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one record measures. Two cases are the same case if their keys are equal."""

    backend: str
    device: str
    task: TaskSettings
    model: ModelSpec
    training: Training
    initial: InitialWeights
    probe: str
    seed: int
    threads: int
    launch: int | None = None
    """The number of the fresh process, for the speed probe."""
    speed: SpeedSettings | None = None

    def flat(self) -> dict[str, Any]:
        """All settings in one mapping, as a record holds them."""
        settings = {
            "backend": self.backend,
            "device": self.device,
            "task": self.task.name,
            "metric": self.task.metric,
            "init": self.initial.scheme,
            "forget_bias": self.initial.forget_bias,
            **self.task.options,
            **{name: getattr(self.model, name) for name in MODEL_FIELDS},
            **{name: getattr(self.training, name) for name in TRAINING_FIELDS},
            "probe": self.probe,
            "seed": self.seed,
            "launch": self.launch,
            "threads": self.threads,
        }
        return settings | (_flat_speed(self.speed) if self.speed else {})

    @classmethod
    def from_flat(cls, settings: Mapping[str, Any]) -> "Case":
        """The case with these flat settings; a field that has a default may be missing.

        Raises ValueError if the settings are not those of a case.
        """
        try:
            return _from_flat(settings)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not the settings of a case: {error!r}") from error

    @property
    def cell(self) -> str:
        """The cell of the model."""
        return self.model.cell

    @cached_property
    def key(self) -> str:
        """The same text for the same case, whatever the order of its settings."""
        return case_key(self.flat())

    @cached_property
    def model_key(self) -> str:
        """The same text for all cases that one parity case proves; see `PROBE_SETTINGS`."""
        return sys.intern(model_key(self.flat()))  # one text in memory for all of them

    @property
    def process_key(self) -> ProcessKey:
        """Backend, device and number of threads."""
        return self.backend, self.device, self.threads

    def sized(self, task_type: type[Task]) -> Task:
        """The task at the size of this case; `task_type` is the dataclass of the task."""
        settings = self.flat()
        names = [f.name for f in fields(task_type) if f.init]  # type: ignore[arg-type]
        return task_type(**{name: settings[name] for name in names if name in settings})

    def __str__(self) -> str:
        device = "" if self.device == "cpu" else f" on {self.device}"
        number = f"seed {self.seed}" if self.launch is None else f"launch {self.launch}"
        model = f"{self.model.cell} {self.task.name} {self.model.dtype}"
        return f"{self.backend} {model}{device} {self.probe} {number}"


def case_key(settings: Mapping[str, Any]) -> str:
    """The identity of a flat case, see `bench.records.record.settings_key`."""
    return settings_key(without_nonfinite(settings))


def model_key(settings: Mapping[str, Any]) -> str:
    """The identity of what the parity gate proves: a flat case without its probe settings."""
    return case_key({k: v for k, v in settings.items() if k not in PROBE_SETTINGS})


def _flat_speed(speed: SpeedSettings) -> dict[str, Any]:
    """The flat settings of the speed probe; without `phases` where they are the default ones."""
    flat: dict[str, Any] = {"phase_s": speed.phase_s}
    if tuple(speed.phases) != DEFAULT_PHASES:
        flat["phases"] = " ".join(speed.phases)
    return flat


def _from_flat(settings: Mapping[str, Any]) -> Case:
    typed = (*CASE_FIELDS, *MODEL_FIELDS, *TRAINING_FIELDS)
    options = {name: value for name, value in settings.items() if name not in typed}
    speed = None
    if "phase_s" in settings:
        phases = settings["phases"].split() if "phases" in settings else DEFAULT_PHASES
        speed = SpeedSettings(phase_s=settings["phase_s"], phases=tuple(phases))
    return Case(
        backend=settings["backend"],
        device=settings["device"],
        task=TaskSettings(name=settings["task"], metric=settings["metric"], options=options),
        model=ModelSpec(**_subset(settings, MODEL_FIELDS)),
        training=Training(**_subset(settings, TRAINING_FIELDS)),
        initial=InitialWeights(scheme=settings["init"], forget_bias=settings["forget_bias"]),
        probe=settings["probe"],
        seed=settings["seed"],
        launch=settings["launch"],
        threads=settings["threads"],
        speed=speed,
    )


def _subset(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names if name in settings}
