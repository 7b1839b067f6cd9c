"""The context that a probe measures in, and the outcome that it returns."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from bench.plan.case import Case
from bench.probes.turns import Turns
from bench.spec import (
    Array,
    Backend,
    CheckedSession,
    ModelSpec,
    Params,
    Session,
    Supports,
    Task,
    Training,
    check_batch,
    facts_of,
)
from bench.weights import initial_weights

T = TypeVar("T")
Batch = tuple[Array, Array]
"""x and y."""
REUSED_SESSIONS = 2
"""Sessions that a worker keeps for reuse: one that trains, one in float64."""
STREAMS = {"weights": 0, "batches": 1, "writing": 3}
EVALUATION_SEED = (0, 2)


@dataclass(frozen=True)
class Outcome:
    """Raw numbers of one case. `failure` says why the case failed in spite of them."""

    metrics: Mapping[str, float | None]
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    failure: str | None = None


class ReferenceSession(Session, Protocol):
    """A session of the NumPy reference."""

    def gradient_terms(self, x: Any, y: Any, lengths: Any = None) -> Mapping[str, Sequence[Any]]:
        """The operands of every weight gradient, by parameter name: blocks of rows as in
        `bench.gate.summation.GradientTerms`, one below the other."""


class Stopwatch:
    """Adds up the seconds spent inside the adapters' calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time added to `seconds`."""

        def timed_call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start

        return timed_call


class StopwatchSession:
    """A session whose calls a stopwatch times. The speed probe never measures through it."""

    def __init__(self, session: Session, watch: Stopwatch) -> None:
        self._session, self._watch = session, watch

    def __getattr__(self, name: str) -> Any:
        """Methods are looked up each time: a restart may replace them."""
        value = getattr(self._session, name)
        return self._watch.timed(value) if callable(value) else value


