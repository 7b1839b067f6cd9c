"""Backends that are wrong in one way each: the prey of the gate and of the conformance checker.

Those of the gate are made from the NumPy reference, those of the checker from the definition, of
which one rule is replaced, so that the gradients are those of the wrong model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import definition
import numpy as np
from definition import Rules, State

from backends import numpy_backend
from bench.spec import Array, ModelSpec, Params, Supports, Training

Change = Callable[[ModelSpec, dict[str, Array]], dict[str, Array]]


def backend(session: Callable[..., Any]) -> Any:
    return SimpleNamespace(
        REQUIRES=(), SUPPORTS=Supports(), devices=lambda: ("cpu",), open_session=session
    )


def with_weights(change: Change) -> Any:
    """Computes rightly with wrong weights, whose gradients come back under the right names."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return numpy_backend.open_session(spec, change(spec, dict(params)), device, training)

    return backend(open_session)


def swapped_gates(spec: ModelSpec, params: dict[str, Array]) -> dict[str, Array]:
    """The first two gate blocks change places in w, u and b: i and f of the lstm."""
    return {name: _swapped(spec, name, value) for name, value in params.items()}


def _swapped(spec: ModelSpec, name: str, value: Array) -> Array:
    if name.startswith("readout") or name.endswith("b_hn"):
        return value
    size = spec.hidden
    return np.concatenate([value[size : 2 * size], value[:size], value[2 * size :]])


def dropped_bias(spec: ModelSpec, params: dict[str, Array]) -> dict[str, Array]:
    return {k: np.zeros_like(v) if k.endswith(".b") else v for k, v in params.items()}


def transposed_recurrence(spec: ModelSpec, params: dict[str, Array]) -> dict[str, Array]:
    size = spec.hidden
    blocks = {
        name: [value[k : k + size].T for k in range(0, len(value), size)]
        for name, value in params.items()
        if name.endswith(".u")
    }
    return {**params, **{name: np.concatenate(parts) for name, parts in blocks.items()}}


class Altered:
    """The reference's session with some methods replaced."""

    def __init__(self, session: Any, methods: Mapping[str, Callable[..., Any]]) -> None:
        self._session, self._methods = session, methods

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._session, name)
        change = self._methods.get(name)
        return own if change is None else lambda *args, **more: change(own(*args, **more))


def with_results(**methods: Callable[..., Any]) -> Any:
    """Returns something else than it computed."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return Altered(numpy_backend.open_session(spec, params, device, training), methods)

    return backend(open_session)


def with_training(**changes: Any) -> Any:
    """Trains by another formula than it was told."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        other = replace(training, **changes)
        return numpy_backend.open_session(spec, params, device, other)

    return backend(open_session)


def with_rate(factor: float) -> Any:
    """Trains at another multiple of the learning rate."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        other = replace(training, learning_rate=factor * training.learning_rate)
        return numpy_backend.open_session(spec, params, device, other)

    return backend(open_session)


def zeros() -> Any:
    return with_results(
        predict=np.zeros_like,
        hidden_states=np.zeros_like,
        gradients=lambda found: (0.0, {k: np.zeros_like(v) for k, v in found[1].items()}),
        hidden_gradients=np.zeros_like,
    )


def wrong_gradient(name: str, factor: float) -> Any:
    """One parameter's gradient is off by a factor; everything else is right."""

    def change(found: tuple[float, dict[str, Array]]) -> tuple[float, dict[str, Array]]:
        return found[0], {k: v * factor if k == name else v for k, v in found[1].items()}

    return with_results(gradients=change)


def missing_gradient(name: str) -> Any:
    return with_results(gradients=lambda f: (f[0], {k: v for k, v in f[1].items() if k != name}))


def not_a_number() -> Any:
    return with_results(predict=lambda found: np.full_like(found, np.nan))


def shifted_hidden_gradients() -> Any:
    """dL/dh_t reported one step late."""
    return with_results(hidden_gradients=lambda found: np.roll(found, 1, axis=1))


def second_bias() -> Any:
    """Two biases are trained where there is one: their sum moves twice as far."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        def doubled(found: dict[str, Array]) -> dict[str, Array]:
            twice = {k: 2 * v - params[k] for k, v in found.items() if k.endswith(".forward.b")}
            return {**found, **twice}

        session = numpy_backend.open_session(spec, params, device, training)
        return Altered(session, {"params": doubled})

    return backend(open_session)


# ---- one rule of the definition replaced -----------------------------------------------------


def with_rules(**rules: Callable[..., Any]) -> Any:
    """The definition, wrong in the rules given."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return definition.open_session(spec, params, device, training, Rules(**rules))

    return SimpleNamespace(**vars(definition) | {"open_session": open_session})


