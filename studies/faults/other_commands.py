"""Faults: signals during reports, studies and comparisons."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

from studies.faults.checks import changed_tables, doubled, left_behind, lost, not_kept
from studies.faults.commands import ROOT
from studies.faults.reference import read_tables
from studies.faults.scene import Scene, records_of, whole_lines
from studies.faults.signals import ENDS, send, wait
from studies.faults.small_study import NAME, PROGRAM

NUMBERS = (SIGKILL, SIGTERM, SIGINT)
REPORT_S = 4.0
"""Seconds in which a report is written, about."""
UNCHANGED = (0, 3)
"""The exit codes of a comparison of unchanged code: with two seeds it may be inconclusive."""
ADAPTER = """from backends import numpy_backend
REQUIRES, SUPPORTS = numpy_backend.REQUIRES, numpy_backend.SUPPORTS
devices, open_session = numpy_backend.devices, numpy_backend.open_session
"""
COMPARISON = (
    *("--profile", "smoke", "--tasks", "adding:steps=2:length=5:held_out=10", "--cells", "rnn"),
    *("--probes", "learning", "--seeds", "0", "1", "--threads", "1", "--base", "HEAD"),
)


def during_report(scene: Scene) -> None:
    """A signal while a report is written; then the report is written again."""
    number = scene.rng.choice(NUMBERS)
    run = scene.copy_reference()
    before = whole_lines(run)
    report = ("report", run, "--format", "csv,markdown")
    command = scene.start(*report)
    wait(command, scene.rng.uniform(0, REPORT_S))
    send(command, number)
    scene.end(command, 0, *ENDS[number])
    scene.inside(*report)
    scene.problems += changed_tables(scene.reference.tables, read_tables(run / "report"))
    scene.problems += not_kept(before, whole_lines(run))


def during_study(scene: Scene) -> None:
    """A signal during a study, which then continues."""
    number = scene.rng.choice(NUMBERS)
    folder, root = scene.results / NAME, ("--results-dir", scene.results)
    command = scene.start(*root, program=PROGRAM)
    wait(command, scene.rng.uniform(0, 1.5 * scene.reference.seconds))
    send(command, number)
    ended = scene.end(command, 0, *ENDS[number])
    if ended.code in (128 + SIGINT, 128 + SIGTERM) and folder.exists():
        scene.require(ended, "run the same command to continue")
    finish_study(scene)


def finish_study(scene: Scene) -> None:
    """Run what is left of the study, and check its records."""
    folder = scene.results / NAME
    before = whole_lines(folder)
    scene.run("--results-dir", scene.results, program=PROGRAM)
    scene.problems += not_kept(before, whole_lines(folder))
    records = records_of(folder)
    scene.problems += lost(records_of(scene.reference.study), records) + doubled(records)


def during_comparison(scene: Scene) -> None:
    """A signal during a comparison of two commits; then they are compared again, which also
    removes what a kill has left behind."""
    number = scene.rng.choice(NUMBERS)
    repository, arguments = compare_commits(scene)
    command = scene.start(*arguments, "--run-id", "first")
    wait(command, scene.rng.uniform(0, 2 * scene.reference.seconds))
    send(command, number)
    ended = scene.end(command, *UNCHANGED, *ENDS[number])
    if ended.code != -SIGKILL:
        scene.problems += left_behind(worktrees(repository))
    scene.run(*arguments, "--run-id", "second", codes=UNCHANGED)
    scene.problems += left_behind(worktrees(repository))


def compare_commits(scene: Scene) -> tuple[Path, list[str | Path]]:
    """A new repository with an adapter, and the arguments that compare its last commit with the
    checkout."""
    repository = scene.folder / "repository"
    repository.mkdir()
    adapter = repository / "mine.py"
    adapter.write_text(ADAPTER)
    _git(repository, "init", "-q")
    _git(repository, "add", ".")
    identity = ("-c", "user.name=faults", "-c", "user.email=faults@localhost")
    _git(repository, *identity, "commit", "-qm", "Add an adapter")
    arguments = ("compare", *COMPARISON, "--backends", adapter, "--results-dir", scene.results)
    return repository, list(arguments)


def worktrees(repository: Path) -> list[str]:
    """The worktrees beside the repository's own folder."""
    lines = _git(repository, "worktree", "list", "--porcelain").splitlines()
    return [line for line in lines if line.startswith("worktree ")][1:]


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return str(done.stdout)


KINDS: Mapping[str, Callable[[Scene], None]] = {
    "signal during a report": during_report,
    "signal during a study": during_study,
    "signal during a comparison": during_comparison,
}
