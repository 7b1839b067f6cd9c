"""The environment variables with which a process can be started."""

from collections.abc import Mapping
from typing import Any


def check_variables(variables: Any) -> None:
    """Raise ValueError unless these are environment variables: texts by name. No name is empty or
    has an equals sign, and no text has a zero."""
    if not isinstance(variables, Mapping):
        raise ValueError(f"{variables!r:.60} is no mapping of names to texts")
    for name, value in variables.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ValueError(f"the variable {name!r:.60} is {value!r:.60}, which is no text")
        if not name or "=" in name or "\0" in name + value:
            raise ValueError(f"no variable can be called {name!r:.60} and be {value!r:.60}")
        try:
            (name + value).encode(errors="surrogateescape")
        except UnicodeEncodeError:
            raise ValueError(f"the variable {name!a:.60} is {value!a:.60}: no UTF-8") from None
