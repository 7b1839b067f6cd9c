"""Writes runs of any number of records, in the form of a published run."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.records.folder import RunFolder
from bench.records.record import Record

TEMPLATE = Path(__file__).parents[2] / "results" / "adding-cpu"
"""Four backends, three cells and the five default probes, measured with the standard profile."""


def write_run(root: Path, name: str, count: int, template: Path = TEMPLATE) -> RunFolder:
    """Write a run with this many records below `root`: those of the template, with all their
    samples, again and again at another number of hidden units."""
    source = RunFolder(template, name)
    folder = RunFolder.create(root, name, source.info())
    with folder.records_file.open("w", encoding="utf-8") as file:
        for record in _resized(source.records(), count):
            file.write(record.to_json() + "\n")
    return folder


def _resized(records: list[Record], count: int) -> Iterator[Record]:
    for number in range(count):
        copy, index = divmod(number, len(records))
        record = records[index]
        case = {**record.case, "hidden": record.case["hidden"] + copy}
        yield replace(record, case=case)
