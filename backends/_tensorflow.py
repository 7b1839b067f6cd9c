"""What the TensorFlow backends share: a session of Keras' layers and optimisers under tf.function.

Three settings reach the whole process. `KERAS_BACKEND`, which Keras reads when imported, and
`TF_FORCE_GPU_ALLOW_GROWTH`, without which TensorFlow takes nearly all memory of a GPU at once, are
set where the user has not. TF32 is switched off by a session on a GPU: float32 means float32.
"""

import os
import re
from collections.abc import Callable
from ctypes import CDLL
from dataclasses import dataclass
from importlib import metadata, util
from typing import Any

import numpy as np

from backends._keras import Choices, Network, to_canonical
from bench.spec import Array, ModelSpec, Params, Training, Unsupported


def devices() -> tuple[str, ...]:
    gpus = tensorflow().config.list_physical_devices("GPU")
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
    tf = tensorflow()
    threading, switch = tf.config.threading, os.environ.get
    return {
        "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
        "deterministic_ops": _deterministic(),
        "xla_autoclustering": bool(tf.config.optimizer.get_jit()),
        "xla_flags": switch("TF_XLA_FLAGS"),
        "intra_threads": threading.get_intra_op_parallelism_threads()
        or int(switch("TF_NUM_INTRAOP_THREADS", 0)),
        "inter_threads": threading.get_inter_op_parallelism_threads()
        or int(switch("TF_NUM_INTEROP_THREADS", 0)),
        "onednn_opts": switch("TF_ENABLE_ONEDNN_OPTS"),
    }


def peak_memory(device: str) -> int | None:
    """Bytes; None on the CPU, where TensorFlow keeps no count."""
    info = tensorflow().config.experimental.get_memory_info
    return None if device == "cpu" else int(info(_placement(device))["peak"])


def reset_peak_memory(device: str) -> None:
    if device != "cpu":
        tensorflow().config.experimental.reset_memory_stats(_placement(device))


