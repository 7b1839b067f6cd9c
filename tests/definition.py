"""The model of `bench.spec` written straight from its definition: an adapter that shares no code
with the reference and whose rules can be replaced one by one.

It runs step by step and has no backward pass. Derivatives are taken by the complex step,
f'(x) = Im f(x + iε) / ε, which is exact to rounding because nothing is subtracted (Squire & Trapp
1998, eq. 6). All K entries of an array are perturbed at once, along a leading axis, so arrays are
`(…, batch, features)`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bench.spec import CELLS, Array, Limit, ModelSpec, Params, Supports, Training, Unsupported

REQUIRES = ("numpy",)
SUPPORTS = Supports(
    dtypes=("float64",),
    decoder=True,
    generation=True,
    limits={
        "float32": Limit("ours", "the definition is evaluated in float64"),
        "bfloat16": Limit("ours", "the definition is evaluated in float64"),
    },
)
EPSILON = 1e-30

State = tuple[Any, ...]


def devices() -> tuple[str, ...]:
    return ("cpu",)


def unavailable(device: str) -> str | None:
    return None if device == "cpu" else "NumPy runs on the CPU only"


# ---- the rules, which `Rules` can replace ----------------------------------------------------


def cell(spec: ModelSpec, p: Params, x: Any, state: State) -> State:
    """One step of `ModelSpec`'s equations: (h',), or (h', c') for the lstm."""
    a, h = times(x, p["w"]) + p["b"][..., None, :], state[0]
    if spec.cell == "feedforward":
        return (np.tanh(a),)
    if spec.cell == "rnn":
        return (np.tanh(a + times(h, p["u"])),)
    if spec.cell == "lstm":
        i, f, g, o = blocks(a + times(h, p["u"]), 4)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    (a_r, a_z, a_n), (u_r, u_z, u_n) = blocks(a, 3), np.split(p["u"], 3, axis=-2)
    r, z = sigmoid(a_r + times(h, u_r)), sigmoid(a_z + times(h, u_z))
    if spec.gru == "reset_before":
        n = np.tanh(a_n + times(r * h, u_n))
    else:
        n = np.tanh(a_n + r * (times(h, u_n) + p["b_hn"][..., None, :]))
    return ((1 - z) * n + z * h,)


def hold(after: State, before: State, is_real: Array) -> State:
    """The state after a step: beyond the end of a sequence it is the one before the step."""
    return tuple(np.where(is_real, a, b) for a, b in zip(after, before, strict=True))


def is_real(t: int, lengths: Array, reverse: bool) -> Array:
    """Which sequences of the batch have a real step t."""
    return t < lengths


def start(states: Sequence[State], layer: int, number: int, directions: int) -> State:
    """The initial state of a layer and direction."""
    return states[layer * directions + number]


def below(directions: Sequence[Any]) -> Any:
    """What the next layer reads: the forward states, then the backward ones."""
    return join(directions)


def final(states: list[Any], reverse: bool, lengths: Array) -> Any:
    """A direction's own last state: the backward one's is at step 0."""
    return states[0] if reverse else states[-1]


def begin_flag(t: int) -> float:
    """The decoder's last input feature: 1 at the first step."""
    return 1.0 if t == 0 else 0.0


def feed(target: Any, output: Any) -> Any:
    """What the decoder reads: the previous target, or its own output if there are no targets."""
    return output if target is None else target


def teacher_forcing(spec: ModelSpec, y: Array) -> Array:
    """Targets as the decoder reads them in training: classes one-hot, missing targets as zeros."""
    if spec.loss == "mse":
        return np.nan_to_num(y)
    return np.concatenate([np.eye(spec.outputs), np.zeros((1, spec.outputs))])[y]


