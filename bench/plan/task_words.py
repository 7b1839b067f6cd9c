"""Turns a word such as `adding:paper:length=200` into a task at its size."""

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

from bench.options import Settings, check_words, flag_of, same_word
from bench.plan.checked_task import TaskReader, planned_task
from bench.plan.probes import PROFILES
from bench.records.faults import shown
from bench.records.kinds import MOST
from bench.spec import Task, Unavailable, called, path_of

SERIES_OPTIONS: Mapping[str, str] = {
    "column": "column",
    "time": "time_column",
    **{name: name for name in ("time_format", "where", "separator", "decimal", "missing", "fill")},
}
"""The options that go with a file of the user's, and the settings of the task that they set."""


def user_series(settings: Settings) -> dict[str, str]:
    """The task options that read the user's own file; empty if the user names no file."""
    given = {
        name: value for name in SERIES_OPTIONS if (value := getattr(settings, name)) is not None
    }
    if settings.data is None and given:
        raise Unavailable(f"{flag_of(next(iter(given)))} goes with a file: --data FILE")
    if settings.data is None:
        return {}
    path, digest = _data_file(settings.data, settings.digest)
    options = {
        SERIES_OPTIONS[name]: value if isinstance(value, str) else _one_row(value)
        for name, value in given.items()
    }
    return {"series": "csv", "data": str(path), "digest": digest, **options}


def _one_row(values: Sequence[str]) -> str:
    """The values as a row of a CSV file."""
    text = StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _data_file(data: str, known_digest: str | None) -> tuple[Path, str]:
    """The path of the user's file, and its digest, which must be the known one."""
    path = path_of(data)
    if path.exists() and not path.is_file():
        raise Unavailable(f"--data: {path} is not a regular file")
    try:
        digest = sha256(path.read_bytes()).hexdigest()[:32]
    except OSError as error:
        raise Unavailable(f"--data: {path} cannot be read: {error.strerror or error}") from None
    if known_digest not in (None, digest):
        raise Unavailable(f"--data: {path} has changed since the run began; start a new run")
    return path, digest


def task_from_words(
    text: str, module: Any, profile: str, series: Mapping[str, str]
) -> tuple[str, Task]:
    """The name, and what the plan takes from the task, from `name[:size][:option=value…]`.

    `module` is the task file, `profile` the size where the text names none, and `series` the
    result of `user_series`. Raises `Unavailable`, which says what is wrong with the text or why
    the data of the task cannot be read.
    """
    name, *words = text.split(":")
    sizes = module.PROFILES
    words[:1] = [same_word(word, sizes) for word in words[:1]]
    size = words[0] if words and words[0] in sizes else None
    options = _option_texts(name, size, words[1:] if size else words, sizes)
    if series:
        _check_series(name, text, sizes.get(size or profile), size, options.keys() & series.keys())
    task = task_at_size(name, module, size or profile, {**options, **series})
    if reason := TaskReader(name, task, module).why_unavailable():
        raise Unavailable(f"task {name}: {reason}")
    return name, planned_task(name, task, module)


def _check_series(
    name: str, text: str, task: Task | None, size: str | None, clashes: Collection[str]
) -> None:
    """Raise `Unavailable` if `--data` cannot go with this task, or if the text names a series."""
    if not hasattr(task, "column"):
        raise Unavailable(f"task {name} reads no file of yours: leave out --data")
    if size not in (None, *PROFILES) or clashes:
        raise Unavailable(
            f"task {name}: {text!r} names a series, and so does --data: give one of them"
        )


def _option_texts(
    name: str, size: str | None, words: Sequence[str], sizes: Iterable[str]
) -> dict[str, str]:
    """The text of each option; `Unavailable` if a word is no option or an option is repeated."""
    for word in words:
        if "=" not in word:
            reason = _why_no_option(name, size, word, words[0], list(sizes))
            raise Unavailable(f"task {name}: {word!r} {reason}")
    pairs = [word.split("=", 1) for word in words]
    names = [option for option, _ in pairs]
    if repeated := [option for option in names if names.count(option) > 1]:
        count = names.count(repeated[0])
        raise Unavailable(f"task {name}: {repeated[0]} is given {count} times")
    return dict(pairs)


def _why_no_option(name: str, size: str | None, word: str, first: str, sizes: Sequence[str]) -> str:
    if word in sizes and size:
        return f"is a second size beside {size!r}"
    if word in sizes:
        return f"is a size, which comes first: {name}:{word}:{first}"
    similar = get_close_matches(word, sizes)
    hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
    return f"is neither option=value nor a size ({', '.join(sizes)}){hint}"


def task_at_size(name: str, module: Any, size: str, texts: Mapping[str, str]) -> Task:
    """The task at a size of its file, with the options that the texts set.

    Raises `Unavailable` for an option that the task lacks or that changes nothing, and for a wrong
    value.
    """
    if size not in module.PROFILES:
        sizes = ", ".join(module.PROFILES)
        raise Unavailable(f"task {name} has no size {size!r}, only {sizes}: name one of them")
    task = module.PROFILES[size]
    current = TaskReader(name, task, module).settings()
    changes: dict[str, Any] = {}
    for option, text in texts.items():
        [option] = check_words(f"option of task {name}", [option], current)
        changes[option] = _parsed(name, option, text, current[option])

    def changed_task() -> Task:
        try:
            changed: Task = replace(task, **changes)
            return changed
        except (ValueError, TypeError) as error:
            raise Unavailable(f"task {name}: {error}") from error

    changed = called(f"task {name}", changed_task, module)
    reader = TaskReader(name, changed, module)
    reader.settings()
    unread = reader.texts("unread")
    if idle := [option for option in changes if option in unread]:
        raise Unavailable(f"task {name}: {idle[0]} changes nothing here, leave it out")
    return changed


def _parsed(name: str, option: str, text: str, current: Any) -> Any:
    """The text as a value of the same type as the current one."""
    if isinstance(current, str):
        return text
    if text.lower() == "none":
        return None
    try:
        value = int(text) if isinstance(current, int) else float(text)
    except ValueError:
        noun = "a whole number" if isinstance(current, int) else "a number"
        raise Unavailable(f"task {name}: {option} must be {noun}, not {text!r:.60}") from None
    if isinstance(value, int) and abs(value) > MOST:
        accepted = f"a whole number of at most {MOST}"
        raise Unavailable(f"task {name}: {option} must be {accepted}, not {shown(value)}")
    return value
