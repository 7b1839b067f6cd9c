"""The reference in NumPy: session, stack of layers, readout, losses and optimiser.

The cells are in `_numpy_cells.py`. Inside, sequences run `(T, features, B)`.
"""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from backends._numpy_cells import (
    CELLS,
    Direction,
    Product,
    Tape,
    Workspace,
    flat,
    one_by_one,
    outer,
)
from bench.spec import Array, Limit, ModelSpec, Params, Supports, Training, Unsupported

REQUIRES = ("numpy",)
SUPPORTS = Supports(
    decoder=True,
    generation=True,
    limits={"bfloat16": Limit("theirs", "NumPy has no bfloat16")},
)


def devices() -> tuple[str, ...]:
    return ("cpu",)


def unavailable(device: str) -> str | None:
    return None if device == "cpu" else "NumPy runs on the CPU only"


def open_session(
    spec: ModelSpec,
    params: Params,
    device: str,
    training: Training = Training(),
    *,
    in_order: bool = False,
) -> "NumpySession":
    """`in_order`: gradients are added up one step after another, those of biases and of narrow
    matrices one term after another, as some libraries do, which in float32 is less exact."""
    if reason := unavailable(device):
        raise Unsupported(reason)
    SUPPORTS.check(spec)
    return NumpySession(spec, params, training, in_order)


