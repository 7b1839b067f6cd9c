"""The model of `bench.spec` written straight from its definition: an adapter that shares no code
with the reference and that can be altered rule by rule.

It runs one step after the other and has no backward pass. Derivatives are taken by the complex
step, f'(x) = Im f(x + iε) / ε, exact to rounding since nothing is subtracted (Squire & Trapp 1998,
eq. 6); all entries of an array are nudged at once, along a leading axis K of their own. Arrays are
therefore `(…, batch, ·)`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bench.spec import Array, Limit, ModelSpec, Params, Supports, Training, Unsupported

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
NUDGE = 1e-30

State = tuple[Any, ...]


def devices() -> tuple[str, ...]:
    return ("cpu",)


def unavailable(device: str) -> str | None:
    return None if device == "cpu" else "NumPy runs on the CPU only"


# ---- the rules, each replaceable -------------------------------------------------------------


def cell(spec: ModelSpec, p: Params, x: Any, state: State) -> State:
    """One step of `ModelSpec`'s equations: the next (h,), or (h, c) for the lstm."""
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


def hold(new: State, old: State, running: Array) -> State:
    """Beyond the end of a sequence the state stays as it was."""
    return tuple(np.where(running, n, o) for n, o in zip(new, old, strict=True))


def running(t: int, lengths: Array, reverse: bool) -> Array:
    return t < lengths


def start(states: Sequence[State], layer: int, number: int, directions: int) -> State:
    """The initial state of a layer and direction."""
    return states[layer * directions + number]


def below(parts: Sequence[Any]) -> Any:
    """What the next layer reads: the forward states, then the backward ones."""
    return join(parts)


def final(states: list[Any], reverse: bool, lengths: Array) -> Any:
    """A direction's own last state: the backward one's is at step 0."""
    return states[0] if reverse else states[-1]


def token(t: int) -> float:
    """The decoder's last input feature."""
    return 1.0 if t == 0 else 0.0


def feed(target: Any, output: Any) -> Any:
    """What the decoder reads: the previous target where there is one (teacher forcing)."""
    return output if target is None else target


def taught(spec: ModelSpec, y: Array) -> Array:
    """What teacher forcing shows of the targets: one-hot classes; zeros where one is missing."""
    if spec.loss == "mse":
        return np.nan_to_num(y)
    return np.concatenate([np.eye(spec.outputs), np.zeros((1, spec.outputs))])[y]


