"""Faults: two commands at once where one is meant."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from studies.faults.checks import Ended, Sort, changed_tables, doubled, lost
from studies.faults.commands import Command
from studies.faults.reference import NEW_RUN, TIMED, read_tables
from studies.faults.scene import Scene, records_of
from studies.faults.signals import PAUSE, wait, wait_for_a_moment
from studies.faults.small_study import NAME, PROGRAM

MOST_APART_S = 1.0
"""Seconds at most between the starts of two commands."""


def two_new_runs(scene: Scene) -> None:
    """Two runs of one name: one of them makes the run, the other one is refused."""
    _one_wins(scene, *_both(scene, *scene.new_run(), variables=PAUSE))
    scene.check_records()


def two_resumes(scene: Scene) -> None:
    """Two commands continue one run: one at a time writes to it."""
    run = scene.copy_reference()
    file = run / "records.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if f'"probe": "{TIMED}"'.encode() not in line]
    file.write_bytes(b"".join(kept[: scene.rng.randrange(len(kept))]))
    first, second = _both(scene, *scene.next_run(), variables=PAUSE)
    for command in (first, second):
        scene.end(command, 0, 2)
    records = scene.records()
    scene.problems += lost(scene.reference.records, records) + doubled(records)


def report_during_run(scene: Scene) -> None:
    """Reports of a run that is being written: they end well or say what is missing."""
    run = scene.start(*scene.new_run(), variables=PAUSE)
    wait_for_a_moment(scene, run)
    output = ("--output", scene.folder / "report", "--format", "csv,markdown")
    if scene.run_folder.exists():
        scene.inside("report", scene.run_folder, *output, codes=(0, 2, 3))
    scene.end(run, 0)
    scene.check_records()


def two_nameless_runs(scene: Scene) -> None:
    """Two runs that name themselves by the time, in the same second or not."""
    arguments = (*NEW_RUN, "--results-dir", scene.results)
    first, second = scene.start(*arguments), scene.start(*arguments)
    codes = [scene.end(command, 0, 2).code for command in (first, second)]
    runs = [folder for folder in scene.results.iterdir() if not folder.name.startswith(".")]
    if len(runs) != codes.count(0):
        scene.say(Sort.LOST, f"exit codes {codes}, but {len(runs)} runs")
    for run in runs:
        records = records_of(run)
        scene.problems += lost(scene.reference.expected, records) + doubled(records)


def two_reports(scene: Scene) -> None:
    """Two reports into one folder."""
    run = scene.copy_reference()
    first, second = _both(scene, "report", run, "--format", "csv,markdown")
    for command in (first, second):
        scene.end(command, 0)
    scene.problems += changed_tables(scene.reference.tables, read_tables(run / "report"))


def two_stored_comparisons(scene: Scene) -> None:
    """Two comparisons of one name: one of them is refused."""
    runs = (scene.reference.path, scene.reference.path)
    name = ("--results-dir", scene.results, "--run-id", "c")
    _one_wins(scene, *_both(scene, "compare", *runs, *name), well=(0, 3))
    if not (scene.results / "c" / "verdict.json").exists():
        scene.say(Sort.LOST, "there is no verdict")


def two_studies(scene: Scene) -> None:
    """The same study twice: one at a time writes its records."""
    arguments: tuple[str | Path, ...] = ("--results-dir", scene.results)
    first, second = _both(scene, *arguments, program=PROGRAM)
    for command in (first, second):
        scene.end(command, 0, 2)
    records = records_of(scene.results / NAME)
    scene.problems += lost(records_of(scene.reference.study), records) + doubled(records)


def _both(scene: Scene, *arguments: str | Path, **options: Any) -> tuple[Command, Command]:
    """Start a command twice, the second time a moment later."""
    first = scene.start(*arguments, **options)
    wait(first, scene.rng.choice([0, scene.rng.uniform(0, MOST_APART_S)]))
    return first, scene.start(*arguments, **options)


def _one_wins(
    scene: Scene, first: Command, second: Command, well: tuple[int, ...] = (0,)
) -> list[Ended]:
    """Exactly one of two commands ends well; the other one is refused."""
    ended = [scene.end(command, *well, 2) for command in (first, second)]
    if sum(one.code in well for one in ended) != 1:
        scene.say(Sort.UNCLEAR, f"exit codes {[one.code for one in ended]}, expected one success")
    return ended


KINDS: Mapping[str, Callable[[Scene], None]] = {
    "two runs of one name": two_new_runs,
    "two resumes of one run": two_resumes,
    "two runs without a name": two_nameless_runs,
    "a report during a run": report_during_run,
    "two reports into one folder": two_reports,
    "two comparisons of one name": two_stored_comparisons,
    "two studies at once": two_studies,
}
