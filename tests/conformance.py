"""The checker that every adapter must pass, as plain functions.

`check` asks an adapter and the NumPy reference the same questions about one `Problem` and returns
a `Verdict`: every array's distance from the reference, and every declaration that did not hold.

- each array must be as near to the truth as `bench.gate.rounding` says;
- whatever `SUPPORTS` declares impossible must be refused with `Unsupported`, and nothing else.

An adapter outside this repository is checked by `pytest tests/test_conformance.py --backends
./mine.py`, or by `assert_conforms(adapter, problem(spec))`.
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
from bench.gate.rounding import FLOAT64, device_factor, rounded_inputs, rounding_tolerance
from bench.spec import Array, ModelSpec, Params, Supports, Training, Unsupported
from bench.weights import initial_weights

STEPS = 3
ONE_WAY = "only a model of one direction without a decoder can go on from a state"
PIECES = (2, 2)
"""How many steps the first calls of `advance` are given; the last call gets the rest."""

TRAINING = Training(learning_rate=0.01, beta1=0.8, beta2=0.99, epsilon=1e-3, clip_norm=0.1)
"""No value is a framework's default, and ε is large enough that its place is seen."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A model with its weights and all that it may be given: `x` `(batch, time, inputs)`, `y` as
    the loss has it, `lengths` `(batch,)`, and `state` as `initial_state` is laid out."""

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
    """Random weights, inputs and states that float32 holds exactly; targets of which about a
    quarter and always the second are missing, where targets may be; lengths among which are
    `time`, the first, and 1, the last of several."""
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
    """Labels of which some are −1, or numbers of which some are NaN: never the first, always the
    second, which a decoder is shown."""
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


# ---- what is asked ------------------------------------------------------------------------------

Found = dict[str, Array]
GIVEN, TRAINED = " as given", " trained"


class Question(NamedTuple):
    """`needs` names the fields of `Supports` without which an adapter must refuse to answer."""

    needs: Sequence[str]
    ask: Callable[[Any, Problem], Found]


def _weights(session: Any, p: Problem) -> Found:
    return {f"{name}{GIVEN}": value for name, value in session.params().items()}


def _predictions(session: Any, p: Problem) -> Found:
    x = session.put(p.x)
    return {"output": session.predict(x), "hidden states": session.hidden_states(x)}


def _ragged_predictions(session: Any, p: Problem) -> Found:
    return {
        "output, ragged": session.predict(p.x, p.lengths),
        "hidden states, ragged": session.hidden_states(p.x, p.lengths),
    }


def _from_states(session: Any, p: Problem) -> Found:
    return {
        "output from given states": session.predict(p.x, None, p.state),
        "hidden states from given states": session.hidden_states(p.x, initial_state=p.state),
    }


def _ragged_from_states(session: Any, p: Problem) -> Found:
    x, lengths, state = session.put(p.x), session.put(p.lengths), p.state
    given = tuple(map(session.put, state)) if isinstance(state, tuple) else session.put(state)
    return {
        "output, ragged, from given states": session.predict(x, lengths, given),
        "hidden states, ragged, from given states": session.hidden_states(x, lengths, given),
    }


def _gradients(session: Any, p: Problem) -> Found:
    return _slopes(session, p, "")


def _ragged_gradients(session: Any, p: Problem) -> Found:
    return _slopes(session, p, ", ragged", p.lengths)


def _slopes(session: Any, p: Problem, name: str, *lengths: Array) -> Found:
    loss, gradients = session.gradients(session.put(p.x), session.put(p.y), *lengths)
    named = {f"d {key}{name}": value for key, value in gradients.items()}
    return {f"loss{name}": np.asarray(loss), **named}


def _hidden_gradients(session: Any, p: Problem) -> Found:
    return {"d hidden states": session.hidden_gradients(p.x, p.y)}


def _pieces(session: Any, p: Problem) -> Found:
    """`advance` over pieces equals `predict` over the whole, from zero and from given states."""
    read, state, cuts = [], None, np.cumsum(PIECES)
    for piece in np.split(p.x, cuts[cuts < p.x.shape[1]], axis=1):
        out, state = session.advance(piece, state)
        read.append(np.asarray(out))
    every = p.spec.readout == "every"
    return {"output in pieces": np.concatenate(read, axis=1) if every else read[-1]}


def _advance_from_states(session: Any, p: Problem) -> Found:
    return {"output of advance from given states": session.advance(p.x, p.state)[0]}


def _training(session: Any, p: Problem) -> Found:
    return _trained(session, p, "")


def _ragged_training(session: Any, p: Problem) -> Found:
    return _trained(session, p, ", ragged", p.lengths)


def _trained(session: Any, p: Problem, name: str, *lengths: Array) -> Found:
    """Losses of a few steps and what these made of the weights, which they move for good."""
    x, y = session.put(p.x), session.put(p.y)
    losses = [float(session.step(x, y, *lengths)) for _ in range(STEPS)]
    session.wait()
    weights = {f"{key}{TRAINED}{name}": value for key, value in session.params().items()}
    return {f"losses{name}": np.asarray(losses), **weights}


QUESTIONS: Mapping[str, Question] = {
    "weights": Question((), _weights),
    "predictions": Question((), _predictions),
    "from states": Question(("initial_state",), _from_states),
    "ragged": Question(("lengths",), _ragged_predictions),
    "ragged from states": Question(("lengths", "initial_state"), _ragged_from_states),
    "gradients": Question(("training",), _gradients),
    "ragged gradients": Question(("training", "lengths"), _ragged_gradients),
    "hidden gradients": Question(("hidden_gradients",), _hidden_gradients),
    "pieces": Question(("generation",), _pieces),
    "advance from states": Question(("generation", "initial_state"), _advance_from_states),
    "training": Question(("training",), _training),
    "ragged training": Question(("training", "lengths"), _ragged_training),
}
"""Asked in this order of one session: the last ones change its weights."""


# ---- the verdict --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """`limits` are declared and were found true; `broken` are promises that did not hold."""

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
        more = len(self.rejected) - 12
        lines = [*self.broken, *map(str, self.rejected[:12]), *[f"and {more} more"] * (more > 0)]
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
    """An adapter's answers to these questions about one problem, held to the reference."""
    supports = getattr(adapter, "SUPPORTS", Supports())
    if limit := supports.limit(p.spec):
        broken = _refused(limit, lambda: adapter.open_session(p.spec, p.weights, device))
        return Verdict(limits=[str(limit)], broken=broken)
    session = adapter.open_session(p.spec, p.weights, device, p.training)
    answers, broken, limits = {}, [], []
    for name in (n for n in QUESTIONS if n in ask):
        question = QUESTIONS[name]
        if limit := _in_the_way(supports, question, p.spec):
            limits += [limit] if limit != ONE_WAY else []
            broken += _refused(limit, partial(question.ask, session, p))
            continue
        try:
            answers[name] = question.ask(session, p)
        except Unsupported as error:
            broken.append(f"{name}: refused, though no limit is declared: {error}")
        except Exception as error:
            error.add_note(f"asked for {name} of {p}")
            raise
    more = device_factor(p.spec.dtype, device)
    differences = list(_differences(p, answers, reference, more))
    return Verdict(differences, limits, broken + _another_dtype(p.spec.dtype, differences))


