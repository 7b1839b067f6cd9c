"""A session whose arguments are checked and whose arrays are its own."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from weakref import ref

import numpy as np

from bench.spec.batch import ArrayFacts, check_batch, facts_of
from bench.spec.model import ModelSpec
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
"""What the arguments of a method are, in their order; the state is `initial_state` to some."""
ASYNCHRONOUS = ("forward", "backward", "step")
"""The methods that may return before they have read their arguments."""


class CheckedSession:
    """A session in front of an adapter's own, `unchecked`: it refuses what is no batch of the
    model, and hands on copies of what the caller may change while the device still reads it.

    What `put` returns is remembered, so that no later call reads it back from the device. The
    arrays themselves go to the adapter as they are: the clock times `unchecked`.
    """

    def __init__(self, session: Session, spec: ModelSpec) -> None:
        self.unchecked, self._spec = session, spec
        self._facts = RememberedFacts()

    def put(self, array: Any) -> Any:
        copy = np.array(array)
        facts = facts_of(copy)
        on_device = self.unchecked.put(copy)
        self._facts.remember(on_device, facts)
        return on_device

    def __getattr__(self, name: str) -> Any:
        """The adapter's own attribute; a method that takes a batch checks it first."""
        value = getattr(self.unchecked, name)
        if name in ARGUMENTS:
            value = self._checked(value, ARGUMENTS[name], copies=name in ASYNCHRONOUS)
            setattr(self, name, value)
        return value

    def _checked(
        self, method: Callable[..., Any], names: Sequence[str], copies: bool
    ) -> Callable[..., Any]:
        def checked(*arguments: Any, **options: Any) -> Any:
            arguments = tuple(self._as_array(value, copies) for value in arguments)
            options = {name: self._as_array(value, copies) for name, value in options.items()}
            self._check(**dict(zip(names, arguments, strict=False)) | options)
            return method(*arguments, **options)

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

    def _as_array(self, value: Any, copied: bool) -> Any:
        """Lists and numbers as arrays, a list of arrays as a tuple, arrays of the caller's own
        copied if asked for; arrays on a device as they are."""
        if isinstance(value, tuple) or (
            isinstance(value, list) and value and hasattr(value[0], "shape")
        ):
            return tuple(self._as_array(item, copied) for item in value)
        if isinstance(value, list | int | float):
            return np.array(value)
        own = copied and isinstance(value, np.ndarray) and self._facts.recall(value) is None
        return np.array(value) if own else value

    def _facts_of(self, value: Any, read: bool = True) -> ArrayFacts:
        """The facts about an argument. For an array that `put` did not make, this is the shape
        alone if the array is not to be read from its device, or cannot be."""
        if (facts := self._facts.recall(value)) is not None:
            return facts
        if isinstance(value, np.ndarray):
            return facts_of(value)
        if read:
            with suppress(Exception):  # each framework has its own errors
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


def _tuple(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)
