"""The folder of a run: records are read in order, damage is reported, nothing is lost."""

import json
import lzma
import os
import tracemalloc
from pathlib import Path

import pytest
from planning import changed_case, example_record

from bench.records.folder import RecordsError, RunFolder
from bench.records.lines import packed_lines, parse_lines
from bench.records.record import Record

INFO = {"request": {"threads": 1}, "environments": {"e": {}}}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "r", INFO)


def cell_record(cell: str, status: str = "ok") -> Record:
    return example_record(
        case=changed_case(probe="speed", launch=0, cell=cell).flat(), status=status
    )


def cells(folder: RunFolder) -> list[str]:
    return [record.case["cell"] for record in folder.records()]


def test_records_are_read_in_the_order_in_which_they_were_appended(folder: RunFolder) -> None:
    assert folder.records() == []
    for cell in ("rnn", "lstm", "gru"):
        folder.append(cell_record(cell))
    assert cells(folder) == ["rnn", "lstm", "gru"]
    assert not folder.set_torn_line_aside()


def test_run_is_created_once_and_found_by_name_or_path(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecordsError, match=r"run r exists in .*--resume r"):
        RunFolder.create(tmp_path, "r", {})
    assert folder.request() == {"threads": 1}
    for root, name in ((tmp_path, "r"), (Path("elsewhere"), str(folder.path))):
        assert RunFolder.existing(root, name).id == "r"
    with pytest.raises(RecordsError, match=r"no run 's' in .*; the latest are r$"):
        RunFolder.existing(tmp_path, "s")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecordsError, match=r"no run 'r' in .*; for the folder here, say \./r$"):
        RunFolder.existing(tmp_path / "elsewhere", "r")


def test_draft_that_a_kill_left_behind_is_no_run(folder: RunFolder, tmp_path: Path) -> None:
    folder.path.rename(tmp_path / ".r-1")
    assert RunFolder.all(tmp_path) == []
    with pytest.raises(RecordsError, match=r"no run 'r' in .*[^r]$"):
        RunFolder.existing(tmp_path, "r")


@pytest.mark.parametrize("line", [b"", b"{}", b"\xff", b"null", b"[" * 100_000])
def test_damaged_record_is_reported_with_its_line_and_left_alone(
    line: bytes, folder: RunFolder
) -> None:
    good = example_record().to_json().encode()
    folder.records_file.write_bytes(b"\n".join([good, line, good, b"torn"]))
    before = folder.records_file.read_bytes()
    for read in (folder.records, folder.set_torn_line_aside):
        with pytest.raises(RecordsError, match=r"records.jsonl, line 2 is damaged: "):
            read()
    assert folder.records_file.read_bytes() == before


def test_half_written_line_is_reported_and_moved_only_on_request(folder: RunFolder) -> None:
    folder.append(example_record())
    whole = folder.records_file.read_bytes()
    for torn in (whole[:-1], whole[:10], b"\xff"):
        folder.records_file.write_bytes(whole + torn)
        with pytest.raises(RecordsError, match=r"line 2 is half-written .*--resume r"):
            folder.records()
        assert folder.records_file.read_bytes() == whole + torn
        assert folder.set_torn_line_aside()
        assert folder.records_file.read_bytes() == whole
    assert (folder.path / "records.torn").read_bytes() == whole + whole[:10] + b"\n\xff\n"


# ---- packed records ----------------------------------------------------------------------------


def test_packed_records_are_read_before_those_appended_later(
    folder: RunFolder, tmp_path: Path
) -> None:
    folder.append(cell_record("rnn"))
    folder.append(cell_record("lstm"))
    folder.pack()
    assert not folder.records_file.exists()
    assert [run.id for run in RunFolder.all(tmp_path)] == ["r"]
    assert RunFolder.existing(tmp_path, "r").records() == folder.records()
    assert cells(folder) == ["rnn", "lstm"]
    folder.append(cell_record("gru"))
    assert cells(folder) == ["rnn", "lstm", "gru"]
    folder.pack()
    assert cells(folder) == ["rnn", "lstm", "gru"]
    assert not folder.records_file.exists()