def loss(spec: ModelSpec, prediction: Any, y: Array) -> Any:
    """`ModelSpec`'s losses, one number for each entry of the leading axes."""
    if spec.loss == "mse":
        there = ~np.isnan(y)
        squares = np.where(there, prediction - np.nan_to_num(y), 0) ** 2
        return squares.sum(axis=tuple(range(-y.ndim, 0))) / there.sum()
    shifted = prediction - prediction.real.max(axis=-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    there = y >= 0
    chosen = np.where(there[..., None], np.eye(spec.outputs)[np.where(there, y, 0)], 0)
    return -(logs * chosen).sum(axis=tuple(range(-y.ndim - 1, 0))) / there.sum()


def clip(gradients: Mapping[str, Array], limit: float | None) -> dict[str, Array]:
    """Scaled by min(1, limit / ‖g‖₂), the norm being that of all together."""
    norm = np.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
    scale = 1.0 if limit is None or norm <= limit else limit / norm
    return {name: g * scale for name, g in gradients.items()}


def adam(s: Training, t: int, m: Array, v: Array, name: str) -> Array:
    """lr · m̂ / (√v̂ + ε) (Kingma & Ba 2015, algorithm 1)."""
    m_hat, v_hat = m / (1 - s.beta1**t), v / (1 - s.beta2**t)
    return s.learning_rate * m_hat / (np.sqrt(v_hat) + s.epsilon)


@dataclass(frozen=True)
class Rules:
    cell: Callable[..., State] = cell
    hold: Callable[..., State] = hold
    running: Callable[..., Array] = running
    start: Callable[..., State] = start
    below: Callable[..., Any] = below
    final: Callable[..., Any] = final
    token: Callable[..., float] = token
    feed: Callable[..., Any] = feed
    taught: Callable[..., Array] = taught
    loss: Callable[..., Any] = loss
    clip: Callable[..., dict[str, Array]] = clip
    adam: Callable[..., Array] = adam


# ---- the network -----------------------------------------------------------------------------


class Run(NamedTuple):
    """`hidden` `(…, batch, time, hidden × directions)` is the encoder's last layer, `ends` every
    layer's and direction's state after the last step, in the order of `initial_state`."""

    prediction: Any
    hidden: Any
    ends: list[State]


def run(
    rules: Rules,
    spec: ModelSpec,
    p: Params,
    x: Any,
    lengths: Array,
    state: list[State],
    targets: Any = None,
    nudges: Any = None,
) -> Run:
    """The whole model. `targets` `(batch, decoder, outputs)` are what the decoder is taught by;
    `nudges` like `hidden` is added to the last layer's states as they are made."""
    steps = [x[..., t, :] for t in range(x.shape[-2])]
    steps, ends = stack(rules, spec, "", p, steps, lengths, state, nudges)
    hidden = np.stack(steps, axis=-2)
    if spec.decoder:
        return Run(decode(rules, spec, p, ends, targets), hidden, ends)
    width = spec.hidden
    if spec.readout == "last":
        parts = [
            rules.final([s[..., k * width :][..., :width] for s in steps], k == 1, lengths)
            for k in range(spec.directions)
        ]
        steps = [join(parts)]
    out = [times(s, p["readout.w"]) + p["readout.b"][..., None, :] for s in steps]
    return Run(out[0] if spec.readout == "last" else np.stack(out, axis=-2), hidden, ends)


def stack(
    rules: Rules,
    spec: ModelSpec,
    prefix: str,
    p: Params,
    steps: list[Any],
    lengths: Array,
    state: list[State],
    nudges: Any = None,
) -> tuple[list[Any], list[State]]:
    """All layers over all steps: the last layer's states, and the state that each ends in."""
    ends = []
    for layer in range(spec.layers):
        parts = []
        for number, name in enumerate(("forward", "backward")[: spec.directions]):
            own = weights_of(p, f"{prefix}layers.{layer}.{name}.")
            first = rules.start(state, layer, number, spec.directions)
            top = nudges is not None and layer == spec.layers - 1
            moved = nudges[..., number * spec.hidden :][..., : spec.hidden] if top else None
            h, end = direction(rules, spec, own, steps, lengths, first, number == 1, moved)
            parts.append(h)
            ends.append(end)
        hand_over = join if layer == spec.layers - 1 else rules.below
        steps = [hand_over(pair) for pair in zip(*parts, strict=True)]
    return steps, ends


def direction(
    rules: Rules,
    spec: ModelSpec,
    p: Params,
    steps: list[Any],
    lengths: Array,
    state: State,
    reverse: bool,
    nudges: Any,
) -> tuple[list[Any], State]:
    hidden: list[Any] = [None] * len(steps)
    for t in reversed(range(len(steps))) if reverse else range(len(steps)):
        h, *rest = rules.cell(spec, p, steps[t], state)
        h = h if nudges is None else h + nudges[..., t, :]
        state = rules.hold((h, *rest), state, rules.running(t, lengths, reverse)[:, None])
        hidden[t] = state[0]
    return hidden, state


def decode(rules: Rules, spec: ModelSpec, p: Params, state: list[State], targets: Any) -> Any:
    """The second stack, which writes `decoder` steps and reads what was written before."""
    batch, written = state[0][0].shape[-2], []
    previous: Any = np.zeros((batch, spec.outputs))
    for t in range(spec.decoder):
        begin = np.full((*previous.shape[:-1], 1), rules.token(t))
        step = [np.concatenate([previous, begin], axis=-1)]
        top, state = stack(rules, spec, "decoder.", p, step, np.full(batch, 1), state)
        out = times(top[0], p["readout.w"]) + p["readout.b"][..., None, :]
        written.append(out)
        previous = rules.feed(None if targets is None else targets[:, t], as_input(spec, out))
    return np.stack(written, axis=-2)


def as_input(spec: ModelSpec, output: Any) -> Any:
    if spec.loss == "mse":
        return output
    return np.eye(spec.outputs)[np.argmax(output.real, axis=-1)]


# ---- the session -----------------------------------------------------------------------------


class Definition:
    """See `bench.spec.Session`."""

    def __init__(self, rules: Rules, spec: ModelSpec, params: Params, training: Training) -> None:
        self.rules, self.spec, self.training, self.updates = rules, spec, training, 0
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
        found = {
            name: slope(lambda w, n=name: self._loss({**self.weights, n: w}, x, y, lengths), weight)
            for name, weight in self.weights.items()
        }
        return value, {**found, "x": slope(lambda at: self._loss(self.weights, at, y, lengths), x)}

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        zero = np.zeros((*x.shape[:2], self.spec.hidden * self.spec.directions))
        return slope(lambda nudges: self._loss(self.weights, x, y, None, nudges), zero)

    def step(self, x: Any, y: Any, lengths: Any = None) -> float:
        value, gradients = self.gradients(x, y, lengths)
        del gradients["x"]
        s, self.updates = self.training, self.updates + 1
        for name, g in self.rules.clip(gradients, s.clip_norm).items():
            if s.optimiser == "sgd":
                self.weights[name] -= s.learning_rate * g
                continue
            self.m[name] = s.beta1 * self.m[name] + (1 - s.beta1) * g
            self.v[name] = s.beta2 * self.v[name] + (1 - s.beta2) * g**2
            self.weights[name] -= self.rules.adam(s, self.updates, self.m[name], self.v[name], name)
        return value

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        if self.spec.bidirectional or self.spec.decoder:
            raise Unsupported("only a model of one direction without a decoder can go on")
        done = self._run(x, None, state)
        ends = tuple(np.stack(part) for part in zip(*done.ends, strict=True))
        return np.asarray(done.prediction), ends if self.spec.cell == "lstm" else ends[0]

    def params(self) -> dict[str, Array]:
        return {name: value.copy() for name, value in self.weights.items()}

    def wait(self) -> None:
        """NumPy returns when the work is done."""

    def executed_path(self) -> str:
        return "definition"

    def _run(self, x: Any, lengths: Any, state: Any, **more: Any) -> Run:
        p, batch, time = more.pop("p", self.weights), x.shape[-3], x.shape[-2]
        ends = np.full(batch, time) if lengths is None else np.asarray(lengths)
        start = initial(self.spec, state, batch)
        return run(self.rules, self.spec, p, x, ends, start, **more)

    def _loss(self, p: Params, x: Any, y: Any, lengths: Any, nudges: Any = None) -> Any:
        targets = self.rules.taught(self.spec, y) if self.spec.decoder else None
        done = self._run(x, lengths, None, p=p, targets=targets, nudges=nudges)
        return self.rules.loss(self.spec, done.prediction, y)


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


def slope(function: Callable[[Any], Any], at: Array) -> Array:
    """The derivative of a real function, called once: K = all entries of `at`, each nudged."""
    nudged = at + 1j * NUDGE * np.eye(at.size).reshape(at.size, *at.shape)
    return np.asarray(np.broadcast_to(function(nudged).imag / NUDGE, at.size).reshape(at.shape))


def times(x: Any, w: Any) -> Any:
    """W x for every row of x `(…, batch, D)`, w being `(…, rows, D)`."""
    return x @ np.swapaxes(w, -1, -2)


def blocks(a: Any, count: int) -> list[Any]:
    return np.split(a, count, axis=-1)


def join(parts: Sequence[Any]) -> Any:
    """Concatenated features; only some of the parts may have the axis K."""
    lead = np.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return np.concatenate([np.broadcast_to(p, (*lead, p.shape[-1])) for p in parts], axis=-1)


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def weights_of(p: Params, prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in p.items() if k.startswith(prefix)}


def initial(spec: ModelSpec, state: Any, batch: int) -> list[State]:
    """The given initial states, or zeros, one for each layer and direction."""
    parts = 2 if spec.cell == "lstm" else 1
    count = spec.layers * spec.directions
    if state is None:
        state = np.zeros((parts, count, batch, spec.hidden))
    elif parts == 1:
        state = (state,)
    return list(zip(*(np.asarray(part, np.float64) for part in state), strict=True))
