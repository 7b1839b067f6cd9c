"""Writes runs of any number of records, in the form of a published run."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.records.checksum import canonical, with_checksum
from bench.records.folder import RunFolder
from bench.records.lines import packed_lines
from bench.records.record import without_nonfinite

TEMPLATE = Path(__file__).parents[2] / "results" / "adding-cpu"
"""Four backends, three cells and the five default probes, measured with the standard profile."""
HIDDEN = re.compile(r'(?<="hidden":) ?(\d+)')


def write_run(root: Path, name: str, count: int, template: Path = TEMPLATE) -> RunFolder:
    """Write a run with this many records below `root`: those of the template, with all their
    samples, again and again at another number of hidden units."""
    source = RunFolder(template, name)
    texts = [canonical(without_nonfinite(vars(record))) for record in source.records()]
    return _written(root, source, texts, count, with_checksum)


def write_older_run(root: Path, name: str, count: int, template: Path = TEMPLATE) -> RunFolder:
    """The same as an earlier version can read it: the lines of the template as they stand."""
    source = RunFolder(template, name)
    texts = [line.decode() for line in packed_lines(source.packed_file)]
    return _written(root, source, texts, count, str)


def _written(
    root: Path, source: RunFolder, texts: Sequence[str], count: int, finished: Callable[[str], str]
) -> RunFolder:
    folder = RunFolder.create(root, source.id, source.info())
    with folder.records_file.open("w", encoding="utf-8") as file:
        for number in range(count):
            copy, index = divmod(number, len(texts))
            file.write(finished(_resized(texts[index], copy)) + "\n")
    return folder


def _resized(text: str, copy: int) -> str:
    """The record with more hidden units: one more in each copy."""
    return HIDDEN.sub(lambda match: str(int(match[1]) + copy), text, count=1)
