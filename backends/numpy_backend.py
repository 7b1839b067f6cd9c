"""The reference: recurrent cells and backpropagation through time, written out in NumPy.

Inside, sequences are time-major `(T, B, ·)`. Every cell takes `a = W x + b` for all steps, made
by one matrix product, and leaves only the product with the state inside the loop; its backward
pass collects the derivative of every pre-activation, from which each weight gradient is again
one product over all steps (Werbos 1990). `keep` `(T, B, 1)` is 0 where a sequence has ended and
its state is held, 1 elsewhere; None means that all sequences are full.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bench.spec import Array, ModelSpec, Params, Supports, Training, Unsupported

REQUIRES = ("numpy",)
SUPPORTS = Supports()


def devices() -> tuple[str, ...]:
    return ("cpu",)


def unavailable(device: str) -> str | None:
    return None if device == "cpu" else "NumPy runs on the CPU only"


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> "NumpySession":
    if reason := unavailable(device):
        raise Unsupported(reason)
    return NumpySession(spec, params, training)


class NumpySession:
    """See `bench.spec.Session`."""

    def __init__(self, spec: ModelSpec, params: Params, training: Training) -> None:
        self.spec, self.dtype = spec, np.dtype(spec.dtype)
        self.weights = {name: np.array(value, self.dtype) for name, value in params.items()}
        self.optimiser = Adam(training, self.weights)

    def put(self, array: Any) -> Array:
        array = np.asarray(array)
        return array if array.dtype.kind in "iub" else np.asarray(array, self.dtype)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return self._forward(x, lengths, initial_state).prediction

    forward = predict

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return self._forward(x, lengths, initial_state).top.transpose(1, 0, 2)

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        loss, grads, dx, _ = self._backward(x, y, lengths)
        return loss, {**grads, "x": dx.transpose(1, 0, 2)}

    def backward(self, x: Any, y: Any) -> tuple[float, dict[str, Array]]:
        return self._backward(x, y, input_gradient=False)[:2]

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        return self._backward(x, y)[3].transpose(1, 0, 2)

    def step(self, x: Any, y: Any) -> float:
        loss, grads, _, _ = self._backward(x, y, input_gradient=False)
        self.optimiser.update(self.weights, grads)
        return loss

    def params(self) -> dict[str, Array]:
        return {name: value.copy() for name, value in self.weights.items()}

    def wait(self) -> None:
        """NumPy returns when the work is done."""

    def executed_path(self) -> str:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
        return "openblas" if "openblas" in blas else str(blas)

    def _forward(self, x: Any, lengths: Any = None, initial_state: Any = None) -> "Forward":
        below = np.ascontiguousarray(self.put(x).transpose(1, 0, 2))
        keep = _keep(lengths, below.shape[0], self.dtype)
        tapes: list[list[Any]] = []
        layers = _layers(self.spec, self.weights)
        states = _initial(self.spec, initial_state, below.shape[1], self.dtype)
        for directions in layers:
            tapes.append([_run(p, below, states.pop(0), keep) for p in directions])
            below = _join([tape.hidden for tape in tapes[-1]])
        width = self.spec.hidden
        last = np.concatenate([below[-1, :, :width], below[0, :, width:]], axis=1)
        features = last if self.spec.readout == "last" else below
        logits = features @ self.weights["readout.w"].T + self.weights["readout.b"]
        prediction = logits if logits.ndim == 2 else logits.transpose(1, 0, 2)
        return Forward(prediction, features, below, tapes, keep)

    def _backward(
        self, x: Any, y: Any, lengths: Any = None, input_gradient: bool = True
    ) -> tuple[float, dict[str, Array], Array, Array]:
        """Loss, parameter gradients, dL/dx and the last layer's dL/dh, both time-major."""
        run = self._forward(x, lengths)
        loss, d_logits = LOSSES[self.spec.loss](run.prediction, np.asarray(y))
        if d_logits.ndim == 3:
            d_logits = np.ascontiguousarray(d_logits.transpose(1, 0, 2))
        grads = {
            "readout.w": _outer(d_logits, run.features),
            "readout.b": _sum(d_logits),
        }
        d_above = self._into_states(d_logits @ self.weights["readout.w"], run.top.shape)
        d_top = np.empty(0)
        for layer, tapes in reversed(list(enumerate(run.tapes))):
            need_input = input_gradient or layer > 0
            d_hidden, d_below = [], []
            for tape, d_states in zip(tapes, _split(d_above, len(tapes)), strict=True):
                back = _run_back(tape, d_states, run.keep, need_input)
                grads |= {tape.p.prefix + name: value for name, value in back.grads.items()}
                d_hidden.append(back.hidden)
                d_below.append(back.inputs)
            d_top = _join(d_hidden) if layer == len(run.tapes) - 1 else d_top
            d_above = d_below[0] + d_below[1] if len(tapes) == 2 else d_below[0]
        return loss, grads, d_above, d_top

    def _into_states(self, d_features: Array, shape: tuple[int, ...]) -> Array:
        """The readout's derivative with respect to the last layer's state at every step."""
        if self.spec.readout == "every":
            return d_features
        d_states, width = np.zeros(shape, self.dtype), self.spec.hidden
        d_states[-1, :, :width] = d_features[:, :width]
        d_states[0, :, width:] = d_features[:, width:]
        return d_states