class TensorFlowSession:
    """See `bench.spec.TimedSession`. Each method is one compiled function, traced once for each
    combination of shapes and of lengths and initial_state given or not; with `jit` by XLA."""

    def __init__(
        self,
        spec: ModelSpec,
        params: Params,
        device: str,
        training: Training,
        choices: Choices,
        jit: bool = False,
    ) -> None:
        self._place, self._spec, self._jit = _placement(device), spec, jit
        self._tf = tf = tensorflow()
        self._tensor, self._traces = tf.Tensor, Traces(spec.cell != "feedforward", jit)
        usual = "/GPU:0" if tf.config.list_logical_devices("GPU") else "/CPU:0"
        self._elsewhere = self._place != usual
        if device != "cpu":
            tf.config.experimental.enable_tensor_float_32_execution(False)
        with tf.device(self._place):
            self._network = Network(spec, params, choices)
            self._variables = [v.value for v in self._network.variables]
            self._update, self._state = _optimiser(training, spec.storage, self._variables)
        self._forward = self._compiled(self._network.predictions, "forward")
        self._advance = self._compiled(self._network.advance)
        self._states = self._compiled(self._network.hidden)
        self._gradients = self._compiled(self._derivatives, "backward")
        self._backward = self._compiled(self._parameter_derivatives, "backward")
        self._step = self._compiled(self._train, "backward")
        self._hidden_gradients = self._compiled(self._through_time)

    def restart(self, params: Params) -> None:
        """Tracing a graph takes longer than training a small model."""
        with self._tf.device(self._place):
            self._network.assign(params)
            for variable in self._state:
                variable.assign(np.zeros(variable.shape, variable.dtype))

    def put(self, array: Any) -> Any:
        array = np.asarray(array)
        dtype = array.dtype if array.dtype.kind in "iub" else self._spec.storage
        with self._tf.device(self._place):
            return self._tf.constant(np.array(array, dtype))

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return np.asarray(self._forward(*map(self._on_device, (x, lengths, initial_state))))

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return np.asarray(self._states(*map(self._on_device, (x, lengths, initial_state))))

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        loss, (*grads, dx) = self._gradients(*map(self._on_device, (x, y, lengths)))
        canonical = to_canonical(self._spec, [grad.numpy() for grad in grads])
        return float(loss), {**canonical, "x": dx.numpy()}

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        return np.asarray(self._hidden_gradients(self._on_device(x), self._on_device(y)))

    def forward(self, x: Any, lengths: Any = None) -> Any:
        return self._forward(self._on_device(x), self._on_device(lengths), None)

    def backward(self, x: Any, y: Any, lengths: Any = None) -> Any:
        return self._backward(*map(self._on_device, (x, y, lengths)))

    def step(self, x: Any, y: Any, lengths: Any = None) -> Any:
        return self._step(*map(self._on_device, (x, y, lengths)))

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        if self._spec.bidirectional or self._spec.decoder:
            raise Unsupported("only a model of one direction and no decoder can go on")
        output, state = self._advance(self._on_device(x), None, self._on_device(state))
        return output.numpy(), state

    def params(self) -> dict[str, Array]:
        return to_canonical(self._spec, [v.numpy() for v in self._variables])

    def wait(self) -> None:
        self._tf.test.experimental.sync_devices()

    def executed_path(self) -> str:
        """Read from the traced graphs of a forward and, where one was, of a backward pass, and
        from XLA's compiled text; `eager` once a call ran op by op."""
        if self._traces.lacks("forward"):
            self.forward(np.zeros((1, 2, self._spec.inputs)))
        return self._traces.path()

    def _on_device(self, value: Any) -> Any:
        if value is None or isinstance(value, self._tensor):
            return value
        return tuple(map(self.put, value)) if isinstance(value, tuple | list) else self.put(value)

    def _compiled(self, body: Callable[..., Any], kind: str = "") -> Callable[..., Any]:
        tf, place = self._tf, self._place

        def placed(*args: Any) -> Any:  # runs only when traced, or eagerly
            self._traces.note(kind, function, args)
            with tf.device(place):
                return body(*args)

        function = tf.function(placed, jit_compile=self._jit, autograph=False)

        def call(*args: Any) -> Any:
            with tf.device(place):  # what is returned leaves the graph without a device of its own
                return function(*args)

        return call if self._elsewhere else function

    def _derivatives(self, x: Any, y: Any, lengths: Any) -> tuple[Any, list[Any]]:
        return self._loss_and_gradients(x, y, lengths, [x])

    def _parameter_derivatives(self, x: Any, y: Any, lengths: Any) -> tuple[Any, list[Any]]:
        return self._loss_and_gradients(x, y, lengths, [])

    def _loss_and_gradients(
        self, x: Any, y: Any, lengths: Any, beside: list[Any]
    ) -> tuple[Any, list[Any]]:
        """The loss, and its gradient by each variable, then by each tensor of `beside`."""
        with self._tf.GradientTape() as tape:
            tape.watch(beside)
            loss = self._network.loss(x, y, lengths)
        grads = tape.gradient(loss, [*self._variables, *beside])
        pairs = zip(grads, self._network.trained, strict=False)
        owned = [grad if ones.all() else grad * ones for grad, ones in pairs]
        return loss, [*owned, *grads[len(owned) :]]

    def _train(self, x: Any, y: Any, lengths: Any) -> Any:
        loss, grads = self._loss_and_gradients(x, y, lengths, [])
        self._update(grads)
        return loss

    def _through_time(self, x: Any, y: Any) -> Any:
        width = self._spec.hidden * self._spec.directions
        nudge = self._tf.zeros((*x.shape[:2], width), x.dtype)
        with self._tf.GradientTape() as tape:
            tape.watch(nudge)
            loss = self._network.loss(x, y, nudge=nudge)
        return tape.gradient(loss, nudge)


