"""TensorFlow: Keras' own recurrent layers and Adam, compiled whole by tf.function.

Three settings reach the whole process. `KERAS_BACKEND`, which Keras reads when imported, and
`TF_FORCE_GPU_ALLOW_GROWTH`, without which TensorFlow takes nearly all memory of a GPU at once, are
set where the user has not. TF32 is switched off by a session on a GPU: float32 means float32.
"""

import os
import re
from collections.abc import Callable, Sequence
from ctypes import CDLL
from dataclasses import dataclass
from functools import partial
from importlib import metadata, util
from typing import Any

import numpy as np

from bench.spec import Array, ModelSpec, Params, Supports, Training, Unsupported

REQUIRES = ("tensorflow", "keras")
SUPPORTS = Supports()


def devices() -> tuple[str, ...]:
    gpus = _tensorflow().config.list_physical_devices("GPU")
    return ("cpu", *(f"cuda:{index}" for index in range(len(gpus))))


def unavailable(device: str) -> str | None:
    if missing := [name for name in ("tensorflow", "keras") if util.find_spec(name) is None]:
        return f"{' and '.join(missing)} not installed"
    if device == "cpu":
        return None
    if not re.fullmatch(r"cuda(:\d+)?", device):
        return f"TensorFlow runs here on cpu, cuda or cuda:N, not on {device}"
    if _installed("tensorflow-cpu") and not _installed("tensorflow"):
        return "the installed tensorflow-cpu is built without CUDA"
    return None if _nvidia_driver() else "no NVIDIA driver library (libcuda) found"


def settings(device: str) -> dict[str, Any]:
    """TensorFlow's switches as they stand; 0 threads is its default, one for each core."""
    tf = _tensorflow()
    threading, switch = tf.config.threading, os.environ.get
    return {
        "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "deterministic_ops": _deterministic(),
        "xla_autoclustering": bool(tf.config.optimizer.get_jit()),
        "xla_jit_compile": Variant().jit,
        "intra_threads": threading.get_intra_op_parallelism_threads()
        or int(switch("TF_NUM_INTRAOP_THREADS", 0)),
        "inter_threads": threading.get_inter_op_parallelism_threads()
        or int(switch("TF_NUM_INTEROP_THREADS", 0)),
        "onednn_opts": switch("TF_ENABLE_ONEDNN_OPTS"),
    }


def peak_memory(device: str) -> int | None:
    """Bytes; None on the CPU, where TensorFlow keeps no count."""
    info = _tensorflow().config.experimental.get_memory_info
    return None if device == "cpu" else int(info(_placement(device))["peak"])