def with_methods(**methods: Callable[..., Any]) -> Any:
    """The definition, of whose session some methods return something else."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return Altered(definition.open_session(spec, params, device, training), methods)

    return SimpleNamespace(**vars(definition) | {"open_session": open_session})


def with_gradients_of(**rules: Callable[..., Any]) -> Any:
    """Right in everything but the gradients, which are those of a model with other rules."""
    wrong = with_rules(**rules)

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        other = wrong.open_session(spec, params, device, training)
        session = definition.open_session(spec, params, device, training)

        def gradients(x: Any, y: Any, lengths: Any = None) -> Any:
            loss = float(session._loss(session.weights, x, y, lengths))
            return loss, other.gradients(x, y, lengths)[1]

        return _Replaced(session, {"gradients": gradients})

    return SimpleNamespace(**vars(definition) | {"open_session": open_session})


@dataclass(frozen=True)
class _Replaced:
    session: Any
    methods: Mapping[str, Callable[..., Any]]

    def __getattr__(self, name: str) -> Any:
        return self.methods.get(name) or getattr(self.session, name)


def reading(change: Callable[[str, Any], Any]) -> Any:
    """A cell that reads its weights changed, each known by the last part of its name."""

    def cell(spec: ModelSpec, p: Params, x: Any, state: State) -> State:
        weights = {name: change(name, value) for name, value in p.items()}
        return definition.cell(spec, weights, x, state)

    return with_rules(cell=cell)


def reset_the_other_way(spec: ModelSpec, p: Params, x: Any, state: State) -> State:
    """After for before, before for after."""
    other = "reset_after" if spec.gru == "reset_before" else "reset_before"
    return definition.cell(replace(spec, gru=other), {"b_hn": np.zeros(1), **p}, x, state)


def first_two_gates_swapped(name: str, weight: Any) -> Any:
    if name == "b_hn":
        return weight
    first, second, *rest = _gates(name, weight)
    return np.concatenate([second, first, *rest], axis=_rows(name))


def recurrence_transposed(name: str, weight: Any) -> Any:
    if name != "u":
        return weight
    return np.concatenate([u.swapaxes(-1, -2) for u in _gates(name, weight)], axis=-2)


def without(bias: str) -> Callable[[str, Any], Any]:
    return lambda name, weight: weight * 0 if name == bias else weight


def _gates(name: str, weight: Any) -> list[Any]:
    """The four blocks of an lstm's, or the three of a gru's, whose u is square by block."""
    rows = weight.shape[_rows(name)]
    return np.split(weight, 4 if rows % 4 == 0 else 3, axis=_rows(name))


def _rows(name: str) -> int:
    return -1 if name.startswith("b") else -2


def update_gate_the_other_way(spec: ModelSpec, p: Params, x: Any, state: State) -> State:
    """h' = z∘n + (1 − z)∘h (Chung et al. 2014, arXiv 1412.3555): a change of sign in z = σ(a)."""
    signs = np.repeat([1.0, -1.0, 1.0], spec.hidden)
    turned = {k: v * (signs if k == "b" else signs[:, None]) for k, v in p.items() if k != "b_hn"}
    return definition.cell(spec, {**p, **turned}, x, state)


def never_held(new: State, old: State, running: Array) -> State:
    return new


def only_h_held(new: State, old: State, running: Array) -> State:
    return (*definition.hold(new[:1], old[:1], running), *new[1:])


def one_step_too_far(t: int, lengths: Array, reverse: bool) -> Array:
    return t <= lengths


def backward_from_the_padded_end(t: int, lengths: Array, reverse: bool) -> Array:
    return (t < lengths) | reverse


def states_ignored(states: Sequence[State], *place: int) -> State:
    return tuple(np.zeros_like(part) for part in states[0])


def states_by_direction_first(
    states: Sequence[State], layer: int, number: int, directions: int
) -> State:
    return states[number * (len(states) // directions) + layer]


def backward_handed_over_first(parts: Sequence[Any]) -> Any:
    return definition.below(parts[::-1])


def last_step_for_both_directions(states: list[Any], reverse: bool, lengths: Array) -> Any:
    return states[-1]


def a_missing_label_is_the_last_class(spec: ModelSpec, y: Array) -> Array:
    return np.eye(spec.outputs)[y] if spec.loss == "cross_entropy" else np.nan_to_num(y)


def mean_over_what_is_missing_too(spec: ModelSpec, prediction: Any, y: Array) -> Any:
    there = y >= 0 if spec.loss == "cross_entropy" else ~np.isnan(y)
    return definition.loss(spec, prediction, y) * there.mean()


def epsilon_inside_the_root(s: Training, t: int, m: Array, v: Array, name: str) -> Array:
    return definition.adam(replace(s, epsilon=1e-300), t, m, v + s.epsilon**2, name)


def epsilon_inside_the_correction(s: Training, t: int, m: Array, v: Array, name: str) -> Array:
    """lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε), as Keras has it."""
    return definition.adam(replace(s, epsilon=s.epsilon / np.sqrt(1 - s.beta2**t)), t, m, v, name)


def biases_learn_twice_as_fast(s: Training, t: int, m: Array, v: Array, name: str) -> Array:
    """What a second trained bias does."""
    return definition.adam(s, t, m, v, name) * (2 if name.endswith(".b") else 1)


def clipped_by_value(gradients: Mapping[str, Array], limit: float) -> dict[str, Array]:
    return {name: np.clip(g, -limit, limit) for name, g in gradients.items()}


def clipped_one_by_one(gradients: Mapping[str, Array], limit: float) -> dict[str, Array]:
    return {name: definition.clip({name: g}, limit)[name] for name, g in gradients.items()}


def clipped_by_a_norm_and_a_little(gradients: Mapping[str, Array], limit: float) -> Any:
    """`limit / (‖g‖ + 1e-6)`, as torch.nn.utils.clip_grad_norm_ has it."""
    norm = np.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
    return {name: g * min(1.0, limit / (norm + 1e-6)) for name, g in gradients.items()}


def last_step_only(found: Array) -> Array:
    """∂L/∂h_t by the readout alone, without what flows back from later steps."""
    return found * (np.arange(found.shape[1]) == found.shape[1] - 1)[:, None]


def off_by_a_millionth(found: tuple[float, dict[str, Array]]) -> tuple[float, dict[str, Array]]:
    name = "layers.0.forward.u"
    return found[0], {**found[1], name: found[1][name] * (1 + 1e-6)}
