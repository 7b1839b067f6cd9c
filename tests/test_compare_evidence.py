"""Rows of two sides are matched; what has no match is named and never green."""

from typing import Any

import pytest
from compare_records import (
    STORED,
    evidence,
    judged,
    judged_row,
    noisy_times,
    parity_record,
    speed_records,
    with_control,
)

from bench.compare.decision import Verdict


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
    assert finding.verdict == Verdict.MISSING
    assert not evidence(skipped, skipped).absences


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
