"""A model in Keras' layers, whatever Keras computes with: TensorFlow, JAX or PyTorch.

Keras reads `KERAS_BACKEND` when it is imported, which here happens inside functions only: an
adapter sets the variable before it calls any of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.spec import Array, ModelSpec, Params


class Network:
    """The layers of a model and what they compute, as functions of tensors and variables.

    `variables` are Keras variables in the order of `to_keras`; `trained` has, for each of them,
    ones where a weight is the model's own and zeros in Keras' second bias of r and z.
    """

    def __init__(self, spec: ModelSpec, params: Params, choices: "Choices") -> None:
        self.spec, self._choices = spec, choices
        self.layers = _stack(spec, choices)
        self.decoder = _stack(spec.decoding, choices) if spec.decoder else []
        self.readout = _readout(spec)
        flat = [part for layer in (*self.layers, *self.decoder) for part in layer]
        self.variables = [v for part in (*flat, self.readout) for v in part.trainable_variables]
        self.assign(params)
        ones = {name: np.ones(np.shape(value), spec.storage) for name, value in params.items()}
        self.trained = to_keras(spec, ones)

    def assign(self, params: Params) -> None:
        for variable, value in zip(self.variables, to_keras(self.spec, params), strict=True):
            variable.assign(np.asarray(value, self.spec.storage))

    def predictions(self, x: Any, lengths: Any = None, initial: Any = None) -> Any:
        """The readout; a decoder reads what it wrote itself."""
        return self.advance(x, lengths, initial)[0]

    def advance(self, x: Any, lengths: Any = None, initial: Any = None) -> tuple[Any, Any]:
        """The readout and the final states, in the layout of `initial`."""
        h, final = self._encoded(x, lengths, initial)
        output = self._written(final) if self.spec.decoder else self._read(h)
        return output, _packed(self.spec, final)

    def hidden(self, x: Any, lengths: Any = None, initial: Any = None) -> Any:
        """The last layer's h at every step `(batch, time, hidden × directions)`."""
        from keras import ops

        h, _ = self.run(self.layers, x, self.states(x, initial), lengths, every=True)
        return ops.cast(h, self.spec.storage)

    def loss(self, x: Any, y: Any, lengths: Any = None, nudge: Any = None) -> Any:
        """`nudge` `(batch, time, hidden × directions)` is added to the last layer's h inside the
        loop: the loss's gradient by it, at zero, is dL/dh_t."""
        h, final = self._encoded(x, lengths, None, nudge)
        if self.spec.decoder:
            taught = _shifted(self.spec, y)
            h, _ = self.run(self.decoder, taught, final, every=True)
        return _LOSSES[self.spec.loss](self._read(h), y)

    def _encoded(self, x: Any, lengths: Any, initial: Any, nudge: Any = None) -> tuple[Any, Any]:
        every = self.spec.readout == "every" and not self.spec.decoder
        return self.run(self.layers, x, self.states(x, initial), lengths, nudge, every=every)

    def _read(self, h: Any) -> Any:
        from keras import ops

        return ops.cast(self.readout(h), self.spec.storage)

    def run(
        self,
        layers: list[list[Any]],
        x: Any,
        states: list[Any],
        lengths: Any = None,
        nudge: Any = None,
        *,
        every: bool,
    ) -> tuple[Any, list[Any]]:
        """The top layer's h, of every step or each direction's final one, and the final states
        of each direction of each layer: [h], for the lstm [h, c]."""
        from keras import ops

        mask = None if lengths is None else _mask(lengths, x.shape[1])
        if mask is not None:
            x = ops.where(mask[..., None], x, ops.zeros_like(x))
        final: list[Any] = []
        for layer in layers:
            top = layer is layers[-1]
            pushed = top and nudge is not None
            pushes = ops.split(nudge, len(layer), -1) if pushed else [None] * len(layer)
            starts = states[len(final) :]
            directions = zip(layer, (False, True), starts, pushes, strict=False)
            runs = [self._direction(x, mask, every or not top, *each) for each in directions]
            final += [state for _, state in runs]
            x = ops.concatenate([h for h, _ in runs], -1) if len(runs) > 1 else runs[0][0]
        return x, final

    def _direction(
        self, x: Any, mask: Any, every: bool, layer: Any, backward: bool, start: Any, nudge: Any
    ) -> tuple[Any, list[Any]]:
        """h in the order of time `(batch, time, hidden)`, or the final one, and the final state."""
        from keras import ops

        if self.spec.cell == "feedforward":
            h, final = _feedforward(layer, x, mask, backward, nudge)
        else:
            h, *final = self._choices.recur(layer, x, start, mask, nudge, every)
            h = ops.flip(h, 1) if backward and every else h
        if not every:
            return final[0], final
        return _held(h, mask, start[0] if backward else final[0]), final

    def states(self, x: Any, initial: Any) -> list[Any]:
        from keras import ops

        count = self.spec.layers * self.spec.directions
        if initial is None:
            zeros = ops.zeros((x.shape[0], self.spec.hidden), self.spec.storage)
            return [[zeros] * (2 if self.spec.cell == "lstm" else 1)] * count
        parts = initial if isinstance(initial, tuple | list) else (initial,)
        return [[part[k] for part in parts] for k in range(count)]

    def _written(self, start: list[Any]) -> Any:
        """What the decoder writes from these states, free running `(batch, decoder, outputs)`."""
        import keras
        from keras import ops

        spec, cells = self.spec, [layer.cell for (layer,) in self.decoder]
        batch = start[0][0].shape[0]
        first = ops.zeros((batch, spec.outputs), spec.storage)
        loop = keras.layers.RNN(
            _writing(spec, cells, self.readout), return_sequences=True, dtype=_policy(spec)
        )
        states = [first, *(part for state in start for part in state)]
        return ops.cast(loop(_begin(spec, batch), initial_state=states), spec.storage)


