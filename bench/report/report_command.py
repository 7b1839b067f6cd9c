"""The command `report`: tables and plots from the records of runs."""

from collections.abc import Sequence
from pathlib import Path

from bench.records.folder import RunFolder


def report_command(
    runs: Sequence[str], formats: Sequence[str], output: Path | None, root: Path
) -> int:
    """Write tables and plots; return the exit code. A damaged record is found before anything is
    written. `root` is the folder of runs; `output` where files go, by default the first run's."""
    folders = [RunFolder.existing(root, run) for run in runs]
    records = [record for folder in folders for record in folder.records()]
    from bench.report.write import write_report

    for path in write_report(folders, records, formats, output or folders[0].path / "report"):
        print(path)
    return 0 if any(record.status == "ok" for record in records) else 3
