"""Faults: files of a run that are no regular files, and links to elsewhere."""

import os
import resource
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from studies.faults.checks import Sort
from studies.faults.scene import Scene

NAMES = ("records.jsonl", "run.json", "lock", "workers", "report", "records.torn")
"""The names in the folder of a run that may be links."""
MEMORY_BYTES = 4 << 30
"""The address space of a command that may read an endless file."""
SOON_S = 40.0
"""Seconds in which a command must refuse such a file."""


def replace_file(scene: Scene, make: Callable[[Path], None]) -> None:
    """One of the files is no regular file: every command says so, and soon."""
    run = scene.copy_reference()
    path = run / scene.rng.choice(NAMES[:2])
    path.unlink()
    make(path)
    limit = (resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for command in (("report", run), scene.resumed_run()):
        scene.run(*command, codes=(2,), before=lambda: resource.setrlimit(*limit), limit_s=SOON_S)


def link_elsewhere(scene: Scene) -> None:
    """A name in the folder of a run is a link to a file or folder elsewhere, which no command
    changes."""
    run, precious = scene.copy_reference(), scene.folder / "precious"
    precious.mkdir()
    name = scene.rng.choice(NAMES)
    target = precious / name
    if (run / name).exists():
        shutil.move(run / name, target)
    elif name == "report":
        target.mkdir()
    else:
        target.write_text("precious")
    (run / name).symlink_to(target)
    _drop_last_record(run / "records.jsonl")
    before = _tree(precious)
    for command in (scene.resumed_run(), ("report", run)):
        scene.inside(*command, codes=(0, 2))
    if _tree(precious) != before:
        scene.say(Sort.LOST, f"something was written through the link {name}")


def _drop_last_record(file: Path) -> None:
    """Leave work for a resumed run, and a half-written line."""
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]) + lines[-1][:50])


def _tree(folder: Path) -> Mapping[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


KINDS: Mapping[str, Callable[[Scene], None]] = {
    "a named pipe in place of a file": partial(replace_file, make=os.mkfifo),
    "a folder in place of a file": partial(replace_file, make=Path.mkdir),
    "an endless file": partial(replace_file, make=lambda path: path.symlink_to("/dev/zero")),
    "a link in place of a file": link_elsewhere,
}
