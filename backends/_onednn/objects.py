"""Descriptors, memories and primitives of oneDNN, made of NumPy arrays."""

from collections.abc import Callable, Mapping
from ctypes import byref, c_char_p, c_int64, c_void_p
from math import prod
from typing import Any, NamedTuple

import numpy as np

from backends._onednn.library import Engine, Scope
from bench.spec import Array

Call = Callable[[], None]

WEIGHTS, DIFF_WEIGHTS, WORKSPACE = 131, 132, 135
"""Queries of a primitive's descriptor; the weights have the index 0 (layer) and 1 (iteration)."""

_FLOAT32, _ANY_FORMAT, _IMPLEMENTATION = 3, 1, 8
_ROW_MAJOR = {3: 4, 4: 5, 5: 6}
"""The format tags of row-major arrays (abc, abcd, abcde), by the number of dimensions."""
_ALLOCATE = c_void_p(-1)
_FROM, _TO = 1, 17
_ALIGNMENT = 64
"""Bytes of a cache line, and of the widest vector."""


class Memory(NamedTuple):
    """An array, and the object through which oneDNN reads and writes the same numbers."""

    handle: c_void_p
    descriptor: c_void_p
    shape: tuple[int, ...]
    array: Array


class Objects:
    """Makes the objects of one stack. They live as long as this object, which its owner keeps."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._scope = engine, Scope(engine.library, engine.scope)

    # ---- memories -------------------------------------------------------------------------------

    def zeros(self, *shape: int) -> Memory:
        """A new sequence `(T, B, features)` of zeros."""
        return self.sequence(aligned_zeros(*shape))

    def sequence(self, array: Array) -> Memory:
        """A memory over a sequence `(T, B, features)`."""
        return self._over(array, array.shape)

    def layer(self, array: Array) -> Memory:
        """A memory over the weights or a state of one layer in one direction: in oneDNN they have
        two dimensions more, for layers and directions."""
        return self._over(array, (1, 1, *array.shape))

    def _over(self, array: Array, shape: tuple[int, ...]) -> Memory:
        if array.dtype != np.float32 or not array.flags.c_contiguous:
            raise ValueError(f"a memory needs a row-major array of float32, not {array.dtype}")
        descriptor = self._descriptor(shape, _ROW_MAJOR[len(shape)])
        return Memory(
            self._memory(descriptor, array.ctypes.data_as(c_void_p)), descriptor, shape, array
        )

    def _memory(self, descriptor: c_void_p, data: c_void_p) -> c_void_p:
        arguments = descriptor, self._engine.engine, data
        return self._scope.create("memory", "dnnl_memory_create", *arguments)

    def allocate(self, descriptor: c_void_p) -> c_void_p:
        """A memory that oneDNN allocates and nobody else reads."""
        return self._memory(descriptor, _ALLOCATE)

    def any_format(self, memory: Memory) -> c_void_p:
        """A descriptor that leaves the format to the primitive."""
        return self._descriptor(memory.shape, _ANY_FORMAT)

    def _descriptor(self, shape: tuple[int, ...], tag: int) -> c_void_p:
        arguments = len(shape), (c_int64 * len(shape))(*shape), _FLOAT32, tag
        return self._scope.create("memory_desc", "dnnl_memory_desc_create_with_tag", *arguments)

    # ---- primitives -----------------------------------------------------------------------------

    def primitive_descriptor(self, function: str, *arguments: Any) -> c_void_p:
        return self._scope.create("primitive_desc", function, self._engine.engine, *arguments)

    def query(self, primitive_descriptor: c_void_p, what: int, index: int = 0) -> c_void_p:
        """The descriptor of a memory that the primitive wants."""
        query = self._engine.library.functions.dnnl_primitive_desc_query_md
        return c_void_p(query(primitive_descriptor, what, index))

    def implementation(self, primitive_descriptor: c_void_p) -> str:
        """oneDNN's name of the code that the primitive runs, such as `jit:avx2` or `ref:any`."""
        name = c_char_p()
        arguments = primitive_descriptor, _IMPLEMENTATION, 0, byref(name)
        self._engine.library.call("dnnl_primitive_desc_query", *arguments)
        return (name.value or b"").decode()

    def call(self, primitive_descriptor: c_void_p, memories: Mapping[int, c_void_p]) -> Call:
        """The call of the primitive with these memories, by their places among its arguments."""
        arguments = "primitive", "dnnl_primitive_create", primitive_descriptor
        return self._engine.prepare(self._scope.create(*arguments), dict(memories))

    def reordered(
        self, memory: Memory, descriptor: c_void_p, back: bool = False
    ) -> tuple[c_void_p, list[Call]]:
        """A memory in the format of the descriptor, and the calls that fill it from the given one,
        or with `back` the given one from it. Where the formats agree it is the given one itself."""
        library = self._engine.library
        if library.functions.dnnl_memory_desc_equal(memory.descriptor, descriptor):
            return memory.handle, []
        other = self.allocate(descriptor)
        source, target = (memory.handle, memory.descriptor), (other, descriptor)
        if back:
            source, target = target, source
        engine, function = self._engine.engine, "dnnl_reorder_primitive_desc_create"
        arguments = source[1], engine, target[1], engine, None
        reorder = self._scope.create("primitive_desc", function, *arguments)
        return other, [self.call(reorder, {_FROM: source[0], _TO: target[0]})]


def aligned_zeros(*shape: int) -> Array:
    """Zeros of float32 that begin at a cache line."""
    size = prod(shape)
    memory = np.zeros(4 * size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + 4 * size].view(np.float32).reshape(shape)
