"""The model: layers in oneDNN; readout and loss in NumPy."""

from typing import Any, NamedTuple

import numpy as np

from backends._numpy.losses import LOSSES
from backends._onednn.library import Engine
from backends._onednn.order import Order
from backends._onednn.parameters import Parameters
from backends._onednn.stack import Orders, Shape, Stack
from backends._onednn.stepwise import OneStep
from bench.spec import Array, ModelSpec

KEPT = 8
"""How many stacks, of as many shapes, are kept for training, and as many for inference."""


class Encoded(NamedTuple):
    """A stack after its forward pass, and the order of each direction. The next pass at the same
    shape overwrites it."""

    stack: Stack
    orders: Orders

    @property
    def top(self) -> Array:
        """The last layer's h of every step, `(T, B, H × directions)`."""
        return self.stack.top(self.orders)


class Network:
    """The layers and the readout of one model, which read its weights and write its gradients."""

    def __init__(
        self, engine: Engine, spec: ModelSpec, weights: Parameters, gradients: Parameters
    ) -> None:
        self.spec, self.weights, self.gradients = spec, weights, gradients
        self._engine, self._version = engine, 0
        self._stacks: dict[bool, dict[Shape, Stack]] = {True: {}, False: {}}
        self._batch = 1

    def weights_changed(self) -> None:
        """Every stack brings them into its own formats again before its next pass."""
        self._version += 1

    def implementations(self, training: bool) -> str:
        """oneDNN's names of the code that ran in training, or in inference. Where nothing ran yet,
        those that it chooses for a single step of the last batch."""
        if not self._stacks[training]:
            self._stack(training, Shape(self._batch, 1))
        stacks = self._stacks[training].values()
        return "+".join(sorted({name for stack in stacks for name in stack.implementations}))

    # ---- forward --------------------------------------------------------------------------------

    def infer(self, x: Array, lengths: Any = None, state: Any = None) -> Encoded:
        """Run the layers over x `(B, T, D)` from a state, or from zeros."""
        stack = self._stack(False, Shape(*x.shape[:2]))
        states = state if isinstance(state, tuple | list) else (state,) * len(stack.initial)
        for array, given in zip(stack.initial, states, strict=True):
            array[...] = 0 if given is None else given
        return self._run(stack, x, lengths)

    def read_out(self, encoded: Encoded) -> tuple[Array, Array]:
        """The features that the readout reads, `(n, H × directions)`, and the prediction,
        `(B, outputs)` or `(B, T, outputs)`."""
        every, stack = self.spec.readout == "every", encoded.stack
        features = encoded.top if every else stack.last(encoded.orders)
        features = features.reshape(-1, features.shape[-1])
        logits = np.matmul(features, self.weights.arrays["readout.w"].T)
        logits += self.weights.arrays["readout.b"]
        if not every:
            return features, logits
        shape = stack.shape.time, stack.shape.batch, self.spec.outputs
        return features, logits.reshape(shape).swapaxes(0, 1)

    def _stack(self, training: bool, shape: Shape) -> Stack:
        """The stack for this shape, with the present weights."""
        stacks, self._batch = self._stacks[training], shape.batch
        if (stack := stacks.get(shape)) is None:
            if len(stacks) == KEPT:
                del stacks[next(iter(stacks))]
            gradients = self.gradients if training else None
            stack = Stack(self._engine, self.spec, shape, self.weights, gradients)
            stacks[shape] = stack
        stack.prepare(self._version)
        return stack

    def _run(self, stack: Stack, x: Array, lengths: Any) -> Encoded:
        reversals = (False, True)[: self.spec.directions]
        orders = [Order(reverse, stack.shape.time, lengths) for reverse in reversals]
        stack.forward(x.swapaxes(0, 1), orders)
        return Encoded(stack, orders)

    # ---- backward -------------------------------------------------------------------------------

    def backward(self, x: Array, y: Array, lengths: Any = None) -> tuple[float, Encoded]:
        """The loss; its gradients go to `gradients`."""
        encoded, loss, d_logits = self._lose(x, y, lengths)
        stack, orders, w = *encoded, self.weights.arrays["readout.w"]
        if self.spec.readout == "every":
            np.matmul(d_logits, w, out=stack.d_joined.reshape(-1, w.shape[1]))
            stack.backward(orders)
        else:
            stack.backward_from_last(np.matmul(d_logits, w), orders)
        return loss, encoded

    def hidden_gradients(self, x: Array, y: Array) -> Array:
        """The total dL/dh_t of the last layer, `(T, B, H × directions)`."""
        encoded, _, d_logits = self._lose(x, y, None)
        stack, w = encoded.stack, self.weights.arrays["readout.w"]
        d_features = np.matmul(d_logits, w)
        total = []
        for k, order in enumerate(encoded.orders):
            direction = stack.layers[-1][k]
            size = self.spec.hidden
            columns = d_features[:, k * size : (k + 1) * size]
            d_hidden = np.zeros_like(direction.values.hidden.array)
            if self.spec.readout == "every":
                order.derive_written(columns.reshape(d_hidden.shape), d_hidden)
            else:
                order.set_last(d_hidden, columns)
            inputs = direction.values.x.array
            prefix = f"layers.{self.spec.layers - 1}.{('forward', 'backward')[k]}."
            step = OneStep(
                self._engine,
                self.spec,
                prefix,
                (self.weights, self.gradients),
                inputs.shape[2],
                inputs.shape[1],
            )
            total.append(np.empty_like(d_hidden))
            order.read(step.hidden_gradients(inputs, d_hidden), total[-1])
        return np.concatenate(total, axis=2)

    def _lose(self, x: Array, y: Array, lengths: Any) -> tuple[Encoded, float, Array]:
        """Run the layers from zeros; the loss and its derivative with respect to the readout
        `(n, outputs)`. The readout's gradients go to `gradients`."""
        stack = self._stack(True, Shape(*x.shape[:2]))
        encoded = self._run(stack, x, lengths)
        features, prediction = self.read_out(encoded)
        loss, d_prediction = LOSSES[self.spec.loss](prediction, y)
        if self.spec.readout == "every":
            d_prediction = d_prediction.swapaxes(0, 1)
        d_logits = np.ascontiguousarray(d_prediction).reshape(-1, self.spec.outputs)
        np.matmul(d_logits.T, features, out=self.gradients.arrays["readout.w"])
        np.add.reduce(d_logits, axis=0, out=self.gradients.arrays["readout.b"])
        return encoded, loss, d_logits
