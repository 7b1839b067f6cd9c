"""What the timed calls return: the right numbers, computed when `wait` returns.

They leave their results on the device, where nothing else reads them. So a result that is only
computed when it is read would cost the clock nothing.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.gate.difference import relative_error
from bench.gate.rounding import TIMED_TOLERANCE
from bench.probes.clock import clock
from bench.probes.escaped_work import (
    ENOUGH_S,
    ESCAPED_SHARE,
    LEAST_S,
    MOST_CALLS,
    TRIES,
    EarlyReturnError,
)
from bench.spec import Array

REMEMBERED, REPEATS = 4, 8
"""A call on a batch that it has met must not be so many times as fast as on a new one; and how many
calls are compared."""
ON_THE_WAY_TO_NUMPY = ("detach", "cpu", "numpy")
"""Methods by which arrays of some frameworks become NumPy arrays, in this order, where NumPy itself
cannot read them."""


def check_forward(forward: Callable[..., Any], session: Any, x: Any, dtype: str) -> None:
    """Raise unless `forward(x)` gives the predictions, and has computed them when `wait` returns.
    The first call, which may compile, must be over."""
    expected = session.predict(x)
    arrays = _computed("forward", lambda: forward(x), session)
    error = relative_error(arrays[0], expected) if len(arrays) == 1 else math.inf
    if not error <= TIMED_TOLERANCE[dtype]:
        raise ValueError(f"forward() differs from predict() by {error:.2g}")


def check_backward(backward: Callable[..., Any], session: Any, x: Any, y: Any, dtype: str) -> None:
    """Raise unless `backward(x, y)` gives the loss and a gradient for every weight, and has
    computed them when `wait` returns."""
    loss, gradients = session.gradients(x, y)
    arrays = _computed("backward", lambda: backward(x, y), session)
    error = relative_error(arrays[0].squeeze(), np.asarray(loss)) if arrays else math.inf
    if not error <= TIMED_TOLERANCE[dtype]:
        raise ValueError(f"the loss of backward() differs from that of gradients() by {error:.2g}")
    expected = sum(np.size(value) for name, value in gradients.items() if name != "x")
    elements = sum(array.size for array in arrays[1:])
    if elements < expected:
        raise ValueError(
            f"backward() returned {elements} derivatives of {expected} weights: it must return the "
            "loss and all parameter gradients"
        )


def check_loss(step: Callable[[], Any], session: Any) -> None:
    """Raise unless the losses that `step` returns are computed when `wait` returns."""
    _computed("step", step, session)


def check_repeats(
    name: str, call: Callable[..., Any], session: Any, batch: Sequence[Array]
) -> None:
    """Raise where `call` is far faster on a batch that it has met than on equal ones: then it does
    not compute its result at each call. The first call, which may compile, must be over."""
    for _ in range(1 + TRIES):
        met, *others = ([session.put(array) for array in batch] for _ in range(1 + REPEATS))
        session.wait()
        call(*met)
        again = clock(partial(call, *met), session, REPEATS)
        new = clock(partial(_call_on_next, call, iter(others)), session, REPEATS)
        if new - again <= LEAST_S or new <= REMEMBERED * again:
            return
    raise EarlyReturnError(
        f"{name}() is {new / again:.2g} times as fast on a batch that it has met as on a new one: "
        "it must compute its result at each call"
    )


def _call_on_next(call: Callable[..., Any], batches: Iterator[Sequence[Any]]) -> None:
    call(*next(batches))


def _computed(name: str, call: Callable[[], Any], session: Any) -> list[Array]:
    """The arrays of one result. Raises `EarlyReturnError` where reading results takes so long that
    work must have been left to it."""
    arrays = read(name, call())
    calls = min(MOST_CALLS, 1 + math.ceil(ENOUGH_S / _seconds(lambda: read(name, call()))))
    for _ in range(1 + TRIES):
        clocked, left = _time_results(name, call, session, arrays, calls)
        if left <= max(LEAST_S, ESCAPED_SHARE * clocked):
            return arrays
    raise EarlyReturnError(
        f"wait() returned {left / calls:.2g} s before the work of {name}() was done"
    )


def _time_results(
    name: str, call: Callable[[], Any], session: Any, arrays: Sequence[Array], count: int
) -> tuple[float, float]:
    """Seconds of some calls up to the end of `wait`; and by how many seconds reading their results
    takes longer than reading as many `arrays` that were put on the device."""
    results: list[Any] = []
    clocked = clock(lambda: results.append(call()), session, count)
    reading = _seconds(lambda: [read(name, result) for result in results])
    copies = [[session.put(array) for array in arrays] for _ in range(count)]
    session.wait()
    return clocked, reading - _seconds(lambda: [read(name, copy) for copy in copies])


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def read(name: str, result: Any) -> list[Array]:
    """The arrays of a result of the method `name`, as NumPy arrays, in their order. Raises
    ValueError where there is none."""
    arrays = [array for leaf in _leaves(result) if (array := _as_numpy(leaf)).dtype.kind != "O"]
    if not arrays:
        raise ValueError(
            f"{name}() returned {type(result).__name__}, in which there is no array: it must "
            "return arrays that are on the device"
        )
    return arrays


def _leaves(result: Any) -> Iterator[Any]:
    """What is in tuples, lists, mappings and dataclasses, however nested."""
    if isinstance(result, Mapping):
        result = tuple(result.values())
    elif is_dataclass(result) and not isinstance(result, type):
        result = tuple(getattr(result, field.name) for field in fields(result))
    if isinstance(result, tuple | list):
        for part in result:
            yield from _leaves(part)
    else:
        yield result


def _as_numpy(value: Any) -> Array:
    """The value as a NumPy array; an array of objects where it is none."""
    for method in ON_THE_WAY_TO_NUMPY:
        if callable(convert := getattr(value, method, None)):
            value = convert()
    return np.asarray(value)
