"""Speed is compared over pairs of launches, with a control beside them."""

from dataclasses import replace

import pytest
from compare_records import (
    RULE,
    STORED,
    control_records,
    evidence,
    gradient_records,
    judged,
    judged_row,
    learning_records,
    noisy_times,
    parity_record,
    speed_records,
    with_control,
)

from bench.compare.both_sides import BothSides
from bench.compare.build_evidence import other_machine
from bench.compare.decision import Verdict
from bench.compare.judge import undecided_rows
from bench.records.record import Record

BASE = [parity_record(), *speed_records(noisy_times(1))]


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.3, Verdict.REGRESSED), (1 / 1.3, Verdict.IMPROVED)]
)
def test_change_of_speed_is_found_and_measured(factor: float, verdict: Verdict) -> None:
    head = [parity_record(), *speed_records(noisy_times(factor)[::-1])]
    speed = judged_row(BASE, head)["speed of step"]
    assert speed.verdict == verdict
    assert speed.ratio == pytest.approx(factor, rel=0.05)
    assert (speed.base, speed.unit, speed.pairs) == (pytest.approx(0.01, rel=0.05), "s", 20)


@pytest.mark.parametrize("time", [0.0, -1.0, float("nan")])
def test_sample_that_is_not_a_time_is_never_green(time: float) -> None:
    head = [parity_record(), *speed_records(noisy_times(1))]
    head[3] = replace(head[3], samples={"step": [0.01, time, 0.01]})
    assert judged_row(BASE, head)["speed of step"].verdict == Verdict.NOT_COMPARABLE


# ---- the control -----------------------------------------------------------------------------


def test_nothing_is_concluded_where_the_control_changed_with_the_speed() -> None:
    base = [*BASE, *control_records(noisy_times(1))]
    slower = noisy_times(1.3)
    head = [parity_record(), *speed_records(slower), *control_records(slower)]
    finding = judged_row(base, head)["speed of step"]
    assert finding.verdict == Verdict.INCONCLUSIVE
    assert "the control changed by +30.0%" in finding.reason


def test_nothing_is_concluded_where_the_control_failed_beside_a_launch() -> None:
    base = [*BASE, *control_records(noisy_times(1))]
    head = [
        replace(r, status="failed", reason="died", samples={})
        if r.probe == "control" and r.case["launch"] == 3
        else r
        for r in base
    ]
    finding = judged_row(base, head)["speed of step"]
    assert finding.verdict == Verdict.NOT_COMPARABLE
    assert finding.reason == "the control was not timed beside 1 launches"


# ---- launches that are lost or differ --------------------------------------------------------


def test_launch_that_fails_in_the_head_is_a_regression() -> None:
    head = [*BASE[:5], replace(BASE[5], status="failed", reason="died", samples={}), *BASE[6:]]
    assert judged_row(BASE, head)["speed, launch 4"].verdict == Verdict.REGRESSED


def test_launch_that_only_one_side_can_run_is_never_green() -> None:
    unable = [*BASE[:-1], replace(BASE[-1], status="skipped", reason="not ours", samples={})]
    assert judged_row(BASE, unable)["speed, launch 19"].verdict == Verdict.MISSING
    assert judged_row(unable, BASE)["speed, launch 19"].verdict == Verdict.NOT_COMPARABLE
    assert "speed, launch 19" not in judged_row(unable, unable)


def test_probe_or_phase_that_the_head_lacks_is_missing() -> None:
    base = [*BASE, *learning_records([1.0] * 8), *gradient_records([1.0] * 8)]
    findings = judged_row(base, [parity_record()])
    assert {name: f.verdict for name, f in findings.items() if not f.verdict.green} == (
        dict.fromkeys(["speed of step", "learning", "gradients"], Verdict.MISSING)
    )
    two_phases = [
        replace(r, samples={**r.samples, "forward": [0.01]}) for r in speed_records(noisy_times(1))
    ]
    lost_phase = judged_row([parity_record(), *two_phases], BASE)
    assert lost_phase["speed of forward"].verdict == Verdict.MISSING
    assert lost_phase["speed of step"].verdict == Verdict.PASS


@pytest.mark.parametrize(("name", "value"), [("threads", 2), ("phase_s", 0.1)])
def test_launches_with_different_settings_are_not_comparable(name: str, value: float) -> None:
    head = speed_records(noisy_times(2), **{name: value})
    finding = judged_row(BASE, [parity_record(), *head])["speed"]
    assert finding.verdict == Verdict.NOT_COMPARABLE
    assert finding.reason == f"{name} [{BASE[1].case[name]}] → [{value}]"


def test_row_that_was_to_be_timed_and_was_not_is_never_green() -> None:
    info = {"request": {"probes": ["speed"]}}
    finding = judged_row([parity_record()], [parity_record()], info=info)["speed"]
    assert finding.verdict == Verdict.NOT_COMPARABLE
    assert "speed" not in judged_row([parity_record()], [parity_record()])


