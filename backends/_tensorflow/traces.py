"""Which path TensorFlow took, read from what it traced."""

import re
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


class Traces:
    """The last trace of each named function of a session.

    It also remembers whether a function ever ran op by op, as
    `tf.config.run_functions_eagerly` makes it do, under XLA too.
    """

    def __init__(self, recurrent: bool, jit: bool) -> None:
        self._recurrent, self._jit, self._eager = recurrent, jit, False
        self._last: dict[str, Trace] = {}

    def note(self, name: str, function: Any, args: tuple[Any, ...]) -> None:
        """Note that a function is being traced, or runs eagerly; called inside it."""
        if not tf.inside_function():
            self._eager = True
        elif name:
            self._last[name] = Trace(function, args, tf.compat.v1.get_default_graph())

    def lacks(self, name: str) -> bool:
        """Whether a call of this function is still needed to know the path."""
        return name not in self._last and not self._eager

    def path(self) -> str:
        """`eager`, `xla`, `xla-unrolled`, `matmul`, `unrolled`, or `cudnn` and `while_loop`."""
        if self._eager:
            return "eager"
        if self._jit:
            text = self._last.get("backward", self._last["forward"]).compiled()
            looped = re.search(r"\bwhile\(", text) or not self._recurrent
            return "xla" if looped else "xla-unrolled"
        ops = {op for trace in self._last.values() for op in trace.ops()}
        paths = ["cudnn"] if any(op.startswith("CudnnRNN") for op in ops) else []
        paths += ["while_loop"] if ops & {"While", "StatelessWhile"} else []
        return "+".join(paths) or ("unrolled" if self._recurrent else "matmul")


@dataclass(frozen=True)
class Trace:
    """A function, the symbolic arguments that it was traced with, and the graph."""

    function: Any
    args: tuple[Any, ...]
    graph: Any

    def ops(self) -> set[str]:
        """The names of all operations, those of nested functions included.

        Keras decides between cuDNN and its loop while it is traced, so the graph shows which.
        """
        definition = self.graph.as_graph_def()
        functions = (function.node_def for function in definition.library.function)
        return {node.op for nodes in (definition.node, *functions) for node in nodes}

    def compiled(self) -> str:
        """XLA's optimised program for arguments of these shapes."""
        args = tf.nest.map_structure(
            lambda t: None if t is None else tf.zeros(t.shape, t.dtype), self.args
        )
        return str(self.function.experimental_get_compiler_ir(*args)(stage="optimized_hlo"))
