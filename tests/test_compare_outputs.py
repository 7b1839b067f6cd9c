"""The exit code of a comparison, and the verdict in every format."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from compare_records import RULE, judged, noisy_times, parity_record, speed_records
from conftest import ROOT

from bench.compare.both_sides import BothSides
from bench.compare.conclusion import ComparisonResult, conclusion, exit_code
from bench.compare.decision import Verdict
from bench.compare.finding import Finding
from bench.compare.folder import create_folder
from bench.compare.matching import SideRecords
from bench.compare.outputs.files import write_files
from bench.compare.outputs.json_files import smaller_is_better
from bench.compare.outputs.junit import junit
from bench.compare.outputs.markdown import markdown
from bench.compare.outputs.pytest_benchmark_json import pytest_benchmark
from bench.records.folder import RecordsError

PASS = Finding("c", "parity", Verdict.PASS)
REGRESSED = Finding("c", "x", Verdict.REGRESSED, "why & <how>")
UNSURE = Finding("c", "speed of step", Verdict.INCONCLUSIVE, "noise", 0.01, 0.011, "s", 1.1)
NOT_COMPARABLE = Finding("d", "cell", Verdict.NOT_COMPARABLE)
MISSING = Finding("d", "cell", Verdict.MISSING)
FAILED = Finding("d", "parity", Verdict.FAILED)
NO_RECORDS = BothSides(SideRecords([]), SideRecords([]))


@pytest.mark.parametrize(
    ("findings", "code", "worst"),
    [
        ([], 3, "nothing measured"),
        ([PASS], 0, "pass"),
        ([PASS, Finding("c", "x", Verdict.IMPROVED)], 0, "pass"),
        ([PASS, UNSURE], 3, "inconclusive"),
        ([UNSURE, NOT_COMPARABLE], 3, "not comparable"),
        ([NOT_COMPARABLE, MISSING], 1, "missing"),
        ([MISSING, FAILED], 1, "failed"),
        ([FAILED, UNSURE, REGRESSED], 1, "regressed"),
    ],
)
def test_worst_verdict_is_that_of_the_comparison_and_only_pass_and_improved_are_green(
    findings: list[Finding], code: int, worst: str
) -> None:
    assert exit_code(findings) == code
    assert conclusion(findings).startswith(worst)


def test_every_format_names_what_is_not_green() -> None:
    findings = [PASS, UNSURE, NOT_COMPARABLE, MISSING, REGRESSED, FAILED]
    suite = Xml.fromstring(junit(findings))
    elements = [[child.tag for child in case] for case in suite]
    assert elements == [[], ["skipped"], ["error"], ["failure"], ["failure"], ["failure"]]
    counts = [suite.get(name) for name in ("tests", "skipped", "errors", "failures")]
    assert counts == ["6", "1", "1", "3"]
    assert "why & <how>" in str(suite[4][0].get("message"))
    text = markdown(findings, ["base: a", "head: b"])
    assert text.startswith("## ❌ regressed: ")
    assert "1 failed" in text
    for word in ("inconclusive", "not comparable", "missing", "why &amp; &lt;how>", "10.0 ms"):
        assert word in text
    (entry,) = smaller_is_better(findings)
    assert (entry["name"], entry["value"], entry["unit"]) == ("c: speed of step", 0.011, "s")


def test_verdict_json_keeps_the_names_of_its_fields(tmp_path: Path) -> None:
    """Other programs read them."""
    write_files(tmp_path, ComparisonResult([UNSURE], ["base: a"], RULE, NO_RECORDS))
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert list(verdict) == ["conclusion", "verdict", "exit_code", "sides", "rule", "findings"]
    assert verdict["verdict"] == "inconclusive"
    assert list(verdict["rule"]) == [
        *("tolerated", "least", "excluded", "level", "pairs", "rounds"),
    ]
    (finding,) = verdict["findings"]
    assert list(finding) == [
        *("cell", "check", "verdict", "reason", "base", "head", "unit"),
        *("ratio", "low", "high", "p", "pairs"),
        *("confidence", "scatter_low", "scatter_high", "cause"),
    ]
    assert (finding["cell"], finding["verdict"], finding["p"]) == ("c", "inconclusive", None)


def test_numbers_and_letters_that_a_format_lacks_are_replaced(tmp_path: Path) -> None:
    head = [parity_record(), *speed_records([float("nan")] * 20)]
    findings = judged([parity_record(), *speed_records(noisy_times(1))], head)
    findings.append(Finding("c", "x", Verdict.REGRESSED, "last words: \x1b[31m\x00"))
    write_files(tmp_path, ComparisonResult(findings, [], RULE, NO_RECORDS))
    written = json.loads((tmp_path / "verdict.json").read_text())["findings"]
    assert [f["head"] for f in written if f["check"] == "speed of step"] == [None]
    assert Xml.parse(tmp_path / "junit.xml").getroot().get("failures") == "1"


def test_json_files_hold_no_character_that_steers_a_terminal(tmp_path: Path) -> None:
    row = "mine\x1b[2J \x85\u2028\u202eé \x7f"
    finding = Finding(row, "speed of step", Verdict.PASS, "why", 0.01, 0.011, "s", 1.1)
    write_files(tmp_path, ComparisonResult([finding], [row], RULE, NO_RECORDS))
    verdict = (tmp_path / "verdict.json").read_text()
    assert json.loads(verdict)["sides"] == [row]
    for text in (verdict, (tmp_path / "smaller-is-better.json").read_text()):
        assert "é" in text
        assert text.replace("\n", "").isprintable()


def test_pytest_benchmark_compares_the_files_of_two_sides(tmp_path: Path) -> None:
    for name, factor in (("base", 1.0), ("head", 1.3)):
        times = {("numpy lstm adding", "step"): noisy_times(factor)}
        stored = pytest_benchmark(name, times, {"commit": "abc"})
        (tmp_path / f"{name}.json").write_text(json.dumps(stored))
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", "base.json", "head.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("step[numpy lstm adding]") == 2
    assert "(1.3" in done.stdout


def test_only_the_outputs_import_the_reports() -> None:
    for file in (ROOT / "bench" / "compare").glob("*.py"):
        imports = [
            n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.ImportFrom)
        ]
        assert not [n.module for n in imports if (n.module or "").startswith("bench.report")], file


def test_comparison_that_began_meanwhile_keeps_its_name(tmp_path: Path) -> None:
    create_folder(tmp_path / "c")
    with pytest.raises(RecordsError, match=r"comparison c exists in .*; choose another --run-id$"):
        create_folder(tmp_path / "c")
