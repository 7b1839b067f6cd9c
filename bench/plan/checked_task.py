"""A task as the plan reads it: every value is read once, is plain, and is checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from bench.plan.case import TAKEN_NAMES
from bench.records.faults import check, check_texts, shown
from bench.records.kinds import Count, Setting, Text, Whole
from bench.spec import Task, Unavailable, called, reason_text

SETTING: Any = Setting | None
"""What a record can hold of a setting."""
OF_MODELS = ("inputs", "hidden", "outputs", "readout", "loss", "learning_rate", "clip_norm")
"""What the model and the training take from a task; they check it themselves."""
OPTIONAL: Mapping[str, Any] = {"decoder": 0, "asks_next": False}
"""What only some tasks have, and what it is elsewhere."""
KINDS: Mapping[str, Any] = {"batch": Count, "steps": Whole, "time": Count, "metric": Text}
"""What else the plan reads."""
MOST_TEXTS = 1000
"""More notes, or names of settings, are not read."""


def planned_task(name: str, task: Task, file: Any) -> Task:
    """What the plan takes from a task of this task file: settings, sizes, notes; no data.

    Raises `Unavailable`, with the line, for whatever the task raises where it is read, and for a
    value of the wrong kind.
    """
    reader = TaskReader(name, task, file)
    values = {member: reader.value(member) for member in OF_MODELS}
    values |= {member: reader.value(member, default) for member, default in OPTIONAL.items()}
    values |= {member: reader.of_kind(member, kind) for member, kind in KINDS.items()}
    values["notes"] = reader.texts("notes")
    if (longer := reader.value("longer", None)) is not None:
        values["longer"] = longer
    # `dataclasses.fields` finds the fields of an object under this name.
    values["__dataclass_fields__"] = {f.name: f for f in fields(task)}  # type: ignore[arg-type]
    return cast(Task, SimpleNamespace(**values | reader.settings()))


@dataclass(frozen=True)
class TaskReader:
    """Reads the attributes of a task of a task file."""

    name: str
    task: Task
    file: Any

    def value(self, member: str, *default: Any) -> Any:
        """An attribute; a NumPy number as a number of Python, because a record is JSON."""
        task = self.task
        value = called(self._label(member), lambda: getattr(task, member, *default), self.file)
        return value.item() if isinstance(value, np.generic) else value

    def of_kind(self, member: str, kind: Any) -> Any:
        """An attribute that must be of this kind."""
        value = self.value(member)

        def check_value() -> None:
            try:
                check(value, kind, member)
                check_texts(value, member)
            except ValueError as error:
                raise Unavailable(f"task {self.name}: {error}") from None

        called(self._label(member), check_value, self.file)
        return value

    def settings(self) -> dict[str, Any]:
        """The settings by name. A record must be able to hold each of them."""
        names = [setting.name for setting in fields(self.task)]  # type: ignore[arg-type]
        for name in names:
            if name in TAKEN_NAMES:
                raise Unavailable(
                    f"task {self.name}: a setting cannot be called {name}, because every case has "
                    "a part of that name: give it another one"
                )
        return {name: self.of_kind(name, SETTING) for name in names}

    def texts(self, member: str) -> list[str]:
        """An optional attribute that holds texts."""
        value = self.value(member, ())

        def plain_texts() -> list[str]:
            is_list = isinstance(value, Iterable) and not isinstance(value, str)
            texts = [*islice(value, MOST_TEXTS)] if is_list else [value]
            if not is_list or not all(isinstance(text, str) for text in texts):
                accepted = "a list of texts"
                raise Unavailable(f"{self._label(member)} is {shown(value)}; accepted: {accepted}")
            return [str.__str__(text) for text in texts]

        return called(self._label(member), plain_texts, self.file)

    def why_unavailable(self) -> str | None:
        """Why the data of the task cannot be read, as the task says."""
        function = self.value("unavailable", lambda: None)
        label = self._label("unavailable()")
        reason = called(label, lambda: function(), self.file)
        try:
            return reason_text(reason)
        except ValueError as error:
            raise Unavailable(f"{label} returned {error}") from None

    def _label(self, member: str) -> str:
        return f"task {self.name}: its {member}"
