"""What a killed comparison has left is removed by the next one, and nothing else is."""

import fcntl
import os
import tempfile
from pathlib import Path

import pytest

from bench.compare.temporary import PREFIX, temporary_folder


def test_folders_of_killed_comparisons_are_removed_and_those_in_use_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("left", "used", "elsewhere"):
        (tmp_path / f"{PREFIX}{name}" / "tree").mkdir(parents=True)
    (tmp_path / "target").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "target")
    (tmp_path / f"{PREFIX}elsewhere").rename(tmp_path / "elsewhere")
    lock = os.open(tmp_path / f"{PREFIX}used", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    kept = {f"{PREFIX}used", f"{PREFIX}link", "target", "elsewhere"}
    with temporary_folder() as first, temporary_folder() as second:
        assert {path.name for path in tmp_path.iterdir()} == {*kept, first.name, second.name}
    assert {path.name for path in tmp_path.iterdir()} == kept
    os.close(lock)
    with temporary_folder():
        assert not (tmp_path / f"{PREFIX}used").exists()
