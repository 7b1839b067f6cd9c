"""What the documents say is what the code does."""

import json
import re
import subprocess
import sys
from functools import cache
from itertools import takewhile
from pathlib import Path

import gate
import guard_rates
import pytest
from conftest import ROOT

import backends
import tasks
from bench.records.folder import RunFolder
from studies.command import STUDIES, plan, report

README = (ROOT / "README.md").read_text()
DOCS = list((ROOT / "docs").glob("*.md"))


def test_the_snippets_work_as_plug_in_files(tmp_path: Path) -> None:
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
    *("--extra-index-url", "--no-deps"),  # pip
    *("--thorough", "--dist", "--benchmark-only", "--benchmark-compare-fail"),  # pytest
}
"""Options of other programs that documents name."""


@pytest.mark.parametrize("page", sorted(["README.md", *(f"docs/{p.name}" for p in DOCS)]))
def test_every_option_and_file_that_is_named_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text))
    assert named - options() <= ELSEWHERE
    for link in re.findall(r"\]\((?!http|#)([^)#]+)", text):
        assert (ROOT / page).parent.joinpath(link).exists(), link


@cache
def options() -> set[str]:
    """All of all commands, and of the programs in `tests`."""
    commands = ["run_bench.py", *(f"run_bench.py {name}" for name in ("list", "report", "plan"))]
    commands += [f"run_bench.py {name}" for name in ("compare", "history", "study")]
    commands += ["tests/gate.py", "tests/guard_rates.py", "-m tests.native"]
    told = [
        subprocess.run(
            [sys.executable, *command.split(), "--help"], cwd=ROOT, capture_output=True, text=True
        ).stdout
        for command in commands
    ]
    assert all(told)
    return set(re.findall(r"--[a-z][a-z-]*[a-z]", " ".join(told)))


@pytest.mark.parametrize("marker", ["main job", "tests"])
def test_the_two_commands_are_where_they_are_looked_for(marker: str) -> None:
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


def test_readme_table_is_what_the_records_give() -> None:
    shown = markdown_table(README, "score [95%]")
    tables = (ROOT / "results/adding-cpu/report/tables.md").read_text()
    learning = {(r["cell"], r["backend"]): r for r in markdown_table(tables, "score [95%]")}
    assert len(shown[0]) <= 6
    assert [
        {"cell": r["cell"], "backend": f"`{r['backend']}`"}
        | {name: r[name] for name in ("step (ms) [95%]", "× fastest")}
        | {
            name: learning[r["cell"], r["backend"]][name]
            for name in ("score [95%]", "solved [95%]")
        }
        for r in markdown_table(tables, "step (ms) [95%]")
    ] == shown


def test_figures_in_the_readme_text_are_those_of_the_table_and_the_code() -> None:
    slowest = max(float(row["× fastest"]) for row in markdown_table(README, "score [95%]"))
    assert f"differs up to {slowest:g}\ntimes" in README
    others = set(backends.names()) - set(backends.DEFAULT)
    assert len(others) == 12 and "Twelve more implementations" in README
    page = (ROOT / "docs/backends.md").read_text()
    rows = markdown_table(page, "on a GPU")
    listed = {name for row in rows for name in re.findall(r"`([\w-]+)`", row["backend"])}
    assert listed == set(backends.names())


def test_the_table_of_the_guard_s_errors_is_the_one_that_its_records_give() -> None:
    shown = (ROOT / "docs/guard.md").read_text()
    shown = shown.split("<!-- rates -->")[1].split("<!-- end of rates -->")[0]
    assert shown.strip() == guard_rates.report(ROOT / "results/guard-cpu").strip()
    kept = json.loads(guard_rates.STREAMS.read_text())
    assert kept == guard_rates.kept(ROOT / "results/guard-cpu")


def test_the_table_of_tasks_has_every_one_with_its_score_chance_and_threshold() -> None:
    shown = (ROOT / "docs/tasks.md").read_text()
    shown = shown.split("<!-- tasks -->")[1].split("<!-- end of tasks -->")[0]
    rows = [tuple(map(str.strip, line.split("|")[1:5])) for line in shown.splitlines()[3:] if line]
    standard = {name: tasks.load(name).PROFILES["standard"] for name in tasks.names()}
    made = {
        (f"`{name}`", task.metric, f"{task.chance:.3g}", f"{task.threshold:.3g}")
        for name, task in standard.items()
    }
    assert set(rows) == made


def test_the_table_of_the_gate_s_errors_is_the_one_that_its_records_give() -> None:
    shown = (ROOT / "docs/architecture.md").read_text()
    shown = shown.split("<!-- gate -->")[1].split("<!-- end of gate -->")[0]
    folder = ROOT / "results/gate-cpu"
    models = [json.loads(line) for line in (folder / "models.jsonl").read_text().splitlines()]
    made = gate.table(models)
    assert shown.strip().endswith(made)
    assert (folder / "table.md").read_text().strip() == shown.strip()
    assert {m["adapter"] for m in models} == {*gate.RIGHT, *gate.FAULTS}
    wrong = [m for m in models if m["rejected"] != m["faulty"]]
    assert [m["adapter"] for m in wrong] == ["Adam's β₂ 0.99"], "as the text says"
    assert wrong[0]["size"] != "workload 4 × 7 × 2 → 5"


LEARNING = (ROOT / "docs/learning.md").read_text()


@pytest.mark.parametrize("name", re.findall(r"<!-- end of ([\w-]+) -->", LEARNING))
def test_the_tables_of_a_study_are_those_that_its_records_give(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, (own, _, gpu) = RunFolder(ROOT / "results/studies" / name), name.partition("-")
    if gpu:
        monkeypatch.setattr("bench.plan.availability.why_unavailable", lambda backend, device: None)
    study = STUDIES[own]
    planned, _ = plan(study, study.rows, backends, tasks, gpu or "cpu")
    made, drawn = report(folder, study, planned)
    shown = LEARNING.split(f"<!-- {name} -->")[1].split(f"<!-- end of {name} -->")[0]
    assert shown.strip() == made.strip() == (folder.path / "table.md").read_text().strip()
    for key, figure in drawn.items():
        assert (figure is not None) == (folder.path / f"{key}.png").exists()
    assert all(record.key in planned for record in folder.records())
