"""The reference session: one model with its weights in NumPy."""

from typing import Any

import numpy as np

from backends._numpy.network import Network
from backends._numpy.optimiser import OPTIMISERS
from backends._numpy.parameters import FlatParameters
from backends._numpy.products import GradientTerms, Product, multiply, terms
from backends._numpy.single_step import SingleStep
from bench.spec import Array, ModelSpec, Params, Training, check_one_direction


class NumpySession:
    """See `bench.spec.Session`. What `backward` returns is overwritten by the next call."""

    def __init__(self, spec: ModelSpec, params: Params, training: Training) -> None:
        self.spec = spec
        self.weights = FlatParameters(spec, params)
        self.weight_gradients = FlatParameters(spec, params)
        self.network = Network(spec, self.weights)
        self.optimiser = OPTIMISERS[training.optimiser](training, self.weights.vector)
        self._single_step: SingleStep | None = None

    def put(self, array: Any) -> Array:
        return self.network.put(array)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        encoded = self.network.encode(x, lengths, initial_state)
        if self.spec.decoder:
            return self.network.generate(encoded.final_states)
        return self.network.read_out(encoded)[1]

    forward = predict

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return _batch_major(self.network.encode(x, lengths, initial_state).top[:, :-1])

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        check_one_direction(self.spec)
        if x.shape[1] == 1:
            return self._step_of(x.shape[0])(x, state)
        encoded = self.network.encode(x, None, state)
        by_state = zip(*encoded.final_states, strict=True)
        final = tuple(np.array([array.T for array in layers]) for layers in by_state)
        prediction = self.network.read_out(encoded)[1]
        return prediction, final if self.spec.cell == "lstm" else final[0]

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        loss, back = self.network.backward(x, y, lengths, self._multiply, need_input=True)
        return loss, {**self.weight_gradients.canonical(), "x": _batch_major(back.inputs)}

    def backward(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, Array]:
        loss, _ = self.network.backward(x, y, lengths, self._multiply)
        return loss, self.weight_gradients.vector

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        _, back = self.network.backward(x, y, None, self._multiply)
        return _batch_major(np.concatenate(back.top, axis=1))

    def gradient_terms(self, x: Any, y: Any, lengths: Any = None) -> dict[str, list[GradientTerms]]:
        """The operands of every weight gradient, by canonical parameter name.

        Each gradient is the sum over all columns of `derivatives` times `inputs` transposed, in
        the canonical order of rows. A parameter has one entry; the `u` of a reset_before gru has
        two, one below the other: its rows for r and z, then those for n. The inputs of a `w` end
        with a row of ones, because the bias is a column of the same product; the sum of that
        column is the gradient of `b`.
        """
        entries: dict[str, list[GradientTerms]] = {name: [] for name in self.weights.names}

        def record(product: Product) -> None:
            entry = terms(product, self.weights.shift(product.name))
            entries[product.name].append(entry)
            if product.name.endswith(".w"):
                entries[product.name[:-1] + "b"].append(GradientTerms(entry.derivatives, None))

        self.network.backward(x, y, lengths, record)
        return entries

    def step(self, x: Any, y: Any, lengths: Any = None) -> float:
        loss, _ = self.backward(x, y, lengths)
        self.optimiser.update(self.weights.vector, self.weight_gradients.vector)
        return loss

    def params(self) -> dict[str, Array]:
        return self.weights.canonical()

    def wait(self) -> None:
        """Do nothing: NumPy returns when the work is done."""

    def executed_path(self) -> str:
        return linked_library()

    def _step_of(self, batch: int) -> SingleStep:
        """The single step of a batch of this size: the last one, where the size is the same."""
        if self._single_step is None or self._single_step.batch != batch:
            self._single_step = SingleStep(self.spec, self.weights, batch)
        return self._single_step

    def _multiply(self, product: Product) -> None:
        out = self.weight_gradients.arrays[product.name][product.rows]
        multiply(product, self.network.scratch, out)


def linked_library() -> str:
    """The library of matrix products that this NumPy was linked with; it uses no other."""
    name = str(np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"])
    return "openblas" if "openblas" in name else name


def _batch_major(array: Array) -> Array:
    """`(T, N, B)` as a new `(B, T, N)`."""
    return np.array(array.transpose(2, 0, 1), order="C")
