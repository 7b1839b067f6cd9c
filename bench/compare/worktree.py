"""Git: the repository of a file, and the files of a revision in a folder of their own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.compare.sides import last_line
from bench.compare.temporary import is_temporary, temporary_folder
from bench.processes.supervised import run_supervised
from bench.spec import Unavailable, path_of

GIT_LIMIT_S = 300
BRANCHES_IN_HINT = 8
SUBMODULE = "160000"
"""The mode of a submodule in git's index."""


def repository_of(file: Path) -> Path:
    """The root of the git repository that holds this file; `Unavailable` where there is none."""
    try:
        return Path(_git(path_of(str(file)).parent, "rev-parse", "--show-toplevel"))
    except Unavailable as error:
        raise Unavailable(f"{file} is not in a git repository: {error}") from None


@contextmanager
def worktree(repository: Path, revision: str) -> Iterator[tuple[Path, str]]:
    """Check a revision out into a temporary folder; yield the folder and the full name of the
    commit. `Unavailable` where the repository has no such revision."""
    commit = _commit(repository, revision)
    with temporary_folder() as folder:
        _forget_abandoned(repository)
        tree = folder / "tree"
        try:
            _git(repository, "worktree", "add", "--detach", "--force", str(tree), commit)
            _add_submodules(repository, tree)
            yield tree, commit
        finally:
            _forget(repository, tree)


def _forget_abandoned(repository: Path) -> None:
    """Remove what git still knows of the worktrees of killed comparisons. Worktrees of the user's
    that are missing now may come back: `git worktree prune` would forget them, too."""
    for tree in _worktrees(repository):
        if is_temporary(tree.parent) and not tree.exists():
            _forget(repository, tree)


def _forget(repository: Path, tree: Path) -> None:
    with suppress(Unavailable):
        _git(repository, "worktree", "remove", "--force", str(tree))


def _add_submodules(repository: Path, tree: Path) -> None:
    """Check out the submodules of a new worktree, as deep as they are nested, from their clones in
    the repository's own checkout. Those that it has not cloned stay empty there and here.

    `Unavailable` where a clone lacks the commit.
    """
    entries = _git(tree, "ls-files", "--stage", "-z").split("\0")
    for entry, _, path in (text.partition("\t") for text in filter(None, entries)):
        mode, commit, _ = entry.split()
        clone = repository / path
        if mode != SUBMODULE or not (clone / ".git").exists():
            continue
        _git(tree, "clone", "--quiet", "--shared", "--no-checkout", str(clone), path)
        try:
            _git(tree / path, "checkout", "--quiet", "--detach", commit)
        except Unavailable as error:
            raise Unavailable(
                f"submodule {path} has no commit {commit[:12]}: fetch it in {clone} ({error})"
            ) from None
        _add_submodules(clone, tree / path)


def _commit(repository: Path, revision: str) -> str:
    name = f"{revision}^{{commit}}"
    try:
        return _git(repository, "rev-parse", "--verify", "--end-of-options", name)
    except Unavailable:
        hint = _hint(repository)
        raise Unavailable(f"no revision {revision!r} in {repository}{hint}") from None


def _hint(repository: Path) -> str:
    """A hint for a revision that does not exist: the branches, and whether the clone is shallow."""
    count = f"--count={BRANCHES_IN_HINT}"
    branches = _git(repository, "for-each-ref", "--format=%(refname:short)", count)
    hint = f"; it knows {', '.join(branches.split())}" if branches else ""
    if _git(repository, "rev-parse", "--is-shallow-repository") == "true":
        hint += "; it is a shallow clone: fetch more of its history"
    return hint


def checkouts(repository: Path) -> list[Path]:
    """Every checkout of a repository: its main folder and its worktrees, resolved."""
    return [folder.resolve() for folder in _worktrees(repository)]


def _worktrees(repository: Path) -> list[Path]:
    """The folders of all checkouts, as git names them."""
    lines = _git(repository, "worktree", "list", "--porcelain").splitlines()
    folders = (line.removeprefix("worktree ") for line in lines if line.startswith("worktree "))
    return list(map(Path, folders))


def same_files(repository: Path, base: str, head: str | None) -> bool:
    """Whether two revisions have the same files; the head is the checkout where it is None."""
    return not changed_files(repository, base, head)


def changed_files(repository: Path, base: str, head: str | None, *patterns: str) -> list[str]:
    """The files in which two revisions differ, by patterns of git's; the head is the checkout where
    it is None."""
    commits = [_commit(repository, revision) for revision in (base, head) if revision]
    changed = _git(repository, "diff", "--name-only", "-z", *commits, "--", *patterns)
    new = ("ls-files", "--others", "--exclude-standard", "-z", "--", *patterns)
    untracked = "" if head else _git(repository, *new)
    return [name for name in (changed + "\0" + untracked).split("\0") if name]


def tracked_files(folder: Path, *patterns: str) -> list[Path]:
    """The files of a checkout that git tracks, by patterns of git's."""
    names = _git(folder, "ls-files", "-z", "--", *patterns).split("\0")
    return [folder / name for name in names if name]


def _git(folder: Path, *words: str) -> str:
    """The output of a git command; `Unavailable` with its last message where it fails."""
    try:
        done = run_supervised(["git", "-C", str(folder), *words], GIT_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"git does not work: {error}") from None
    if done.returncode:
        raise Unavailable(last_line(done.stderr))
    return done.stdout.removesuffix("\n")