class Forward(NamedTuple):
    prediction: Array
    features: Array
    top: Array
    tapes: list[list[Any]]
    keep: Array | None


# ---- one direction of one layer ------------------------------------------------------------


@dataclass(frozen=True)
class Direction:
    """The weights of one direction of one layer and the cell that reads them."""

    prefix: str
    cell: Any
    reverse: bool
    w: Array
    b: Array
    recurrent: Mapping[str, Array]


@dataclass(frozen=True)
class Tape:
    """What the forward pass leaves for the backward pass; `below` and `inner` run in the
    direction's own order of time, `hidden` `(T, B, H)` in the sequence's."""

    p: Direction
    below: Array
    inner: Any
    hidden: Array


class Back(NamedTuple):
    grads: dict[str, Array]
    hidden: Array
    inputs: Array


def _layers(spec: ModelSpec, weights: Params) -> list[list[Direction]]:
    cell = CELLS["gru_reset_before" if _reset_before(spec) else spec.cell]
    return [
        [
            _direction(f"layers.{layer}.{name}.", cell, name == "backward", weights)
            for name in ("forward", "backward")[: spec.directions]
        ]
        for layer in range(spec.layers)
    ]


def _reset_before(spec: ModelSpec) -> bool:
    return spec.cell == "gru" and spec.gru == "reset_before"


def _direction(prefix: str, cell: Any, reverse: bool, weights: Params) -> Direction:
    own = {name: weights[prefix + name] for name in ("u", "b_hn") if prefix + name in weights}
    return Direction(prefix, cell, reverse, weights[prefix + "w"], weights[prefix + "b"], own)


def _run(p: Direction, below: Array, state: tuple[Array, ...], keep: Array | None) -> Tape:
    below, keep = _in_time(p, below), _in_time(p, keep)
    a = _times(below, p.w.T)
    a += p.b
    inner = p.cell.forward(a, state, keep, **p.recurrent)
    return Tape(p, below, inner, _in_time(p, inner.hidden[1:]))


def _run_back(tape: Tape, d_hidden: Array, keep: Array | None, need_input: bool) -> Back:
    p = tape.p
    d_hidden = np.array(_in_time(p, d_hidden))
    da, grads = p.cell.backward(tape.inner, d_hidden, _in_time(p, keep), **p.recurrent)
    grads |= {"w": _outer(da, tape.below), "b": _sum(da)}
    inputs = _in_time(p, _times(da, p.w)) if need_input else da
    return Back(grads, _in_time(p, d_hidden), inputs)


