"""An adapter that is read through checks: whatever its code raises is an `Unavailable`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from bench.processes.variables import check_variables
from bench.spec.checked import CheckedSession
from bench.spec.model import ModelSpec, Params, Training
from bench.spec.plugins import called, reason_text
from bench.spec.supports import Supports, Unavailable

LISTS_OF_NAMES: Mapping[str, str] = {
    "REQUIRES": "packages, such as ('numpy',)",
    "SPEED_VARIABLES": "environment variables, such as ('MINE_*',)",
}
"""What an adapter lists, and the names of what."""
MISSING = object()


class CheckedBackend:
    """Stands in front of an adapter. Raises `Unavailable` with the line for whatever the adapter
    raises where it is read, or in the functions that are called before its framework is imported,
    and for what they return if it is of the wrong kind.

    Its sessions are checked, too: they refuse what is no batch, and share no memory with their
    caller.
    """

    def __init__(self, adapter: Any, name: str = "the adapter") -> None:
        self._adapter, self._name = adapter, name

    def __getattr__(self, name: str) -> Any:
        value = self._read(name)
        if value is MISSING:
            raise AttributeError(f"{self._name} has no {name}")
        check = ANSWERS.get(name)
        return partial(self._answer, name, value, check) if check else value

    def _read(self, name: str) -> Any:
        """An attribute of the adapter; `MISSING` where it has none of this name."""
        adapter = self._adapter
        return called(f"{name} of {self._name}", lambda: getattr(adapter, name, MISSING), adapter)

    def _answer(
        self,
        name: str,
        function: Callable[..., Any],
        check: Callable[[Any], Any],
        *arguments: Any,
        **named: Any,
    ) -> Any:
        """What an optional function of the adapter returns, as a plain value."""

        def checked_answer() -> Any:
            answer = function(*arguments, **named)
            try:
                return check(answer)
            except ValueError as error:
                raise Unavailable(f"its {name}() returned {error}") from None

        return called(f"its {name}()", checked_answer, self._adapter)

    def check(self) -> None:
        """Raise `Unavailable` unless the adapter has what every backend has."""
        functions = ("open_session", "devices")
        if missing := [n for n in functions if not callable(self._read(n))]:
            raise Unavailable(f"{self._name} is no backend: it lacks {' and '.join(missing)}")
        if not isinstance(supports := getattr(self, "SUPPORTS", Supports()), Supports):
            raise Unavailable(
                f"{self._name} is no backend: SUPPORTS is {supports!r:.80}; it must be "
                "bench.spec.Supports(…)"
            )
        for field, things in LISTS_OF_NAMES.items():
            words = getattr(self, field, ())
            if not isinstance(words, tuple | list) or not all(isinstance(w, str) for w in words):
                raise Unavailable(
                    f"{self._name} is no backend: {field} is {words!r:.80}; it must be a tuple of "
                    f"the names of {things}"
                )

    def open_session(
        self, spec: ModelSpec, params: Params, device: str, training: Training = Training()
    ) -> CheckedSession:
        copies = {name: np.array(value) for name, value in params.items()}
        session = self._adapter.open_session(spec, copies, device, training)
        return CheckedSession(session, spec)


def _variables(answer: Any) -> dict[str, str]:
    variables = dict(answer) if isinstance(answer, Mapping) else answer
    try:
        check_variables({} if variables is None else variables)
    except ValueError as error:
        raise ValueError(f"what is no environment: {error}") from None
    return variables or {}


ANSWERS: Mapping[str, Callable[[Any], Any]] = {
    "unavailable": reason_text,
    "environment": _variables,
    "compilation_cache": _variables,
}
"""The functions that are called before the framework is imported, and the check of what each
returns."""
