"""Building ONNX graphs: nodes by name, constants from arrays."""

from typing import Any, NamedTuple

import numpy as np
from onnx import helper, numpy_helper

from bench.spec import Array

FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9
"""Element types, numbered as in onnx.TensorProto."""


RECURRENT = ("RNN", "LSTM", "GRU")
"""The operators of recurrent layers, whose outputs are all optional."""


class ValueType(NamedTuple):
    """An element type and the sizes or their names; `shape` is None where they are open."""

    element: int
    shape: tuple[int | str, ...] | None = None


class Graph:
    """An ONNX graph in the making.

    An input of a node is the name of a value, or an array, which becomes a constant. Names begin
    with `prefix`: those in the body of a loop must differ from those of the graph around it.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str | Array | int, **attributes: Any) -> str:
        """Add a node of one output and return the output's name."""
        return self.add_many(operator, 1, *inputs, **attributes)[0]

    def add_many(
        self, operator: str, count: int, *inputs: str | Array | int, **attributes: Any
    ) -> list[str]:
        """Add a node of `count` outputs and return their names."""
        name = f"{self.prefix}{operator}.{len(self.nodes)}"
        outputs = [f"{name}.{number}" for number in range(count)]
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        self.nodes.append(helper.make_node(operator, names, outputs, name, **attributes))
        return outputs

    def at(self, array: str, index: int, axis: int) -> str:
        """One slice of an array along an axis, which is left out."""
        return self.add("Gather", array, np.array(index), axis=axis)

    def proto(self, inputs: dict[str, ValueType], outputs: dict[str, ValueType]) -> Any:
        """The finished graph as onnx.GraphProto. Of a recurrent layer it computes only what is
        read."""
        read = {*outputs, *(name for node in self.nodes for name in node.input)}
        for node in self.nodes:
            if node.op_type in RECURRENT:
                node.output[:] = [name if name in read else "" for name in node.output]
        arguments = [helper.make_tensor_value_info(name, *value) for name, value in inputs.items()]
        results = [helper.make_tensor_value_info(name, *value) for name, value in outputs.items()]
        name = self.prefix or "model"
        return helper.make_graph(self.nodes, name, arguments, results, initializer=self.constants)

    def _constant(self, value: Array | int) -> str:
        name = f"{self.prefix}constant.{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name
