"""What the documents say is what the code does."""

import re
import subprocess
import sys
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest
from conftest import ROOT
from running import bench_inside

import backends
import tasks
from bench.records.folder import RunFolder
from bench.report.files import write_report

README = (ROOT / "README.md").read_text()
UPDATE = "training update (ms) [range]"
DOCS = list((ROOT / "docs").glob("*.md"))


def test_code_of_the_readme_works_as_plug_in_files(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(# (\w+\.py)\n.*?)```", README, re.DOTALL)
    assert [name for _, name in blocks] == ["echo.py", "mine.py"]
    for text, name in blocks:
        (tmp_path / name).write_text(text)
    selection = "--tasks echo.py --backends mine.py numpy --cells lstm --profile smoke"
    command = [sys.executable, str(ROOT / "run_bench.py"), *selection.split()]
    command += ["--results-dir", str(tmp_path / "runs"), "--run-id", "readme"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout


ELSEWHERE = {
    *("--extra-index-url", "--no-deps", "--inplace"),  # pip and setuptools
    *("--thorough", "--dist", "--benchmark-only", "--benchmark-compare-fail"),  # pytest
    "--xla_backend_extra_options",
}
"""Options of other programs that documents name."""


@pytest.mark.parametrize("page", sorted(["README.md", *(f"docs/{p.name}" for p in DOCS)]))
def test_every_option_and_file_that_is_named_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z_-]*[a-z]", text))
    assert named - options() <= ELSEWHERE
    for link in re.findall(r"\]\((?!http|#)([^)#]+)", text):
        assert (ROOT / page).parent.joinpath(link).exists(), link


def test_files_that_the_architecture_page_names_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"`([\w/]+\.py)`", text)) - {"x_backend.py"}
    files = [str(f.relative_to(ROOT)) for f in ROOT.rglob("*.py") if ".venv" not in f.parts]
    assert len(named) > 30
    assert not {n for n in named if not any(f"/{f}".endswith(f"/{n}") for f in files)}


@cache
def options() -> set[str]:
    """Every option of the command line and of the programs in `studies`."""
    commands = ("run", "list", "report", "plan", "compare", "history", "study")
    help_texts = [bench_inside(command, "--help").stdout for command in commands]
    studies = ("gate_rates", "guard_rates", "native", "growth", "faults")
    help_texts += [
        subprocess.run(
            [sys.executable, "-m", f"studies.{name}", "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        ).stdout
        for name in studies
    ]
    assert all(help_texts)
    return set(re.findall(r"--[a-z][a-z-]*[a-z]", " ".join(help_texts)))


@pytest.mark.parametrize("marker", ["main job", "tests"])
def test_readme_marks_the_commands_of_the_main_job_and_of_the_tests(marker: str) -> None:
    block = re.search(rf"<!-- {marker} -->\n```bash\n(.*)\n```", README)
    assert block
    assert block.group(1).startswith("python3 -m venv .venv && .venv/bin/pip install")


def markdown_table(text: str, heading: str) -> list[dict[str, str]]:
    """The rows of the first table of a page that has this column."""
    lines = text.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("|") and heading in line)
    names, _, *rows = takewhile(lambda line: line.startswith("|"), lines[start:])
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (names, *rows)]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]


def report_table(heading: str) -> list[dict[str, str]]:
    """A table of the published report that the README quotes."""
    return markdown_table((ROOT / "results/adding-cpu/report/tables.md").read_text(), heading)


def test_readme_table_is_what_the_records_give() -> None:
    shown = markdown_table(README, "score [range]")
    learning = {(r["cell"], r["backend"]): r for r in report_table("score [range]")}
    assert len(shown[0]) <= 6
    assert [
        {"cell": r["cell"], "rank": r["rank"], "backend": f"`{r['backend']}`"}
        | {UPDATE: r[UPDATE]}
        | {
            name: learning[r["cell"], r["backend"]][name]
            for name in ("score [range]", "solved [95%]")
        }
        for r in report_table(UPDATE)
    ] == shown


def test_report_of_the_readme_is_what_its_command_writes(tmp_path: Path) -> None:
    folder = RunFolder.existing(ROOT / "results", "adding-cpu")
    (page,) = write_report([folder], folder.records(), ["markdown"], tmp_path)
    published = (ROOT / "results/adding-cpu/report/tables.md").read_text()
    without_figures = re.sub(r"!\[.*\n\n", "", published)
    assert page.read_text() == without_figures


def test_readme_names_machine_threads_and_launches_of_its_table() -> None:
    page = (ROOT / "results/adding-cpu/report/tables.md").read_text()
    (caption,) = set(re.findall(r"^On \d threads of (.*); median and range of (.*)\.$", page, re.M))
    assert caption == ("AMD EPYC, 2 cores", "3 launches")
    assert "on two threads of an AMD EPYC with two cores" in " ".join(README.split())
    assert "Brackets are the range of three launches or of three seeds" in " ".join(README.split())


def test_figures_in_the_readme_text_are_those_of_the_table_and_the_code() -> None:
    slowest = max(float(row["× fastest"]) for row in report_table(UPDATE))
    assert f"differs up to {slowest:g}\ntimes" in README
    others = set(backends.names()) - set(backends.DEFAULT)
    assert len(others) == 15 and "Fifteen more implementations" in README
    page = (ROOT / "docs/backends.md").read_text()
    rows = markdown_table(page, "on a GPU")
    listed = {name for row in rows for name in re.findall(r"`([\w-]+)`", row["backend"])}
    assert listed == set(backends.names())


def test_table_of_tasks_has_every_task_with_its_score_chance_and_threshold() -> None:
    shown = (ROOT / "docs/tasks.md").read_text()
    shown = shown.split("<!-- tasks -->")[1].split("<!-- end of tasks -->")[0]
    rows = [tuple(map(str.strip, line.split("|")[1:5])) for line in shown.splitlines()[3:] if line]
    standard = {name: tasks.load(name).PROFILES["standard"] for name in tasks.names()}
    expected = {
        (f"`{name}`", task.metric, f"{task.chance:.3g}", f"{task.threshold:.3g}")
        for name, task in standard.items()
    }
    assert set(rows) == expected
