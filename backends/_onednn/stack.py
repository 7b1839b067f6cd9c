"""All layers at one shape: their arrays, and their two passes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backends._onednn.direction import Direction
from backends._onednn.library import Engine
from backends._onednn.objects import Memory, Objects
from backends._onednn.order import Order
from backends._onednn.parameters import Parameters
from backends._onednn.primitives import Tensors, primitive_of
from bench.spec import Array, ModelSpec

Orders = Sequence[Order]
"""The order of each direction."""


@dataclass(frozen=True)
class Shape:
    """What the primitives of a stack are made for."""

    batch: int
    time: int


class Stack:
    """The directions of every layer, for one batch and number of steps.

    With gradients it trains, and starts from zeros. Without, it is for inference: it starts from
    the arrays `initial`, one `(layers × directions, B, H)` for each state, and leaves `final`.
    """

    def __init__(
        self,
        engine: Engine,
        spec: ModelSpec,
        shape: Shape,
        weights: Parameters,
        gradients: Parameters | None = None,
    ) -> None:
        self.spec, self.shape = spec, shape
        self._engine, self._objects = engine, Objects(engine)
        count = spec.layers * spec.directions
        states, size = primitive_of(spec).states, (count, shape.batch, spec.hidden)
        # Without an initial state oneDNN 3.2 computes wrong gradients of u (rnn and lstm).
        self.initial = [np.zeros(size, np.float32) for _ in range(states)]
        self.final = [] if gradients else [np.zeros_like(array) for array in self.initial]
        self._d_initial = [np.zeros_like(array) for array in self.initial] if gradients else []
        self.layers = list[list[Direction]]()
        for layer in range(spec.layers):
            self.layers.append(self._layer(layer, weights, gradients))
        size = shape.time, shape.batch, spec.hidden * spec.directions
        self._joined, self._scratch, self.d_joined = np.zeros((3, *size), np.float32)
        """dL/dh of every step of a layer, its directions side by side: of the last one, before
        `backward`."""
        if gradients and not spec.bidirectional:
            self.d_joined = self.layers[-1][0].derivatives.hidden.array
        self._preparation = [call for d in self._directions for call in d.prepare]
        self._prepared = -1

    def prepare(self, version: int) -> None:
        """Bring the weights of this version into the formats of the primitives."""
        if version != self._prepared:
            for call in self._preparation:
                call()
            self._prepared = version

    @property
    def implementations(self) -> set[str]:
        """oneDNN's names of the code that the primitives run."""
        return {name for direction in self._directions for name in direction.implementations}

    @property
    def _directions(self) -> list[Direction]:
        return [direction for layer in self.layers for direction in layer]

    # ---- forward --------------------------------------------------------------------------------

    def forward(self, sequence: Array, orders: Orders) -> None:
        """Run all layers over x `(T, B, D)`."""
        for number, layer in enumerate(self.layers):
            if number and len(layer) > 1:
                sequence = self._join(self.layers[number - 1], orders)
            for direction, order in zip(layer, orders, strict=True):
                if number == 0 or len(layer) > 1:
                    order.read(sequence, direction.values.x.array)
                direction.forward()
        self._engine.wait()

    def top(self, orders: Orders) -> Array:
        """The last layer's h of every step, `(T, B, H × directions)`, until the next pass."""
        if len(orders) == 1 and orders[0].is_identity:
            return self.layers[-1][0].values.hidden.array
        return self._join(self.layers[-1], orders)

    def last(self, orders: Orders) -> Array:
        """The final h of the last layer's directions, `(B, H × directions)`."""
        pairs = zip(self.layers[-1], orders, strict=True)
        final = [order.last(direction.values.hidden.array) for direction, order in pairs]
        return final[0] if len(final) == 1 else np.concatenate(final, axis=1)

    def _join(self, layer: list[Direction], orders: Orders) -> Array:
        """h of every step of a layer in the sequence's order, its directions side by side."""
        for k, (direction, order) in enumerate(zip(layer, orders, strict=True)):
            initial, hidden = direction.values.initial, direction.values.hidden.array
            order.write(hidden, initial[0].array if initial else 0, self._columns(self._joined, k))
        return self._joined

    # ---- backward -------------------------------------------------------------------------------

    def backward(self, orders: Orders) -> None:
        """Run all layers in reverse from `d_joined`."""
        self._derive_joined(self.layers[-1], orders)
        self._run_backward(orders)

    def backward_from_last(self, d_last: Array, orders: Orders) -> None:
        """Run all layers in reverse from the derivative of what `last` returned."""
        self.set_last(d_last, orders)
        self._run_backward(orders)
        for direction, order in zip(self.layers[-1], orders, strict=True):
            order.set_last(direction.derivatives.hidden.array, 0)  # zero again, as all else is

    def set_last(self, d_last: Array, orders: Orders) -> None:
        """Set the derivative of what `last` returned, that of the other steps being zero."""
        for k, (direction, order) in enumerate(zip(self.layers[-1], orders, strict=True)):
            order.set_last(direction.derivatives.hidden.array, self._columns(d_last, k))

    def d_input(self, orders: Orders) -> Array:
        """dL/dx `(T, B, D)` after a backward pass, a new array."""
        size = self.shape.time, self.shape.batch, self.spec.inputs
        d_x = np.empty(size, np.float32)
        self._add_up(self.layers[0], orders, d_x, np.empty_like(d_x))
        return d_x

    def _run_backward(self, orders: Orders) -> None:
        for number in reversed(range(len(self.layers))):
            layer = self.layers[number]
            for direction in layer:
                for call in direction.backward:
                    call()
            if number and len(layer) > 1:
                self._add_up(layer, orders, self.d_joined, self._scratch)
                self._derive_joined(self.layers[number - 1], orders)
        self._engine.wait()

    def _add_up(self, layer: list[Direction], orders: Orders, out: Array, scratch: Array) -> None:
        """The derivative of a layer's input: the sum over its directions."""
        for k, (direction, order) in enumerate(zip(layer, orders, strict=True)):
            order.read(direction.derivatives.x.array, scratch if k else out)
            if k:
                out += scratch

    def _derive_joined(self, layer: list[Direction], orders: Orders) -> None:
        """From the derivatives in `d_joined` of a layer's joined h, those of its directions."""
        if len(orders) == 1 and orders[0].is_identity:
            return
        for k, (direction, order) in enumerate(zip(layer, orders, strict=True)):
            order.derive_written(
                self._columns(self.d_joined, k), direction.derivatives.hidden.array
            )

    def _columns(self, joined: Array, k: int) -> Array:
        """The columns of one direction."""
        return joined[..., k * self.spec.hidden : (k + 1) * self.spec.hidden]

    # ---- construction ---------------------------------------------------------------------------

    def _layer(
        self, layer: int, weights: Parameters, gradients: Parameters | None
    ) -> list[Direction]:
        """One direction reads what the layer below writes, and writes that layer's derivatives;
        two directions have copies."""
        spec, primitive = self.spec, primitive_of(self.spec)
        below: Any = self.layers[-1][0] if layer and not spec.bidirectional else None
        directions = []
        for k, name in enumerate(("forward", "backward")[: spec.directions]):
            prefix, number = f"layers.{layer}.{name}.", layer * spec.directions + k
            initial, final, d_initial = (
                tuple(self._objects.layer(array[number]) for array in arrays)
                for arrays in (self.initial, self.final, self._d_initial)
            )
            x = below.values.hidden if below else self._new_input(layer)
            values = self._tensors(weights, prefix, x, initial, final)
            derivatives = None
            if gradients:
                d_x = below.derivatives.hidden if below else self._new_input(layer)
                derivatives = self._tensors(gradients, prefix, d_x, d_initial)
            directions.append(Direction(self._objects, primitive, values, derivatives))
        return directions

    def _new_input(self, layer: int) -> Memory:
        features = self.spec.hidden * self.spec.directions if layer else self.spec.inputs
        return self._objects.zeros(self.shape.time, self.shape.batch, features)

    def _tensors(
        self,
        parameters: Parameters,
        prefix: str,
        x: Memory,
        initial: tuple[Memory, ...] = (),
        final: tuple[Memory, ...] = (),
    ) -> Tensors:
        w, u, b = parameters.memories(self._objects, prefix)
        hidden = self._objects.zeros(self.shape.time, self.shape.batch, self.spec.hidden)
        return Tensors(x, initial, w, u, b, hidden, final)