def _in_time(p: Direction, array: Any) -> Any:
    """The array in the direction's own order of time, or back again."""
    return array[::-1] if p.reverse and array is not None else array


# ---- the cells: forward and backward side by side ------------------------------------------
# `backward` adds to d_hidden (T, B, H), which holds what comes from above, what comes from
# later steps, so that it ends as the total derivative dL/dh_t; it returns dL/da (T, B, G·H).


@dataclass
class Inner:
    """`hidden` `(T + 1, B, H)` begins with the initial state; `gates` are activated in place."""

    gates: Array
    hidden: Array
    extra: dict[str, Array] = field(default_factory=dict)


class Rnn:
    """h' = tanh(a + U h) (Elman 1990)."""

    @staticmethod
    def forward(a: Array, state: tuple[Array, ...], keep: Array | None, u: Array) -> Inner:
        inner = Inner(a, _with_initial(a, state[0]))
        ut, product = _prepared(u), np.empty_like(a[0])
        for t, at in enumerate(a):
            np.matmul(inner.hidden[t], ut, out=product)
            at += product
            np.tanh(at, out=inner.hidden[t + 1])
            _hold(inner.hidden, t, keep)
        return inner

    @staticmethod
    def backward(
        inner: Inner, d_hidden: Array, keep: Array | None, u: Array
    ) -> tuple[Array, dict[str, Array]]:
        h, da = inner.hidden, inner.gates
        for t in reversed(range(len(da))):
            dh = d_hidden[t]
            np.multiply(h[t + 1], h[t + 1], out=da[t])
            np.subtract(1, da[t], out=da[t])
            da[t] *= dh
            _back_to(d_hidden, t, _end(da[t], keep, t) @ u, dh, keep)
        return da, {"u": _outer(da, h[:-1])}


class Feedforward:
    """h' = tanh(a): the rnn with no recurrence."""

    @staticmethod
    def forward(a: Array, state: tuple[Array, ...], keep: Array | None) -> Inner:
        inner = Inner(a, _with_initial(a, state[0]))
        np.tanh(a, out=inner.hidden[1:])
        if keep is not None:
            for t in range(len(a)):
                _hold(inner.hidden, t, keep)
        return inner

    @staticmethod
    def backward(
        inner: Inner, d_hidden: Array, keep: Array | None
    ) -> tuple[Array, dict[str, Array]]:
        if keep is not None:
            for t in reversed(range(1, len(d_hidden))):
                d_hidden[t - 1] += (1 - keep[t]) * d_hidden[t]
        da = d_hidden * (1 - inner.hidden[1:] ** 2)
        return (da if keep is None else da * keep), {}


