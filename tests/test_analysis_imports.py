"""Analysis knows nothing of presentation, and the figure of a launch needs no table library."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

FILES = [*sorted((ROOT / "bench/analysis").glob("*.py")), ROOT / "bench/run/budget.py"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_analysis_imports_no_presentation(file: Path) -> None:
    imports = re.findall(r"^\s*(?:from|import) (\S+)", file.read_text(), re.MULTILINE)
    presentation = ("bench.report", "matplotlib", "rich", "tabulate")
    assert not [name for name in imports if name.startswith(presentation)]


@pytest.mark.parametrize("module", ["bench.analysis.launch", "bench.run.budget"])
def test_launch_times_are_computed_without_pandas(module: str) -> None:
    code = f"import {module}, sys; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
