"""What a probe works with, and what it gives."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from bench.plan.case import Case
from bench.spec import Array, Backend, ModelSpec, Params, Session, Supports, Task, Training
from bench.weights import initial_weights

T = TypeVar("T")
KEPT = 2
"""Sessions that a worker keeps to go on with: one that trains, one in float64."""


@dataclass(frozen=True)
class Outcome:
    """Raw numbers of one case. `failure` says why the case failed in spite of them."""

    metrics: Mapping[str, float | None]
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    failure: str | None = None


class Stopwatch:
    """Adds up the seconds spent inside the adapters' calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start

        return measured


class Metered:
    """A session whose calls are added up by a stopwatch; never used inside the clock."""

    def __init__(self, session: Session, watch: Stopwatch) -> None:
        self._session, self._watch = session, watch

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._session, name)
        if callable(value):
            value = self._watch.timed(value)
            setattr(self, name, value)
        return value


@dataclass(frozen=True)
class ProbeContext:
    """One case with all that a probe may need."""

    case: Case
    task: Task
    backend: Backend
    reference: Backend
    watch: Stopwatch
    cache: dict[str, Any]
    """What this worker has found out that does not depend on the case."""

    opened: dict[ModelSpec, Session] = field(default_factory=dict)
    """The session of the case's own model, once it is open: it knows the path that ran."""

    @property
    def supports(self) -> Supports:
        """What the backend declares; all that is usual where it declares nothing."""
        return getattr(self.backend, "SUPPORTS", Supports())

    def cached(self, name: str, find: Callable[[], T]) -> T:
        """What `find` gives, called once a worker."""
        if name not in self.cache:
            self.cache[name] = find()
        found: T = self.cache[name]
        return found

    def open(self, model: ModelSpec, params: Params, training: Training = Training()) -> Session:
        """A session whose calls are added up by the stopwatch."""
        native = self.watch.timed(self.open_native)(model, params, training)
        return Metered(native, self.watch)

    def reopen(self, model: ModelSpec, params: Params, training: Training = Training()) -> Session:
        """As `open`, for what no clock sees: an earlier session of the same model goes on with
        these weights where it can, so that many seeds are compiled for once."""
        sessions: dict[Any, Any] = self.cache.setdefault("sessions", {})
        key = model, training
        if key in sessions:
            native = sessions[key]
            self.watch.timed(native.restart)(params)
            self._note(model, native)
        else:
            native = self.watch.timed(self.open_native)(model, params, training)
            if hasattr(native, "restart"):
                for oldest in list(sessions)[: len(sessions) + 1 - KEPT]:
                    del sessions[oldest]
                sessions[key] = native
        return Metered(native, self.watch)

    def _note(self, model: ModelSpec, session: Session) -> None:
        if model == self.case.model:
            self.opened[model] = session

    def open_native(self, model: ModelSpec, params: Params, training: Training) -> Session:
        """The adapter's own session, with nothing between it and the clock."""
        session = self.backend.open_session(model, params, self.case.device, training)
        self._note(model, session)
        return session

    def import_framework(self) -> None:
        """Open and drop a tiny session: frameworks import parts of themselves that late."""
        tiny = replace(self.case.model, inputs=1, hidden=1, outputs=1)
        weights = initial_weights(tiny, np.random.default_rng(0))
        self.backend.open_session(tiny, weights, self.case.device, self.case.training).wait()

    def open_reference(
        self,
        model: ModelSpec,
        params: Params,
        training: Training = Training(),
        *,
        in_order: bool = False,
    ) -> Session:
        """`in_order`: see the reference's `open_session`."""
        opened: Any = self.watch.timed(self.reference.open_session)
        return Metered(opened(model, params, "cpu", training, in_order=in_order), self.watch)

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

    def rng(self, purpose: str) -> np.random.Generator:
        """A generator of its own for each purpose, from the case's seed; the evaluation set is
        the same for all seeds."""
        if purpose == "evaluation":
            return np.random.default_rng([0, 2])
        return np.random.default_rng(
            [self.case.seed, {"weights": 0, "batches": 1, "writing": 3}[purpose]]
        )
