"""One direction of one layer at one shape: the calls of its two passes."""

from ctypes import c_void_p
from typing import Any

from backends._onednn.objects import DIFF_WEIGHTS, WEIGHTS, WORKSPACE, Call, Objects
from backends._onednn.primitives import (
    DIFF,
    WEIGHTS_ITER,
    WEIGHTS_LAYER,
    WORKSPACE_ARGUMENT,
    Primitive,
    Tensors,
)


class Direction:
    """The lists of calls are run in the order `prepare` (after the weights have changed),
    `forward`, `backward`. The passes read and write the arrays of `values` and `derivatives`;
    without derivatives the forward pass is that of inference, and there is no backward pass."""

    def __init__(
        self,
        objects: Objects,
        primitive: Primitive,
        values: Tensors,
        derivatives: Tensors | None = None,
    ) -> None:
        self.values = values
        self.derivatives: Any = derivatives  # read only where there is a backward pass
        self.prepare, self.backward = list[Call](), list[Call]()
        forward = primitive.forward(objects, values, derivatives is not None)
        self.implementations = [objects.implementation(forward)]
        arguments = values.arguments() | self._weights(objects, forward)
        if derivatives is None:
            self.forward = objects.call(forward, arguments)
            return
        workspace = objects.allocate(objects.query(forward, WORKSPACE))
        arguments[WORKSPACE_ARGUMENT] = workspace
        self.forward = objects.call(forward, arguments)
        backward = primitive.backward(objects, values, derivatives, forward)
        self.implementations.append(objects.implementation(backward))
        arguments |= self._weights(objects, backward)
        self._add_backward(objects, backward, arguments, derivatives)

    def _weights(self, objects: Objects, descriptor: c_void_p) -> dict[int, c_void_p]:
        """The weights in the formats that a pass wants."""
        formats = {}
        places = (WEIGHTS_LAYER, self.values.w), (WEIGHTS_ITER, self.values.u)
        for index, (place, memory) in enumerate(places):
            wanted = objects.query(descriptor, WEIGHTS, index)
            formats[place], calls = objects.reordered(memory, wanted)
            self.prepare += calls
        return formats

    def _add_backward(
        self,
        objects: Objects,
        descriptor: c_void_p,
        arguments: dict[int, c_void_p],
        derivatives: Tensors,
    ) -> None:
        """The call of the backward pass, and those that bring the gradients of the weights into
        the format of the weights."""
        results = {place + DIFF: memory for place, memory in derivatives.arguments().items()}
        deliver = []
        places = (WEIGHTS_LAYER, derivatives.w), (WEIGHTS_ITER, derivatives.u)
        for index, (place, memory) in enumerate(places):
            wanted = objects.query(descriptor, DIFF_WEIGHTS, index)
            results[place + DIFF], calls = objects.reordered(memory, wanted, back=True)
            deliver += calls
        self.backward = [objects.call(descriptor, arguments | results), *deliver]