class Lstm:
    """c' = f∘c + i∘g, h' = o∘tanh(c') (Hochreiter & Schmidhuber 1997; Gers et al. 2000)."""

    @staticmethod
    def forward(a: Array, state: tuple[Array, ...], keep: Array | None, u: Array) -> Inner:
        inner = Inner(a, _with_initial(a, state[0]))
        cells = _with_initial(a, state[1])
        squashed = np.empty_like(cells[1:])
        inner.extra = {"cells": cells, "squashed": squashed}
        size = cells.shape[2]
        ut, product, ig = _prepared(u), np.empty_like(a[0]), np.empty_like(cells[0])
        for t, at in enumerate(a):
            np.matmul(inner.hidden[t], ut, out=product)
            at += product
            _sigmoid(at[:, : 2 * size])
            np.tanh(at[:, 2 * size : 3 * size], out=at[:, 2 * size : 3 * size])
            _sigmoid(at[:, 3 * size :])
            i, f, g, o = _blocks(at, size)
            np.multiply(f, cells[t], out=cells[t + 1])
            np.multiply(i, g, out=ig)
            cells[t + 1] += ig
            _hold(cells, t, keep)
            np.tanh(cells[t + 1], out=squashed[t])
            np.multiply(o, squashed[t], out=inner.hidden[t + 1])
            _hold(inner.hidden, t, keep)
        return inner

    @staticmethod
    def backward(
        inner: Inner, d_hidden: Array, keep: Array | None, u: Array
    ) -> tuple[Array, dict[str, Array]]:
        cells, squashed = inner.extra["cells"], inner.extra["squashed"]
        da, dc, size = np.empty_like(inner.gates), np.zeros_like(cells[0]), cells.shape[2]
        for t in reversed(range(len(da))):
            i, f, g, o = _blocks(inner.gates[t], size)
            di, df, dg, do = _blocks(da[t], size)
            dh = _end(d_hidden[t].copy(), keep, t)
            held_c = None if keep is None else (1 - keep[t]) * dc
            dc += dh * o * (1 - squashed[t] ** 2)
            np.multiply(dc * g, i * (1 - i), out=di)
            np.multiply(dc * cells[t], f * (1 - f), out=df)
            np.multiply(dc * i, 1 - g * g, out=dg)
            np.multiply(dh * squashed[t], o * (1 - o), out=do)
            _back_to(d_hidden, t, _end(da[t], keep, t) @ u, d_hidden[t], keep)
            dc *= f
            if keep is not None:
                dc = keep[t] * dc + held_c
        return da, {"u": _outer(da, inner.hidden[:-1])}


class Gru:
    """n = tanh(a_n + r∘(U_n h + b_hn)), h' = (1 − z)∘n + z∘h (reset_after)."""

    @staticmethod
    def forward(
        a: Array, state: tuple[Array, ...], keep: Array | None, u: Array, b_hn: Array
    ) -> Inner:
        inner = Inner(a, _with_initial(a, state[0]))
        h, size = inner.hidden, inner.hidden.shape[2]
        candidate = np.empty_like(h[1:])
        inner.extra["candidate"] = candidate
        ut, product = _prepared(u), np.empty_like(a[0])
        for t, at in enumerate(a):
            np.matmul(h[t], ut, out=product)
            at[:, : 2 * size] += product[:, : 2 * size]
            _sigmoid(at[:, : 2 * size])
            r, z, n = _blocks(at, size)
            np.add(product[:, 2 * size :], b_hn, out=candidate[t])
            n += r * candidate[t]
            np.tanh(n, out=n)
            _mix(h, t, z, n)
            _hold(h, t, keep)
        return inner

    @staticmethod
    def backward(
        inner: Inner, d_hidden: Array, keep: Array | None, u: Array, b_hn: Array
    ) -> tuple[Array, dict[str, Array]]:
        h, candidate = inner.hidden, inner.extra["candidate"]
        da, size = np.empty_like(inner.gates), h.shape[2]
        d_recurrent = np.empty_like(da)
        for t in reversed(range(len(da))):
            r, z, n = _blocks(inner.gates[t], size)
            dr, dz, dn = _blocks(da[t], size)
            dh = _end(d_hidden[t].copy(), keep, t)
            np.multiply(dh * (1 - z), 1 - n * n, out=dn)
            np.multiply(dh * (h[t] - n), z * (1 - z), out=dz)
            np.multiply(dn * candidate[t], r * (1 - r), out=dr)
            d_recurrent[t] = da[t]
            d_recurrent[t][:, 2 * size :] *= r
            _back_to(d_hidden, t, d_recurrent[t] @ u + dh * z, d_hidden[t], keep)
        b_grad = _sum(d_recurrent[:, :, 2 * size :])
        return da, {"u": _outer(d_recurrent, h[:-1]), "b_hn": b_grad}