class Traces:
    """What TensorFlow made of a session's functions: the last of each kind that it traced, or
    that it ran one op by op, as `tf.config.run_functions_eagerly` has it do, under XLA too."""

    def __init__(self, recurrent: bool, jit: bool) -> None:
        self._recurrent, self._jit, self._eager = recurrent, jit, False
        self._last: dict[str, Trace] = {}

    def note(self, kind: str, function: Any, args: tuple[Any, ...]) -> None:
        """Called with the arguments inside a function: where it is being traced, or runs."""
        tf = tensorflow()
        if not tf.inside_function():
            self._eager = True
        elif kind:
            self._last[kind] = Trace(function, args, tf.compat.v1.get_default_graph())

    def lacks(self, kind: str) -> bool:
        return kind not in self._last and not self._eager

    def path(self) -> str:
        if self._eager:
            return "eager"
        if self._jit:
            text = self._last.get("backward", self._last["forward"]).compiled()
            looped = re.search(r"\bwhile\(", text) or not self._recurrent
            return "xla" if looped else "xla-unrolled"
        ops = {op for trace in self._last.values() for op in trace.ops()}
        found = ["cudnn"] if any(op.startswith("CudnnRNN") for op in ops) else []
        found += ["while_loop"] if ops & {"While", "StatelessWhile"} else []
        return "+".join(found) or ("unrolled" if self._recurrent else "matmul")


@dataclass(frozen=True)
class Trace:
    """A function, the symbolic arguments that it was traced with, and the graph."""

    function: Any
    args: tuple[Any, ...]
    graph: Any

    def ops(self) -> set[str]:
        """Keras decides between cuDNN and its loop while tracing, so the graph tells which."""
        definition = self.graph.as_graph_def()
        functions = (function.node_def for function in definition.library.function)
        return {node.op for nodes in (definition.node, *functions) for node in nodes}

    def compiled(self) -> str:
        """XLA's program for arguments of these shapes, after its optimisation."""
        tf = tensorflow()
        args = tf.nest.map_structure(
            lambda t: None if t is None else tf.zeros(t.shape, t.dtype), self.args
        )
        return str(self.function.experimental_get_compiler_ir(*args)(stage="optimized_hlo"))


def _optimiser(
    training: Training, dtype: str, variables: list[Any]
) -> tuple[Callable[[list[Any]], None], list[Any]]:
    """Keras' optimiser, called while tracing with the gradients, before clipping, and its state:
    the count of updates and the moments, zeros at first.

    Its constants are tensors, since Keras rounds Python numbers to float32. The ε of its Adam
    stands inside the bias correction (ε̂ of Kingma & Ba 2015, section 2): √v + ε√(1 − β₂ᵗ) puts
    it outside.
    """
    import keras

    tf = tensorflow()
    rate, beta1, beta2, epsilon = (
        tf.constant(value, dtype)
        for value in (training.learning_rate, training.beta1, training.beta2, training.epsilon)
    )
    adam = training.optimiser == "adam"
    kinds = keras.optimizers
    optimiser = kinds.Adam(lambda: rate, beta1, beta2) if adam else kinds.SGD(lambda: rate)
    optimiser.build(variables)

    def update(grads: list[Any]) -> None:
        if training.clip_norm is not None:
            scale = tf.minimum(
                tf.ones((), dtype), training.clip_norm / tf.linalg.global_norm(grads)
            )
            grads = [grad * scale for grad in grads]
        if adam:
            count = tf.cast(optimiser.iterations.value + 1, dtype)
            optimiser.epsilon = epsilon * tf.sqrt(1 - tf.pow(beta2, count))
        optimiser.apply(grads, variables)

    return update, optimiser.variables


def _placement(device: str) -> str:
    if reason := unavailable(device):
        raise Unsupported(reason)
    if device == "cpu":
        return "/CPU:0"
    index = int(device.partition(":")[2] or 0)
    if f"cuda:{index}" not in devices():
        raise Unsupported(f"TensorFlow sees no GPU {index}")
    return f"/GPU:{index}"


def tensorflow() -> Any:
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