def assert_conforms(adapter: Any, p: Problem, **more: Any) -> Verdict:
    """`check`, which fails with the arrays that differ, by how much, and the sizes."""
    verdict = check(adapter, p, **more)
    assert verdict.conforms, f"{verdict}; {p}"
    return verdict


def _in_the_way(supports: Supports, question: Question, spec: ModelSpec) -> str | None:
    """What keeps an adapter from answering, or every adapter."""
    if limits := [limit for need in question.needs if (limit := supports.lacks(need))]:
        return limits[0]
    if "generation" in question.needs and (spec.decoder or spec.bidirectional):
        return ONE_WAY
    return None


def _refused(limit: str, call: Callable[[], Any]) -> list[str]:
    """Nothing where the limit holds; else that it is no longer true."""
    try:
        call()
    except Unsupported:
        return []
    return [f"a limit that is not true, for it was answered: {limit}"]


def _another_dtype(dtype: str, differences: Sequence[Difference]) -> list[str]:
    """Whoever comes nearer to float64 than the dtype can did not compute in it."""
    best = {"float64": 0.0, "float32": 1e-9, "bfloat16": 1e-4}[dtype]
    errors = [d.error for d in differences if d.tolerance > 0]
    if not errors or max(errors) >= best or any(map(isnan, errors)):
        return []
    return [f"agrees with float64 to {max(errors):.1g}: not computed in {dtype}"]


def _differences(
    p: Problem, answers: Mapping[str, Found], reference: Any, more: float
) -> Iterator[Difference]:
    asked, found = list(answers), {k: v for part in answers.values() for k, v in part.items()}
    truth = _answers(reference, p, asked, "float64")
    tolerances = _tolerances(p, truth, asked, reference)
    for name in truth | found:
        error = relative_error(found.get(name), truth[name]) if name in truth else inf
        yield Difference(name, error, more * tolerances.get(name, 0.0))


def _answers(reference: Any, p: Problem, asked: Sequence[str], dtype: str) -> Found:
    spec = dataclasses.replace(p.spec, dtype=dtype)
    session = reference.open_session(spec, p.weights, "cpu", p.training)
    return {k: v for name in asked for k, v in QUESTIONS[name].ask(session, p).items()}


def _tolerances(p: Problem, truth: Found, asked: Sequence[str], reference: Any) -> dict[str, float]:
    """By array, as in `bench.gate.rounding`; given weights come back to the bit."""
    if p.spec.dtype == "float64":
        found = dict.fromkeys(truth, FLOAT64)
    else:
        runs = [
            _answers(reference, dataclasses.replace(p, weights=weights, x=x), asked, "float32")
            for weights, x in rounded_inputs(p.spec.dtype, p.weights, p.x)
        ]
        found = {name: _tolerance(p, name, truth[name], [r[name] for r in runs]) for name in truth}
    return found | {name: 0.0 for name in truth if name.endswith(GIVEN)}


def _tolerance(p: Problem, name: str, truth: Array, runs: Sequence[Array]) -> float:
    """What Adam moved may differ by what it loses that computes 1 − β₂ᵗ in float32."""
    terms = p.x.shape[0] * p.x.shape[1] * name.startswith("d ")
    near = rounding_tolerance(p.spec.dtype, runs, truth, terms)
    if TRAINED not in name:
        return near
    return near + update_tolerance(p.weights[name.split(TRAINED)[0]], truth, p.training)