# ---- rounds ----------------------------------------------------------------------------------


def test_after_the_budget_a_flag_is_still_confirmed_and_nothing_else_goes_on() -> None:
    base = with_control([parity_record(), *speed_records(noisy_times(1, 10))])
    slow = with_control([parity_record(), *speed_records(noisy_times(1.3, 10))])
    wild = [seconds * 1.5 ** (k % 3) for k, seconds in enumerate(noisy_times(1, 10))]
    noisy = with_control([parity_record(), *speed_records(wild)])
    for head, flagged in ((slow, 1), (noisy, 0)):
        both = evidence(base, head)
        assert len(undecided_rows(both, RULE)) == 1
        assert len(undecided_rows(both, RULE, flagged_only=True)) == flagged


def test_lost_launch_leaves_the_other_launches_in_their_rounds() -> None:
    """The first round is level and the second slow: nothing confirms a flag."""
    factors = [1.0] * 10 + [1.3] * 10
    head = speed_records([t * f for t, f in zip(noisy_times(1), factors, strict=True)])
    one_lost = [r for r in head if r.case["launch"] != 3]
    for records in (head, one_lost):
        finding = judged_row(BASE, [parity_record(), *records])["speed of step"]
        assert finding.verdict == Verdict.INCONCLUSIVE


# ---- stored runs -----------------------------------------------------------------------------


def rated(factor: float, rate: float) -> list[Record]:
    """Ten launches, each with the rate of a large matrix product in GFLOP/s."""
    launches = speed_records(noisy_times(factor, 10), metrics={"product_gflops": rate})
    return [parity_record(), *launches]


def test_stored_runs_have_one_round_and_the_matrix_product_as_their_control() -> None:
    finding = judged_row(rated(1, 50), rated(1.3, 50), **STORED)["speed of step"]
    assert finding.verdict == Verdict.REGRESSED
    slower_machine = judged_row(rated(1, 50), rated(1.3, 40), **STORED)["speed of step"]
    assert slower_machine.verdict == Verdict.INCONCLUSIVE
    assert "the control changed by +25.0%" in slower_machine.reason


def test_stored_runs_without_a_launch_in_common_are_not_comparable() -> None:
    slower = speed_records(noisy_times(1.5))
    later = [replace(r, case={**r.case, "launch": 100 + r.case["launch"]}) for r in slower]
    finding = judged_row(BASE, [parity_record(), *later], **STORED)["speed of step"]
    assert finding.verdict == Verdict.NOT_COMPARABLE
    assert finding.reason == "no launch of one number was timed on both sides"


def test_stored_runs_of_other_machines_in_their_environments_are_not_comparable() -> None:
    other = {"environments": {"e": {"machine": {"processor": "y"}}}}
    plain, odd = STORED["info"], {**STORED["info"], **other}
    assert not other_machine(BothSides(plain, plain))
    for infos in (BothSides(plain, odd), BothSides(odd, plain)):
        assert "another machine: processor" in other_machine(infos)


def test_rate_of_a_product_in_another_dtype_is_no_control() -> None:
    finding = judged_row(rated(1, 50), rated(1.3, 50), **STORED)["speed of step"]
    slow_double = [replace(r, case={**r.case, "dtype": "float64"}) for r in rated(1, 9)]
    findings = judged([*slow_double, *rated(1, 50)], rated(1.3, 50), **STORED)
    assert finding.verdict in [f.verdict for f in findings if f.check == "speed of step"]


def test_too_few_launches_of_stored_runs_are_inconclusive() -> None:
    base, head = ([parity_record(), *speed_records(noisy_times(factor, 3))] for factor in (1, 2))
    finding = judged_row(base, head, **STORED)["speed of step"]
    assert finding.verdict == Verdict.INCONCLUSIVE
    assert finding.reason.endswith("3 launches, 10 are needed")
    slower = [parity_record(), *speed_records(noisy_times(2))]
    assert judged_row(BASE, slower, **STORED)["speed of step"].verdict == Verdict.REGRESSED


def test_slowdown_of_many_rows_that_few_launches_can_hide_does_not_pass() -> None:
    rows = [{"cell": cell, "task": f"task-{k}"} for cell in ("rnn", "lstm") for k in range(30)]
    base, head = (
        [
            record
            for row in rows
            for record in (parity_record(**row), *speed_records(noisy_times(factor, 10), **row))
        ]
        for factor in (1, 1.08)
    )
    speeds = [f for f in judged(base, head, **STORED) if f.check == "speed of step"]
    assert len(speeds) == len(rows)
    assert {finding.verdict for finding in speeds} == {Verdict.INCONCLUSIVE}
