"""Correctness comes first: a row that is wrong on one side is not timed."""

import json

import pytest
from compare_records import (
    gradient_records,
    judged_row,
    learning_records,
    noisy_times,
    parity_record,
    speed_records,
)

from bench.compare.conclusion import exit_code
from bench.compare.decision import Verdict
from bench.records.parse_record import parse_record


def test_two_equal_sides_pass_every_check() -> None:
    records = [
        parity_record(),
        *speed_records(noisy_times(1)),
        *learning_records([1.0] * 8),
        *gradient_records([1.0] * 8),
    ]
    findings = judged_row(records, records)
    assert {finding.verdict for finding in findings.values()} == {Verdict.PASS}
    assert set(findings) == {
        *("parity", "first loss", "first gradient", "speed of step", "loss over training"),
        "held-out score",
        *("seeds diverged", "seeds solved", "steps to solve", "gradient norm over training"),
        *("NaN in gradients", "Inf in gradients"),
    }
    assert exit_code(list(findings.values())) == 0


@pytest.mark.parametrize(
    ("base", "head", "verdict"),
    [
        ("ok", "failed", Verdict.REGRESSED),
        ("failed", "ok", Verdict.IMPROVED),
        ("failed", "failed", Verdict.FAILED),
    ],
)
def test_row_that_fails_parity_has_no_verdict_on_speed(
    base: str, head: str, verdict: Verdict
) -> None:
    launches = speed_records(noisy_times(1))
    findings = judged_row(
        [parity_record(status=base, reason="off by 3"), *launches],
        [parity_record(status=head, reason="off by 3"), *launches],
    )
    assert findings["parity"].verdict == verdict
    if not verdict.green:
        assert "off by 3" in findings["parity"].reason
        assert "speed of step" not in findings


@pytest.mark.parametrize("name", ["first_loss", "first_gradient_norm"])
@pytest.mark.parametrize("value", [0.50001, 0.6, None])
def test_different_first_loss_or_gradient_is_a_regression(name: str, value: float | None) -> None:
    metrics = {"first_loss": 0.5, "first_gradient_norm": 0.5}
    base, head = parity_record(metrics=metrics), parity_record(metrics={**metrics, name: value})
    launches = speed_records(noisy_times(1))
    findings = judged_row([base, *launches], [head, *launches])
    check = {"first_loss": "first loss", "first_gradient_norm": "first gradient"}[name]
    assert findings[check].verdict == Verdict.REGRESSED
    assert "speed of step" not in findings


def test_first_loss_may_differ_by_rounding() -> None:
    metrics = {"first_loss": 0.5000001, "first_gradient_norm": 2.0}
    findings = judged_row([parity_record()], [parity_record(metrics=metrics)])
    assert findings["first loss"].verdict == Verdict.PASS


def test_records_without_a_first_loss_are_compared_in_what_they_have() -> None:
    launches = speed_records(noisy_times(1))
    findings = judged_row([parity_record(metrics={}), *launches], [parity_record(), *launches])
    assert "first loss" not in findings
    assert findings["speed of step"].verdict == Verdict.PASS


def test_parity_of_different_seeds_is_not_compared() -> None:
    base, head = parity_record(seed=0), parity_record(seed=5, metrics={"first_loss": 9.0})
    findings = judged_row([base], [head])
    assert [(f.check, f.verdict) for f in findings.values()] == [("parity", Verdict.NOT_COMPARABLE)]
    shared_seed = judged_row([base], [head, parity_record(seed=0)])
    assert shared_seed["first loss"].verdict == Verdict.PASS


def test_row_without_a_parity_record_is_never_green() -> None:
    launches = speed_records(noisy_times(1))
    lost = judged_row([parity_record(), *launches], launches)["parity"]
    assert (lost.verdict, lost.reason) == (Verdict.MISSING, "the head has no parity record")
    new = judged_row(launches, [parity_record(), *launches])["parity"]
    assert (new.verdict, new.reason) == (Verdict.NOT_COMPARABLE, "the base has no parity record")


def test_different_sizes_are_not_comparable_and_different_learning_rates_are() -> None:
    findings = judged_row([parity_record()], [parity_record(hidden=9)])
    assert findings["settings"].verdict == Verdict.NOT_COMPARABLE
    assert findings["settings"].reason == "hidden 8 → 9"
    assert "settings" not in judged_row([parity_record()], [parity_record(learning_rate=1.0)])


def test_setting_that_one_side_does_not_know_is_no_difference() -> None:
    base, head = (
        [parity_record(**settings), *speed_records(noisy_times(1), **settings)]
        for settings in ({}, {"dropout": 0.0})
    )
    assert judged_row(base, head)["speed of step"].verdict == Verdict.PASS


def test_different_optimisers_are_not_comparable_even_if_an_older_record_names_none() -> None:
    data = json.loads(parity_record().to_json())
    del data["case"]["optimiser"], data["checksum"]
    older, sgd = parse_record(json.dumps(data)), parity_record(optimiser="sgd")
    findings = judged_row([older], [sgd])
    assert findings["settings"].verdict == Verdict.NOT_COMPARABLE
    assert findings["settings"].reason == "optimiser adam → sgd"
    assert "settings" not in judged_row([older], [parity_record(optimiser="adam")])


def test_array_that_only_the_base_lets_the_gate_compare_is_missing() -> None:
    arrays = {"error.output": 0.0, "error.d hidden states": 0.0}
    base, head = (parity_record(metrics=metrics) for metrics in (arrays, {"error.output": 1e-9}))
    finding = judged_row([base], [head])["compared arrays"]
    assert (finding.verdict, finding.reason) == (
        Verdict.MISSING,
        "not in the head: d hidden states",
    )
    assert "compared arrays" not in judged_row([head], [base])
