"""The floor of a training step as a candidate: the matrix products that the step cannot avoid."""

from collections.abc import Callable
from functools import cache, partial

from bench.probes.floor import MultiplyAll, multiply_in_numpy, product_chain
from bench.probes.products import training_products
from bench.spec import Unsupported
from studies.native.problem import Call, Problem

FLOORS = ("floor numpy", "floor torch")
"""The candidates that only multiply, each with its own library."""
OURS = ("onednn", "jax", "jax-split", "torch-scan", "tensorflow-loop", "numpy")
"""The backends whose backward pass is written in this project."""
THEIRS = ("torch", "tensorflow", "jax-autodiff", "flax")
SMALLEST = "tiny"
"""The shape whose calls take longer than its arithmetic."""
FLOOR_TARGETS = {"lstm": 1.25, "gru": 1.25, "rnn": 1.5}
SMALLEST_TARGET = 2.0


def floor_target(shape: str, cell: str) -> float:
    """At most how many times the floor the fastest of `OURS` should take."""
    return SMALLEST_TARGET if shape == SMALLEST else FLOOR_TARGETS[cell]


def numpy_products(problem: Problem) -> Call:
    """The products by the library that NumPy was linked with."""
    if problem.device != "cpu":
        raise Unsupported("NumPy multiplies on the CPU only")
    return _products(problem, multiply_in_numpy)


def torch_products(problem: Problem) -> Call:
    """The products by the library that PyTorch has for the device."""
    from backends._torch.products import matrix_products

    multiply = partial(matrix_products, dtype=problem.spec.dtype, device=problem.device)
    return _products(problem, multiply)


def _products(problem: Problem, multiply: MultiplyAll) -> Call:
    """All products of a step in their order. Their layouts are tried in the first run, when no
    other candidate runs."""
    spec, (batch, time, _) = problem.spec, problem.x.shape
    products = training_products(spec, batch, time)

    @cache
    def chain() -> Callable[[], None]:
        return product_chain(products, multiply, spec.storage, problem.device)

    return Call(lambda: chain()(), lambda: None, None)
