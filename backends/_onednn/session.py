"""A session: one model with its weights, its layers in oneDNN."""

from typing import Any

import numpy as np

from backends._numpy.optimiser import OPTIMISERS
from backends._onednn.library import Engine, Library
from backends._onednn.network import Network
from backends._onednn.package import library_path
from backends._onednn.parameters import Parameters
from bench.spec import Array, ModelSpec, Params, Training, check_one_direction


class OnednnSession:
    """See `bench.spec.Session`. What `backward` returns is overwritten by the next call."""

    def __init__(self, spec: ModelSpec, params: Params, training: Training) -> None:
        self._spec, self._weights = spec, Parameters(spec, params)
        self._gradients = Parameters(spec, params)
        engine = Engine(Library(library_path()))
        self._network = Network(engine, spec, self._weights, self._gradients)
        self._optimiser = OPTIMISERS[training.optimiser](training, self._weights.vector)

    def put(self, array: Any) -> Array:
        array = np.asarray(array)
        return array if array.dtype.kind in "iub" else np.asarray(array, np.float32)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        encoded = self._network.infer(self.put(x), lengths, initial_state)
        return self._network.read_out(encoded)[1]

    forward = predict

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        encoded = self._network.infer(self.put(x), lengths, initial_state)
        return _batch_major(encoded.top)

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        check_one_direction(self._spec)
        encoded = self._network.infer(self.put(x), None, state)
        final = tuple(array.copy() for array in encoded.stack.final)
        prediction = self._network.read_out(encoded)[1]
        return prediction, final if len(final) > 1 else final[0]

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        loss, encoded = self._network.backward(self.put(x), np.asarray(y), lengths)
        d_x = _batch_major(encoded.stack.d_input(encoded.orders))
        return loss, {**self._gradients.canonical(), "x": d_x}

    def backward(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, Array]:
        loss, _ = self._network.backward(self.put(x), np.asarray(y), lengths)
        return loss, self._gradients.vector

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        return _batch_major(self._network.hidden_gradients(self.put(x), np.asarray(y)))

    def step(self, x: Any, y: Any, lengths: Any = None) -> float:
        loss, gradient = self.backward(x, y, lengths)
        self._optimiser.update(self._weights.vector, gradient)
        self._network.weights_changed()
        return loss

    def params(self) -> dict[str, Array]:
        return self._weights.canonical()

    def wait(self) -> None:
        """Do nothing: every pass waits for its own end."""

    def executed_path(self) -> str:
        """With the names that oneDNN gives the code. Its `ref` is the general code, whose products
        and nonlinearities are compiled for the processor as well."""
        training, inference = map(self._network.implementations, (True, False))
        if training == inference:
            return f"onednn ({training})"
        return f"onednn (training {training}, inference {inference})"


def _batch_major(sequence: Array) -> Array:
    """`(T, B, N)` as a new `(B, T, N)`."""
    return np.array(sequence.swapaxes(0, 1), order="C")
