"""The checker that every adapter must pass, as plain functions.

`check` asks an adapter and the NumPy reference the same questions about one `Problem` and returns
a `Verdict`: how far every array is from the reference, and every declaration that does not hold.

- Each array must be as near to the reference in float64 as `bench.gate.rounding` says.
- An adapter must refuse with `Unsupported` what its `SUPPORTS` excludes, and nothing else.

Check an adapter outside this repository with `pytest tests/test_conformance.py --backends
./mine.py`, or with `assert_conforms(adapter, problem(spec))`.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, isnan
from typing import Any, NamedTuple

import numpy as np

from backends import numpy_backend
from bench.gate.difference import Difference, relative_error
from bench.gate.drift import update_tolerance
from bench.gate.edges import may_lack_targets, without_targets
from bench.gate.observe import advance_steps
from bench.gate.rounding import FLOAT64_TOLERANCE, device_factor, rounded_inputs, rounding_tolerance
from bench.spec import (
    ONE_DIRECTION,
    Array,
    ModelSpec,
    Params,
    Supports,
    Training,
    Unsupported,
)
from bench.weights import initial_weights

STEPS = 3
PIECES = (2, 2)
"""How many steps each of the first calls of `advance` gets; the last call gets the others."""

TRAINING = Training(learning_rate=0.01, beta1=0.8, beta2=0.99, epsilon=1e-3, clip_norm=0.1)
"""No value is a framework's default, and ε is so large that its position in the formula matters."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A model with its weights and inputs: `x` `(batch, time, inputs)`, targets `y` for its loss,
    `lengths` `(batch,)`, and `state` in the layout of `initial_state`."""

    spec: ModelSpec
    weights: Params
    x: Array
    y: Array
    lengths: Array
    state: Any
    training: Training = TRAINING

    def __str__(self) -> str:
        batch, time, _ = self.x.shape
        return f"{self.spec}, batch {batch}, time {time}, lengths {self.lengths.tolist()}"


def problem(
    spec: ModelSpec,
    batch: int = 7,
    time: int = 5,
    seed: int = 0,
    training: Training = TRAINING,
) -> Problem:
    """A random problem of this model.

    float32 holds the weights, inputs and states exactly. Where targets may be missing, about a
    quarter of them are, and always the second. The first length is `time`, the last of several 1.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, time + 1, batch)
    lengths[-1:], lengths[:1] = 1, time
    count = spec.layers * spec.directions
    state = tuple(_normal(rng, count, batch, spec.hidden) for _ in range(2))
    return Problem(
        spec=spec,
        weights=initial_weights(spec, rng),
        x=_normal(rng, batch, time, spec.inputs),
        y=_targets(spec, batch, time, rng),
        lengths=lengths,
        state=state if spec.cell == "lstm" else state[0],
        training=training,
    )


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32).astype(np.float64)


def _targets(spec: ModelSpec, batch: int, time: int, rng: np.random.Generator) -> Array:
    """Labels, some of them −1, or numbers, some of them NaN: never the first target, and always the
    second, which teacher forcing shows to a decoder."""
    positions = (batch,) if spec.readout == "last" else (batch, spec.decoder or time)
    if spec.loss == "cross_entropy":
        y = rng.integers(0, spec.outputs, positions)
        y[rng.random(positions) < 0.25] = -1
        y.flat[:2] = (0, -1)[: y.size]
        return y
    y = _normal(rng, *positions, spec.outputs)
    if spec.readout == "every":
        y[rng.random(y.shape) < 0.25] = np.nan
        y.flat[:2] = (0.5, np.nan)[: y.size]
    return y


# ---- the questions ------------------------------------------------------------------------------

Arrays = dict[str, Array]
GIVEN, TRAINED = " as given", " trained"


class Question(NamedTuple):
    """What an adapter is asked, and the fields of `Supports` without which it must refuse."""

    needs: Sequence[str]
    ask: Callable[[Any, Problem], Arrays]


def _weights(session: Any, p: Problem) -> Arrays:
    """A new session returns the weights that it was opened with, bit for bit."""
    return {f"{name}{GIVEN}": value for name, value in session.params().items()}


def _output(session: Any, p: Problem) -> Arrays:
    """Outputs of full sequences equal the reference's."""
    return {"output": session.predict(session.put(p.x))}


