"""Rows of two sides are matched; what has no match is named and never green."""

from collections.abc import Sequence
from typing import Any

import pytest
from compare_records import (
    STORED,
    evidence,
    judged,
    judged_row,
    noisy_times,
    parity_record,
    record,
    speed_records,
    with_control,
)

from bench.compare.decision import Verdict
from bench.records.record import Record
from bench.spec import NOT_WRITTEN, Supports

SKIPPED = range(3)
"""Seeds that are recorded as skipped."""


def test_row_that_one_side_lacks_is_named_and_never_green() -> None:
    two_rows, one_row = [parity_record(), parity_record(cell="gru")], [parity_record()]
    assert len(evidence(two_rows, one_row).rows) == 1
    lost = [f for f in judged(two_rows, one_row) if f.check == "cell"]
    assert [(f.row, f.verdict) for f in lost] == [("numpy gru adding", Verdict.MISSING)]
    new = [f for f in judged(one_row, two_rows) if f.check == "cell"]
    assert [f.verdict for f in new] == [Verdict.NOT_COMPARABLE]


def test_row_of_which_every_case_was_skipped_counts_as_absent() -> None:
    two_rows = [parity_record(), parity_record(cell="gru")]
    skipped = [parity_record(), parity_record(cell="gru", status="skipped", reason="no gru")]
    (finding,) = (f for f in judged(two_rows, skipped) if f.check == "cell")
    assert (finding.verdict, finding.reason) == (Verdict.MISSING, "not in the head: no gru")


GRU = {"cell": "gru", "status": "skipped", "reason": "no gru"}
ALL = {"asked": {"backends": ["all"]}}
OTHER = {"backend": "other"}


@pytest.mark.parametrize(
    ("records", "info", "rows"),
    [
        ([parity_record(), parity_record(**GRU)], {"asked": {}}, ["numpy gru adding"]),
        ([parity_record(), parity_record(**GRU)], ALL, ["numpy gru adding"]),
        ([parity_record(**GRU), parity_record(**OTHER, cell="gru")], ALL, []),
        ([parity_record(**GRU), parity_record(**OTHER, cell="gru")], {}, []),
        (
            [parity_record(**GRU), parity_record(**OTHER, cell="gru")],
            {"asked": {"backends": ["numpy", "other"]}},
            ["numpy gru adding"],
        ),
    ],
)
def test_model_that_was_asked_for_and_that_neither_side_expresses_is_never_green(
    records: list[Record], info: Any, rows: list[str]
) -> None:
    found = [f for f in judged(records, records, info=info) if f.check == "cell"]
    assert [finding.row for finding in found] == rows
    for finding in found:
        assert finding.verdict == Verdict.NOT_COMPARABLE
        assert finding.reason == "on neither side: no gru"


def test_feature_that_the_adapter_of_the_head_lacks_is_missing() -> None:
    every = Supports()
    less = Supports(lengths=NOT_WRITTEN, initial_state=NOT_WRITTEN, cells=("rnn",))
    base, head = ({"features": {"numpy": side.features()}} for side in (every, less))
    records = [parity_record()]
    (lost,) = (f for f in judged(records, records, info=head, base_info=base) if f.row == "numpy")
    assert (lost.verdict, lost.reason) == (
        Verdict.MISSING,
        "not in the head: lengths, initial state",
    )
    for older, newer in ((head, base), (base, {}), ({}, base), ({}, {})):
        assert "numpy" not in {f.row for f in judged(records, records, info=newer, base_info=older)}


def test_new_row_that_fails_the_gate_is_red() -> None:
    head = [parity_record(), parity_record(cell="gru", status="failed", reason="off by 3")]
    for base in (head[:1], [head[0], parity_record(**GRU)]):
        (finding,) = (f for f in judged(base, head) if f.check == "cell")
        assert finding.verdict == Verdict.FAILED
        assert "off by 3" in finding.reason


@pytest.mark.parametrize("probe", ["learning", "gradients"])
@pytest.mark.parametrize(
    ("base", "head", "reason"),
    [
        ([], [], "not measured on either side"),
        (SKIPPED, SKIPPED, "not measured on either side: it does not train"),
        ([], SKIPPED, "not measured in the base"),
    ],
)
def test_probe_that_was_asked_for_and_not_measured_is_never_green(
    probe: str, base: Sequence[int], head: Sequence[int], reason: str
) -> None:
    def side(seeds: Sequence[int]) -> list[Record]:
        skipped = {"status": "skipped", "reason": "it does not train"}
        return [parity_record(), *(record(probe, seed=seed, **skipped) for seed in seeds)]

    asked = {"request": {"probes": [probe]}, "asked": {}}
    finding = judged_row(side(base), side(head), info=asked)[probe]
    assert (finding.verdict, finding.reason) == (Verdict.NOT_COMPARABLE, reason)
    asked["asked"] = {"backends": ["all"]}
    assert probe not in judged_row(side(base), side(head), info=asked)


def test_phase_that_was_asked_for_and_not_timed_is_never_green() -> None:
    asked = {"request": {"probes": ["speed"], "phases": ["step", "forward"]}, "asked": {}}
    timed = [parity_record(), *speed_records(noisy_times(1))]
    findings = judged_row(timed, timed, info=asked)
    assert findings["speed of step"].verdict == Verdict.PASS
    lost = findings["speed of forward"]
    reason = "not timed on either side: the backend times step"
    assert (lost.verdict, lost.reason) == (Verdict.NOT_COMPARABLE, reason)
    skipped = [parity_record(), record("speed", status="skipped", reason="no such kernel")]
    lost = judged_row(skipped, skipped, info=asked)["speed of step"]
    assert (lost.verdict, lost.reason[-14:]) == (Verdict.NOT_COMPARABLE, "no such kernel")


