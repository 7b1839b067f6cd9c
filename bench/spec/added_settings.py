"""Settings that a task got after records of it were published."""

from dataclasses import Field, field
from typing import Any

KEY = "added"


def added_setting(default: Any) -> Any:
    """Declare a field of a task that is left out of a case while it has its default: earlier
    records are then still records of the same case."""
    return field(default=default, metadata={KEY: True})


def left_out(setting: "Field[Any]", value: Any) -> bool:
    """Whether a case leaves out this field of a task."""
    return bool(setting.metadata.get(KEY)) and value == setting.default
