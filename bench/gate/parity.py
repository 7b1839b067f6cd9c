"""The parity gate: a backend computes what the reference computes, or it is not measured.

Compared, on the case's own model, batch and weights and on a fixed set of odd sizes: outputs,
hidden states, loss, every parameter gradient, dL/dx, dL/dh_t, and losses and weights over five
steps, the NumPy reference in float64 being the truth. How far each array may be from it is
said in `bench.probes.tolerance`; where what sums in order lose decides it, the case's own model is
compared in float64, too, since float32 tells little then. Of a backend that does not train, outputs
and hidden states are compared.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.gate.tolerance import (
    FACTOR,
    FLOAT64,
    IN_ORDER,
    Difference,
    allowed,
    along,
    carried_losses,
    difference,
    drift,
    floor,
    relative_error,
    rounded,
    slack,
)
from bench.probes.bench import Outcome, ProbeContext
from bench.probes.training import norm
from bench.spec import Array, ModelSpec, Params, Session, Training
from bench.weights import initial_weights

STEPS = 5
TRAINED = " after five steps"
LOSSES = "losses of five steps"
WIDE = " in float64"
SUMS = ("loss", "d ")
"""How the names begin of what is a sum over all steps of all sequences."""
SMALLEST = 1e-290
"""Below lie the numbers that float64 holds with fewer digits."""

ODD_SIZES = ((1, 1, 1, 1, 1), (4, 7, 3, 5, 2))
"""batch, time, inputs, hidden, outputs: compilers go wrong at small odd sizes first."""
AT_ODD_SIZES = Training(learning_rate=0.05, clip_norm=0.1)
"""Steps so long that gradients differ from one to the next, or Adam divides by its size whatever a
wrong β₂ or no clipping makes of them."""


def parity(bench: ProbeContext) -> Outcome:
    """Every array of the case's own model and of the odd sizes against the reference."""
    model, training = bench.case.model, bench.case.training
    x, y = bench.task.sample(bench.rng("batches"))
    found, ours = compare(bench, model, training, bench.weights(model), x, y)
    found += at_odd_sizes(bench, model)
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
    metrics |= _first(ours, bench.weights(model))
    elsewhere = (" at ", WIDE)
    metrics |= {
        f"error.{d.array}": d.error for d in found if not any(e in d.array for e in elsewhere)
    }
    if not rejected:
        return Outcome(metrics)
    rejected.sort(key=_badness, reverse=True)
    more = f", and {len(rejected) - 3} more" if len(rejected) > 3 else ""
    return Outcome(metrics, failure="parity: " + "; ".join(map(str, rejected[:3])) + more)


def _first(ours: Mapping[str, Array], weights: Params) -> dict[str, float | None]:
    """Loss and norm of all gradients before the first update, as this backend has them."""
    if "loss" not in ours:
        return {}
    gradients = [ours[f"d {name}"] for name in weights if f"d {name}" in ours]
    return {"first_loss": float(ours["loss"]), "first_gradient_norm": norm(*gradients)}


def _through_time(bench: ProbeContext, model: ModelSpec, x: Array, y: Array) -> list[Difference]:
    """dL/dh_t in float64, each step by its own size, however small: the gradient probe takes
    its norms from there, whatever the case's dtype."""
    wide, seed = dataclasses.replace(model, dtype="float64"), bench.weights(model)
    if "float64" not in bench.supports.dtypes:
        return []
    ours = bench.open(wide, seed).hidden_gradients(x, y)
    truth = bench.open_reference(wide, seed).hidden_gradients(x, y)
    if ours.shape != truth.shape:
        return [Difference("d hidden states through time", math.inf, FLOAT64)]
    steps = [t for t in range(truth.shape[1]) if np.abs(truth[:, t]).max() > SMALLEST]
    worst = max((relative_error(ours[:, t], truth[:, t]) for t in steps), default=0.0, key=_rank)
    return [Difference("d hidden states through time", worst, FLOAT64)]


def _rank(error: float) -> float:
    return math.inf if math.isnan(error) else error


def _badness(difference: Difference) -> float:
    return _rank(difference.error / difference.tolerance)


def at_odd_sizes(bench: ProbeContext, model: ModelSpec) -> list[Difference]:
    """Every array of models of the same kind at `ODD_SIZES`, trained by Adam."""
    return [d for size in ODD_SIZES for d in _at(bench, model, size)]


