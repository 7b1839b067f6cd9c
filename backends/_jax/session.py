"""One model with its weights on a JAX device, or on several."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import jax
import numpy as np

from backends._jax import functions
from backends._jax.jit import compile_with, compiled, path_of
from backends._jax.network import to_canonical, to_native
from backends._jax.optimiser import optimiser
from backends._jax.placement import OneDevice, Placement
from backends._jax.runtime import find_device
from backends._jax.stack import Stack
from bench.spec import CELLS, Array, ModelSpec, Params, Training, check_one_direction

AS_IT_IS = nullcontext()
MOST_CONSTANTS = 1 << 20
"""Weights of a model above which XLA takes long to compile them as constants."""


class JaxSession:
    """See `bench.spec.Session`. Python only traces: each call of a method is one call of a function
    that `jax.jit` compiled for these shapes."""

    def __init__(
        self,
        stack: Stack,
        spec: ModelSpec,
        params: Params,
        device: str,
        training: Training,
        placement: Placement | None = None,
    ) -> None:
        self.stack, self.spec, self.dtype = stack, spec, np.dtype(spec.storage)
        self.placement = placement or OneDevice(find_device(device))
        self._compiled: dict[Callable[..., Any], Any] = {}
        self._advance: Any = None
        # The workspace is donated, and in an update also the weights and the optimiser state: their
        # buffers are overwritten.
        self._update = compiled(functions.update, stack, spec, training, donate=(0, 1, 5))
        self._gradients = compiled(functions.gradients, stack, spec, donate=(4,))
        self._kept: tuple[tuple[int, int] | None, Any] = (None, None)
        with self._precision():
            arrays = {name: np.asarray(value, self.dtype) for name, value in params.items()}
            self.weights = jax.device_put(to_native(stack, spec, arrays), self.placement.weights)
            self.optimiser_state = jax.device_put(
                optimiser(training).init(self.weights), self.placement.weights
            )
        self._pending: Any = self.weights
        self._last_shape, self._ran_without_jit = (1, 2, spec.inputs), False

    def put(self, array: Any) -> Any:
        array = self._typed(array)
        with self._precision():
            return jax.device_put(array, self.placement.of_batch(array.shape))

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return np.array(self._call(functions.predict, x, lengths, initial_state))

    def forward(self, x: Any, lengths: Any = None) -> Any:
        return self._call(functions.predict, x, lengths)

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return np.array(self._call(functions.hidden_states, x, lengths, initial_state))

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        loss, (gradients, dx) = self._call(functions.all_gradients, x, y, lengths)
        return float(loss), {**self._to_canonical(gradients), "x": np.array(dx)}

    def backward(self, x: Any, y: Any, lengths: Any = None) -> Any:
        (self._pending,) = self._train(self._gradients, (self.weights,), x, y, lengths)
        return self._pending

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        return np.array(self._call(functions.hidden_gradients, x, y))

    def step(self, x: Any, y: Any, lengths: Any = None) -> Any:
        self._advance = None
        state = self.weights, self.optimiser_state
        self.weights, self.optimiser_state, self._pending = self._train(
            self._update, state, x, y, lengths
        )
        return self._pending

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        check_one_direction(self.spec)
        if state is None:
            state = self._zero_state(x.shape[0])
        elif not isinstance(state, tuple):
            state = tuple(state) if isinstance(state, list) else (state,)
        if not isinstance(state[0], jax.Array):
            state = self._argument(state)
        with self._precision():
            outputs, state = self._go_on()(self._input(x), state)
        self._note_call(x)
        return np.asarray(outputs), state if len(state) > 1 else state[0]

    def params(self) -> dict[str, Array]:
        return self._to_canonical(self.weights)

    def wait(self) -> None:
        jax.block_until_ready((self._pending, self.weights))

    def executed_path(self) -> str:
        """Read from the text that the model is lowered to at the shape of the last call. With
        `jax_disable_jit` nothing was compiled, and a scan was a loop in Python."""
        if self._ran_without_jit or jax.config.jax_disable_jit:
            return "python-loop"
        x = self.put(np.zeros(self._last_shape))
        with self._precision():
            return path_of(self._function(functions.predict).lower(self.weights, x).as_text())

    def _call(self, function: Callable[..., Any], x: Any, *others: Any) -> Any:
        arguments = [self._argument(value) for value in (x, *others)]
        with self._precision():
            self._pending = self._function(function)(self.weights, *arguments)
        self._note_call(x)
        return self._pending

    def _train(
        self, function: Callable[..., Any], state: tuple[Any, ...], x: Any, y: Any, lengths: Any
    ) -> list[Any]:
        """Call a function of the state, the batch and the workspace; return all its results but the
        last, which is the workspace of the next batch of this shape."""
        x, y, lengths = self._argument(x), self._argument(y), self._argument(lengths)
        # A call that fails leaves no workspace: its buffers are gone.
        (shape, workspace), self._kept = self._kept, (None, None)
        with self._precision():
            if shape != x.shape[:2]:
                new = self.stack.workspace(self.spec, *x.shape[:2])
                workspace = jax.device_put(new, self.placement.workspace)
            *results, workspace = function(*state, x, y, lengths, workspace)
        self._kept = x.shape[:2], workspace
        self._note_call(x)
        return results

    def _function(self, function: Callable[..., Any]) -> Any:
        if function not in self._compiled:
            self._compiled[function] = compiled(function, self.stack, self.spec)
        return self._compiled[function]

    def _go_on(self) -> Any:
        """The compiled function of x and a state. A small model has its weights as constants in it:
        handing them over takes longer than the arithmetic. An update drops it."""
        if self._advance is None:
            if sum(array.size for array in jax.tree.leaves(self.weights)) > MOST_CONSTANTS:
                self._advance = partial(self._function(functions.advance), self.weights)
            else:
                fixed = (self.stack, self.spec, self.weights)
                self._advance = compile_with(functions.advance, *fixed)
        return self._advance

    def _note_call(self, x: Any) -> None:
        """Remember what `executed_path` reports on."""
        self._last_shape = x.shape
        self._ran_without_jit = self._ran_without_jit or jax.config.jax_disable_jit

    def _precision(self) -> AbstractContextManager[Any]:
        """64 bits are on for a float64 model only: other sessions of the process keep 32."""
        return jax.enable_x64(True) if self.spec.dtype == "float64" else AS_IT_IS

    def _argument(self, value: Any) -> Any:
        """An array, or a tuple of arrays, in the model's dtype; `jit` takes NumPy arrays."""
        if isinstance(value, tuple | list):
            return tuple(self._argument(item) for item in value)
        if value is None or isinstance(value, jax.Array):
            return value
        return self._typed(value)

    def _input(self, value: Any) -> Any:
        """A NumPy array in the model's dtype; any other as it is."""
        is_other = isinstance(value, np.ndarray) and value.dtype != self.dtype
        return self._typed(value) if is_other else value

    def _zero_state(self, batch: int) -> tuple[Any, ...]:
        """As `advance` returns it, so that the first call needs no function of its own."""
        zeros = self.put(np.zeros((self.spec.layers, batch, self.spec.hidden)))
        return (zeros,) * len(CELLS[self.spec.cell].states)

    def _typed(self, array: Any) -> Array:
        array = np.asarray(array)
        return np.asarray(array, "int32" if array.dtype.kind in "iub" else self.dtype)

    def _to_canonical(self, weights: Any) -> dict[str, Array]:
        with self._precision():
            params = to_canonical(self.stack, self.spec, weights)
            return {name: np.array(value) for name, value in params.items()}
