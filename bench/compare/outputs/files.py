"""All files of a verdict."""

from pathlib import Path

from bench.compare.conclusion import ComparisonResult
from bench.compare.outputs.json_files import json_text, smaller_is_better, verdict_json
from bench.compare.outputs.junit import junit
from bench.compare.outputs.markdown import markdown
from bench.compare.outputs.pytest_benchmark_json import side_json
from bench.records.storage import replace_file, storage_errors


def write_files(folder: Path, result: ComparisonResult) -> None:
    """Write the verdict in every format into the folder of the comparison."""
    texts = {
        "verdict.md": markdown(result.findings, result.about),
        "verdict.json": verdict_json(result),
        "junit.xml": junit(result.findings),
        "smaller-is-better.json": json_text(smaller_is_better(result.findings)),
        "pytest-benchmark-base.json": json_text(side_json("base", result.sides.base)),
        "pytest-benchmark-head.json": json_text(side_json("head", result.sides.head)),
    }
    with storage_errors(f"cannot write to {folder}"):
        for name, text in texts.items():
            replace_file(folder / name, text.encode(errors="backslashreplace"))