def loss(spec: ModelSpec, prediction: Any, y: Array) -> Any:
    """`ModelSpec`'s losses, one number for each entry of the leading axes."""
    if spec.loss == "mse":
        present = ~np.isnan(y)
        squares = np.where(present, prediction - np.nan_to_num(y), 0) ** 2
        return squares.sum(axis=tuple(range(-y.ndim, 0))) / max(present.sum(), 1)
    shifted = prediction - prediction.real.max(axis=-1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    labelled = y >= 0
    one_hot = np.where(labelled[..., None], np.eye(spec.outputs)[np.where(labelled, y, 0)], 0)
    return -(log_softmax * one_hot).sum(axis=tuple(range(-y.ndim - 1, 0))) / max(labelled.sum(), 1)


def clip(gradients: Mapping[str, Array], limit: float | None) -> dict[str, Array]:
    """Gradients scaled by min(1, limit / ‖g‖₂), where ‖g‖₂ is their global norm."""
    norm = np.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
    scale = 1.0 if limit is None or norm <= limit else limit / norm
    return {name: g * scale for name, g in gradients.items()}


def adam(s: Training, t: int, m: Array, v: Array, name: str) -> Array:
    """The update lr · m̂ / (√v̂ + ε) of an array (Kingma & Ba 2015, algorithm 1)."""
    m_hat, v_hat = m / (1 - s.beta1**t), v / (1 - s.beta2**t)
    return s.learning_rate * m_hat / (np.sqrt(v_hat) + s.epsilon)


@dataclass(frozen=True)
class Rules:
    """The rules of a model. A test replaces one of them and so makes an adapter with one fault."""

    cell: Callable[..., State] = cell
    hold: Callable[..., State] = hold
    is_real: Callable[..., Array] = is_real
    start: Callable[..., State] = start
    below: Callable[..., Any] = below
    final: Callable[..., Any] = final
    begin_flag: Callable[..., float] = begin_flag
    feed: Callable[..., Any] = feed
    teacher_forcing: Callable[..., Array] = teacher_forcing
    loss: Callable[..., Any] = loss
    clip: Callable[..., dict[str, Array]] = clip
    adam: Callable[..., Array] = adam


# ---- the network -----------------------------------------------------------------------------


class Run(NamedTuple):
    """The prediction; `hidden`, the last layer's h `(…, batch, time, hidden × directions)`; and
    the final state of each layer and direction, in the order of `initial_state`."""

    prediction: Any
    hidden: Any
    final_states: list[State]


def run(
    rules: Rules,
    spec: ModelSpec,
    p: Params,
    x: Any,
    lengths: Array,
    state: list[State],
    targets: Any = None,
    perturbation: Any = None,
) -> Run:
    """The whole model. `targets` `(batch, decoder, outputs)` are for teacher forcing;
    `perturbation`, of the shape of `hidden`, is added to each of the last layer's states."""
    steps = [x[..., t, :] for t in range(x.shape[-2])]
    steps, final_states = stack(rules, spec, "", p, steps, lengths, state, perturbation)
    hidden = np.stack(steps, axis=-2)
    if spec.decoder:
        return Run(decode(rules, spec, p, final_states, targets), hidden, final_states)
    size = spec.hidden
    if spec.readout == "last":
        directions = [
            rules.final([s[..., k * size :][..., :size] for s in steps], k == 1, lengths)
            for k in range(spec.directions)
        ]
        steps = [join(directions)]
    outputs = [times(s, p["readout.w"]) + p["readout.b"][..., None, :] for s in steps]
    prediction = outputs[0] if spec.readout == "last" else np.stack(outputs, axis=-2)
    return Run(prediction, hidden, final_states)


def stack(
    rules: Rules,
    spec: ModelSpec,
    prefix: str,
    p: Params,
    steps: list[Any],
    lengths: Array,
    state: list[State],
    perturbation: Any = None,
) -> tuple[list[Any], list[State]]:
    """All layers over all steps: the last layer's states, and each direction's final state."""
    final_states, size = [], spec.hidden
    for layer in range(spec.layers):
        is_last, directions = layer == spec.layers - 1, []
        for number, name in enumerate(("forward", "backward")[: spec.directions]):
            weights = weights_of(p, f"{prefix}layers.{layer}.{name}.")
            initial_state = rules.start(state, layer, number, spec.directions)
            added = None
            if perturbation is not None and is_last:
                added = perturbation[..., number * size :][..., :size]
            hidden, final_state = direction(
                rules, spec, weights, steps, lengths, initial_state, number == 1, added
            )
            directions.append(hidden)
            final_states.append(final_state)
        combine = join if is_last else rules.below
        steps = [combine(pair) for pair in zip(*directions, strict=True)]
    return steps, final_states


def direction(
    rules: Rules,
    spec: ModelSpec,
    p: Params,
    steps: list[Any],
    lengths: Array,
    state: State,
    reverse: bool,
    perturbation: Any,
) -> tuple[list[Any], State]:
    """One direction of one layer: its h at every step, and its final state."""
    hidden: list[Any] = [None] * len(steps)
    for t in reversed(range(len(steps))) if reverse else range(len(steps)):
        h, *rest = rules.cell(spec, p, steps[t], state)
        h = h if perturbation is None else h + perturbation[..., t, :]
        state = rules.hold((h, *rest), state, rules.is_real(t, lengths, reverse)[:, None])
        hidden[t] = state[0]
    return hidden, state


def decode(rules: Rules, spec: ModelSpec, p: Params, state: list[State], targets: Any) -> Any:
    """The outputs `(…, batch, decoder, outputs)` of the second stack, which reads its previous
    outputs or targets."""
    batch, outputs = state[0][0].shape[-2], []
    previous: Any = np.zeros((batch, spec.outputs))
    for t in range(spec.decoder):
        begin = np.full((*previous.shape[:-1], 1), rules.begin_flag(t))
        step = [np.concatenate([previous, begin], axis=-1)]
        top, state = stack(rules, spec, "decoder.", p, step, np.full(batch, 1), state)
        output = times(top[0], p["readout.w"]) + p["readout.b"][..., None, :]
        outputs.append(output)
        previous = rules.feed(None if targets is None else targets[:, t], as_input(spec, output))
    return np.stack(outputs, axis=-2)


def as_input(spec: ModelSpec, output: Any) -> Any:
    """An output as the decoder reads it: the class of the largest output, one-hot."""
    if spec.loss == "mse":
        return output
    return np.eye(spec.outputs)[np.argmax(output.real, axis=-1)]


# ---- the session -----------------------------------------------------------------------------


class Definition:
    """See `bench.spec.Session`."""

    def __init__(self, rules: Rules, spec: ModelSpec, params: Params, training: Training) -> None:
        self.rules, self.spec, self.training, self.count = rules, spec, training, 0
        self.weights = {name: np.array(value, np.float64) for name, value in params.items()}
        self.m = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self.v = {name: np.zeros_like(value) for name, value in self.weights.items()}

    def put(self, array: Any) -> Array:
        return np.asarray(array)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return np.asarray(self._run(x, lengths, initial_state).prediction)

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return np.asarray(self._run(x, lengths, initial_state).hidden)

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        value = float(self._loss(self.weights, x, y, lengths))
        gradients = {
            name: slope(lambda w, n=name: self._loss({**self.weights, n: w}, x, y, lengths), weight)
            for name, weight in self.weights.items()
        }
        d_x = slope(lambda moved: self._loss(self.weights, moved, y, lengths), x)
        return value, {**gradients, "x": d_x}

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        zero = np.zeros((*x.shape[:2], self.spec.hidden * self.spec.directions))
        return slope(lambda perturbation: self._loss(self.weights, x, y, None, perturbation), zero)

    def step(self, x: Any, y: Any, lengths: Any = None) -> float:
        value, gradients = self.gradients(x, y, lengths)
        del gradients["x"]
        s, self.count = self.training, self.count + 1
        for name, g in self.rules.clip(gradients, s.clip_norm).items():
            if s.optimiser == "sgd":
                self.weights[name] -= s.learning_rate * g
                continue
            self.m[name] = s.beta1 * self.m[name] + (1 - s.beta1) * g
            self.v[name] = s.beta2 * self.v[name] + (1 - s.beta2) * g**2
            self.weights[name] -= self.rules.adam(s, self.count, self.m[name], self.v[name], name)
        return value

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        if self.spec.bidirectional or self.spec.decoder:
            raise Unsupported(
                "only a model of one direction without a decoder can go on from a state"
            )
        result = self._run(x, None, state)
        final = tuple(np.stack(arrays) for arrays in zip(*result.final_states, strict=True))
        return np.asarray(result.prediction), final if self.spec.cell == "lstm" else final[0]

    def params(self) -> dict[str, Array]:
        return {name: value.copy() for name, value in self.weights.items()}

    def wait(self) -> None:
        """Do nothing: NumPy returns when the work is done."""

    def executed_path(self) -> str:
        return "definition"

    def _run(self, x: Any, lengths: Any, state: Any, p: Any = None, **options: Any) -> Run:
        batch, time = x.shape[-3], x.shape[-2]
        lengths = np.full(batch, time) if lengths is None else np.asarray(lengths)
        initial = initial_states(self.spec, state, batch)
        x = np.where((np.arange(time) < lengths[:, None])[..., None], x, 0)  # padding may be NaN
        return run(
            self.rules, self.spec, self.weights if p is None else p, x, lengths, initial, **options
        )

    def _loss(self, p: Params, x: Any, y: Any, lengths: Any, perturbation: Any = None) -> Any:
        targets = self.rules.teacher_forcing(self.spec, y) if self.spec.decoder else None
        result = self._run(x, lengths, None, p, targets=targets, perturbation=perturbation)
        return self.rules.loss(self.spec, result.prediction, y)


def open_session(
    spec: ModelSpec,
    params: Params,
    device: str,
    training: Training = Training(),
    rules: Rules = Rules(),
) -> Definition:
    SUPPORTS.check(spec)
    if reason := unavailable(device):
        raise Unsupported(reason)
    return Definition(rules, spec, params, training)


# ---- arrays ----------------------------------------------------------------------------------


def slope(function: Callable[[Any], Any], value: Array) -> Array:
    """The derivative of a real function, which is called once with all K entries of `value`
    perturbed, each in a copy of its own."""
    perturbed = value + 1j * EPSILON * np.eye(value.size).reshape(value.size, *value.shape)
    derivatives = np.broadcast_to(function(perturbed).imag / EPSILON, value.size)
    return np.asarray(derivatives.reshape(value.shape))


def times(x: Any, w: Any) -> Any:
    """W x for each x of a batch: x is `(…, batch, D)`, and w is `(…, rows, D)`."""
    return x @ np.swapaxes(w, -1, -2)


def blocks(a: Any, count: int) -> list[Any]:
    return np.split(a, count, axis=-1)


def join(arrays: Sequence[Any]) -> Any:
    """Concatenated features; only some of the arrays may have the leading axis K."""
    leading = np.broadcast_shapes(*(array.shape[:-1] for array in arrays))
    return np.concatenate(
        [np.broadcast_to(array, (*leading, array.shape[-1])) for array in arrays], axis=-1
    )


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def weights_of(p: Params, prefix: str) -> dict[str, Any]:
    """The weights whose names start with a prefix, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in p.items() if k.startswith(prefix)}


def initial_states(spec: ModelSpec, state: Any, batch: int) -> list[State]:
    """A state for each layer and direction: `initial_state`, or zeros."""
    count = len(CELLS[spec.cell].states)
    if state is None:
        state = np.zeros((count, spec.layers * spec.directions, batch, spec.hidden))
    elif count == 1:
        state = (state,)
    return list(zip(*(np.asarray(array, np.float64) for array in state), strict=True))