def test_packing_a_run_without_new_records_changes_nothing(folder: RunFolder) -> None:
    folder.pack()
    assert not folder.packed_file.exists() and folder.records() == []
    folder.append(cell_record("rnn"))
    folder.pack()
    before = folder.packed_file.read_bytes()
    folder.pack()
    assert folder.packed_file.read_bytes() == before


def test_record_in_both_files_counts_once(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between writing the packed file and removing the plain one leaves both."""
    folder.append(cell_record("rnn"))
    folder.append(cell_record("lstm"))

    def killed(file: Path, missing_ok: bool = False) -> None:
        if file == folder.records_file:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.pack()
    assert folder.records_file.exists() and folder.packed_file.exists()
    assert cells(folder) == ["rnn", "lstm"]
    assert not folder.set_torn_line_aside()
    folder.append(cell_record("gru"))
    assert cells(folder) == ["rnn", "lstm", "gru"]
    folder.pack()
    assert cells(folder) == ["rnn", "lstm", "gru"]
    assert not folder.records_file.exists()


def test_kill_before_the_packed_file_is_in_place_loses_no_record(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.append(cell_record("rnn"))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.pack()
    assert not folder.packed_file.exists()
    assert cells(folder) == ["rnn"]
    folder.pack()
    assert cells(folder) == ["rnn"]


def test_case_that_ran_again_after_packing_keeps_both_records(folder: RunFolder) -> None:
    folder.append(cell_record("rnn", status="failed"))
    folder.pack()
    folder.append(cell_record("rnn", status="ok"))
    assert [record.status for record in folder.records()] == ["failed", "ok"]
    folder.pack()
    assert [record.status for record in folder.records()] == ["failed", "ok"]


def test_half_written_line_after_packed_records_is_reported_and_not_packed(
    folder: RunFolder,
) -> None:
    folder.append(cell_record("rnn"))
    folder.pack()
    folder.records_file.write_bytes(b'{"schema": 1')
    with pytest.raises(RecordsError, match=r"records.jsonl, line 1 is half-written"):
        folder.records()
    folder.pack()
    assert folder.records_file.read_bytes() == b'{"schema": 1'
    assert folder.set_torn_line_aside()
    assert cells(folder) == ["rnn"]


def test_damaged_line_is_reported_by_its_number_and_not_packed(folder: RunFolder) -> None:
    folder.append(cell_record("rnn"))
    line = folder.records_file.read_bytes()
    folder.pack()
    folder.records_file.write_bytes(line + b"{}\n")
    for read in (folder.records, folder.pack):
        with pytest.raises(RecordsError, match=r"records.jsonl, line 2 is damaged: "):
            read()
    assert folder.records_file.read_bytes() == line + b"{}\n"


@pytest.mark.parametrize("keep", [0, 20, -1])
def test_damaged_packed_file_is_reported(keep: int, folder: RunFolder) -> None:
    folder.append(cell_record("rnn"))
    folder.pack()
    folder.packed_file.write_bytes(folder.packed_file.read_bytes()[:keep])
    with pytest.raises(RecordsError, match=r"records.jsonl.xz is damaged: "):
        folder.records()


def test_damaged_line_in_the_packed_file_is_reported_by_its_number(folder: RunFolder) -> None:
    line = cell_record("rnn").to_json().encode() + b"\n"
    folder.packed_file.write_bytes(lzma.compress(line + b"{}\n"))
    with pytest.raises(RecordsError, match=r"records.jsonl.xz, line 2 is damaged: "):
        folder.records()


@pytest.mark.parametrize("rest", [b"garbage", lzma.compress(b"{}\n"), bytes(8)])
def test_bytes_behind_the_packed_records_are_reported(rest: bytes, folder: RunFolder) -> None:
    folder.append(cell_record("rnn"))
    folder.pack()
    folder.packed_file.write_bytes(folder.packed_file.read_bytes() + rest)
    message = f"records.jsonl.xz is damaged: {len(rest)} bytes follow its end"
    with pytest.raises(RecordsError, match=message):
        folder.records()


# ---- the disk, run.json and the lock -----------------------------------------------------------


def test_record_that_does_not_fit_leaves_no_part_of_it(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refuses to flush after the whole line was written, as a full disk may."""
    folder.append(example_record())
    before = folder.records_file.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordsError, match=r"No space left on device. Recorded cases are kept"):
        folder.append(example_record())
    assert folder.records_file.read_bytes() == before


