"""Different conditions are different environments: never in one row, never compared."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from compare_records import (
    RULE,
    gradient_records,
    parity_record,
    speed_records,
    with_control,
)
from compare_sides import compare, python_with, verdicts
from report_records import ENVIRONMENT, INFO, all_probes

from bench.analysis.tables import Tables, build_tables
from bench.compare.both_sides import BothSides
from bench.compare.build_evidence import build_evidence
from bench.compare.decision import Verdict
from bench.compare.judge import judge
from bench.compare.matching import SideRecords
from bench.records.record import Record
from bench.records.speed_conditions import condition_changes, shares_cores

USUAL: dict[str, Any] = {
    **ENVIRONMENT,
    "physical_cores": 2,
    "variables": {"XLA_FLAGS": "--a"},
    "instruction_sets": {"openblas": "Haswell", "silent": None},
}


def changed(**changes: Any) -> list[str]:
    return condition_changes(USUAL, {**USUAL, **changes})


def test_differences_name_the_variable_and_both_values() -> None:
    assert changed() == []
    assert changed(variables={"XLA_FLAGS": "--b"}) == ["XLA_FLAGS --a → --b"]
    assert changed(variables={"OMP_PLACES": "cores"}) == [
        "OMP_PLACES unset → cores",
        "XLA_FLAGS --a → unset",
    ]
    assert changed(machine={"processor_quota": 1.5}) == ["quota unset → 1.5"]
    assert changed(physical_cores=1) == ["threads that share a core no → yes"]


def test_other_instruction_set_counts_unless_another_version_chose_it() -> None:
    other = {"openblas": "Core2", "silent": "AVX2", "more": "AVX2"}
    assert changed(instruction_sets=other) == ["instruction set of openblas Haswell → Core2"]
    assert changed(instruction_sets=other, versions={"numpy": "3"}) == []


def test_what_an_older_record_lacks_is_no_difference() -> None:
    for old in (ENVIRONMENT, {}, {"variables": None}):
        assert condition_changes(old, USUAL) == condition_changes(USUAL, old) == []
    for field in ("instruction_sets", "physical_cores"):
        assert changed(**{field: None}) == []
    assert shares_cores({"threads": 2}) is None
    assert shares_cores({"threads": 2, "physical_cores": 1}) is True


# ---- tables ----------------------------------------------------------------------------------


def tables(*environments: Any) -> Tables:
    """Tables of a run that was measured once in each of these environments; records of an
    environment None name none."""
    names = [None if e is None else f"e{k}" for k, e in enumerate(environments)]
    known = {name: e for name, e in zip(names, environments, strict=True) if name}
    records: list[Record] = []
    for number, name in enumerate(names):
        one = all_probes(1.0 + number, launches=1, seeds=1)
        records += [
            replace(r, environment=name, case={**r.case, "seed": number, "launch": number})
            for r in one
        ]
    return build_tables(records, {"r": {**INFO, "environments": known}})


def test_records_under_other_conditions_make_rows_of_their_own() -> None:
    other = {**USUAL, "variables": {}, "machine": {"processor_quota": 2.0}}
    result = tables(USUAL, other, USUAL)
    names = ["torch [XLA_FLAGS=--a, quota unset]", "torch [XLA_FLAGS unset, quota=2.0]"]
    assert dict(zip(result.speed["backend"], result.speed["step_launches"], strict=True)) == {
        names[0]: 2,
        names[1]: 1,
    }
    assert set(result.learning["backend"]) == set(names)


@pytest.mark.parametrize(
    "environments",
    [
        (ENVIRONMENT, {**ENVIRONMENT, "machine": {"cores": 4}}),
        (ENVIRONMENT, USUAL),
        (None, USUAL),
        (USUAL, {**USUAL, "threads": 1, "physical_cores": 1}),
    ],
    ids=["both old", "old and new", "unknown", "other threads"],
)
def test_rows_stay_whole_where_no_condition_is_known_to_differ(
    environments: tuple[Any, ...],
) -> None:
    result = tables(*environments)
    assert result.speed["backend"].tolist() == ["torch"]
    assert result.speed["step_launches"].tolist() == [2]


def test_unknown_conditions_are_told_where_the_known_ones_differ() -> None:
    result = tables(USUAL, {**USUAL, "variables": {}}, ENVIRONMENT)
    assert "torch [conditions not recorded]" in result.speed["backend"].tolist()


# ---- comparisons -----------------------------------------------------------------------------


def side(environment: Any, *records: Record) -> SideRecords:
    info = {"machine": {"processor": "x"}, "environments": {"e": environment}}
    return SideRecords([replace(r, environment="e") for r in records], info)


@pytest.mark.parametrize("live", [True, False], ids=["live", "stored"])
def test_sides_under_other_conditions_are_not_comparable(live: bool) -> None:
    timed = [parity_record(), *gradient_records([1.0]), *speed_records([0.01] * 20)]
    records = with_control(timed)
    other = {**USUAL, "variables": {"XLA_FLAGS": "--b"}}
    sides = BothSides(side(USUAL, *records), side(other, *records))
    findings = judge(build_evidence(sides, live=live), RULE)
    (finding,) = (f for f in findings if f.verdict == Verdict.NOT_COMPARABLE)
    assert (finding.check, finding.reason) == ("conditions", "XLA_FLAGS --a → --b")
    assert not any(f.check.startswith("speed") for f in findings)
    same = BothSides(side(USUAL, *records), side(USUAL, *records))
    assert not any(
        f.verdict == Verdict.NOT_COMPARABLE for f in judge(build_evidence(same, live=live), RULE)
    )


def test_wrong_head_is_red_under_other_conditions_too() -> None:
    wrong = parity_record(status="failed", reason="wrong")
    other = {**USUAL, "variables": {}}
    sides = BothSides(side(USUAL, parity_record()), side(other, wrong))
    verdicts = {f.check: f.verdict for f in judge(build_evidence(sides, live=False), RULE)}
    assert verdicts["conditions"] == Verdict.NOT_COMPARABLE
    assert verdicts["parity"] == Verdict.REGRESSED


def test_only_environments_of_the_same_probe_are_compared() -> None:
    """Untimed probes run on one thread, timed ones on several, which may share cores."""
    shared = {**USUAL, "physical_cores": 1}
    info = {"machine": {"processor": "x"}, "environments": {"alone": USUAL, "shared": shared}}
    records = [
        replace(parity_record(), environment="alone"),
        *(replace(r, environment="shared") for r in speed_records([0.01] * 20)),
    ]
    sides = BothSides(SideRecords(records, info), SideRecords(records, info))
    (row,) = build_evidence(sides, live=False).rows
    assert row.changed_conditions == ""


def test_interpreter_that_sets_a_variable_is_not_compared(tmp_path: Path) -> None:
    """A real comparison: the head's workers find another kernel chosen by a variable."""
    base, head = python_with(tmp_path, A="1"), python_with(tmp_path, OPENBLAS_CORETYPE="Nehalem")
    chosen = ("--backends", "numpy", "--tasks", "adding:short:steps=2", "--probes", "speed")
    done = compare(tmp_path, "--base-python", base, "--head-python", head, *chosen)
    assert done.returncode == 3, done.stdout + done.stderr
    assert verdicts(tmp_path)["conditions"] == "not comparable"
    usual = os.environ.get("OPENBLAS_CORETYPE", "unset")
    verdict = (tmp_path / "c" / "verdict.md").read_text()
    assert f"OPENBLAS_CORETYPE {usual} → Nehalem" in verdict
    assert "speed of step" not in verdicts(tmp_path)
