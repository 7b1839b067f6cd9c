"""One direction of a layer step by step, for the derivatives that a primitive over all steps
hides: the total dL/dh_t is dL/dh_t from above plus what comes back through the next step."""

import numpy as np

from backends._onednn.direction import Direction
from backends._onednn.library import Engine
from backends._onednn.objects import Objects
from backends._onednn.parameters import Parameters
from backends._onednn.primitives import Tensors, primitive_of
from bench.spec import Array, ModelSpec


class OneStep:
    """The primitives of one step, from a state and to a state. Its backward pass overwrites the
    gradients of the weights."""

    def __init__(
        self,
        engine: Engine,
        spec: ModelSpec,
        prefix: str,
        parameters: tuple[Parameters, Parameters],
        features: int,
        batch: int,
    ) -> None:
        self._engine, self._objects = engine, Objects(engine)
        primitive = primitive_of(spec)

        def tensors(values: Parameters) -> Tensors:
            x, hidden = (self._objects.zeros(1, batch, n) for n in (features, spec.hidden))
            initial, final = (
                tuple(
                    self._objects.layer(np.zeros((batch, spec.hidden), np.float32))
                    for _ in range(primitive.states)
                )
                for _ in range(2)
            )
            w, u, b = values.memories(self._objects, prefix)
            return Tensors(x, initial, w, u, b, hidden, final)

        self._values, self._derivatives = map(tensors, parameters)
        self._direction = Direction(self._objects, primitive, self._values, self._derivatives)

    def hidden_gradients(self, x: Array, d_hidden: Array) -> Array:
        """The total dL/dh_t `(T, B, H)` from x `(T, B, D)` and dL/dh_t from above."""
        for call in self._direction.prepare:
            call()
        states = [memory.array for memory in self._values.initial]
        d_states = [memory.array for memory in self._derivatives.final]
        before = self._states_before_each_step(x)
        for array in d_states:
            array[...] = 0
        total = np.empty_like(d_hidden)
        for t in reversed(range(len(x))):
            for array, state in zip(states, before[t], strict=True):
                array[...] = state
            self._forward(x[t])
            np.add(d_hidden[t], d_states[0], out=total[t])
            self._derivatives.hidden.array[0] = d_hidden[t]
            for call in self._direction.backward:
                call()
            self._engine.wait()
            for array, memory in zip(d_states, self._derivatives.initial, strict=True):
                array[...] = memory.array
        return total

    def _states_before_each_step(self, x: Array) -> list[list[Array]]:
        """From zeros, those before the first step."""
        states = [memory.array for memory in self._values.initial]
        for array in states:
            array[...] = 0
        before = []
        for step in x:
            before.append([array.copy() for array in states])
            self._forward(step)
            for array, memory in zip(states, self._values.final, strict=True):
                array[...] = memory.array
        return before

    def _forward(self, step: Array) -> None:
        self._values.x.array[0] = step
        self._direction.forward()
        self._engine.wait()