@dataclass(frozen=True)
class ProbeContext:
    """One case with everything that a probe may need."""

    case: Case
    task: Task
    backend: Backend
    reference: Backend
    watch: Stopwatch
    cache: dict[str, Any]
    """Results that do not depend on the case; they live as long as the worker."""

    opened: dict[ModelSpec, Session] = field(default_factory=dict)
    """The session of the case's own model, once it is open: the executed path is read from it."""

    turns: Turns | None = None
    """Where the worker of another side measures the same case in alternation with this one."""

    @property
    def supports(self) -> Supports:
        """What the backend declares, or the defaults where it declares nothing."""
        return getattr(self.backend, "SUPPORTS", Supports())

    def cached(self, name: str, compute: Callable[[], T]) -> T:
        """The result of `compute`, which is called once a worker."""
        if name not in self.cache:
            self.cache[name] = compute()
        result: T = self.cache[name]
        return result

    def open(self, model: ModelSpec, params: Params, training: Training = Training()) -> Session:
        """A session whose calls the stopwatch times."""
        session = self.watch.timed(self._open)(model, params, training)
        return StopwatchSession(session, self.watch)

    def open_kept(
        self, model: ModelSpec, params: Params, training: Training = Training()
    ) -> Session:
        """Like `open`; the session is kept for `reopen`, if it can be restarted."""
        session = self.watch.timed(self._open)(model, params, training)
        if hasattr(session, "restart"):
            sessions = self._kept_sessions
            sessions.pop((model, training), None)
            _make_room(sessions)
            sessions[model, training] = session
        return StopwatchSession(session, self.watch)

    def reopen(self, model: ModelSpec, params: Params, training: Training = Training()) -> Session:
        """Like `open`, for calls that no probe times: restarts an earlier session of the same
        model and training with these weights if one was kept, so that it is compiled once for the
        gate and for many seeds."""
        session = self._kept_sessions.get((model, training))
        if session is None:
            return self.open_kept(model, params, training)
        self.watch.timed(session.restart)(params)
        _check_weights(session.params(), params)
        self._remember(model, session)
        return StopwatchSession(session, self.watch)

    def open_native(self, model: ModelSpec, params: Params, training: Training) -> Session:
        """The adapter's own session: no stopwatch and no check around its calls."""
        session = self._open(model, params, training)
        return session.unchecked if isinstance(session, CheckedSession) else session

    def open_reference(
        self, model: ModelSpec, params: Params, training: Training = Training()
    ) -> ReferenceSession:
        """A session of the reference, on the CPU."""
        session = self.watch.timed(self.reference.open_session)(model, params, "cpu", training)
        return StopwatchSession(session, self.watch)

    def import_framework(self) -> None:
        """Open and drop a tiny session: frameworks import some modules only when they are used."""
        tiny = replace(self.case.model, inputs=1, hidden=1, outputs=1)
        weights = initial_weights(tiny, np.random.default_rng(0))
        self.backend.open_session(tiny, weights, self.case.device, self.case.training).wait()

    def weights(self, model: ModelSpec) -> dict[str, Array]:
        """The canonical initial weights of this case's seed."""
        case = self.case
        return initial_weights(
            model,
            self.rng("weights"),
            case.initial.scheme,
            forget_bias=case.initial.forget_bias,
            time=self.task.time,
        )

    def batch(self, rng: np.random.Generator) -> Batch:
        """A training batch of the task. Raises ValueError where it has other sizes than the task
        declares: tables and floors are computed from those."""
        return self._checked_batch(self.task, *self.task.sample(rng), self.task.batch)

    def first_batch(self) -> Batch:
        """The first training batch of this case's seed."""
        return self.batch(self.rng("batches"))

    def held_out(self, task: Task) -> Batch:
        """The held-out sequences of a task with this case's model, checked like a `batch`."""
        return self._checked_batch(task, *task.evaluation(self.rng("evaluation")))

    def rng(self, purpose: str) -> np.random.Generator:
        """A generator for `weights`, `batches`, `writing` or `evaluation`, independent of the
        others and seeded by the case; the evaluation set is the same for all seeds."""
        if purpose == "evaluation":
            return np.random.default_rng(EVALUATION_SEED)
        return np.random.default_rng([self.case.seed, STREAMS[purpose]])

    def _checked_batch(self, task: Task, x: Any, y: Any, count: int | None = None) -> Batch:
        x, y = np.asarray(x), np.asarray(y)
        check_batch(self.case.model, facts_of(x), facts_of(y))
        expected = (len(x) if count is None else count, task.time)
        if x.shape[:2] != expected:
            raise ValueError(
                f"the task {self.case.task.name} made x of the shape {x.shape}, but it declares "
                f"{(*expected, task.inputs)}: its batch, time and inputs must be those of its data"
            )
        return x, y

    @property
    def _kept_sessions(self) -> dict[Any, Any]:
        """The sessions that can be restarted, by model and training, the oldest first."""
        sessions: dict[Any, Any] = self.cache.setdefault("sessions", {})
        return sessions

    def _open(self, model: ModelSpec, params: Params, training: Training) -> Session:
        session = self.backend.open_session(model, params, self.case.device, training)
        self._remember(model, session)
        return session

    def _remember(self, model: ModelSpec, session: Session) -> None:
        if model == self.case.model:
            self.opened[model] = session


def _check_weights(weights: Params, given: Params) -> None:
    """Raise ValueError where the weights of a session are not those it was restarted with, but for
    the rounding to its dtype."""
    for name, value in given.items():
        if not np.allclose(weights[name], value, equal_nan=True):
            raise ValueError(
                f"restart() left other weights in {name} than it was given: it must put them in "
                "their place, or be left out"
            )


def _make_room(sessions: dict[Any, Any]) -> None:
    """Drop the oldest sessions until one more may be kept."""
    for oldest in list(sessions)[: len(sessions) + 1 - REUSED_SESSIONS]:
        del sessions[oldest]