def reset_peak_memory(device: str) -> None:
    if device != "cpu":
        _tensorflow().config.experimental.reset_memory_stats(_placement(device))


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> "KerasSession":
    return KerasSession(spec, params, device, training)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What makes another backend of these layers: compiled by XLA, or unrolled in time."""

    jit: bool = False
    unroll: bool = False


class KerasSession:
    """See `bench.spec.TimedSession`. Each method is one compiled function, traced once for each
    combination of shapes and of lengths and initial_state given or not."""

    def __init__(
        self,
        spec: ModelSpec,
        params: Params,
        device: str,
        training: Training,
        variant: Variant = Variant(),
    ) -> None:
        self._place, self._spec, self._variant = _placement(device), spec, variant
        self._tf = tf = _tensorflow()
        self._tensor, self._graph = tf.Tensor, None
        if device != "cpu":
            tf.config.experimental.enable_tensor_float_32_execution(False)
        with tf.device(self._place):
            # Keras takes cuDNN wherever the process sees a GPU, for a model on the CPU as well.
            cudnn = device != "cpu" and not variant.jit
            self._network = network = Network(spec, params, variant, cudnn)
            self._update = _adam(training, spec.dtype, network.variables)
        self._forward = self._compiled(network.predictions)
        self._states = self._compiled(partial(network.hidden, every=True))
        self._gradients = self._compiled(partial(network.gradients, inputs_too=True))
        self._backward = self._compiled(network.gradients)
        self._step = self._compiled(self._train)
        self._hidden_gradients = self._compiled(network.hidden_gradients, recorded=False)

    def put(self, array: Any) -> Any:
        array = np.asarray(array)
        dtype = array.dtype if array.dtype.kind in "iub" else self._spec.dtype
        with self._tf.device(self._place):
            return self._tf.constant(np.array(array, dtype))

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return np.asarray(self._forward(*map(self._on_device, (x, lengths, initial_state))))

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return np.asarray(self._states(*map(self._on_device, (x, lengths, initial_state))))

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        loss, grads, dx = self._gradients(*map(self._on_device, (x, y, lengths)))
        canonical = _to_canonical(self._spec, [grad.numpy() for grad in grads])
        return float(loss), {**canonical, "x": dx.numpy()}

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        return np.asarray(self._hidden_gradients(self._on_device(x), self._on_device(y)))

    def forward(self, x: Any) -> Any:
        return self._forward(self._on_device(x), None, None)

    def backward(self, x: Any, y: Any) -> Any:
        return self._backward(self._on_device(x), self._on_device(y))

    def step(self, x: Any, y: Any) -> Any:
        return self._step(self._on_device(x), self._on_device(y))

    def params(self) -> dict[str, Array]:
        return _to_canonical(self._spec, [v.numpy() for v in self._network.variables])

    def wait(self) -> None:
        self._tf.test.experimental.sync_devices()

    def executed_path(self) -> str:
        """Read from the operations of the graph that was traced last."""
        if self._variant.jit:
            return "xla"  # with jit_compile=True TensorFlow fails rather than fall back
        if self._graph is None:
            self.forward(np.zeros((1, 2, self._spec.inputs)))
        return _path(self._graph, recurrent=self._spec.cell != "feedforward")

    def _on_device(self, value: Any) -> Any:
        if value is None or isinstance(value, self._tensor):
            return value
        return tuple(map(self.put, value)) if isinstance(value, tuple | list) else self.put(value)

    def _compiled(self, body: Callable[..., Any], recorded: bool = True) -> Callable[..., Any]:
        tf, place = self._tf, self._place

        def placed(*args: Any) -> Any:  # runs only when traced
            if recorded:
                self._graph = tf.compat.v1.get_default_graph()
            with tf.device(place):
                return body(*args)

        function = tf.function(placed, jit_compile=self._variant.jit, autograph=False)

        def call(*args: Any) -> Any:
            with tf.device(place):  # what is returned leaves the graph without a device of its own
                return function(*args)

        return call

    def _train(self, x: Any, y: Any) -> Any:
        loss, grads = self._network.gradients(x, y)
        self._update(grads)
        return loss


class Network:
    """The Keras layers of a model. Its methods build graphs: they run when traced only."""

    def __init__(self, spec: ModelSpec, params: Params, variant: Variant, cudnn: bool) -> None:
        import keras

        self.tf, self.spec = _tensorflow(), spec
        make = partial(_layer, spec, variant, cudnn)
        self.layers = [[make(d == 1) for d in range(spec.directions)] for _ in range(spec.layers)]
        self.readout = keras.layers.Dense(
            spec.outputs, kernel_initializer="zeros", dtype=spec.dtype
        )
        width = spec.inputs
        for layer in self.layers:
            for direction in layer:
                direction.build((None, None, width))
            width = spec.hidden * spec.directions
        self.readout.build((None, width))
        flat = [*(direction for layer in self.layers for direction in layer), self.readout]
        self.variables = [v.value for part in flat for v in part.trainable_variables]
        for variable, value in zip(self.variables, _to_keras(spec, params), strict=True):
            variable.assign(np.asarray(value, spec.dtype))
        ones = {name: np.ones(np.shape(value), spec.dtype) for name, value in params.items()}
        self.trained = _to_keras(spec, ones)

    def predictions(
        self, x: Any, lengths: Any = None, initial: Any = None, nudge: Any = None
    ) -> Any:
        every = self.spec.readout == "every"
        return self.readout(self.hidden(x, lengths, initial, nudge, every=every))

    def hidden(
        self, x: Any, lengths: Any = None, initial: Any = None, nudge: Any = None, *, every: bool
    ) -> Any:
        """The last layer's h at every step `(batch, time, hidden × directions)`, or each
        direction's final one; `nudge`, of the former shape, is added to it inside the loop."""
        if lengths is not None:
            x = self.tf.where(_mask(lengths, x)[..., None], x, self.tf.zeros_like(x))
        states = self._initial(x.shape[0], initial)
        for layer in self.layers:
            top = layer is self.layers[-1]
            pushed = top and nudge is not None
            pushes = self.tf.split(nudge, len(layer), -1) if pushed else [None] * len(layer)
            runs = zip(layer, (False, True), states, pushes, strict=False)
            x = self.tf.concat([self._run(x, lengths, every or not top, *run) for run in runs], -1)
            states = states[len(layer) :]
        return x

    def loss(self, x: Any, y: Any, lengths: Any = None, nudge: Any = None) -> Any:
        return _LOSSES[self.spec.loss](self.predictions(x, lengths, None, nudge), y)

    def gradients(
        self, x: Any, y: Any, lengths: Any = None, inputs_too: bool = False
    ) -> tuple[Any, ...]:
        """The loss, the gradient of each variable and, if wanted, dL/dx."""
        with self.tf.GradientTape() as tape:
            tape.watch([x] if inputs_too else [])
            loss = self.loss(x, y, lengths)
        grads = tape.gradient(loss, [*self.variables, x] if inputs_too else self.variables)
        dx = grads[len(self.variables) :]
        pairs = zip(grads, self.trained, strict=False)
        return loss, [grad if ones.all() else grad * ones for grad, ones in pairs], *dx

    def hidden_gradients(self, x: Any, y: Any) -> Any:
        width = self.spec.hidden * self.spec.directions
        nudge = self.tf.zeros((*x.shape[:2], width), x.dtype)
        with self.tf.GradientTape() as tape:
            tape.watch(nudge)
            loss = self.loss(x, y, nudge=nudge)
        return tape.gradient(loss, nudge)

    def _initial(self, batch: int, initial: Any) -> list[list[Any]]:
        """The state of each direction of each layer: [h], for the lstm [h, c]."""
        count = self.spec.layers * self.spec.directions
        if initial is None:
            zeros = self.tf.zeros((batch, self.spec.hidden), self.spec.dtype)
            return [[zeros] * (2 if self.spec.cell == "lstm" else 1)] * count
        parts = initial if isinstance(initial, tuple | list) else (initial,)
        return [[part[k] for part in parts] for k in range(count)]

    def _run(
        self, x: Any, lengths: Any, every: bool, layer: Any, backward: bool, start: Any, nudge: Any
    ) -> Any:
        """One direction: h in the order of time `(batch, time, hidden)`, or its final state."""
        if self.spec.cell == "feedforward":
            h = layer(x) if nudge is None else layer(x) + nudge
            h = self._held(h, lengths, backward, start[0])
            return h if every else h[:, 0 if backward else -1]
        mask = None if lengths is None else _mask(lengths, x)
        if nudge is not None:
            layer, x = _nudged(layer, x.shape[-1]), self.tf.concat([x, nudge], -1)
        layer.return_sequences = every  # read while tracing; the final state alone is cheaper
        h = layer(x, mask=mask, initial_state=start)
        if not every:
            return h
        return self._held(self.tf.reverse(h, [1]) if backward else h, lengths, backward, start[0])

    def _held(self, h: Any, lengths: Any, backward: bool, start: Any) -> Any:
        """h with the state held beyond the end, where Keras' loop or cuDNN leave zeros."""
        if lengths is None:
            return h
        edge = start if backward else self.tf.gather(h, lengths - 1, batch_dims=1)
        return self.tf.where(_mask(lengths, h)[..., None], h, edge[:, None])