# ---- layers and cells ------------------------------------------------------------------------


def _policy(spec: ModelSpec) -> str:
    return "mixed_bfloat16" if spec.dtype == "bfloat16" else spec.dtype


def _stack(spec: ModelSpec, choices: "Choices") -> list[list[Any]]:
    """The layers of a model, built: a list for each with its one or two directions."""
    layers, width = [], spec.inputs
    for _ in range(spec.layers):
        layers.append([_layer(spec, choices, d == 1) for d in range(spec.directions)])
        for direction in layers[-1]:
            direction.build((None, None, width))
        width = spec.hidden * spec.directions
    return layers


def _layer(spec: ModelSpec, choices: "Choices", backward: bool) -> Any:
    """One direction of one layer. Its own initial weights are zeros: none are drawn."""
    import keras

    common: dict[str, Any] = {"kernel_initializer": "zeros", "dtype": _policy(spec)}
    if spec.cell == "feedforward":
        return keras.layers.Dense(spec.hidden, activation="tanh", **common)
    common |= {"recurrent_initializer": "zeros", "go_backwards": backward, "return_state": True}
    common |= {"unroll": choices.unroll, "seed": 0}  # without a seed Keras draws one globally
    if spec.cell == "rnn":
        return keras.layers.SimpleRNN(spec.hidden, **common)
    common["use_cudnn"] = "auto" if choices.cudnn else False
    if spec.cell == "lstm":
        return keras.layers.LSTM(spec.hidden, **common)
    return keras.layers.GRU(spec.hidden, reset_after=spec.gru == "reset_after", **common)


def _readout(spec: ModelSpec) -> Any:
    import keras

    dense = keras.layers.Dense(spec.outputs, kernel_initializer="zeros", dtype=_policy(spec))
    dense.build((None, spec.hidden * spec.directions))
    return dense


