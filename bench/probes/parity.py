"""The parity gate: a backend computes what the reference computes, or it is not measured.

Compared, on the case's own model, batch and weights and on a fixed set of odd sizes: outputs,
hidden states, loss, every parameter gradient, dL/dx, dL/dh_t, and losses and weights over five
Adam steps. The error of an array is max|a − b| / max|b|, b being the NumPy reference in float64.

- float64 must come within 1e-9.
- float32 is held to what float32 can do: the reference itself runs once more in float32, and the
  backend's error may be at most ten times that run's error, with 1e-5 (about 80 units in the last
  place) as the floor, below which rounding alone can differ with the order of summation. What
  five steps moved may differ by 2⁻²³ / (1 − β₂) of the movement besides: that is what an
  optimiser loses which computes Adam's 1 − β₂ᵗ in float32, as Optax does.
- bfloat16 is held to what rounding costs: the reference runs in float32 on weights and inputs
  rounded to bfloat16, and the backend, which rounds every state besides, may be ten times as far
  from the float64 truth as that run, with five units in the last place (5 · 2⁻⁸) as the floor.

Of a backend that does not train, outputs and hidden states are compared.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.probes.bench import Bench, Outcome
from bench.spec import Array, ModelSpec, Session, Training
from bench.weights import initial

FLOAT64_TOLERANCE = 1e-9
FLOORS: Mapping[str, float] = {"float32": 1e-5, "bfloat16": 5 * 2**-8}
FACTOR = 10.0
STEPS = 5
SMALLEST = 1e-290
"""Below lie the numbers that float64 holds with fewer digits."""

ODD_SIZES = ((1, 1, 1, 1, 1), (4, 7, 3, 5, 2))
"""batch, time, inputs, hidden, outputs: compilers go wrong at small odd sizes first."""


@dataclass(frozen=True)
class Difference:
    """One array's distance from the reference, and how far it may be."""

    array: str
    error: float
    tolerance: float

    @property
    def accepted(self) -> bool:
        return self.error <= self.tolerance  # False for NaN

    def __str__(self) -> str:
        return f"{self.array} differs by {self.error:.2g} (tolerance {self.tolerance:.2g})"


def parity(bench: Bench) -> Outcome:
    """Every array of the case's own model and of the odd sizes against the reference."""
    model, training = bench.case.model, bench.case.training
    x, y = bench.task.sample(bench.rng("batches"))
    found = list(compare(bench, model, training, bench.weights(model), x, y))
    found += _at_odd_sizes(bench, model)
    if _shown(bench).hidden_gradients:
        found += _through_time(bench, model, x, y)
    rejected = [d for d in found if not d.accepted]
    worst = max(found, key=_badness)
    metrics: dict[str, float | None] = {
        "parity_error": worst.error,
        "parity_tolerance": worst.tolerance,
        "arrays_compared": len(found),
        "arrays_rejected": len(rejected),
        "gradients_compared": float(_shown(bench).training),
    }
    metrics |= {f"error.{d.array}": d.error for d in found if " at " not in d.array}
    if not rejected:
        return Outcome(metrics)
    rejected.sort(key=_badness, reverse=True)
    more = f", and {len(rejected) - 3} more" if len(rejected) > 3 else ""
    return Outcome(metrics, failure="parity: " + "; ".join(map(str, rejected[:3])) + more)


def _through_time(bench: Bench, model: ModelSpec, x: Array, y: Array) -> list[Difference]:
    """dL/dh_t in float64, each step by its own size, however small: the gradient probe takes
    its norms from there, whatever the case's dtype."""
    wide, seed = dataclasses.replace(model, dtype="float64"), bench.weights(model)
    if "float64" not in bench.supports.dtypes:
        return []
    ours = bench.open(wide, seed).hidden_gradients(x, y)
    truth = bench.open_reference(wide, seed).hidden_gradients(x, y)
    if ours.shape != truth.shape:
        return [Difference("d hidden states through time", math.inf, FLOAT64_TOLERANCE)]
    steps = [t for t in range(truth.shape[1]) if np.abs(truth[:, t]).max() > SMALLEST]
    worst = max((relative_error(ours[:, t], truth[:, t]) for t in steps), default=0.0, key=_rank)
    return [Difference("d hidden states through time", worst, FLOAT64_TOLERANCE)]


def _rank(error: float) -> float:
    return math.inf if math.isnan(error) else error


def _badness(difference: Difference) -> float:
    return _rank(difference.error / difference.tolerance)


def _at_odd_sizes(bench: Bench, model: ModelSpec) -> list[Difference]:
    return [d for size in ODD_SIZES for d in _at(bench, model, size)]


