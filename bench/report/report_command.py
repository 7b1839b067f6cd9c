"""The command that writes tables and plots of stored runs."""

from collections.abc import Sequence
from pathlib import Path

from bench.records.folder import RunFolder
from bench.records.inert import inert
from bench.records.storage import make_folder, storage_errors
from bench.report.missing import tell_missing_cases


def report_command(
    runs: Sequence[str],
    formats: Sequence[str],
    phases: Sequence[str],
    output: Path | None,
    root: Path,
) -> int:
    """Write the files and print their paths; without `output`, into the folder of the first run.
    Without `phases`, all timed phases have tables. All records are read before anything is
    written, so that a damaged record leaves nothing behind. The exit code is 0, or 3 where nothing
    was measured."""
    folders = RunFolder.told_apart([RunFolder.existing(root, run) for run in runs])
    from bench.analysis.compact import for_tables
    from bench.report.files import write_report

    reduced = None if "plots" in formats else for_tables
    records_of = {folder.id: folder.records(reduced) for folder in folders}
    records = [record for of_run in records_of.values() for record in of_run]
    if output is None:
        output = folders[0].path / "report"
        with storage_errors(f"cannot write to {output}"):
            make_folder(output)
    for path in write_report(folders, records, formats, output, phases):
        print(inert(path))
    for folder in folders:
        tell_missing_cases(folder, records_of[folder.id])
    return 0 if any(record.status == "ok" for record in records) else 3
