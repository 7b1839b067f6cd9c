"""From the options of `compare` to its two sides, with their worktrees and environments."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.compare.both_sides import BothSides
from bench.compare.build import built_environment
from bench.compare.guarded_code import (
    import_folders,
    joined_folders,
    moved_files,
    project_names,
    python_path,
    working_folder,
)
from bench.compare.options import CompareOptions
from bench.compare.own_modules import check_own_modules
from bench.compare.sides import Side, find_interpreter
from bench.compare.worktree import (
    changed_files,
    checkouts,
    repository_of,
    same_files,
    tracked_files,
    worktree,
)
from bench.options import ALL_BACKENDS
from bench.plan.selection import Registry
from bench.plan.trial_import import load_checked
from bench.records.code_files import SOURCE_SUFFIXES
from bench.run.origin import Guarded
from bench.spec import Unavailable, path_of


@contextmanager
def open_sides(
    options: CompareOptions, backends: Sequence[str], entry: Path, registry: Registry, since: float
) -> Iterator[BothSides[Side]]:
    """Base and head; what is made for them lasts as long as the context. `backends` are the names
    and files that the user gave, `entry` is this checkout's `run_bench.py`, `since` the time before
    which nothing of the comparison was built."""
    _refuse_folders(backends, registry)
    if options.aa and (options.base or options.base_python):
        raise Unavailable("--aa compares the head with itself: it takes no base")
    if options.base or options.head or options.build:
        _refuse_installed(backends, entry, registry)
    pythons = _interpreters(options)
    repository = _compared_repository(options, backends, entry)
    with ExitStack() as stack:
        trees = _open_trees(stack, options, repository, entry)
        opener = _SideOpener(stack, options, backends, entry, repository, trees, since)
        head = opener.open("head", trees.head, pythons.head)
        if options.aa:
            base = replace(head, name="base", label=f"{head.label}, against itself")
        else:
            base = opener.open("base", trees.base, pythons.base)
        yield BothSides(base, head)


def _refuse_folders(backends: Sequence[str], registry: Registry) -> None:
    """A folder is no backend: it would be looked for in this project."""
    known = {*registry.names(), ALL_BACKENDS}
    for name in backends:
        if path_of(name).is_dir() and name.lower() not in known:
            raise Unavailable(f"backend {name!r} is a folder: name the file of the adapter in it")


def _refuse_installed(backends: Sequence[str], entry: Path, registry: Registry) -> None:
    """A backend that is neither a file nor of this project has no code of either side."""
    for name in backends:
        if name.endswith(".py") or name not in registry.names():
            continue
        file = getattr(load_checked(registry, name), "__file__", None)
        if file is None or not Path(file).resolve().is_relative_to(entry.resolve().parent):
            raise Unavailable(
                f"backend {name!r} is installed ({file or 'not a module'}): both sides would run "
                "the same code. Name the file of its adapter in its repository instead"
            )


def _interpreters(options: CompareOptions) -> BothSides[str]:
    head = _interpreter("--head-python", options.head_python)
    base = head if options.aa else _interpreter("--base-python", options.base_python)
    return BothSides(base, head)


def _interpreter(option: str, path: str | None) -> str:
    return find_interpreter(option, path) if path else sys.executable


# ---- the code of the sides -------------------------------------------------------------------


@dataclass(frozen=True)
class Tree:
    """The code of a side. `folder` is None for two interpreters that run the same code."""

    folder: Path | None
    label: str


def _compared_repository(
    options: CompareOptions, backends: Sequence[str], entry: Path
) -> Path | None:
    """The repository whose code the sides have; None where they differ in their interpreters
    alone, and import what these have."""
    if options.base or options.head or options.build:
        return _repository_of_all(backends, entry)
    if options.aa:
        with suppress(Unavailable):
            return _repository_of_all(backends, entry)
    return None


def _repository_of_all(backends: Sequence[str], entry: Path) -> Path:
    """The repository of the backends that are files, or else of this project."""
    files = [Path(backend) for backend in backends if backend.endswith(".py")]
    repositories = {repository_of(file).resolve() for file in files or [entry]}
    if len(repositories) > 1:
        raise Unavailable(
            "the backends are files of several repositories, which have no revision in common: "
            "compare the backends of one repository at a time"
        )
    return repositories.pop()


def _open_trees(
    stack: ExitStack, options: CompareOptions, repository: Path | None, entry: Path
) -> BothSides[Tree]:
    foreign = repository and not entry.resolve().is_relative_to(repository)
    suffix = f" of {repository}" if foreign else ""

    def open_tree(revision: str | None) -> Tree:
        if revision is None or repository is None:
            return Tree(repository, "the checkout" + suffix)
        folder, commit = stack.enter_context(worktree(repository, revision))
        return Tree(folder, f"{revision} ({commit[:12]}){suffix}")

    head = open_tree(options.head)
    base = head if options.aa else open_tree(options.base)
    if repository and options.base and same_files(repository, options.base, options.head):
        base = replace(base, label=f"{base.label}, the same files as the head")
    return BothSides(base, head)


# ---- sides -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _SideOpener:
    """Makes sides, with what their trees need in the stack."""

    stack: ExitStack
    options: CompareOptions
    backends: Sequence[str]
    entry: Path
    repository: Path | None
    trees: BothSides[Tree]
    since: float

    def open(self, name: str, tree: Tree, python: str) -> Side:
        """The side of this name, with its code in this tree."""
        suffix = "" if python == sys.executable else f" under {python}"
        side = Side(name, tree.label + suffix, python, self.entry)
        if self.repository is None or tree.folder is None:
            return side
        side = replace(
            side,
            entry=self._entry(side, self.repository, tree.folder),
            moved=moved_files(self.backends, self.repository, tree.folder),
            folder=working_folder(self.repository, tree.folder),
        )
        return self._with_code(side, self.repository, tree.folder)

    def _entry(self, side: Side, repository: Path, folder: Path) -> Path:
        """The program of this side: its own where the repository is this project's."""
        entry = self.entry.resolve()
        if folder == repository or not entry.is_relative_to(repository):
            return self.entry
        if entry not in tracked_files(repository, f"*{entry.name}"):
            return self.entry  # it is installed in an environment inside the repository
        moved = folder / entry.relative_to(repository)
        if not moved.exists():
            raise Unavailable(f"the {side.name} ({side.label}) has no {entry.name}")
        return moved

    def _with_code(self, side: Side, repository: Path, folder: Path) -> Side:
        """The side, such that it imports the code of this folder first."""
        inside, outside = python_path(repository, folder)
        folders = import_folders(side.moved.values(), inside, folder)
        check_own_modules([*side.moved.values()], inside, folder)
        own = [str(folder)]
        if self.options.build:
            environment = self.stack.enter_context(
                built_environment(side.name, self.options.build, folder, side.python, folders)
            )
            own.append(str(environment.folder))
            variables = {**environment.variables, "PYTHONPATH": os.pathsep.join(outside)}
            side = replace(side, python=environment.python)
        else:
            variables = {"PYTHONPATH": joined_folders([*folders, *outside])}
        guarded = self._guarded(side, repository, own)
        return replace(side, variables=variables, guarded=guarded)

    def _guarded(self, side: Side, repository: Path, own: Sequence[str]) -> Guarded | None:
        if not (self.options.base or self.options.head or self.options.build):
            return None
        folders = [tree.folder for tree in self.trees if tree.folder]
        projects = {name for tree in folders for name in self._project_names(tree, repository)}
        return Guarded(
            own=own,
            checkouts=[str(folder) for folder in checkouts(repository)],
            projects=sorted(projects),
            since=self.since if side.entry == self.entry else None,
            changed_sources=self._changed_sources(repository) if side.entry == self.entry else None,
        )

    def _changed_sources(self, repository: Path) -> bool:
        """Whether the sides differ in sources that are compiled."""
        base, patterns = self.options.base, (f"*{suffix}" for suffix in SOURCE_SUFFIXES)
        return bool(base and changed_files(repository, base, self.options.head, *patterns))

    def _project_names(self, tree: Path, repository: Path) -> set[str]:
        return project_names(tree, moved_files(self.backends, repository, tree).values())