def _at(bench: Bench, kind: ModelSpec, size: tuple[int, ...]) -> list[Difference]:
    """Checked once a worker for each kind of model: it does not depend on the task."""
    batch, time, inputs, hidden, outputs = size
    classes = outputs + (kind.loss == "cross_entropy")
    model = dataclasses.replace(kind, inputs=inputs, hidden=hidden, outputs=classes)
    training, name = Training(clip_norm=0.1), str(model)
    if name not in bench.odd_sizes:
        rng = np.random.default_rng(0)
        x, y = _random_batch(model, batch, time, rng)
        bench.odd_sizes[name] = [
            dataclasses.replace(d, array=f"{d.array} at batch {batch}, T {time}, hidden {hidden}")
            for d in compare(bench, model, training, initial(model, rng), x, y)
        ]
    return bench.odd_sizes[name]


def _random_batch(
    model: ModelSpec, batch: int, time: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    x = rng.standard_normal((batch, time, model.inputs))
    positions = (batch,) if model.readout == "last" else (batch, model.decoder or time)
    if model.loss == "mse":
        return x, rng.standard_normal((*positions, model.outputs))
    y = rng.integers(0, model.outputs, positions)
    if y.size > 1:
        y.flat[1] = -1
    return x, y


def compare(
    bench: Bench,
    model: ModelSpec,
    training: Training,
    weights: Mapping[str, Array],
    x: Array,
    y: Array,
) -> list[Difference]:
    """Every array of one model on one batch against the reference in float64."""
    shown, wide = _shown(bench), dataclasses.replace(model, dtype="float64")
    truth = observe(bench.open_reference(wide, weights, training), x, y, shown)
    ours = observe(bench.open(model, weights, training), x, y, shown)
    tolerances = dict.fromkeys(truth, FLOAT64_TOLERANCE)
    if model.dtype != "float64":
        rounded = _rounded(bench, model, weights, training, x, y)
        moved = _movement(weights, truth) if shown.training else {}
        tolerances = {
            name: max(FLOORS[model.dtype], FACTOR * relative_error(rounded[name], truth[name]))
            + moved.get(name, 0.0) * 2**-23 / (1 - training.beta2)
            for name in truth
        }
    return [
        Difference(name, relative_error(ours.get(name), truth[name]), tolerances[name])
        for name in truth
    ]


def _rounded(
    bench: Bench,
    model: ModelSpec,
    weights: Mapping[str, Array],
    training: Training,
    x: Array,
    y: Array,
) -> dict[str, Array]:
    """What the reference makes of it in float32, for bfloat16 on rounded weights and inputs."""
    narrow = dataclasses.replace(model, dtype="float32")
    if model.dtype == "bfloat16":
        weights, x = {name: to_bfloat16(value) for name, value in weights.items()}, to_bfloat16(x)
    return observe(bench.open_reference(narrow, weights, training), x, y, _shown(bench))


def to_bfloat16(array: Array) -> Array:
    """float32 values rounded to the nearest bfloat16, ties to even; finite values only."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def _movement(weights: Mapping[str, Array], truth: Mapping[str, Array]) -> dict[str, float]:
    """How far five steps moved the weights and the loss, relative to their largest element."""
    losses = truth["losses of five steps"]
    start = {f"{name} after five steps": value for name, value in weights.items()}
    start["losses of five steps"] = np.full_like(losses, losses[0])
    return {name: relative_error(value, truth[name]) for name, value in start.items()}


@dataclass(frozen=True)
class Shown:
    """What a backend can show of itself beside outputs and states."""

    training: bool = True
    hidden_gradients: bool = True


def _shown(bench: Bench) -> Shown:
    training = bool(bench.supports.training)
    return Shown(training, training and bool(bench.supports.hidden_gradients))


def observe(session: Session, x: Array, y: Array, shown: Shown = Shown()) -> dict[str, Array]:
    """All that is compared, by name. The order matters: the last lines train the session."""
    xs, ys = session.put(x), session.put(y)
    seen = {"output": session.predict(xs), "hidden states": session.hidden_states(xs)}
    if not shown.training:
        return seen
    loss, gradients = session.gradients(xs, ys)
    seen |= {"loss": np.asarray(loss)}
    seen |= {f"d {name}": value for name, value in gradients.items()}
    if shown.hidden_gradients:
        seen["d hidden states"] = session.hidden_gradients(xs, ys)
    losses = [float(session.step(xs, ys)) for _ in range(STEPS)]
    seen["losses of five steps"] = np.asarray(losses)
    trained = {f"{name} after five steps": value for name, value in session.params().items()}
    return seen | trained


def relative_error(array: Array | None, truth: Array) -> float:
    """max|array − truth| / max|truth|; infinite where shapes differ, NaN where values are."""
    if array is None or np.shape(array) != np.shape(truth):
        return math.inf
    scale = float(np.max(np.abs(truth)))
    distance = float(np.max(np.abs(np.asarray(array, dtype=np.float64) - truth)))
    if scale == 0:
        return 0.0 if distance == 0 else math.inf
    return distance / scale