def _predictions(session: Any, p: Problem) -> Arrays:
    """Outputs and hidden states of full sequences equal the reference's."""
    x = session.put(p.x)
    return {"output": session.predict(x), "hidden states": session.hidden_states(x)}


def padded(p: Problem) -> Array:
    """x with NaN, ∞ and −∞ beyond the ends of its sequences: no answer may depend on them."""
    padding = np.arange(p.x.shape[1]) >= p.lengths[:, None]
    x = p.x.copy()
    x[padding] = np.resize([np.nan, np.inf, -np.inf], (int(padding.sum()), x.shape[2]))
    return x


def _ragged_predictions(session: Any, p: Problem) -> Arrays:
    """Outputs and hidden states of sequences of unequal lengths equal the reference's."""
    return {
        "output, ragged": session.predict(padded(p), p.lengths),
        "hidden states, ragged": session.hidden_states(padded(p), p.lengths),
    }


def _with_nan(session: Any, p: Problem) -> Arrays:
    """A NaN in a real step reaches the same outputs and hidden states as in the reference."""
    x = p.x.copy()
    x[0, x.shape[1] // 2, 0] = np.nan
    x = session.put(x)
    return {
        "NaN in output": np.isnan(session.predict(x)).astype(float),
        "NaN in hidden states": np.isnan(session.hidden_states(x)).astype(float),
    }


def _from_states(session: Any, p: Problem) -> Arrays:
    """Outputs and hidden states from initial states equal the reference's."""
    return {
        "output from given states": session.predict(p.x, None, p.state),
        "hidden states from given states": session.hidden_states(p.x, initial_state=p.state),
    }


def _ragged_from_states(session: Any, p: Problem) -> Arrays:
    """Unequal lengths and initial states together, all on the device, equal the reference's."""
    x, lengths, state = session.put(padded(p)), session.put(p.lengths), p.state
    state = tuple(map(session.put, state)) if isinstance(state, tuple) else session.put(state)
    return {
        "output, ragged, from given states": session.predict(x, lengths, state),
        "hidden states, ragged, from given states": session.hidden_states(x, lengths, state),
    }


def _gradients(session: Any, p: Problem) -> Arrays:
    """The loss and all of its gradients, that of x too, equal the reference's."""
    return _loss_and_gradients(session, p, "")


def _ragged_gradients(session: Any, p: Problem) -> Arrays:
    """The loss and all of its gradients for unequal lengths equal the reference's."""
    return _loss_and_gradients(session, p, ", ragged", p.lengths)


def _loss_and_gradients(session: Any, p: Problem, suffix: str, *lengths: Array) -> Arrays:
    x = padded(p) if lengths else p.x
    loss, gradients = session.gradients(session.put(x), session.put(p.y), *lengths)
    named = {f"d {name}{suffix}": value for name, value in gradients.items()}
    return {f"loss{suffix}": np.asarray(loss), **named}


def _without_labels(session: Any, p: Problem) -> Arrays:
    """The loss and all gradients are 0 where no target counts."""
    return _loss_and_gradients(session, unlabelled(p), ", no target", p.lengths)


def unlabelled(p: Problem) -> Problem:
    """The same problem without a single target, if its model may lack targets."""
    return dataclasses.replace(p, y=without_targets(p.y)) if may_lack_targets(p.spec) else p


def _hidden_gradients(session: Any, p: Problem) -> Arrays:
    """The total derivative of the loss by every hidden state equals the reference's."""
    return {"d hidden states": session.hidden_gradients(p.x, p.y)}


def _pieces(session: Any, p: Problem) -> Arrays:
    """`advance` over the pieces of a sequence, and over its single steps, equals `advance` of the
    reference over them."""
    outputs, state, cuts = [], None, np.cumsum(PIECES)
    for piece in np.split(p.x, cuts[cuts < p.x.shape[1]], axis=1):
        output, state = session.advance(piece, state)
        outputs.append(np.asarray(output))
    every = p.spec.readout == "every"
    return {
        "output in pieces": np.concatenate(outputs, axis=1) if every else outputs[-1],
        "output of single steps": advance_steps(session, p.x),
    }


def _advance_from_states(session: Any, p: Problem) -> Arrays:
    """The output of `advance` from initial states equals the reference's."""
    return {"output of advance from given states": session.advance(p.x, p.state)[0]}


def _training(session: Any, p: Problem) -> Arrays:
    """The losses of a few steps, the last one without a target, and the weights after them, equal
    the reference's."""
    return _losses_and_weights(session, p, "")


def _ragged_training(session: Any, p: Problem) -> Arrays:
    """The losses of a few steps on unequal lengths, and the weights after them, equal the
    reference's."""
    return _losses_and_weights(session, p, ", ragged", p.lengths)


def _losses_and_weights(session: Any, p: Problem, suffix: str, *lengths: Array) -> Arrays:
    """Train the session: its weights change for good."""
    x, y = session.put(padded(p) if lengths else p.x), session.put(p.y)
    losses = [float(session.step(x, y, *lengths)) for _ in range(STEPS)]
    losses.append(float(session.step(x, session.put(unlabelled(p).y), *lengths)))
    session.wait()
    weights = {f"{name}{TRAINED}{suffix}": value for name, value in session.params().items()}
    return {f"losses{suffix}": np.asarray(losses), **weights}


def _advance_after_training(session: Any, p: Problem) -> Arrays:
    """`advance` over single steps reads the weights of the last update. Trains the session."""
    session.step(session.put(p.x), session.put(p.y))
    return {"output of single steps after an update": advance_steps(session, p.x)}


QUESTIONS: Mapping[str, Question] = {
    "weights": Question((), _weights),
    "output": Question((), _output),
    "predictions": Question((), _predictions),
    "NaN": Question(("nan_propagation",), _with_nan),
    "from states": Question(("initial_state",), _from_states),
    "ragged": Question(("lengths",), _ragged_predictions),
    "ragged from states": Question(("lengths", "initial_state"), _ragged_from_states),
    "gradients": Question(("training",), _gradients),
    "ragged gradients": Question(("training", "lengths"), _ragged_gradients),
    "no targets": Question(("training", "lengths"), _without_labels),
    "hidden gradients": Question(("hidden_gradients",), _hidden_gradients),
    "pieces": Question(("generation",), _pieces),
    "advance from states": Question(("generation", "initial_state"), _advance_from_states),
    "training": Question(("training",), _training),
    "ragged training": Question(("training", "lengths"), _ragged_training),
    "advance after training": Question(("training", "generation"), _advance_after_training),
}
"""One session answers them in this order: the last ones change its weights."""


# ---- the verdict --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What `check` found: the error of each array, the declared limits that hold, and the promises
    that do not hold (`broken`)."""

    differences: Sequence[Difference] = ()
    limits: Sequence[str] = ()
    broken: Sequence[str] = ()

    @property
    def rejected(self) -> list[Difference]:
        return sorted((d for d in self.differences if not d.accepted), key=_excess, reverse=True)

    @property
    def conforms(self) -> bool:
        return not self.rejected and not self.broken

    def __str__(self) -> str:
        omitted = len(self.rejected) - 12
        lines = [*self.broken, *map(str, self.rejected[:12])]
        lines += [f"and {omitted} more"] * (omitted > 0)
        return "; ".join(lines) or f"{len(self.differences)} arrays agree"


def _excess(difference: Difference) -> float:
    ratio = difference.error / max(difference.tolerance, 1e-300)
    return inf if isnan(ratio) else ratio


def check(
    adapter: Any,
    p: Problem,
    ask: Sequence[str] = tuple(QUESTIONS),
    device: str = "cpu",
    reference: Any = numpy_backend,
) -> Verdict:
    """Compare an adapter's answers to these questions about one problem with the reference's."""
    supports = getattr(adapter, "SUPPORTS", Supports())
    if limit := supports.limit(p.spec):
        broken = _refused(limit, lambda: adapter.open_session(p.spec, p.weights, device))
        return Verdict(limits=[str(limit)], broken=broken)
    session = adapter.open_session(p.spec, p.weights, device, p.training)
    answers, broken, limits = {}, [], []
    for name in (n for n in QUESTIONS if n in ask):
        question = QUESTIONS[name]
        if limit := _limit_of(supports, question, p.spec):
            limits += [limit] if limit != ONE_DIRECTION else []
            if "nan_propagation" not in question.needs:  # nothing is refused for its sake
                broken += _refused(limit, partial(question.ask, session, p))
            continue
        try:
            answers[name] = question.ask(session, p)
        except Unsupported as error:
            broken.append(f"{name}: refused, though no limit is declared: {error}")
        except Exception as error:
            error.add_note(f"asked for {name} of {p}")
            raise
    factor = device_factor(p.spec.dtype, device)
    differences = list(_differences(p, answers, reference, factor))
    return Verdict(differences, limits, broken + _wider_dtype(p.spec.dtype, differences))


def assert_conforms(adapter: Any, p: Problem, **options: Any) -> Verdict:
    """Run `check`, and fail with the arrays that differ, by how much, and the sizes."""
    verdict = check(adapter, p, **options)
    assert verdict.conforms, f"{verdict}; {p}"
    return verdict


def _limit_of(supports: Supports, question: Question, spec: ModelSpec) -> str | None:
    """Why this adapter, or any adapter, cannot answer; None if it can."""
    if limits := [limit for need in question.needs if (limit := supports.lacks(need))]:
        return limits[0]
    if "generation" in question.needs and (spec.decoder or spec.bidirectional):
        return ONE_DIRECTION
    return None


def _refused(limit: str, call: Callable[[], Any]) -> list[str]:
    """An empty list if the call is refused, else a message that the limit no longer holds."""
    try:
        call()
    except Unsupported:
        return []
    return [f"a limit that is not true, since the adapter answers: {limit}"]


def _wider_dtype(dtype: str, differences: Sequence[Difference]) -> list[str]:
    """A message if the adapter is nearer to float64 than a computation in this dtype can be."""
    best = {"float64": 0.0, "float32": 1e-9, "bfloat16": 1e-4}[dtype]
    errors = [d.error for d in differences if d.tolerance > 0]
    if not errors or max(errors) >= best or any(map(isnan, errors)):
        return []
    return [f"agrees with float64 to {max(errors):.1g}: not computed in {dtype}"]


def _differences(
    p: Problem, answers: Mapping[str, Arrays], reference: Any, factor: float
) -> Iterator[Difference]:
    questions = list(answers)
    arrays = {name: array for answer in answers.values() for name, array in answer.items()}
    exact = _answers(reference, p, questions, "float64")
    tolerances = _tolerances(p, exact, questions, reference)
    for name in exact | arrays:
        error = relative_error(arrays.get(name), exact[name]) if name in exact else inf
        yield Difference(name, error, factor * tolerances.get(name, 0.0))


def _answers(reference: Any, p: Problem, questions: Sequence[str], dtype: str) -> Arrays:
    spec = dataclasses.replace(p.spec, dtype=dtype)
    session = reference.open_session(spec, p.weights, "cpu", p.training)
    answers = (QUESTIONS[name].ask(session, p) for name in questions)
    return {name: array for answer in answers for name, array in answer.items()}


def _tolerances(
    p: Problem, exact: Arrays, questions: Sequence[str], reference: Any
) -> dict[str, float]:
    """The tolerance of each array by `bench.gate.rounding`; it is 0 for weights as given."""
    if p.spec.dtype == "float64":
        tolerances = dict.fromkeys(exact, FLOAT64_TOLERANCE)
    else:
        runs = [
            _answers(reference, dataclasses.replace(p, weights=weights, x=x), questions, "float32")
            for weights, x in rounded_inputs(p.spec.dtype, p.weights, p.x)
        ]
        tolerances = {
            name: _tolerance(p, name, array, [run[name] for run in runs])
            for name, array in exact.items()
        }
    return tolerances | {name: 0.0 for name in exact if name.endswith(GIVEN)}


def _tolerance(p: Problem, name: str, exact: Array, runs: Sequence[Array]) -> float:
    """The tolerance of one array from runs in float32. Weights that Adam has trained may differ by
    the error of 1 − β₂ᵗ in float32 besides."""
    terms = p.x.shape[0] * p.x.shape[1] * name.startswith("d ")
    tolerance = rounding_tolerance(p.spec.dtype, runs, exact, terms)
    if TRAINED not in name:
        return tolerance
    return tolerance + update_tolerance(p.weights[name.split(TRAINED)[0]], exact, p.training)
