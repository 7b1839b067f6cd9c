"""Faults: the files of a finished run are cut, changed or doubled."""

import lzma
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from bench.records.folder import RecordsError, RunFolder
from studies.faults import damage
from studies.faults.checks import Sort, changed_tables, doubled, lost, not_kept
from studies.faults.reference import read_tables, report_tables
from studies.faults.scene import RUN, Scene, records_of, whole_lines

RECORDS, PACKED, INFO = "records.jsonl", "records.jsonl.xz", "run.json"


def damage_file(scene: Scene, file: str, change: damage.Damage) -> None:
    """A command either refuses the run with a message, or shows what the undamaged records say;
    and no command that only reads changes a file."""
    run = scene.copy_reference()
    if file == PACKED:
        _pack(run)
    path = run / file
    path.write_bytes(change(path.read_bytes(), scene.rng))
    before = _contents(run)
    _check_report(scene, run)
    other = scene.rng.choice(
        [
            (*scene.resumed_run(), "--dry-run"),
            ("history", "--results-dir", scene.results),
            ("compare", scene.reference.path, run, "--results-dir", scene.folder / "compared"),
        ]
    )
    scene.inside(*other, codes=(0, 1, 2, 3) if other[0] == "compare" else (0, 2, 3))
    if _contents(run) != before:
        scene.say(Sort.LOST, "a command that only reads has changed the files of the run")


def damage_and_resume(scene: Scene, change: damage.Damage) -> None:
    """A damaged run is refused, or continued without the loss of an intact record."""
    run = scene.copy_reference()
    path = run / RECORDS
    path.write_bytes(change(path.read_bytes(), scene.rng))
    intact = _intact_lines(scene, run)
    before = _contents(run)
    ended = scene.inside(*scene.resumed_run(), codes=(0, 2))
    if ended.code == 2 and _contents(run) != before:
        scene.say(Sort.LOST, "a refused run was changed")
    if ended.code == 0:
        records = records_of(run)
        scene.problems += not_kept(intact, whole_lines(run))
        scene.problems += lost(scene.reference.records, records) + doubled(records)


def cut_at_every_byte(scene: Scene) -> None:
    """The two shortest records, cut after each byte: the reader returns the whole ones, or says
    which line is half-written."""
    run = scene.copy_reference()
    folder, file = RunFolder(run), run / RECORDS
    lines = sorted(file.read_bytes().splitlines(keepends=True), key=len)[:2]
    content = b"".join(lines)
    for size in range(len(content)):
        file.write_bytes(content[:size])
        whole = size in (0, len(lines[0]))
        try:
            count = len(folder.records())
        except RecordsError as error:
            if whole or "half-written" not in str(error):
                scene.say(Sort.UNCLEAR, f"cut after {size} bytes: {error}")
        else:
            if not whole or count != (size > 0):
                scene.say(Sort.LOST, f"cut after {size} bytes: {count} records")


def _check_report(scene: Scene, run: Path) -> None:
    """The report refuses the run, or its tables are those of all records. Where every line that is
    still there is intact, nothing shows that others are gone: then its tables are theirs."""
    output = scene.folder / "report"
    report = ("report", run, "--format", "csv,markdown", "--output", output)
    ended = scene.inside(*report, codes=(0, 2, 3))
    if ended.code == 2:
        scene.require(ended, *(name for name in (RECORDS, INFO) if (run / name).exists()), PACKED)
        return
    expected = scene.reference.tables
    intact = _intact_lines(scene, run)
    if (run / RECORDS).exists() and (run / RECORDS).read_bytes() == b"".join(_ended(intact)):
        expected = _tables_of(scene, intact)
    scene.problems += changed_tables(expected, read_tables(output))


def _tables_of(scene: Scene, lines: list[bytes]) -> dict[str, str]:
    """The tables of a run of these records, once each."""
    clean = scene.folder / "clean" / RUN
    shutil.copytree(scene.reference.path, clean)
    (clean / RECORDS).write_bytes(b"".join(_ended(list(dict.fromkeys(lines)))))
    return report_tables(clean, scene.folder / "clean-report")


def _ended(lines: list[bytes]) -> list[bytes]:
    return [line + b"\n" for line in lines]


def _intact_lines(scene: Scene, run: Path) -> list[bytes]:
    """The lines of a damaged run that are lines of the undisturbed one."""
    original = set(whole_lines(scene.reference.path))
    with suppress(lzma.LZMAError, EOFError):
        return [line for line in whole_lines(run) if line in original]
    return []


def _contents(run: Path) -> Mapping[str, bytes]:
    """The contents of the files that hold the records, by name."""
    files = (run / name for name in (RECORDS, PACKED, INFO))
    return {file.name: file.read_bytes() for file in files if file.is_file()}


def _pack(run: Path) -> None:
    (run / PACKED).write_bytes(lzma.compress((run / RECORDS).read_bytes()))
    (run / RECORDS).unlink()


def _kinds(file: str, *changes: damage.Damage) -> dict[str, Callable[[Scene], None]]:
    return {
        f"{file}: {change.__name__.replace('_', ' ')}": partial(
            damage_file, file=file, change=change
        )
        for change in changes
    }


KINDS: Mapping[str, Callable[[Scene], None]] = {
    **_kinds(
        RECORDS,
        damage.cut,
        damage.empty,
        damage.flip_a_bit,
        damage.change_a_digit,
        damage.change_a_value,
        damage.insert_garbage,
        damage.insert_zeros,
        damage.double_a_line,
        damage.remove_a_line,
        damage.join_two_lines,
        damage.change_the_schema,
        damage.with_other_line_ends,
    ),
    **_kinds(
        INFO,
        damage.cut,
        damage.empty,
        damage.flip_a_bit,
        damage.change_a_value,
        damage.insert_garbage,
    ),
    **_kinds(PACKED, damage.cut, damage.empty, damage.flip_a_bit, damage.insert_garbage),
    "records.jsonl: cut at every byte": cut_at_every_byte,
    "records.jsonl: cut, then resumed": partial(damage_and_resume, change=damage.cut),
    "records.jsonl: line removed, then resumed": partial(
        damage_and_resume, change=damage.remove_a_line
    ),
}
