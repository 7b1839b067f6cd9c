"""Adapters with one fault each, made from the definition by replacing one rule: the conformance
checker must reject them. The gradients are those of the wrong model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import definition
import numpy as np
from definition import Rules, State

from bench.spec import Array, ModelSpec, Params, Training
from studies.faulty_backends import AlteredSession, Gradients


def with_rules(**rules: Callable[..., Any]) -> Any:
    """An adapter made from the definition with these rules replaced."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return definition.open_session(spec, params, device, training, Rules(**rules))

    return SimpleNamespace(**vars(definition) | {"open_session": open_session})


def with_methods(**methods: Callable[..., Any]) -> Any:
    """An adapter made from the definition in which some methods return something else: each
    function takes the result of the method of its name and returns another."""

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        return AlteredSession(definition.open_session(spec, params, device, training), methods)

    return SimpleNamespace(**vars(definition) | {"open_session": open_session})


def with_gradients_of(**rules: Callable[..., Any]) -> Any:
    """An adapter that is right but for its gradients, which are those of other rules."""
    wrong = with_rules(**rules)

    def open_session(
        spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> Any:
        other = wrong.open_session(spec, params, device, training)
        session = definition.open_session(spec, params, device, training)

        def gradients(x: Any, y: Any, lengths: Any = None) -> Any:
            loss = float(session._loss(session.weights, x, y, lengths))
            return loss, other.gradients(x, y, lengths)[1]

        return _SessionWith(session, {"gradients": gradients})

    return SimpleNamespace(**vars(definition) | {"open_session": open_session})


@dataclass(frozen=True)
class _SessionWith:
    """A session with some methods replaced."""

    session: Any
    methods: Mapping[str, Callable[..., Any]]

    def __getattr__(self, name: str) -> Any:
        return self.methods.get(name) or getattr(self.session, name)


def with_changed_weights(change: Callable[[str, Any], Any]) -> Any:
    """An adapter whose cell changes each weight that it reads. `change` takes the last part of
    its name (`w`, `u`, `b` or `b_hn`) and its value."""

    def cell(spec: ModelSpec, p: Params, x: Any, state: State) -> State:
        weights = {name: change(name, value) for name, value in p.items()}
        return definition.cell(spec, weights, x, state)

    return with_rules(cell=cell)


def other_gru_variant(spec: ModelSpec, p: Params, x: Any, state: State) -> State:
    """Compute reset_before where the model says reset_after, and the other way round."""
    other = "reset_after" if spec.gru == "reset_before" else "reset_before"
    return definition.cell(replace(spec, gru=other), {"b_hn": np.zeros(1), **p}, x, state)


def first_two_gates_swapped(name: str, weight: Any) -> Any:
    if name == "b_hn":
        return weight
    first, second, *others = _gates(name, weight)
    return np.concatenate([second, first, *others], axis=_gate_axis(name))


def recurrence_transposed(name: str, weight: Any) -> Any:
    if name != "u":
        return weight
    return np.concatenate([u.swapaxes(-1, -2) for u in _gates(name, weight)], axis=-2)


def without(bias: str) -> Callable[[str, Any], Any]:
    return lambda name, weight: weight * 0 if name == bias else weight


def _gates(name: str, weight: Any) -> list[Any]:
    """The blocks of a weight, one for each gate: four of the lstm, three of the gru."""
    axis = _gate_axis(name)
    return np.split(weight, 4 if weight.shape[axis] % 4 == 0 else 3, axis=axis)


def _gate_axis(name: str) -> int:
    return -1 if name.startswith("b") else -2


def update_gate_reversed(spec: ModelSpec, p: Params, x: Any, state: State) -> State:
    """h' = z∘n + (1 − z)∘h (Chung et al. 2014, arXiv 1412.3555): a change of sign in z = σ(a)."""
    signs = np.repeat([1.0, -1.0, 1.0], spec.hidden)
    weights = {k: v * (signs if k == "b" else signs[:, None]) for k, v in p.items() if k != "b_hn"}
    return definition.cell(spec, {**p, **weights}, x, state)


def state_never_held(after: State, before: State, is_real: Array) -> State:
    return after


def only_h_held(after: State, before: State, is_real: Array) -> State:
    return (*definition.hold(after[:1], before[:1], is_real), *after[1:])


def one_step_too_far(t: int, lengths: Array, reverse: bool) -> Array:
    return t <= lengths


def backward_from_the_padded_end(t: int, lengths: Array, reverse: bool) -> Array:
    return (t < lengths) | reverse


def states_ignored(states: Sequence[State], *position: int) -> State:
    return tuple(np.zeros_like(value) for value in states[0])


def states_by_direction_first(
    states: Sequence[State], layer: int, number: int, directions: int
) -> State:
    return states[number * (len(states) // directions) + layer]


def backward_direction_first(directions: Sequence[Any]) -> Any:
    return definition.below(directions[::-1])


def last_step_for_both_directions(states: list[Any], reverse: bool, lengths: Array) -> Any:
    return states[-1]


def missing_label_is_last_class(spec: ModelSpec, y: Array) -> Array:
    return np.eye(spec.outputs)[y] if spec.loss == "cross_entropy" else np.nan_to_num(y)


def mean_includes_missing_targets(spec: ModelSpec, prediction: Any, y: Array) -> Any:
    present = y >= 0 if spec.loss == "cross_entropy" else ~np.isnan(y)
    return definition.loss(spec, prediction, y) * present.mean()


def epsilon_inside_the_root(s: Training, t: int, m: Array, v: Array, name: str) -> Array:
    return definition.adam(replace(s, epsilon=1e-300), t, m, v + s.epsilon**2, name)


def epsilon_inside_the_correction(s: Training, t: int, m: Array, v: Array, name: str) -> Array:
    """lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε), as Keras computes it."""
    return definition.adam(replace(s, epsilon=s.epsilon / np.sqrt(1 - s.beta2**t)), t, m, v, name)


def biases_learn_twice_as_fast(s: Training, t: int, m: Array, v: Array, name: str) -> Array:
    """The effect of a second trained bias."""
    return definition.adam(s, t, m, v, name) * (2 if name.endswith(".b") else 1)


def clipped_by_value(gradients: Mapping[str, Array], limit: float) -> dict[str, Array]:
    return {name: np.clip(g, -limit, limit) for name, g in gradients.items()}


def clipped_by_each_norm(gradients: Mapping[str, Array], limit: float) -> dict[str, Array]:
    return {name: definition.clip({name: g}, limit)[name] for name, g in gradients.items()}


def clipped_by_norm_plus_epsilon(gradients: Mapping[str, Array], limit: float) -> Any:
    """Scale by `limit / (‖g‖ + 1e-6)`, as torch.nn.utils.clip_grad_norm_ does."""
    norm = np.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
    return {name: g * min(1.0, limit / (norm + 1e-6)) for name, g in gradients.items()}


def last_step_only(hidden_gradients: Array) -> Array:
    """dL/dh_t through the readout alone, without the derivatives from later steps."""
    steps = hidden_gradients.shape[1]
    return hidden_gradients * (np.arange(steps) == steps - 1)[:, None]


def off_by_a_millionth(result: Gradients) -> Gradients:
    """The gradient of u off by a millionth."""
    loss, gradients = result
    name = "layers.0.forward.u"
    return loss, {**gradients, name: gradients[name] * (1 + 1e-6)}
