"""oneDNN's C interface: every status is checked, and every object is destroyed by its scope."""

import ctypes
from collections.abc import Callable, Sequence
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_void_p
from pathlib import Path
from typing import Any
from weakref import finalize

from bench.spec import Unsupported

MAJOR_VERSION = 3
"""Constants and signatures are stable within a major version."""

_STATUSES = (
    *("success", "out of memory", "invalid arguments", "unimplemented"),
    *("last implementation reached", "runtime error", "not required"),
)
_INSTRUCTION_SETS = {
    0x1: "sse41",
    0x3: "avx",
    0x7: "avx2",
    0xF: "avx2_vnni",
    0x1F: "avx2_vnni_2",
    0x27: "avx512_core",
    0x67: "avx512_core_vnni",
    0xE7: "avx512_core_bf16",
    0x1EF: "avx512_core_fp16",
}
_CPU, _DEFAULT_STREAM = 1, 1


class OnednnError(RuntimeError):
    """A function of oneDNN failed; the message names it and its status."""


def check(function: str, status: int) -> None:
    """Raise `OnednnError`, or MemoryError where there was too little, unless all went well."""
    if status:
        name = _STATUSES[status] if status < len(_STATUSES) else "unknown status"
        error = MemoryError if name == "out of memory" else OnednnError
        raise error(f"oneDNN: {function} failed: {name} (status {status})")


class _Version(ctypes.Structure):
    _fields_ = (
        *(("major", c_int), ("minor", c_int), ("patch", c_int)),
        *(("hash", c_char_p), ("cpu_runtime", c_uint), ("gpu_runtime", c_uint)),
    )


class Argument(ctypes.Structure):
    """`dnnl_exec_arg_t`: the place of an argument of a primitive, and its memory."""

    _fields_ = (("index", c_int), ("memory", c_void_p))


class Library:
    """The loaded library. Raises `Unsupported` if it does not load or has another version."""

    def __init__(self, path: Path) -> None:
        try:
            self.functions = ctypes.CDLL(str(path))
        except OSError as error:
            raise Unsupported(f"oneDNN does not load: {error}") from error
        self.functions.dnnl_version.restype = ctypes.POINTER(_Version)
        self.functions.dnnl_primitive_desc_query_md.restype = c_void_p
        version = self.functions.dnnl_version().contents
        self.version = f"{version.major}.{version.minor}.{version.patch}"
        if version.major != MAJOR_VERSION:
            raise Unsupported(f"oneDNN {self.version} is not version {MAJOR_VERSION}: {path}")

    @property
    def instruction_set(self) -> str | None:
        """The widest one that oneDNN uses on this processor; None for one without a name here."""
        return _INSTRUCTION_SETS.get(self.functions.dnnl_get_effective_cpu_isa())

    def call(self, function: str, *arguments: Any) -> None:
        """Call a function that returns a status, and check it."""
        check(function, getattr(self.functions, function)(*arguments))


class Scope:
    """Objects of oneDNN that are destroyed when the scope is collected, the last one first and
    before those of the scope around it."""

    def __init__(self, library: Library, around: "Scope | None" = None) -> None:
        self.library = library
        self._objects: list[tuple[str, c_void_p]] = []
        finalize(self, _destroy, library, self._objects, around)

    def create(self, kind: str, function: str, *arguments: Any) -> c_void_p:
        """The object that this function makes of the arguments; `kind` is `memory`, …."""
        handle = c_void_p()
        self.library.call(function, byref(handle), *arguments)
        self._objects.append((kind, handle))
        return handle


def _destroy(
    library: Library, objects: Sequence[tuple[str, c_void_p]], around: Scope | None
) -> None:
    """`around` is only held here, until the inner objects are gone."""
    for kind, handle in reversed(objects):
        library.call(f"dnnl_{kind}_destroy", handle)


class Engine:
    """The CPU, and the stream in which its primitives run."""

    def __init__(self, library: Library) -> None:
        self.library, self.scope = library, Scope(library)
        self.engine = self.scope.create("engine", "dnnl_engine_create", _CPU, c_size_t(0))
        stream = "dnnl_stream_create", self.engine, _DEFAULT_STREAM
        self.stream = self.scope.create("stream", *stream)

    def wait(self) -> None:
        """Return when everything that was called has finished."""
        self.library.call("dnnl_stream_wait", self.stream)

    def prepare(self, primitive: c_void_p, arguments: dict[int, c_void_p]) -> Callable[[], None]:
        """The call of a primitive with these memories by their places. Nothing is allocated when
        it is called. It does not keep its objects alive."""
        execute, count = self.library.functions.dnnl_primitive_execute, len(arguments)
        array = (Argument * count)(*(Argument(i, memory) for i, memory in arguments.items()))
        stream = self.stream

        def call() -> None:
            if status := execute(primitive, stream, count, array):
                check("dnnl_primitive_execute", status)

        return call
