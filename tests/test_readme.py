"""What the documents say is what the code does."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import gate
import guard_rates
import pytest
from conftest import ROOT

import backends
import tasks
from bench.records.folder import RunFolder
from studies.catalogue import STUDIES

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


@pytest.mark.parametrize(
    ("marker", "run", "least"),
    [("table", "adding-cpu", 12), ("implementations", "implementations-cpu", 40)],
)
def test_a_table_is_the_one_that_the_records_give(marker: str, run: str, least: int) -> None:
    """A number changed by hand in the README is found."""
    shown = README.split(f"<!-- {marker} -->")[1].split(f"<!-- end of {marker} -->")[0]
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    made = (ROOT / "results" / run / "report" / "tables.md").read_text().splitlines()
    assert len(rows) > least
    assert not [row for row in rows if row not in made]


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
        monkeypatch.setattr("bench.plan.selection.why_not", lambda backend, device: None)
    study = STUDIES[own]
    planned, _ = plan(study, study.rows, backends, tasks, gpu or "cpu")
    made, drawn = report(folder, study, planned)
    shown = LEARNING.split(f"<!-- {name} -->")[1].split(f"<!-- end of {name} -->")[0]
    assert shown.strip() == made.strip() == (folder.path / "table.md").read_text().strip()
    for key, figure in drawn.items():
        assert (figure is not None) == (folder.path / f"{key}.png").exists()
    assert all(record.key in planned for record in folder.records())