class GruResetBefore:
    """n = tanh(a_n + U_n (r∘h)), h' = (1 − z)∘n + z∘h (Cho et al. 2014)."""

    @staticmethod
    def forward(a: Array, state: tuple[Array, ...], keep: Array | None, u: Array) -> Inner:
        inner = Inner(a, _with_initial(a, state[0]))
        h, size = inner.hidden, inner.hidden.shape[2]
        gates, new = _prepared(u[: 2 * size]), _prepared(u[2 * size :])
        for t, at in enumerate(a):
            at[:, : 2 * size] += h[t] @ gates
            _sigmoid(at[:, : 2 * size])
            r, z, n = _blocks(at, size)
            n += (r * h[t]) @ new
            np.tanh(n, out=n)
            _mix(h, t, z, n)
            _hold(h, t, keep)
        return inner

    @staticmethod
    def backward(
        inner: Inner, d_hidden: Array, keep: Array | None, u: Array
    ) -> tuple[Array, dict[str, Array]]:
        h, da = inner.hidden, np.empty_like(inner.gates)
        size = h.shape[2]
        for t in reversed(range(len(da))):
            r, z, n = _blocks(inner.gates[t], size)
            dr, dz, dn = _blocks(da[t], size)
            dh = _end(d_hidden[t].copy(), keep, t)
            np.multiply(dh * (1 - z), 1 - n * n, out=dn)
            np.multiply(dh * (h[t] - n), z * (1 - z), out=dz)
            d_reset = dn @ u[2 * size :]
            np.multiply(d_reset * h[t], r * (1 - r), out=dr)
            back = da[t][:, : 2 * size] @ u[: 2 * size] + d_reset * r + dh * z
            _back_to(d_hidden, t, back, d_hidden[t], keep)
        u_gates = _outer(da[:, :, : 2 * size], h[:-1])
        u_new = _outer(da[:, :, 2 * size :], inner.gates[:, :, :size] * h[:-1])
        return da, {"u": np.concatenate([u_gates, u_new])}


CELLS: Mapping[str, Any] = {
    "rnn": Rnn,
    "feedforward": Feedforward,
    "lstm": Lstm,
    "gru": Gru,
    "gru_reset_before": GruResetBefore,
}


def _with_initial(a: Array, initial: Array) -> Array:
    states = np.empty((len(a) + 1, *initial.shape), a.dtype)
    states[0] = initial
    return states


def _prepared(u: Array) -> Array:
    """Uᵀ laid out row by row: the products inside the loop read it once a step."""
    return np.ascontiguousarray(u.T)


def _blocks(gates: Array, size: int) -> list[Array]:
    return [gates[:, k : k + size] for k in range(0, gates.shape[1], size)]


def _sigmoid(v: Array) -> None:
    """σ(v) = (1 + tanh(v / 2)) / 2, in place; it cannot overflow."""
    v *= 0.5
    np.tanh(v, out=v)
    v += 1
    v *= 0.5


def _mix(h: Array, t: int, z: Array, n: Array) -> None:
    """h' = (1 − z)∘n + z∘h, as n + z∘(h − n)."""
    np.subtract(h[t], n, out=h[t + 1])
    h[t + 1] *= z
    h[t + 1] += n


def _hold(states: Array, t: int, keep: Array | None) -> None:
    if keep is not None:
        states[t + 1] = np.where(keep[t] > 0, states[t + 1], states[t])


def _end(derivative: Array, keep: Array | None, t: int) -> Array:
    """Zero in place where the sequence has ended."""
    if keep is not None:
        derivative *= keep[t]
    return derivative


def _back_to(d_hidden: Array, t: int, through: Array, dh: Array, keep: Array | None) -> None:
    """Add to the state before step t what flows through the cell, or past it where held."""
    if t > 0:
        d_hidden[t - 1] += through if keep is None else through + (1 - keep[t]) * dh


# ---- arrays ---------------------------------------------------------------------------------


def _times(x: Array, m: Array) -> Array:
    return (x.reshape(-1, x.shape[-1]) @ m).reshape(*x.shape[:-1], m.shape[1])


def _outer(d: Array, x: Array) -> Array:
    """Σ over all leading axes of d xᵀ: one product for the whole weight gradient."""
    return np.asarray(d.reshape(-1, d.shape[-1]).T @ x.reshape(-1, x.shape[-1]))


