"""A session of Keras' layers and optimisers under tf.function.

The adapter calls `framework.require` before it imports this file: Keras must be on TensorFlow.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from backends._keras.network import Network
from backends._keras.options import LayerOptions
from backends._keras.weights import to_canonical
from backends._tensorflow.framework import placement
from backends._tensorflow.optimiser import build_optimiser
from backends._tensorflow.traces import Traces
from bench.spec import CELLS, Array, ModelSpec, Params, Training, check_one_direction


class TensorFlowSession:
    """See `bench.spec.TimedSession`.

    Each method is one compiled function, traced once for each combination of shapes and of
    lengths and initial_state given or not; with `jit` XLA compiles it.
    """

    def __init__(
        self,
        spec: ModelSpec,
        params: Params,
        device: str,
        training: Training,
        options: LayerOptions,
        jit: bool = False,
    ) -> None:
        self._placement, self._spec, self._jit = placement(device), spec, jit
        self._dtype = np.dtype(spec.storage)
        self._traces = Traces(CELLS[spec.cell].recurrent, jit)
        default = "/GPU:0" if tf.config.list_logical_devices("GPU") else "/CPU:0"
        self._needs_placement = self._placement != default
        if device != "cpu":  # TF32 is on by default: float32 would not be float32
            tf.config.experimental.enable_tensor_float_32_execution(False)
        with tf.device(self._placement):
            self._network = Network(spec, params, options)
            self._variables = [v.value for v in self._network.variables]
            self._update, self._state = build_optimiser(training, spec.storage, self._variables)
        self._forward = self._compile(self._network.predictions, "forward")
        self._runs: dict[Any, Any] = {}
        self._states = self._compile(self._network.hidden)
        self._gradients = self._compile(self._all_gradients, "backward")
        self._backward = self._compile(self._parameter_gradients, "backward")
        self._step = self._compile(self._train, "backward")
        self._hidden_gradients = self._compile(self._perturbation_gradient)

    def restart(self, params: Params) -> None:
        """Start again from these weights. Tracing a graph takes longer than training a small
        model, so the traced functions are kept."""
        self._runs.clear()
        with tf.device(self._placement):
            self._network.assign(params)
            for variable in self._state:
                variable.assign(np.zeros(variable.shape, variable.dtype))

    def put(self, array: Any) -> Any:
        array = np.asarray(array)
        dtype = array.dtype if array.dtype.kind in "iub" else self._spec.storage
        with tf.device(self._placement):
            return tf.constant(np.array(array, dtype))

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
        self._runs.clear()
        return self._step(*map(self._on_device, (x, y, lengths)))

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        check_one_direction(self._spec)
        with tf.device(self._placement) if self._needs_placement else nullcontext():
            x, states = self._input(x), self._states_of(state, x.shape[0])
            output, *final = self._run_of(x, *states)(x, *states)
        return output.numpy(), tuple(final) if len(final) > 1 else final[0]

    def params(self) -> dict[str, Array]:
        return to_canonical(self._spec, [v.numpy() for v in self._variables])

    def wait(self) -> None:
        tf.test.experimental.sync_devices()

    def executed_path(self) -> str:
        """Read from the traced graphs of a forward and, if there was one, of a backward pass, and
        from XLA's compiled text; `eager` once a call ran op by op."""
        if self._traces.lacks("forward"):
            self.forward(np.zeros((1, 2, self._spec.inputs)))
        return self._traces.path()

    def _on_device(self, value: Any) -> Any:
        if value is None or isinstance(value, tf.Tensor):
            return value
        if isinstance(value, tuple | list):
            return tuple(map(self._on_device, value))
        return self.put(value)

    def _input(self, x: Any) -> Any:
        """x on the device, without the copy that `put` makes where it has the right dtype: the
        caller waits until it is read."""
        is_plain = isinstance(x, np.ndarray) and x.dtype == self._dtype
        return tf.constant(x) if is_plain else self._on_device(x)

    def _states_of(self, state: Any, batch: int) -> tuple[Any, ...]:
        """(h,) or (h, c) on the device; zeros for None."""
        if state is None:
            zeros = self.put(np.zeros((self._spec.layers, batch, self._spec.hidden)))
            return (zeros,) * len(CELLS[self._spec.cell].states)
        return self._on_device(state if isinstance(state, tuple | list) else (state,))

    def _run_of(self, *args: Any) -> Any:
        """The graph that goes on from a state, for arguments of these shapes.

        It is called without tf.function, whose look-up of the graph takes as long as a small step.
        The weights are constants in it, since a variable is read anew in every call; an update
        drops the graph.
        """
        shape = args[0].shape
        if (run := self._runs.get(shape)) is None:
            function = tf.function(self._go_on, jit_compile=self._jit, autograph=False)
            with tf.device(self._placement):
                run = self._runs[shape] = function.get_concrete_function(*args)
        return run

    def _go_on(self, x: Any, *states: Any) -> tuple[Any, ...]:
        with tf.init_scope(), tf.device(self._placement):
            constants = [tf.constant(v.numpy()) for v in self._variables]
        values = list(zip(self._network.variables, constants, strict=True))
        with tf.device(self._placement), keras.StatelessScope(values):
            output, final = self._network.advance(x, None, states)
        return output, *(final if isinstance(final, tuple) else (final,))

    def _compile(self, body: Callable[..., Any], name: str = "") -> Callable[..., Any]:
        """The body as a tf.function; the traces of a named one tell the executed path."""

        def placed(*args: Any) -> Any:  # runs only while it is traced, or eagerly
            self._traces.note(name, function, args)
            with tf.device(self._placement):
                return body(*args)

        function = tf.function(placed, jit_compile=self._jit, autograph=False)

        def call(*args: Any) -> Any:
            # The outputs of a graph carry no device: without this they land on the default one.
            with tf.device(self._placement):
                return function(*args)

        return call if self._needs_placement else function

    def _all_gradients(self, x: Any, y: Any, lengths: Any) -> tuple[Any, list[Any]]:
        return self._loss_and_gradients(x, y, lengths, [x])

    def _parameter_gradients(self, x: Any, y: Any, lengths: Any) -> tuple[Any, list[Any]]:
        return self._loss_and_gradients(x, y, lengths, [])

    def _loss_and_gradients(
        self, x: Any, y: Any, lengths: Any, tensors: list[Any]
    ) -> tuple[Any, list[Any]]:
        """The loss, and its gradient by each variable, then by each of these tensors."""
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            loss = self._network.loss(x, y, lengths)
        gradients = tape.gradient(loss, [*self._variables, *tensors])
        by_variable = self._network.without_untrained(gradients[: len(self._variables)])
        return loss, [*by_variable, *gradients[len(self._variables) :]]

    def _train(self, x: Any, y: Any, lengths: Any) -> Any:
        loss, gradients = self._loss_and_gradients(x, y, lengths, [])
        self._update(gradients)
        return loss

    def _perturbation_gradient(self, x: Any, y: Any) -> Any:
        width = self._spec.hidden * self._spec.directions
        perturbation = tf.zeros((*x.shape[:2], width), x.dtype)
        with tf.GradientTape() as tape:
            tape.watch(perturbation)
            loss = self._network.loss(x, y, perturbation=perturbation)
        return tape.gradient(loss, perturbation)