def expected_path(spec: ModelSpec, device: str) -> str:
    """The library of matrix products that this NumPy was linked with: it has no other."""
    name = str(np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"])
    return "openblas" if "openblas" in name else name


class NumpySession:
    """See `bench.spec.Session`. What `backward` returns is overwritten by the next call."""

    def __init__(
        self, spec: ModelSpec, params: Params, training: Training, in_order: bool = False
    ) -> None:
        self.spec, self.dtype, self.in_order = spec, np.dtype(spec.dtype), in_order
        self.weights, self.grads = Weights(spec, params), Weights(spec, params)
        self.space = Workspace(self.dtype)
        self.encoder = self._stack(spec, "")
        self.decoder = self._stack(spec.decoding, "decoder.") if spec.decoder else []
        self.optimiser = OPTIMISERS[training.optimiser](training, self.weights.flat)

    def put(self, array: Any) -> Array:
        array = np.asarray(array)
        return array if array.dtype.kind in "iub" else np.asarray(array, self.dtype)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        run = self._encode(x, lengths, initial_state)
        return self._write(run.finals) if self.spec.decoder else self._read(run)[1]

    forward = predict

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return _batch_major(self._encode(x, lengths, initial_state).top[:, :-1])

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        if self.spec.bidirectional or self.spec.decoder:
            raise Unsupported("only a forward encoder goes on from a state")
        run = self._encode(x, None, state)
        after = tuple(np.stack([h.T for h in part]) for part in zip(*run.finals, strict=True))
        return self._read(run)[1], after if self.spec.cell == "lstm" else after[0]

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        loss, back = self._backward(x, y, lengths, need_input=True)
        return loss, {**self.grads.canonical(), "x": _batch_major(back.inputs)}

    def backward(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, Array]:
        return self._backward(x, y, lengths)[0], self.grads.flat

    def gradient_terms(
        self, x: Any, y: Any, lengths: Any = None
    ) -> dict[str, list["GradientTerms"]]:
        """The operands of every weight gradient by canonical name, in arrays of the caller's own.

        A parameter has one entry; the `u` of a reset_before gru has two, one below the other: its
        rows for r and z, then those for n. The sum over the columns of `derivatives` times
        `inputs` transposed is the gradient, in the canonical order of rows.
        """
        terms: dict[str, list[GradientTerms]] = {name: [] for name in self.weights.names}

        def record(prefix: str, product: Product) -> None:
            for name, entry in _terms(self.weights, prefix, product):
                terms[name].append(entry)

        self._backward(x, y, lengths, consume=record)
        return terms

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        return _batch_major(np.concatenate(self._backward(x, y)[1].top, axis=1))

    def step(self, x: Any, y: Any, lengths: Any = None) -> float:
        loss, _ = self._backward(x, y, lengths)
        self.optimiser.update(self.weights.flat, self.grads.flat)
        return loss

    def params(self) -> dict[str, Array]:
        return self.weights.canonical()

    def wait(self) -> None:
        """NumPy returns when the work is done."""

    def executed_path(self) -> str:
        return expected_path(self.spec, "cpu")

    def _stack(self, spec: ModelSpec, part: str) -> list[list[Direction]]:
        cell = CELLS["gru_reset_before" if _reset_before(spec) else spec.cell]
        return [
            [
                self._direction(cell, f"{part}layers.{layer}.{name}.", name == "backward")
                for name in ("forward", "backward")[: spec.directions]
            ]
            for layer in range(spec.layers)
        ]

    def _direction(self, cell: Any, prefix: str, reverse: bool) -> Direction:
        own, grads = self.weights.below(prefix), self.grads.below(prefix)
        space = Workspace(self.dtype)
        return Direction(prefix, cell, reverse, own, grads, space, self.space)

    def _encode(self, x: Any, lengths: Any = None, initial_state: Any = None) -> "Run":
        x = self.put(x)
        batch, time, size = x.shape
        below = self.space("x", time, batch, size + 1)
        below[:, :, :-1], below[:, :, -1] = x.swapaxes(0, 1), 1
        states = _initial(self.spec, initial_state, batch, self.dtype)
        return _run(self.encoder, below.swapaxes(1, 2), states, _ended(lengths, time))

    def _read(self, run: "Run") -> tuple[Array, Array]:
        """What the readout sees, `(n, H × directions + 1, B)`, and the batch-major prediction."""
        if self.spec.readout == "every":
            features = run.top
        else:
            final = [h for h, *_ in run.finals[-self.spec.directions :]]
            features = np.concatenate([*final, np.ones_like(final[0][:1])])[None]
        logits = np.matmul(features.swapaxes(1, 2), self.weights.parts["readout.w"].T)
        return features, logits.swapaxes(0, 1) if self.spec.readout == "every" else logits[0]

    def _write(self, states: "States") -> Array:
        """The decoder running free, from the encoder's final states: each output is fed back."""
        given = self._begin(1, states[0][0].shape[1])
        written = []
        for _ in range(self.spec.decoder):
            run = _run(self.decoder, given, states, None)
            written.append(self._read(run)[1][:, 0])
            given, states = self._begin(1, len(written[0])), run.finals
            given[0, -2] = 0
            given[0, :-2] = self._fed_back(written[-1]).T
        return np.stack(written, axis=1)

    def _fed_back(self, output: Array) -> Array:
        if self.spec.loss == "mse":
            return output
        return _one_hot(output.argmax(axis=1), self.spec.outputs)

    def _begin(self, time: int, batch: int) -> Array:
        """A decoder's input `(T, outputs + 2, B)`: nothing written, the begin flag at the first
        step, ones for the bias."""
        given = np.zeros((time, self.spec.outputs + 2, batch), self.dtype)
        given[0, -2] = given[:, -1] = 1
        return given

    def _taught(self, y: Array) -> Array:
        """The decoder's input in training: at step t, target t − 1."""
        before = y[:, :-1]
        if self.spec.loss == "cross_entropy":
            before = _one_hot(before, self.spec.outputs)
        given = self._begin(self.spec.decoder, len(y))
        given[1:, :-2] = np.nan_to_num(before, nan=0.0).transpose(1, 2, 0)
        return given

    def _backward(
        self,
        x: Any,
        y: Any,
        lengths: Any = None,
        need_input: bool = False,
        consume: "Consume | None" = None,
    ) -> tuple[float, "Back"]:
        """The loss and its derivatives. Weight gradients are summed into `grads`, unless `consume`
        takes their operands instead."""
        consume = consume or self._sum
        run, y = self._encode(x, lengths), np.asarray(y)
        if not self.spec.decoder:
            loss, d_top, d_finals = self._read_back(run, y, consume)
            return loss, _run_back(run, d_top, d_finals, need_input, consume)
        written = _run(self.decoder, self._taught(y), run.finals, None)
        loss, d_top, d_finals = self._read_back(written, y, consume)
        d_finals = _run_back(written, d_top, d_finals, False, consume).initial
        return loss, _run_back(run, None, d_finals, need_input, consume)

    def _read_back(
        self, run: "Run", y: Array, consume: "Consume"
    ) -> tuple[float, Array | None, list[Any]]:
        """The loss, and its derivative with respect to the last layer's states of every step,
        or to the final ones of each direction."""
        features, prediction = self._read(run)
        loss, d_logits = LOSSES[self.spec.loss](prediction, y)
        every, w = self.spec.readout == "every", self.weights.parts["readout.w"]
        d_logits = d_logits.transpose(1, 2, 0) if every else d_logits.T[None]
        consume("readout.", Product("w", d_logits.swapaxes(0, 1), features))
        d_features = np.matmul(w[:, :-1].T, d_logits)
        if every:
            return loss, d_features, [()] * len(run.finals)
        last = [(d,) for d in np.split(d_features[0], self.spec.directions)]
        return loss, None, [()] * (len(run.finals) - len(last)) + last

    def _sum(self, prefix: str, product: Product) -> None:
        """Write one weight gradient: one product over all steps."""
        name, d, inputs, rows = product
        out = self.grads.parts[prefix + name][rows]
        if inputs is None:
            np.sum(d, axis=(1, 2), out=out)
        else:
            outer(d, self.space.columns("inputs", inputs), out, self.in_order)
        if self.in_order and name != "u":
            bias = out if inputs is None else out[:, -1]
            bias[:] = one_by_one(flat(d))


class GradientTerms(NamedTuple):
    """One weight gradient before it is summed: `derivatives` `(rows, T, B)` of the loss with
    respect to what the weights give at each step, and the `inputs` `(N, T·B)` that they were
    multiplied by; None for a bias. Steps are in the order in which the direction runs. The inputs
    of a `w` end with a row of ones, because the reference keeps the bias as its last column."""

    derivatives: Array
    inputs: Array | None


def _terms(weights: "Weights", prefix: str, product: Product) -> list[tuple[str, GradientTerms]]:
    """A product as copies in the canonical order of rows; a `w` comes with its bias."""
    name = prefix + product.name
    d = np.roll(product.derivatives, -weights.rolled_by(name), axis=0)
    if product.inputs is None:
        return [(name, GradientTerms(d, None))]
    # Sums differ in the last bit between memory layouts: the operands keep theirs.
    inputs = Workspace(d.dtype).columns("inputs", product.inputs).copy(order="K")
    entry = GradientTerms(d, inputs)
    return [(name, entry), *([(prefix + "b", GradientTerms(d, None))] * (product.name == "w"))]


def _reset_before(spec: ModelSpec) -> bool:
    return spec.cell == "gru" and spec.gru == "reset_before"


def _batch_major(array: Array) -> Array:
    """`(T, N, B)` as a new `(B, T, N)`."""
    return np.array(array.transpose(2, 0, 1), order="C")


def _one_hot(labels: Array, classes: int) -> Array:
    """Nothing where the label is −1."""
    return np.asarray(labels)[..., None] == np.arange(classes)


def _ended(lengths: Any, time: int) -> Array | None:
    if lengths is None:
        return None
    ended = np.arange(time)[:, None, None] >= np.asarray(lengths)
    return ended if ended.any() else None


def _initial(spec: ModelSpec, state: Any, batch: int, dtype: Any) -> "States":
    """Initial states in the order in which layers and directions consume them."""
    count = spec.layers * spec.directions
    parts = state if isinstance(state, tuple | list) else (state,) if state is not None else ()
    given = [np.asarray(part, dtype).swapaxes(1, 2) for part in parts]
    while len(given) < (2 if spec.cell == "lstm" else 1):
        given.append(np.zeros((count, spec.hidden, batch), dtype))
    return [tuple(part[k] for part in given) for k in range(count)]


# ---- a stack of layers ----------------------------------------------------------------------

States = list[tuple[Array, ...]]
"""The states `(H, B)` of each layer and direction: h, and c where the cell has one."""


class Run(NamedTuple):
    """The inputs `(T, D + 1, B)` of each layer, with a row of ones for the bias, and its
    directions with their tapes."""

    inputs: list[Array]
    tapes: list[list[tuple[Direction, Tape]]]
    ended: Array | None

    @property
    def top(self) -> Array:
        """The last layer's states `(T, H × directions + 1, B)`, and a row of ones."""
        return _above(self.tapes[-1])

    @property
    def finals(self) -> States:
        return [tape.final for layer in self.tapes for _, tape in layer]


class Back(NamedTuple):
    """dL/dx `(T, D, B)`, the last layer's dL/dh `(T, H, B)` of each direction, and the
    derivatives with respect to the initial states."""

    inputs: Array | None
    top: list[Array]
    initial: States


def _run(layers: list[list[Direction]], below: Array, states: States, ended: Array | None) -> Run:
    inputs, tapes, left = [below], list[list[tuple[Direction, Tape]]](), iter(states)
    for layer in layers:
        if tapes:
            inputs.append(_above(tapes[-1]))
        tapes.append([(p, _run_one(p, inputs[-1], next(left), ended)) for p in layer])
    return Run(inputs, tapes, ended)


def _run_one(p: Direction, below: Array, state: tuple[Array, ...], ended: Array | None) -> Tape:
    a = p.space("a", len(below), len(p.weights["w"]), below.shape[2])
    np.matmul(p.weights["w"], _in_time(p, below), out=a)
    with np.errstate(over="ignore"):
        return p.cell.forward(p, a, state, _in_time(p, ended))


def _above(layer: list[tuple[Direction, Tape]]) -> Array:
    """The states of both directions and a row of ones, in the sequence's order of time."""
    time, size, batch = layer[0][1].hidden[1:].shape
    above = layer[0][0].space("above", time, size * len(layer) + 1, batch)
    for k, (p, tape) in enumerate(layer):
        above[:, k * size : (k + 1) * size] = _in_time(p, tape.hidden[1:])
    above[:, -1] = 1
    return above


Consume = Callable[[str, Product], None]
"""What takes the operands of a weight gradient, with the prefix of its name."""


def _run_back(
    run: Run, d_top: Array | None, d_finals: States, need_input: bool, consume: Consume
) -> Back:
    """From the derivatives with respect to the last layer's states, and to the final states: an
    empty tuple where there is none."""
    d_above, top, initial = d_top, list[Array](), States()
    for k, (below, layer) in reversed(list(enumerate(zip(run.inputs, run.tapes, strict=True)))):
        count, wanted = len(layer), need_input or k > 0
        above = [None] * count if d_above is None else np.split(d_above, count, axis=1)
        finals = d_finals[k * count : (k + 1) * count]
        ones = [
            _back_one(*layer[d], below, above[d], finals[d], run.ended, wanted, consume)
            for d in range(count)
        ]
        top = top or [one.top[0] for one in ones]
        d_above = sum((one.inputs for one in ones[1:]), ones[0].inputs) if wanted else None
        initial = [one.initial[0] for one in ones] + initial
    return Back(d_above, top, initial)


def _back_one(
    p: Direction,
    tape: Tape,
    below: Array,
    d_above: Array | None,
    d_final: tuple[Array, ...],
    ended: Array | None,
    need_input: bool,
    consume: Consume,
) -> Back:
    d_hidden = p.space("d_hidden", *tape.hidden.shape)
    d_hidden[0], d_hidden[1:] = 0, 0 if d_above is None else _in_time(p, d_above)
    if d_final:
        d_hidden[-1] += d_final[0]
    d_cell = None if tape.cells is None else np.zeros_like(d_hidden[0])
    if d_cell is not None and len(d_final) > 1:
        d_cell += d_final[1]
    da, products = p.cell.backward(p, tape, d_hidden, d_cell, _in_time(p, ended))
    for product in (*products, Product("w", da, _in_time(p, below))):
        consume(p.prefix, product)
    d_below = None
    if need_input:
        d_below = p.space("d_below", len(below), below.shape[1] - 1, below.shape[2])
        np.matmul(p.weights["w"][:, :-1].T, da.swapaxes(0, 1), out=d_below)
    d_initial = (d_hidden[0],) if d_cell is None else (d_hidden[0], d_cell)
    return Back(_in_time(p, d_below), [_in_time(p, d_hidden[1:])], [d_initial])


def _in_time(p: Direction, array: Any) -> Any:
    """The array in the direction's own order of time, or back again."""
    return array[::-1] if p.reverse and array is not None else array


# ---- weights --------------------------------------------------------------------------------


class Weights:
    """All weights, or their gradients, in one vector `flat`, and its `parts` by name: the
    canonical ones, but that the bias is the last column of `w` and that the gates lie in the
    order of the cells: those of the lstm, and of the gru's w and b, rolled by one."""

    def __init__(self, spec: ModelSpec, params: Params) -> None:
        self.spec = spec
        shapes = {name: np.shape(v) for name, v in params.items() if not name.endswith(".b")}
        for name in (name for name in shapes if name.endswith(".w")):
            shapes[name] = (shapes[name][0], shapes[name][1] + 1)
        ends = np.cumsum([0, *(prod(shape) for shape in shapes.values())])
        self.flat = np.zeros(ends[-1], spec.dtype)
        self.parts = {
            name: self.flat[start:end].reshape(shape)
            for (name, shape), start, end in zip(shapes.items(), ends, ends[1:], strict=False)
        }
        self.names = tuple(params)
        for name, value in params.items():
            self._view(name)[...] = np.roll(value, self.rolled_by(name), axis=0)

    def below(self, prefix: str) -> dict[str, Array]:
        return {
            name.removeprefix(prefix): part
            for name, part in self.parts.items()
            if name.startswith(prefix)
        }

    def canonical(self) -> dict[str, Array]:
        """New arrays by canonical name."""
        return {
            name: np.roll(self._view(name), -self.rolled_by(name), axis=0) for name in self.names
        }

    def _view(self, name: str) -> Array:
        if name.endswith(".w"):
            return self.parts[name][:, :-1]
        return self.parts[name[:-1] + "w"][:, -1] if name.endswith(".b") else self.parts[name]

    def rolled_by(self, name: str) -> int:
        kinds = {"lstm": "wub", "gru": "" if _reset_before(self.spec) else "wb"}
        kind = name.rsplit(".", 1)[1]
        rolled = kind in kinds.get(self.spec.cell, "") and not name.startswith("readout")
        return self.spec.hidden if rolled else 0


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


BLOCK = 1 << 14
"""Elements updated at once, so that what an update reads and writes stays in the cache."""


class Adam:
    """Kingma & Ba 2015, algorithm 1, after clipping by the global norm (see `Training`)."""

    def __init__(self, training: Training, weights: Array) -> None:
        self.settings, self.count = training, 0
        self.mean, self.square = np.zeros_like(weights), np.zeros_like(weights)
        self.scratch = np.empty(min(BLOCK, weights.size), weights.dtype)

    def update(self, weights: Array, grads: Array) -> None:
        """In place, of all weights in one vector; the gradients are clipped in place too."""
        s = self.settings
        self.count += 1
        rate = s.learning_rate / (1 - s.beta1**self.count)
        root = 1 / (1 - s.beta2**self.count) ** 0.5
        clip(grads, s.clip_norm)
        for block in _blocks(weights.size):
            self._update(block, weights, grads, rate, root)

    def _update(self, block: slice, weights: Array, grads: Array, rate: float, root: float) -> None:
        s, g, m, v = self.settings, grads[block], self.mean[block], self.square[block]
        scratch = self.scratch[: len(g)]
        m *= s.beta1
        m += np.multiply(g, 1 - s.beta1, out=scratch)
        v *= s.beta2
        np.multiply(g, 1 - s.beta2, out=scratch)
        v += np.multiply(scratch, g, out=scratch)
        np.sqrt(v, out=scratch)
        scratch *= root
        scratch += s.epsilon
        np.divide(m, scratch, out=scratch)
        scratch *= rate
        weights[block] -= scratch


class Descent:
    """Plain gradient descent, `sgd` of `Training`."""

    def __init__(self, training: Training, weights: Array) -> None:
        self.settings = training

    def update(self, weights: Array, grads: Array) -> None:
        """As `Adam.update`; the gradients are scaled by the learning rate besides."""
        clip(grads, self.settings.clip_norm)
        grads *= self.settings.learning_rate
        weights -= grads


OPTIMISERS = {"adam": Adam, "sgd": Descent}


def clip(grads: Array, limit: float | None) -> None:
    """Scale by min(1, limit / ‖g‖), in place; squares are summed in float64 block by block."""
    if limit is None:
        return
    wide = (grads[block].astype(float) for block in _blocks(grads.size))
    norm = sum(float(np.dot(g, g)) for g in wide) ** 0.5
    if norm > limit:
        grads *= limit / norm


def _blocks(size: int) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, size, BLOCK)]
