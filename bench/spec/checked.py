"""A session that checks its arguments and shares no memory with its caller."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from weakref import ref

import numpy as np

from bench.spec.batch import ArrayFacts, check_batch, facts_of
from bench.spec.model import ModelSpec, Params
from bench.spec.protocols import Session

_READ, _LEARN = ("x", "lengths", "state"), ("x", "y", "lengths")
ARGUMENTS: Mapping[str, Sequence[str]] = {
    "predict": _READ,
    "hidden_states": _READ,
    "forward": _READ,
    "advance": ("x", "state"),
    "gradients": _LEARN,
    "backward": _LEARN,
    "step": _LEARN,
    "gradient_terms": _LEARN,
    "hidden_gradients": ("x", "y"),
}
"""What the arguments of a method are, in their order; some methods call the state
`initial_state`."""
ASYNCHRONOUS = ("forward", "backward", "step")
"""The methods that may return before they have read their arguments."""


class CheckedSession:
    """Stands in front of an adapter's session, `unchecked`. It refuses arguments that are no batch
    of the model. Where the device may still read an array after the call, it hands on a copy.

    It remembers the shape, dtype and extremes of what `put` returns, so that no later call reads
    them back from the device. Such arrays go to the adapter as they are. The clock times
    `unchecked`.
    """

    def __init__(self, session: Session, spec: ModelSpec) -> None:
        self.unchecked, self._spec = session, spec
        self._facts = RememberedFacts()

    def put(self, array: Any) -> Any:
        array = np.asarray(array)
        facts = facts_of(array)
        on_device = self.unchecked.put(_plain(array, copy=True))
        self._facts.remember(on_device, facts)
        return on_device

    def __getattr__(self, name: str) -> Any:
        """The attribute of the adapter's session; a method that takes a batch checks it first."""
        value = getattr(self.unchecked, name)
        if name in ARGUMENTS:
            value = self._checked(name, ARGUMENTS[name], copy=name in ASYNCHRONOUS)
            setattr(self, name, value)
        elif name == "restart":
            return self._restart
        return value

    def _restart(self, params: Params) -> None:
        copies = {name: np.array(value) for name, value in params.items()}
        self.unchecked.restart(copies)  # type: ignore[attr-defined]

    def _checked(self, method: str, names: Sequence[str], copy: bool) -> Callable[..., Any]:
        """The method of this name; it is looked up at each call, since a restart may replace it."""

        def checked(*arguments: Any, **options: Any) -> Any:
            batch = {
                name: _as_state(value) if "state" in name else _as_array(value)
                for name, value in [*zip(names, arguments, strict=False), *options.items()]
            }
            self._check(**batch)
            values = [self._for_adapter(value, copy) for value in batch.values()]
            count = min(len(arguments), len(names))
            by_name = dict(zip([*batch][count:], values[count:], strict=True))
            # Python itself refuses arguments beyond those of the method.
            call = getattr(self.unchecked, method)
            return call(*values[:count], *arguments[count:], **by_name)

        return checked

    def _check(
        self,
        x: Any,
        y: Any = None,
        lengths: Any = None,
        state: Any = None,
        initial_state: Any = None,
    ) -> None:
        state = initial_state if state is None else state
        check_batch(
            self._spec,
            self._facts_of(x, read=False),
            None if y is None else self._facts_of(y),
            None if lengths is None else self._facts_of(lengths),
            None if state is None else [self._facts_of(s, read=False) for s in _tuple(state)],
        )

    def _for_adapter(self, value: Any, copy: bool) -> Any:
        """NumPy arrays that every framework can read; arrays on a device as they are."""
        if isinstance(value, tuple):
            return tuple(self._for_adapter(item, copy) for item in value)
        if not isinstance(value, np.ndarray) or self._facts.recall(value) is not None:
            return value
        return _plain(value, copy)

    def _facts_of(self, value: Any, read: bool = True) -> ArrayFacts:
        """The facts about an argument. For an array that `put` did not return, this is the shape
        alone if the array is not to be read from its device, or cannot be."""
        if (facts := self._facts.recall(value)) is not None:
            return facts
        if isinstance(value, np.ndarray):
            return facts_of(value)
        if not hasattr(value, "shape"):
            raise ValueError(f"a batch consists of arrays, not of {type(value).__name__}")
        if read:
            with suppress(Exception):  # each framework raises other errors
                return facts_of(np.asarray(value))
        shape = value.shape() if callable(value.shape) else value.shape
        return ArrayFacts(tuple(shape))


class RememberedFacts:
    """The facts of arrays, for as long as the arrays live."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[Any, ArrayFacts]] = {}

    def remember(self, array: Any, facts: ArrayFacts) -> None:
        key = id(array)  # arrays of frameworks have no hash, or compare element by element
        with suppress(TypeError):  # not every object can be referred to weakly
            self._by_id[key] = (ref(array, lambda _: self._by_id.pop(key, None)), facts)

    def recall(self, array: Any) -> ArrayFacts | None:
        """The facts of this very array; None where it is not remembered."""
        reference, facts = self._by_id.get(id(array), (lambda: None, None))
        return facts if reference() is array else None


def _as_array(value: Any) -> Any:
    """Lists and numbers as an array; arrays as they are."""
    return np.array(value) if isinstance(value, list | tuple | int | float) else value


def _as_state(value: Any) -> Any:
    """Several arrays as a tuple; lists and numbers as an array."""
    several = isinstance(value, list | tuple) and value and hasattr(value[0], "shape")
    return tuple(value) if several else _as_array(value)


def _plain(array: Any, copy: bool) -> Any:
    """The array as every framework can read it: contiguous, in the byte order of the machine, no
    number longer than 64 bits, whole numbers as int64. Shares its memory unless `copy` is true or
    something has to be changed."""
    dtype = np.dtype(np.int64) if array.dtype.kind in "iub" else array.dtype.newbyteorder("=")
    if dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    return np.array(array, dtype, copy=copy or None, order="C")


def _tuple(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)
