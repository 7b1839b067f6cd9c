"""Faults: disks that fill, and limits on the size of files."""

import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from studies.faults.checks import changed_tables
from studies.faults.commands import with_room_for
from studies.faults.other_commands import UNCHANGED, compare_commits, finish_study
from studies.faults.reference import read_tables
from studies.faults.scene import Scene
from studies.faults.small_study import PROGRAM

PAGE = 4096
MOST_PAGES = 40
"""Pages of the largest disk that is too small: about what the run of a try needs."""
ROOMY = "64m"
FULL = "No space left on device"


@contextmanager
def small_disk(folder: Path, pages: int) -> Iterator[None]:
    """A disk of so many pages in the place of this folder."""
    _mount("-t", "tmpfs", "-o", f"size={pages * PAGE}", "faults", folder)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def make_room(folder: Path) -> None:
    """Let the disk of this folder grow."""
    _mount("-o", f"remount,rw,size={ROOMY}", folder)


def _mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def can_mount() -> bool:
    """Whether this process may mount disks."""
    with TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder), 1):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def full_during_run(scene: Scene) -> None:
    with small_disk(scene.results, scene.rng.randint(1, MOST_PAGES)):
        ended = scene.run(*scene.new_run(), codes=(0, 2))
        if ended.code == 2:
            scene.require(ended, FULL)
        make_room(scene.results)
        scene.complete()
        scene.check_files()


def full_during_report(scene: Scene) -> None:
    with small_disk(scene.results, 2 * MOST_PAGES):
        run = scene.copy_reference()
        used = shutil.disk_usage(scene.results).used // PAGE
        _mount("-o", f"remount,size={(used + scene.rng.randint(0, 8)) * PAGE}", scene.results)
        report = ("report", run, "--format", "csv,markdown")
        ended = scene.inside(*report, codes=(0, 2))
        if ended.code == 2:
            scene.require(ended, FULL)
        make_room(scene.results)
        scene.inside(*report)
        scene.problems += changed_tables(scene.reference.tables, read_tables(run / "report"))


def full_during_stored_comparison(scene: Scene) -> None:
    runs = [scene.reference.path, scene.reference.path]
    expected = scene.inside(
        "compare", *runs, "--results-dir", scene.folder / "roomy", codes=range(4)
    )
    with small_disk(scene.results, scene.rng.randint(1, 8)):
        compare: list[str | Path] = ["compare", *runs, "--results-dir", scene.results, "--run-id"]
        ended = scene.inside(*compare, "first", codes=(2, expected.code or 0))
        if ended.code == 2:
            scene.require(ended, FULL)
        make_room(scene.results)
        scene.inside(*compare, "second", codes=(expected.code or 0,))


def full_during_comparison(scene: Scene) -> None:
    _, arguments = compare_commits(scene)
    with small_disk(scene.results, scene.rng.randint(1, MOST_PAGES)):
        ended = scene.run(*arguments, "--run-id", "first", codes=(*UNCHANGED, 2))
        if ended.code == 2:
            scene.require(ended, FULL)
        make_room(scene.results)
        scene.run(*arguments, "--run-id", "second", codes=UNCHANGED)


def full_during_study(scene: Scene) -> None:
    with small_disk(scene.results, scene.rng.randint(1, MOST_PAGES)):
        arguments = ("--results-dir", scene.results)
        ended = scene.run(*arguments, program=PROGRAM, codes=(0, 2))
        if ended.code == 2:
            scene.require(ended, FULL)
        make_room(scene.results)
        finish_study(scene)


def too_large_file(scene: Scene) -> None:
    """A limit on the size of files stands for the full disk where nothing can be mounted."""
    size = (scene.reference.path / "records.jsonl").stat().st_size
    limit = with_room_for(scene.rng.randint(100, size))
    ended = scene.run(*scene.new_run(), codes=(0, 2), before=limit)
    if ended.code == 2:
        scene.require(ended, "File too large")
    scene.complete()


def too_large_file_in_report(scene: Scene) -> None:
    run = scene.copy_reference()
    report = ("report", run, "--format", "csv,markdown")
    sizes = [len(text.encode()) for text in scene.reference.tables.values()]
    earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (scene.rng.randint(1, max(sizes)), earlier[1]))
    try:
        scene.inside(*report, codes=(0, 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
    scene.inside(*report)
    scene.problems += changed_tables(scene.reference.tables, read_tables(run / "report"))


KINDS: Mapping[str, Callable[[Scene], None]] = {
    "file too large in a run": too_large_file,
    "file too large in a report": too_large_file_in_report,
}
MOUNTED_KINDS: Mapping[str, Callable[[Scene], None]] = {
    "disk full in a run": full_during_run,
    "disk full in a report": full_during_report,
    "disk full in a comparison of stored runs": full_during_stored_comparison,
    "disk full in a comparison": full_during_comparison,
    "disk full in a study": full_during_study,
}
"""Kinds that need the right to mount a disk."""
