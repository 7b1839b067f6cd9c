"""From the options of `compare` to its two sides, with their worktrees in place."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from bench.compare.both_sides import BothSides
from bench.compare.options import CompareOptions
from bench.compare.sides import Side, find_interpreter
from bench.compare.worktree import moved_files, repository_of, worktree
from bench.spec import Unavailable


@contextmanager
def open_sides(
    options: CompareOptions, backends: Sequence[str], entry: Path
) -> Iterator[BothSides[Side]]:
    """Base and head; a worktree lasts as long as the context. `backends` are the names and files
    that the user gave, `entry` is this checkout's `run_bench.py`."""
    if options.aa and (options.base or options.base_python):
        raise Unavailable("--aa compares the head with itself: it takes no base")
    pythons = _interpreters(options)
    with ExitStack() as stack:
        head = _open_side(stack, "head", options.head, pythons.head, backends, entry)
        if options.aa:
            base = replace(head, name="base", label=f"{head.label}, against itself")
        else:
            base = _open_side(stack, "base", options.base, pythons.base, backends, entry)
        yield BothSides(base, head)


def _interpreters(options: CompareOptions) -> BothSides[str]:
    head = _interpreter("--head-python", options.head_python)
    base = head if options.aa else _interpreter("--base-python", options.base_python)
    return BothSides(base, head)


def _interpreter(option: str, path: str | None) -> str:
    return find_interpreter(option, path) if path else sys.executable


def _open_side(
    stack: ExitStack,
    name: str,
    revision: str | None,
    python: str,
    backends: Sequence[str],
    entry: Path,
) -> Side:
    """The checkout as it is, or a revision of it. If a backend is a file in another repository,
    the revision is one of that repository."""
    suffix = "" if python == sys.executable else f" under {python}"
    if revision is None:
        return Side(name, f"the checkout{suffix}", python, entry)
    repository = _revised_repository(revision, backends, entry)
    tree, commit = stack.enter_context(worktree(repository, revision))
    label = f"{revision} ({commit[:12]}){suffix}"
    if repository == repository_of(entry):
        entry = tree / entry.resolve().relative_to(repository)
        if not entry.exists():
            raise Unavailable(f"the {name} ({label}) has no {entry.name}")
    return Side(name, label, python, entry, moved_files(backends, repository, tree))


def _revised_repository(revision: str, backends: Sequence[str], entry: Path) -> Path:
    """The repository that the revision belongs to."""
    files = [Path(backend) for backend in backends if backend.endswith(".py")]
    repositories = {repository_of(file) for file in files or [entry]}
    if len(repositories) > 1:
        raise Unavailable(
            f"the backends are files of several repositories, which have no revision {revision!r} "
            "in common: compare the backends of one repository at a time"
        )
    return repositories.pop()
