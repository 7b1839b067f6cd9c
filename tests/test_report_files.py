"""Markdown, CSV and LaTeX files hold the numbers of the samples and escape all text."""

import csv
import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from report_records import (
    all_probes,
    forward_only_record,
    parity_record,
    record,
    run_folder,
    tables_of,
    terminal_text,
    three_backends,
)
from running import bench_inside, copy_run, keep_lines

from bench.records.folder import RecordsError
from bench.records.record import Record
from bench.report.files import write_report
from bench.spec import Unavailable


def test_numbers_in_the_markdown_come_from_the_samples(tmp_path: Path) -> None:
    records = all_probes(launches=3)
    (path,) = write_report([run_folder(tmp_path)], records, ["markdown"], tmp_path)
    times = [1e3 * np.quantile(r.samples["step"], 0.25) for r in records if r.probe == "speed"]
    low, middle, high = sorted(times)
    assert f" {middle:.2f} [{low:.2f}–{high:.2f}] |" in path.read_text()
    for text in ("## Environment", "- processor: Model_X 100%, 2 cores", "length 10", "## How to"):
        assert text in path.read_text()


def test_markdown_tables_stay_whole_whatever_a_reason_holds(tmp_path: Path) -> None:
    failed = record("parity", status="failed", reason="a | b <module> *x* __init__")
    records = [failed, *all_probes(backend="jax")]
    (path,) = write_report([run_folder(tmp_path)], records, ["markdown"], tmp_path)
    rows = [line for line in path.read_text().splitlines() if line.startswith("|")]
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    assert len(set(bars)) == 5
    assert r"a \| b &lt;module> \*x\* \_\_init\_\_" in path.read_text()


def test_csv_holds_the_numbers_unrounded(tmp_path: Path) -> None:
    records = three_backends()
    paths = write_report([run_folder(tmp_path)], records, ["csv"], tmp_path)
    assert [path.name for path in paths] == ["learning.csv", "speed.csv", "not_measured.csv"]
    speed = tables_of(records).speed
    with paths[1].open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [float(row["step_s"]) for row in rows] == speed["step_s"].tolist()
    launches = [tuple(map(float, row["step_launches_s"].split(";"))) for row in rows]
    assert launches == speed["step_launches_s"].tolist()


def special_characters() -> list[Record]:
    reason = r"100% of a_b & {c} #1 $x ~y ^z \n <é> 日 → |"
    failed = record("parity", status="failed", reason=reason, backend="./my_file.py")
    return [failed, *three_backends()]


def test_latex_escapes_the_marks_of_tex(tmp_path: Path) -> None:
    (path,) = write_report([run_folder(tmp_path)], special_characters(), ["latex"], tmp_path)
    tex = path.read_text()
    assert tex.isascii()
    assert r"100\% of a\_b \& \{c\} \#1 \$x \textasciitilde{}y \textasciicircum{}z" in tex
    assert r"4.38 [3.98--4.78]" in tex
    assert r"5.00 $\to$ 0.500" in tex
    assert r"$\times$ fastest" in tex
    assert tex.count(r"\toprule") == 2 * tex.count(r"\begin{longtable}") == 14
    body = tex.split(r"\begin{document}")[1]
    assert not re.search(r"(?<!\\)[_#%]", body)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_compiles(tmp_path: Path) -> None:
    (path,) = write_report([run_folder(tmp_path)], special_characters(), ["latex"], tmp_path)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]


def test_order_of_the_records_does_not_change_a_byte(tmp_path: Path) -> None:
    records = three_backends()
    shuffled = random.Random(3).sample(records, len(records))
    formats = ["markdown", "csv", "latex", "plots"]
    run = run_folder(tmp_path)
    first, second = (
        write_report([run], ordered, formats, tmp_path / name)
        for name, ordered in (("first", records), ("second", shuffled))
    )
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert terminal_text(records) == terminal_text(shuffled)


def test_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"'html'.*markdown, csv, latex, plots"):
        write_report([run_folder(tmp_path)], three_backends(), ["csv", "html"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_run_that_is_named_twice_is_shown_once(tmp_path: Path) -> None:
    first = run_folder(tmp_path / "a")
    assert write_report([first, first], three_backends() * 2, ["csv"], tmp_path)


def test_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordsError, match="file"):
        write_report([run_folder(tmp_path)], three_backends(), ["csv"], tmp_path / "file")


def test_chosen_phases_have_tables_and_figures_and_others_have_none(tmp_path: Path) -> None:
    formats = ["markdown", "plots"]
    paths = write_report(
        [run_folder(tmp_path)], three_backends(), formats, tmp_path / "out", ["forward"]
    )
    times = [path.name for path in paths if "time" in path.name]
    assert times == ["forward-time-adding.png"]
    headings = re.findall("^### Speed: (.*)$", paths[0].read_text(), re.MULTILINE)
    assert headings == ["forward pass"]


def test_phase_that_was_not_timed_is_refused_with_those_that_were(tmp_path: Path) -> None:
    records = [parity_record(), forward_only_record()]
    with pytest.raises(Unavailable, match=r"phase 'step' was not timed .* Timed: forward"):
        write_report([run_folder(tmp_path)], records, ["csv"], tmp_path / "out", ["step"])
    assert not (tmp_path / "out").exists()


def test_run_that_lacks_planned_cases_says_how_many(finished_run: Path, tmp_path: Path) -> None:
    file = copy_run(finished_run, tmp_path)
    words = ("report", "r", "--results-dir", tmp_path, "--format", "markdown,latex")
    whole = bench_inside(*words)
    assert (whole.returncode, whole.stderr) == (0, "")
    lines = file.read_bytes().splitlines(keepends=True)
    keep_lines(tmp_path, len(lines) - 2)
    told = f"incomplete: 2 of {len(lines)} planned cases have no record that counts"
    part = bench_inside(*words)
    assert (part.returncode, part.stderr) == (0, f"run r is {told}\n")
    for name in ("tables.md", "tables.tex"):
        assert told in (tmp_path / "r" / "report" / name).read_text()
    assert told in bench_inside("history", "--results-dir", tmp_path).stderr
    compared = bench_inside("compare", tmp_path / "r", tmp_path / "r", "--results-dir", tmp_path)
    assert f"r is {told}" in " ".join(compared.stdout.split())
    resumed = bench_inside("--resume", "r", "--results-dir", tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "incomplete" not in resumed.stdout
    assert bench_inside(*words).stderr == ""


def test_records_of_unplanned_cases_hide_no_lost_ones(finished_run: Path, tmp_path: Path) -> None:
    file = copy_run(finished_run, tmp_path)
    lines = file.read_bytes().splitlines(keepends=True)
    unplanned = []
    for number, line in enumerate(lines):
        data = json.loads(line)
        del data["checksum"]
        data["case"]["seed"] = 77 + number
        unplanned.append(json.dumps(data).encode() + b"\n")
    words = ("report", "r", "--results-dir", tmp_path, "--format", "csv")
    file.write_bytes(b"".join([*lines, *unplanned]))
    assert bench_inside(*words).stderr == ""
    file.write_bytes(b"".join([*lines[:-2], *unplanned]))
    assert bench_inside(*words).stderr == (
        f"run r is incomplete: 2 of {len(lines)} planned cases have no record that counts\n"
    )
