"""What each cell is called in oneDNN: its gates, biases and arguments."""

from collections.abc import Mapping
from ctypes import c_float, c_void_p
from dataclasses import dataclass
from typing import Any, NamedTuple

from backends._onednn.objects import Memory, Objects
from bench.spec import ModelSpec

FORWARD_TRAINING, FORWARD_INFERENCE, BACKWARD = 64, 96, 128
WEIGHTS_LAYER, WEIGHTS_ITER, WORKSPACE_ARGUMENT = 33, 34, 64
DIFF = 128
"""What is added to the place of an argument to give that of its derivative."""
_SOURCE, _DESTINATION, _BIAS = 1, 17, 41
_LEFT_TO_RIGHT, _TANH = 1, 0x21
_NO_FLAGS, _OVERWRITE_GRADIENTS = 0, 1


class Tensors(NamedTuple):
    """The memories of one direction of one layer, or those of their derivatives: x `(T, B, D)`,
    w `(D, G, H)`, u `(H, G, H)`, b `(biases, H)`, hidden `(T, B, H)`, and the initial and final
    states `(B, H)`, empty where they are zero and not asked for."""

    x: Memory
    initial: tuple[Memory, ...]
    w: Memory
    u: Memory
    b: Memory
    hidden: Memory
    final: tuple[Memory, ...]

    def arguments(self) -> dict[int, c_void_p]:
        """The memories by their places among a primitive's arguments."""
        entries = (
            *enumerate((self.x, *self.initial), _SOURCE),
            *enumerate((self.hidden, *self.final), _DESTINATION),
            *((WEIGHTS_LAYER, self.w), (WEIGHTS_ITER, self.u), (_BIAS, self.b)),
        )
        return {place: memory.handle for place, memory in entries}


@dataclass(frozen=True)
class Primitive:
    """oneDNN's primitive of a cell. Its gate k is the gate `gates[k]` of the canonical order.
    `biases` counts rows of H; one beyond the gates is b_hn."""

    name: str
    gates: tuple[int, ...]
    biases: int
    states: int = 1

    def forward(self, objects: Objects, values: Tensors, training: bool) -> c_void_p:
        """The descriptor of the forward pass."""
        kind = FORWARD_TRAINING if training else FORWARD_INFERENCE
        arguments = self._arguments(kind, _NO_FLAGS, self._descriptors(objects, values))
        return objects.primitive_descriptor(self._function("forward"), *arguments, None)

    def backward(
        self, objects: Objects, values: Tensors, derivatives: Tensors, forward: c_void_p
    ) -> c_void_p:
        """The descriptor of the backward pass, which writes all derivatives."""
        tensors = self._descriptors(objects, values) + self._descriptors(objects, derivatives)
        arguments = self._arguments(BACKWARD, _OVERWRITE_GRADIENTS, tensors)
        return objects.primitive_descriptor(self._function("backward"), *arguments, forward, None)

    def _function(self, direction: str) -> str:
        return f"dnnl_{self.name}_{direction}_primitive_desc_create"

    def _descriptors(self, objects: Objects, tensors: Tensors) -> list[c_void_p | None]:
        """In the order of the function's arguments; the format of w and u is left to oneDNN."""
        x, initial, w, u, b, hidden, final = tensors
        absent = [None] * self.states
        peephole_and_projection = [None, None] if self.name == "lstm" else []
        return [
            *(x.descriptor, *([state.descriptor for state in initial] or absent)),
            *(objects.any_format(w), objects.any_format(u), *peephole_and_projection, b.descriptor),
            *(hidden.descriptor, *([state.descriptor for state in final] or absent)),
        ]

    def _arguments(self, kind: int, flags: int, tensors: list[c_void_p | None]) -> list[Any]:
        if self.name != "vanilla_rnn":
            return [kind, _LEFT_TO_RIGHT, *tensors, flags]
        alpha_and_beta = c_float(0), c_float(0)
        return [kind, _TANH, _LEFT_TO_RIGHT, *tensors, flags, *alpha_and_beta]


_PRIMITIVES: Mapping[str, Primitive] = {
    "rnn": Primitive("vanilla_rnn", gates=(0,), biases=1),
    "lstm": Primitive("lstm", gates=(0, 1, 2, 3), biases=4, states=2),
    # oneDNN's order is z, r, n; z has the same meaning, the share of h that is kept.
    "reset_after": Primitive("lbr_gru", gates=(1, 0, 2), biases=4),
    "reset_before": Primitive("gru", gates=(1, 0, 2), biases=3),
}


def primitive_of(spec: ModelSpec) -> Primitive:
    return _PRIMITIVES[spec.gru if spec.cell == "gru" else spec.cell]
