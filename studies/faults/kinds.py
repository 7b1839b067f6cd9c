"""All kinds of faults, by name."""

from collections.abc import Callable, Collection, Mapping, Sequence

from studies.faults import (
    clock,
    concurrency,
    damaged_files,
    folders_and_streams,
    other_commands,
    signals,
    special_files,
    storage,
    workers,
)
from studies.faults.scene import Scene

Inject = Callable[[Scene], None]
"""Disturbs something in a scene, checks what comes of it, and repeats or continues it."""
FAMILIES = (
    signals.KINDS,
    other_commands.KINDS,
    workers.KINDS,
    storage.KINDS,
    folders_and_streams.KINDS,
    damaged_files.KINDS,
    special_files.KINDS,
    concurrency.KINDS,
    clock.KINDS,
)
KINDS: Mapping[str, Inject] = {name: kind for family in FAMILIES for name, kind in family.items()}
MOUNTED: Mapping[str, Inject] = storage.MOUNTED_KINDS
"""Kinds that need the right to mount a disk."""


def chosen_kinds(words: Sequence[str]) -> Mapping[str, Inject]:
    """The kinds that can be tried here: those with one of these names or, where a word is no name,
    with the word in their name; all without words. Raises ValueError where there is none."""
    possible = {**KINDS, **(MOUNTED if storage.can_mount() else {})}
    chosen = {
        name: kind
        for name, kind in possible.items()
        if not words or any(_names(word, name, possible) for word in words)
    }
    if not chosen:
        raise ValueError(f"no kind has {' or '.join(words)} in its name: {', '.join(possible)}")
    return chosen


def _names(word: str, name: str, possible: Collection[str]) -> bool:
    return word == name if word in possible else word.lower() in name.lower()