def _at(bench: ProbeContext, kind: ModelSpec, size: tuple[int, ...]) -> list[Difference]:
    """Checked once a worker for each kind of model: it does not depend on the task."""
    batch, time, inputs, hidden, outputs = size
    classes = outputs + (kind.loss == "cross_entropy")
    model = dataclasses.replace(kind, inputs=inputs, hidden=hidden, outputs=classes)

    def found() -> list[Difference]:
        rng = np.random.default_rng(0)
        x, y = _random_batch(model, batch, time, rng)
        return [
            dataclasses.replace(d, array=f"{d.array} at batch {batch}, T {time}, hidden {hidden}")
            for d in compare(bench, model, AT_ODD_SIZES, initial_weights(model, rng), x, y)[0]
        ]

    return bench.cached(f"odd sizes {model}", found)


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
    bench: ProbeContext, model: ModelSpec, training: Training, weights: Params, x: Array, y: Array
) -> tuple[list[Difference], Mapping[str, Array]]:
    """Every array of one model on one batch against the reference in float64, and the arrays of
    the backend."""
    shown, wide = _shown(bench), dataclasses.replace(model, dtype="float64")
    path: list[Params] = []
    truth = observe(bench.open_reference(wide, weights, training), x, y, shown, path)
    ours = observe(bench.open(model, weights, training), x, y, shown)
    near, strayed, summed = dict.fromkeys(truth, FLOAT64), path, dict[str, float]()
    more = slack(model.dtype, bench.case.device)
    if model.dtype != "float64":
        strayed = []
        runs = list(_rounded(bench, model, weights, training, x, y, strayed))
        terms = {name: x.shape[0] * x.shape[1] * name.startswith(SUMS) for name in truth}
        near = {
            name: more
            * allowed(model.dtype, (r[name] for r in runs if name in r), value, terms[name])
            for name, value in truth.items()
        }
        if shown.training:
            in_order = _summed_in_order(bench, model, weights, x, y)
            lost = {n: IN_ORDER * relative_error(own, truth[n]) for n, own in in_order.items()}
            summed = {name: error for name, error in lost.items() if error > near[name]}
        near |= summed
    carried: dict[str, Array] = {}
    if shown.training:
        first = {name: near[f"d {name}"] for name in weights}
        drifted = drift(path, along(first, path, strayed, FACTOR * more), training)
        carried = {f"{name}{TRAINED}": value for name, value in drifted[-1].items()}
        carried[LOSSES] = carried_losses(path, drifted)
        near |= {f"{name}{TRAINED}": more * floor(model.dtype) for name in weights}
    found = [
        difference(name, ours.get(name), truth[name], near[name], carried.get(name, 0.0))
        for name in truth
    ]
    if summed and "float64" in bench.supports.dtypes:
        exactly, _ = compare(bench, wide, training, weights, x, y)
        found += [dataclasses.replace(d, array=d.array + WIDE) for d in exactly]
    return found, ours


def _rounded(
    bench: ProbeContext,
    model: ModelSpec,
    weights: Params,
    training: Training,
    x: Array,
    y: Array,
    path: list[Params],
) -> Iterator[dict[str, Array]]:
    """What the reference makes of it in float32: everything once, its gradients on the way into
    `path`, then outputs and gradients alone."""
    narrow, shown = dataclasses.replace(model, dtype="float32"), _shown(bench)
    for run, (near, xs) in enumerate(rounded(model.dtype, weights, x)):
        session = bench.open_reference(narrow, near, training)
        yield _computed(session, xs, y, shown) if run else observe(session, xs, y, shown, path)


def _summed_in_order(
    bench: ProbeContext, model: ModelSpec, weights: Params, x: Array, y: Array
) -> dict[str, Array]:
    """The gradients of weights in float32, where the reference adds up one after another."""
    if model.dtype != "float32":
        return {}
    session = bench.open_reference(model, weights, in_order=True)
    gradients = session.gradients(session.put(x), session.put(y))[1]
    return {f"d {name}": gradients[name] for name in weights}


@dataclass(frozen=True)
class Shown:
    """What a backend can show of itself beside outputs and states."""

    training: bool = True
    hidden_gradients: bool = True


def _shown(bench: ProbeContext) -> Shown:
    training = bool(bench.supports.training)
    return Shown(training, training and bool(bench.supports.hidden_gradients))


def observe(
    session: Session,
    x: Array,
    y: Array,
    shown: Shown = Shown(),
    path: list[Params] | None = None,
) -> dict[str, Array]:
    """All that is compared, by name. The order matters: the last lines train the session. Into
    `path` go the gradients of all weights before each step."""
    seen = _computed(session, x, y, shown)
    if not shown.training:
        return seen
    xs, ys = session.put(x), session.put(y)
    seen[LOSSES] = _losses(session, xs, ys, path)
    return seen | {f"{name}{TRAINED}": value for name, value in session.params().items()}


def _losses(session: Session, x: Any, y: Any, path: list[Params] | None = None) -> Array:
    """Of a few steps, which train the session."""
    losses = []
    for _ in range(STEPS):
        if path is not None:
            slopes = session.gradients(x, y)[1]
            path.append({name: value for name, value in slopes.items() if name != "x"})
        losses.append(float(session.step(x, y)))
    return np.asarray(losses)


def _computed(session: Session, x: Array, y: Array, shown: Shown) -> dict[str, Array]:
    """What is compared of the weights as they are."""
    xs, ys = session.put(x), session.put(y)
    seen = {"output": session.predict(xs), "hidden states": session.hidden_states(xs)}
    if shown.training:
        loss, gradients = session.gradients(xs, ys)
        seen |= {"loss": np.asarray(loss)}
        seen |= {f"d {name}": value for name, value in gradients.items()}
    if shown.hidden_gradients:
        seen["d hidden states"] = session.hidden_gradients(xs, ys)
    return seen