def test_code_that_is_not_the_sides_own_is_not_comparable_and_not_timed() -> None:
    records = [parity_record(), *speed_records(noisy_times(1))]
    foreign = {"foreign_files": {"numpy": "loads /own/kernel.py, not the code in /base"}}
    findings = judged_row(records, records, info={}, base_info=foreign)
    finding = findings["files of the base"]
    assert finding.verdict == Verdict.NOT_COMPARABLE
    assert finding.reason == "the base loads /own/kernel.py, not the code in /base"
    assert "speed of step" not in findings
    failed = [parity_record(status="failed", reason="off by 3"), *records[1:]]
    findings = judged_row(records, failed, info={}, base_info=foreign)
    assert findings["parity"].verdict == Verdict.REGRESSED, "a wrong head is red all the same"


def test_library_that_both_sides_load_under_one_digest_is_not_comparable() -> None:
    records = [parity_record(), *speed_records(noisy_times(1))]
    base, head = ({"digest_files": {"numpy": [f"/home/{n}/kern.so"]}} for n in "ab")
    findings = judged_row(records, records, info=base, base_info=base)
    for side in ("base", "head"):
        assert "loads /home/a/kern.so, whose digest" in findings[f"files of the {side}"].reason
    for older, newer in ((base, head), (base, {}), ({}, base)):
        findings = judged_row(records, records, info=newer, base_info=older)
        assert "files of the base" not in findings


def test_head_that_fails_the_gate_is_red_even_where_it_is_not_compared() -> None:
    failed = {"status": "failed", "reason": "off by 3"}
    here, there = ({"machine": {"processor": name}} for name in "AB")
    findings = [
        judged_row([parity_record()], [parity_record(hidden=9, **failed)]),
        judged_row([parity_record()], [parity_record(seed=5, **failed)]),
        judged_row([parity_record()], [parity_record(), parity_record(seed=5, **failed)]),
        judged_row(
            [parity_record()], [parity_record(**failed)], live=False, info=here, base_info=there
        ),
    ]
    assert {f["parity gate"].verdict for f in findings} == {Verdict.FAILED}


def test_equal_settings_match_whatever_other_rows_a_side_has() -> None:
    base = [parity_record(length=50), parity_record(length=99)]
    matched = evidence(base, base[:1])
    assert [row.label for row in matched.rows] == ["numpy lstm adding length=50"]
    assert [absence.name for absence in matched.absences] == ["numpy lstm adding length=99"]


CUDA, CPU = ["a on cuda: none"], ["a on cpu: for GPUs"]
TORCH = ["torch on cpu: not installed"]


@pytest.mark.parametrize(
    ("base", "head", "request_", "verdicts"),
    [
        ([], TORCH, {}, [Verdict.MISSING]),
        (TORCH, TORCH, {}, []),
        (CUDA, CUDA, {"devices": ["cpu", "cuda"]}, [Verdict.NOT_COMPARABLE]),
        (CUDA, CUDA, {"devices": ["auto"]}, []),
        (TORCH, [], {}, []),
        (CPU, CPU, {"devices": ["cpu"]}, [Verdict.NOT_COMPARABLE]),
        (CPU, CPU, {"devices": ["cpu"], "backends": ["all"]}, []),
        (
            *2 * (["a on cuda:1: none"],),
            {"devices": ["cpu", "cuda:1"], "backends": ["all"]},
            [Verdict.NOT_COMPARABLE],
        ),
    ],
)
def test_backend_that_could_not_run_counts_if_it_was_requested_or_could_run_before(
    base: list[str], head: list[str], request_: Any, verdicts: list[Verdict]
) -> None:
    base_info, info = ({"missing": gaps, "request": request_} for gaps in (base, head))
    findings = judged([parity_record()], [parity_record()], info=info, base_info=base_info)
    assert [f.verdict for f in findings if f.check == "cell"] == verdicts


def test_stored_runs_of_different_machines_are_not_comparable() -> None:
    then, now = ({"machine": {"processor": name, "cores": 2}} for name in "AB")
    findings = judged_row(
        [parity_record()], [parity_record()], live=False, info=now, base_info=then
    )
    assert findings["machine"].verdict == Verdict.NOT_COMPARABLE
    assert findings["machine"].reason == "another machine: processor A → B"


def test_new_kernel_with_slightly_different_memory_is_the_same_machine() -> None:
    then, now = (
        {"machine": {"processor": "A", "memory_bytes": size, "system": system}}
        for size, system in ((25276514304, "Linux 1"), (25276510208, "Linux 2"))
    )
    findings = judged_row(
        [parity_record()], [parity_record()], live=False, info=now, base_info=then
    )
    assert "machine" not in findings


def test_stored_runs_that_do_not_name_their_machine_are_not_comparable() -> None:
    findings = judged_row([parity_record()], [parity_record()], live=False)
    assert findings["machine"].verdict == Verdict.NOT_COMPARABLE


def test_evidence_does_not_depend_on_the_order_of_the_records() -> None:
    records = with_control(
        [parity_record(), parity_record(cell="gru"), *speed_records(noisy_times(1))]
    )
    assert evidence(records, records, **STORED) == evidence(records[::-1], records, **STORED)