def through_keras(
    layer: Any, x: Any, start: list[Any], mask: Any, nudge: Any, every: bool
) -> tuple[Any, ...]:
    """One direction: h `(batch, time, hidden)` in the layer's own order of time, or the final
    one alone, and the final states, from its states at the start; see `Network.loss` for nudge."""
    from keras import ops

    if nudge is not None:
        layer, x = _nudged(layer, x.shape[-1]), ops.concatenate([x, nudge], -1)
    layer.return_sequences = every  # read while tracing; the final state alone is cheaper
    return tuple(layer(x, mask=mask, initial_state=start))


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How the layers run: `cudnn` where Keras may take it, unrolled in time, or, in place of
    Keras' own loop, by a function like `through_keras`."""

    cudnn: bool = False
    unroll: bool = False
    recur: Callable[..., Any] = through_keras


def _feedforward(
    layer: Any, x: Any, mask: Any, backward: bool, nudge: Any
) -> tuple[Any, list[Any]]:
    from keras import ops

    h = layer(x) if nudge is None else layer(x) + ops.cast(nudge, layer.compute_dtype)
    if backward:
        return h, [h[:, 0]]
    if mask is None:
        return h, [h[:, -1]]
    last = ops.logical_and(mask, ops.logical_not(ops.pad(mask[:, 1:], [[0, 0], [0, 1]])))
    return h, [ops.sum(h * ops.cast(last, h.dtype)[..., None], 1)]