def _sum(d: Array) -> Array:
    return np.asarray(d.reshape(-1, d.shape[-1]).sum(axis=0))


def _join(directions: list[Array]) -> Array:
    return directions[0] if len(directions) == 1 else np.concatenate(directions, axis=-1)


def _split(array: Array, parts: int) -> list[Array]:
    return [array] if parts == 1 else np.split(array, parts, axis=-1)


def _keep(lengths: Any, time: int, dtype: Any) -> Array | None:
    if lengths is None:
        return None
    return (np.arange(time)[:, None, None] < np.asarray(lengths)[None, :, None]).astype(dtype)


def _initial(spec: ModelSpec, state: Any, batch: int, dtype: Any) -> list[Any]:
    """Initial states in the order in which layers and directions consume them."""
    count = spec.layers * spec.directions
    parts = state if isinstance(state, tuple | list) else (state,) if state is not None else ()
    given = [np.asarray(part, dtype) for part in parts]
    while len(given) < (2 if spec.cell == "lstm" else 1):
        given.append(np.zeros((count, batch, spec.hidden), dtype))
    return [tuple(part[k] for part in given) for k in range(count)]


# ---- losses: value and derivative -----------------------------------------------------------


def mse(prediction: Array, y: Array) -> tuple[float, Array]:
    """Mean of (prediction − y)² over all elements; at every step, NaN targets are left out."""
    difference = prediction - y.astype(prediction.dtype)
    count = difference.size
    if prediction.ndim == 3:
        missing = np.isnan(y)
        difference[missing] = 0
        count = max(count - int(missing.sum()), 1)
    return float((difference * difference).sum() / count), difference * (2 / count)


def cross_entropy(logits: Array, y: Array) -> tuple[float, Array]:
    """Mean of −log softmax(logits)[y] over positions; those labelled −1 are left out."""
    labels, rows = y.reshape(-1), logits.reshape(-1, logits.shape[-1])
    used = labels >= 0
    shifted = rows - rows.max(axis=1, keepdims=True)
    exponent = np.exp(shifted)
    total = exponent.sum(axis=1, keepdims=True)
    position, label = np.flatnonzero(used), labels[used]
    count = max(len(position), 1)
    loss = (np.log(total[position, 0]) - shifted[position, label]).sum() / count
    d_rows = exponent / total
    d_rows[position, label] -= 1
    d_rows *= (used / count).astype(rows.dtype)[:, None]
    return float(loss), d_rows.reshape(logits.shape)


LOSSES = {"mse": mse, "cross_entropy": cross_entropy}


class Adam:
    """Kingma & Ba 2015, algorithm 1, after clipping by the global norm (see `Training`)."""

    def __init__(self, training: Training, weights: Params) -> None:
        self.settings, self.count = training, 0
        self.mean = {name: np.zeros_like(value) for name, value in weights.items()}
        self.square = {name: np.zeros_like(value) for name, value in weights.items()}

    def update(self, weights: Params, grads: Mapping[str, Array]) -> None:
        s = self.settings
        self.count += 1
        rate = s.learning_rate / (1 - s.beta1**self.count)
        root = 1 / np.sqrt(1 - s.beta2**self.count)
        scale = self._clip(grads)
        for name, weight in weights.items():
            g, m, v = grads[name] * weight.dtype.type(scale), self.mean[name], self.square[name]
            m += (1 - s.beta1) * (g - m)
            v += (1 - s.beta2) * (g * g - v)
            weight -= rate * m / (np.sqrt(v) * weight.dtype.type(root) + s.epsilon)

    def _clip(self, grads: Mapping[str, Array]) -> float:
        if self.settings.clip_norm is None:
            return 1.0
        norm = np.sqrt(sum(float((g.astype(float) ** 2).sum()) for g in grads.values()))
        return float(min(1.0, self.settings.clip_norm / norm)) if norm > 0 else 1.0