def test_folder_that_was_moved_away_is_reported(folder: RunFolder) -> None:
    folder.path.rename(folder.path.with_name("moved"))
    for call in (
        lambda: folder.append(example_record()),
        folder.records,
        lambda: folder.write_info({}),
    ):
        with pytest.raises(RecordsError, match=r"cannot .* No such file or directory"):
            call()


@pytest.mark.parametrize("replace", ["folder", "lock"])
def test_folder_that_was_replaced_gets_no_record(replace: str, folder: RunFolder) -> None:
    """A run that was renamed while it is measured must not write into another one of its name."""
    moved = folder.path.with_name("moved")
    with folder.lock():
        folder.append(example_record())
        if replace == "folder":
            folder.path.rename(moved)
            RunFolder.create(folder.path.parent, "r", INFO)
            (folder.path / "lock").touch()
        else:
            (folder.path / "lock").unlink()
        before = folder.records_file.read_bytes()
        for write in (lambda: folder.append(example_record()), lambda: folder.write_info({})):
            with pytest.raises(RecordsError, match="was renamed, removed or replaced"):
                write()
        assert folder.records_file.read_bytes() == before
        assert folder.info() == INFO
    folder.append(example_record())


def test_description_that_lacks_optional_fields_or_has_none_is_accepted(folder: RunFolder) -> None:
    assert folder.info() == INFO
    info = {"request": {"threads": 1}, "machine": None, "versions": None}
    folder.info_file.write_text(json.dumps(info))
    assert folder.info() == info


def test_changed_description_is_noticed_unless_it_lacks_its_checksum(folder: RunFolder) -> None:
    folder.write_info({"request": {"threads": 1}, "executed_path": "lstm: fused"})
    assert folder.info() == {"request": {"threads": 1}, "executed_path": "lstm: fused"}
    written = folder.info_file.read_text()
    for old, new in (("executed_path", "executed_pata"), ("fused", "fuses"), ("1", "2")):
        folder.info_file.write_text(written.replace(old, new, 1))
        with pytest.raises(RecordsError, match="not those that were written"):
            folder.info()
    changed = {**json.loads(written), "executed_path": "lstm: by steps"}
    del changed["checksum"]
    folder.info_file.write_text(json.dumps(changed))
    assert folder.info() == changed


def test_packed_records_are_read_line_by_line(folder: RunFolder) -> None:
    line = example_record().to_json().encode() + b"\n"
    content = line * (2**24 // len(line))
    folder.packed_file.write_bytes(lzma.compress(content, preset=0))
    tracemalloc.start()
    try:
        assert len(parse_lines(packed_lines(folder.packed_file), folder.packed_file)) == 1
        assert tracemalloc.get_traced_memory()[1] < len(content) / 4
    finally:
        tracemalloc.stop()


def test_packed_line_that_is_too_long_is_reported(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.records.lines.LONGEST_LINE", 1 << 20)
    folder.packed_file.write_bytes(lzma.compress(b" " * (1 << 20)))
    with pytest.raises(RecordsError, match=r"xz, line 1 is damaged: it has 1 MiB or more"):
        folder.records()


@pytest.mark.parametrize(("name", "most"), [("run.json", 256), ("records.jsonl.xz", 512)])
def test_file_that_is_too_large_is_reported_and_not_read(
    name: str, most: int, folder: RunFolder
) -> None:
    with (folder.path / name).open("ab") as file:
        file.truncate(2**32)
    with pytest.raises(RecordsError, match=rf"{name}: it has more than {most} MiB"):
        folder.info() if name == "run.json" else folder.records()


def test_run_has_one_writer_at_a_time(folder: RunFolder) -> None:
    with folder.lock(), pytest.raises(RecordsError, match="another process"), folder.lock():
        pass
    with folder.lock():
        pass


def test_error_under_the_lock_is_not_reported_as_one_of_the_lock(folder: RunFolder) -> None:
    with pytest.raises(FileNotFoundError), folder.lock():
        (folder.path / "nothing").read_text()