def _mask(lengths: Any, x: Any) -> Any:
    """`(batch, time)`, true before the end of each sequence of x."""
    return _tensorflow().sequence_mask(lengths, x.shape[1])


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
    return keras.layers.RNN(nudged, go_backwards=layer.go_backwards, dtype=cell.compute_dtype)


def _layer(spec: ModelSpec, variant: Variant, cudnn: bool, backward: bool) -> Any:
    """One direction of one layer. Its own initial weights are zeros: none are drawn."""
    import keras

    common: dict[str, Any] = {"kernel_initializer": "zeros", "dtype": spec.dtype}
    if spec.cell == "feedforward":
        return keras.layers.Dense(spec.hidden, activation="tanh", **common)
    common |= {"recurrent_initializer": "zeros", "go_backwards": backward}
    common |= {"unroll": variant.unroll, "seed": 0}  # without a seed Keras draws one globally
    if spec.cell == "rnn":
        return keras.layers.SimpleRNN(spec.hidden, **common)
    common["use_cudnn"] = "auto" if cudnn else False
    if spec.cell == "lstm":
        return keras.layers.LSTM(spec.hidden, **common)
    return keras.layers.GRU(spec.hidden, reset_after=spec.gru == "reset_after", **common)


def _adam(training: Training, dtype: str, variables: list[Any]) -> Callable[[list[Any]], None]:
    """Keras' Adam, called while tracing with the gradients, before clipping.

    Its constants are tensors, since Keras rounds Python numbers to float32. Its ε stands inside
    the bias correction (ε̂ of Kingma & Ba 2015, section 2): √v + ε√(1 − β₂ᵗ) puts it outside.
    """
    import keras

    tf = _tensorflow()
    rate, beta1, beta2, epsilon = (
        tf.constant(value, dtype)
        for value in (training.learning_rate, training.beta1, training.beta2, training.epsilon)
    )
    optimiser = keras.optimizers.Adam(lambda: rate, beta1, beta2)
    optimiser.build(variables)

    def update(grads: list[Any]) -> None:
        if training.clip_norm is not None:
            scale = tf.minimum(
                tf.ones((), dtype), training.clip_norm / tf.linalg.global_norm(grads)
            )
            grads = [grad * scale for grad in grads]
        count = tf.cast(optimiser.iterations.value + 1, dtype)
        optimiser.epsilon = epsilon * tf.sqrt(1 - tf.pow(beta2, count))
        optimiser.apply(grads, variables)

    return update


