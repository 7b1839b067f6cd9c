"""Checks of the settings that a task is made with."""

from typing import Any

from bench.spec import Training


def check_settings(task: Any, **minimum: int) -> None:
    """Raise `ValueError` for a setting of a task that is out of range.

    Batch, hidden and steps, and every setting in `minimum`, must be whole numbers of at least
    their minimum; the learning rate and the norm for clipping must suit `Training`.
    """
    for name, least in {"batch": 1, "hidden": 1, "steps": 1, **minimum}.items():
        value = getattr(task, name)
        if type(value) is not int or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")
    Training(learning_rate=task.learning_rate, clip_norm=task.clip_norm)