@dataclass(frozen=True)
class NudgedCell:
    """A Keras cell whose input carries, after `inputs` features, a term added to the new h."""

    cell: Any
    inputs: int
    state_size: Any
    output_size: int
    compute_dtype: str

    def call(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        h, (_, *others) = self.cell(inputs[:, : self.inputs], states)
        h = h + inputs[:, self.inputs :]
        return h, [h, *others]

    __call__ = call


def _nudged(layer: Any, inputs: int) -> Any:
    import keras

    cell = layer.cell
    nudged = NudgedCell(cell, inputs, cell.state_size, cell.output_size, cell.compute_dtype)
    return keras.layers.RNN(
        nudged, go_backwards=layer.go_backwards, return_state=True, dtype=layer.dtype_policy
    )


@dataclass(frozen=True)
class WritingCell:
    """A whole decoder as one Keras cell. Its input is the begin flag; its states are what it
    wrote last, then those of its layers; its output is what it writes."""

    cells: list[Any]
    readout: Any
    classes: int
    state_size: list[int]
    output_size: int
    compute_dtype: str

    def call(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        from keras import ops

        written, *rest = states
        h, after = ops.concatenate([written, inputs], -1), []
        own = len(rest) // len(self.cells)
        for k, cell in enumerate(self.cells):
            h, state = cell(h, rest[k * own : (k + 1) * own])
            after += list(state)
        output = self.readout(h)
        if self.classes:
            written = ops.one_hot(ops.argmax(output, -1), self.classes, dtype=output.dtype)
        else:
            written = output
        return output, [written, *after]

    __call__ = call


def _writing(spec: ModelSpec, cells: list[Any], readout: Any) -> WritingCell:
    sizes = [spec.outputs] + [spec.hidden] * spec.layers * (2 if spec.cell == "lstm" else 1)
    classes = spec.outputs if spec.loss == "cross_entropy" else 0
    return WritingCell(cells, readout, classes, sizes, spec.outputs, readout.compute_dtype)


# ---- sequences and targets -------------------------------------------------------------------


def _mask(lengths: Any, time: int) -> Any:
    """`(batch, time)`, true before the end of each sequence."""
    from keras import ops

    return ops.arange(time, dtype="int32")[None] < ops.cast(lengths, "int32")[:, None]


def _held(h: Any, mask: Any, edge: Any) -> Any:
    """h with the state held beyond the end, where Keras' loop or cuDNN leave zeros."""
    from keras import ops

    if mask is None:
        return h
    return ops.where(mask[..., None], h, ops.cast(edge, h.dtype)[:, None])


def _packed(spec: ModelSpec, final: list[Any]) -> Any:
    """Final states as h `(layers × directions, batch, hidden)`, for the lstm the pair (h, c)."""
    from keras import ops

    parts = [ops.cast(ops.stack(list(part)), spec.storage) for part in zip(*final, strict=True)]
    return tuple(parts) if spec.cell == "lstm" else parts[0]


def _begin(spec: ModelSpec, batch: int) -> Any:
    """`(batch, decoder, 1)`: one at the first step, zero after it."""
    from keras import ops

    flags = np.zeros((batch, spec.decoder, 1), spec.storage)
    flags[:, 0] = 1
    return ops.convert_to_tensor(flags)


def _shifted(spec: ModelSpec, y: Any) -> Any:
    """What a taught decoder reads `(batch, decoder, outputs + 1)`: the targets one step late."""
    from keras import ops

    if spec.loss == "cross_entropy":
        given = ops.one_hot(y[:, :-1], spec.outputs, dtype=spec.storage)  # zeros for −1
    else:
        given = ops.where(ops.isnan(y), ops.zeros_like(y), y)[:, :-1]
    late = ops.pad(given, [[0, 0], [1, 0], [0, 0]])
    return ops.concatenate([late, _begin(spec, y.shape[0])], -1)


def _mse(prediction: Any, y: Any) -> Any:
    from keras import ops

    y = ops.cast(y, prediction.dtype)
    error = prediction - y
    if len(prediction.shape) == 2:
        return ops.mean(ops.square(error))
    given = ops.logical_not(ops.isnan(y))
    return _mean(ops.square(ops.where(given, error, ops.zeros_like(error))), given)


def _cross_entropy(prediction: Any, y: Any) -> Any:
    from keras import ops

    given = y >= 0
    labels = ops.where(given, y, ops.zeros_like(y))
    each = ops.sparse_categorical_crossentropy(labels, prediction, from_logits=True)
    return _mean(ops.where(given, each, ops.zeros_like(each)), given)


def _mean(values: Any, given: Any) -> Any:
    """The mean of the values that are given, the others being zero."""
    from keras import ops

    count = ops.sum(ops.cast(given, "int32"))  # float32 counts exactly only to 2²⁴
    return ops.sum(values) / ops.cast(ops.maximum(count, 1), values.dtype)


_LOSSES = {"mse": _mse, "cross_entropy": _cross_entropy}


# ---- weights ---------------------------------------------------------------------------------


def to_keras(spec: ModelSpec, params: Params) -> list[Array]:
    """Canonical arrays as those of the Keras variables, in their order."""
    arrays: list[Array] = []
    for prefix in _prefixes(spec):
        own = [params[prefix + name] for name in "wub" if prefix + name in params]
        arrays += [_reordered(spec, array).T for array in own]
        if prefix + "b_hn" in params:
            second = np.zeros_like(arrays[-1])
            second[-spec.hidden :] = params[prefix + "b_hn"]
            arrays[-1] = np.stack([arrays[-1], second])
    return [*arrays, np.transpose(params["readout.w"]), np.asarray(params["readout.b"])]


def to_canonical(spec: ModelSpec, arrays: Sequence[Array]) -> dict[str, Array]:
    """The inverse of `to_keras`, for weights and for their gradients."""
    kinds = "wb" if spec.cell == "feedforward" else "wub"
    names = [prefix + kind for prefix in _prefixes(spec) for kind in kinds]
    *own, readout_w, readout_b = arrays
    result = {"readout.w": np.ascontiguousarray(readout_w.T), "readout.b": readout_b}
    for name, array in zip(names, own, strict=True):
        if name.endswith(".b") and array.ndim == 2:
            result[name + "_hn"] = array[1, -spec.hidden :].copy()
            array = array[0]
        result[name] = np.ascontiguousarray(_reordered(spec, array.T))
    return result


def _prefixes(spec: ModelSpec) -> Iterator[str]:
    for layer in range(spec.layers):
        for name in ("forward", "backward")[: spec.directions]:
            yield f"layers.{layer}.{name}."
    if spec.decoder:
        yield from (f"decoder.{prefix}" for prefix in _prefixes(spec.decoding))


def _reordered(spec: ModelSpec, array: Array) -> Array:
    """Gate rows r, z, n as Keras' z, r, n, or back; the lstm's order is Keras' own."""
    array = np.asarray(array)
    if spec.cell != "gru":
        return array
    return array.reshape(3, spec.hidden, -1)[[1, 0, 2]].reshape(array.shape)