def _mse(prediction: Any, y: Any) -> Any:
    tf = _tensorflow()
    error = prediction - tf.cast(y, prediction.dtype)
    if prediction.shape.rank == 2:
        return tf.reduce_mean(tf.square(error))
    given = tf.logical_not(tf.math.is_nan(tf.cast(y, prediction.dtype)))
    return _mean(tf.square(tf.where(given, error, tf.zeros_like(error))), given)


def _cross_entropy(prediction: Any, y: Any) -> Any:
    tf = _tensorflow()
    given = y >= 0
    labels = tf.where(given, y, tf.zeros_like(y))
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, prediction)
    return _mean(tf.where(given, each, tf.zeros_like(each)), given)


def _mean(values: Any, given: Any) -> Any:
    """The mean of the values that are given, the others being zero."""
    tf = _tensorflow()
    count = tf.reduce_sum(tf.cast(given, tf.int64))  # float32 counts exactly only to 2²⁴
    return tf.reduce_sum(values) / tf.cast(tf.maximum(count, 1), values.dtype)


_LOSSES = {"mse": _mse, "cross_entropy": _cross_entropy}


def _prefixes(spec: ModelSpec) -> list[str]:
    directions = ("forward", "backward")[: spec.directions]
    return [f"layers.{layer}.{name}." for layer in range(spec.layers) for name in directions]


def _to_keras(spec: ModelSpec, params: Params) -> list[Array]:
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


def _to_canonical(spec: ModelSpec, arrays: Sequence[Array]) -> dict[str, Array]:
    """The inverse of `_to_keras`, for weights and for their gradients."""
    names = [
        p + n for p in _prefixes(spec) for n in ("wb" if spec.cell == "feedforward" else "wub")
    ]
    *own, readout_w, readout_b = arrays
    result = {"readout.w": np.ascontiguousarray(readout_w.T), "readout.b": readout_b}
    for name, array in zip(names, own, strict=True):
        if name.endswith(".b") and array.ndim == 2:
            result[name + "_hn"] = array[1, -spec.hidden :].copy()
            array = array[0]
        result[name] = np.ascontiguousarray(_reordered(spec, array.T))
    return result


def _reordered(spec: ModelSpec, array: Array) -> Array:
    """Gate rows r, z, n as Keras' z, r, n, or back; the lstm's order is Keras' own."""
    array = np.asarray(array)
    if spec.cell != "gru":
        return array
    return array.reshape(3, spec.hidden, -1)[[1, 0, 2]].reshape(array.shape)


def _path(graph: Any, recurrent: bool) -> str:
    """Keras decides between cuDNN and its loop while tracing, so the graph tells which."""
    definition = graph.as_graph_def()
    functions = (function.node_def for function in definition.library.function)
    ops = {node.op for nodes in (definition.node, *functions) for node in nodes}
    found = ["cudnn"] if any(op.startswith("CudnnRNN") for op in ops) else []
    found += ["while_loop"] if ops & {"While", "StatelessWhile"} else []
    return "+".join(found) or ("unrolled" if recurrent else "matmul")


def _placement(device: str) -> str:
    if reason := unavailable(device):
        raise Unsupported(reason)
    if device == "cpu":
        return "/CPU:0"
    index = int(device.partition(":")[2] or 0)
    if f"cuda:{index}" not in devices():
        raise Unsupported(f"TensorFlow sees no GPU {index}")
    return f"/GPU:{index}"


def _tensorflow() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    import keras
    import tensorflow as tf

    if (active := keras.backend.backend()) != "tensorflow":
        raise Unsupported(f"Keras is set to compute with {active}: unset KERAS_BACKEND")
    return tf


def _deterministic() -> bool:
    from tensorflow.python.framework import config  # the public API can only switch it on

    return bool(config.is_op_determinism_enabled())


def _installed(distribution: str) -> bool:
    try:
        return bool(metadata.version(distribution))
    except metadata.PackageNotFoundError:
        return False


def _nvidia_driver() -> bool:
    try:
        return bool(CDLL("libcuda.so.1"))
    except OSError:
        return False
