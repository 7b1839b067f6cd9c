"""Learning and gradients are compared over the seeds that both sides ran."""

from dataclasses import replace

import pytest
from compare_records import (
    MANY_ROWS,
    gradient_records,
    judged,
    judged_row,
    learning_records,
    parity_record,
)

from bench.compare.decision import Verdict

BASE = [parity_record(), *learning_records([1.0] * 8)]


def test_slower_learning_is_found_over_paired_seeds() -> None:
    losses = [1.0, 3.0, 0.1, 2.0, 0.5, 0.9, 5.0, 1.5]
    base = [parity_record(), *learning_records(losses)]
    higher = [parity_record(), *learning_records([1.2 * loss for loss in losses])]
    worse = judged_row(base, higher)["loss over training"]
    assert worse.verdict == Verdict.REGRESSED
    assert worse.ratio == pytest.approx(1.2)
    lower = [parity_record(), *learning_records([loss / 1.2 for loss in losses])]
    assert judged_row(base, lower)["loss over training"].verdict == Verdict.IMPROVED
    three_seeds = [parity_record(), *learning_records(losses[:3])]
    few = judged_row(base[:4], three_seeds)["loss over training"]
    assert few.verdict == Verdict.INCONCLUSIVE
    assert "3 seeds, 8 are needed" in few.reason


def test_seeds_that_are_no_longer_solved_are_counted_exactly() -> None:
    none = judged_row(BASE, [parity_record(), *learning_records([1.0] * 8, [False] * 8)])
    assert none["seeds solved"].verdict == Verdict.REGRESSED
    assert (none["seeds solved"].base, none["seeds solved"].head) == (8, 0)
    assert none["steps to solve"].verdict == Verdict.REGRESSED
    assert none["steps to solve"].head is None
    for lost, verdict in ((2, Verdict.PASS), (3, Verdict.INCONCLUSIVE), (5, Verdict.INCONCLUSIVE)):
        solved = [False] * lost + [True] * (8 - lost)
        fewer = judged_row(BASE, [parity_record(), *learning_records([1.0] * 8, solved)])
        assert fewer["seeds solved"].verdict == fewer["steps to solve"].verdict == verdict
    some = [parity_record(), *learning_records([1.0] * 8, [False] * 3 + [True] * 5)]
    assert judged_row(some, BASE)["seeds solved"].verdict == Verdict.PASS


def test_few_seeds_of_one_row_among_many_are_no_regression() -> None:
    base = [
        record
        for row in MANY_ROWS
        for record in (parity_record(**row), *learning_records([1.0] * 8, **row))
    ]
    first, *others = MANY_ROWS
    worse = [parity_record(**first), *learning_records([1.0] * 8, [False] * 8, **first)]
    unchanged = [r for r in base if (r.case["cell"], r.case["task"]) != ("rnn", "task-0")]
    findings = [f for f in judged(base, [*worse, *unchanged]) if f.check == "seeds solved"]
    verdicts = [finding.verdict for finding in findings]
    assert len(verdicts) == 1 + len(others)
    assert verdicts.count(Verdict.INCONCLUSIVE) == 1
    assert Verdict.REGRESSED not in verdicts


def test_change_of_learning_that_too_few_seeds_can_hide_does_not_pass() -> None:
    """Over many rows a fifth more loss on every one of eight seeds is not significant."""
    base, head = (
        [
            record
            for row in MANY_ROWS
            for record in (parity_record(**row), *learning_records([loss] * 8, **row))
        ]
        for loss in (1.0, 1.2)
    )
    findings = [f for f in judged(base, head) if f.check == "loss over training"]
    assert len(findings) == len(MANY_ROWS)
    assert {finding.verdict for finding in findings} == {Verdict.INCONCLUSIVE}
    assert "8 seeds, 9 are needed" in findings[0].reason


def test_worse_score_is_found_where_no_seed_is_solved() -> None:
    unsolved = [False] * 8
    low, high = (
        [parity_record(), *learning_records([1.0] * 8, unsolved, score)] for score in (0.05, 0.1)
    )
    assert judged_row(low, high)["held-out score"].verdict == Verdict.REGRESSED
    assert judged_row(high, low)["held-out score"].verdict == Verdict.IMPROVED
    assert judged_row(low, low)["held-out score"].verdict == Verdict.PASS


def test_scores_near_zero_may_differ_by_a_factor() -> None:
    low, high = (
        [parity_record(), *learning_records([1.0] * 8, score=score)] for score in (1e-6, 4e-6)
    )
    assert judged_row(low, high)["held-out score"].verdict == Verdict.PASS
    zero = [parity_record(), *learning_records([1.0] * 8, score=0.0)]
    assert judged_row(zero, zero)["held-out score"].verdict == Verdict.PASS


def test_equal_curves_pass_even_with_a_zero_in_them() -> None:
    records = [parity_record(), *learning_records([1.0] * 8)]
    records[3] = replace(records[3], samples={"loss": [1.0, 0.0]})
    assert judged_row(records, records)["loss over training"].verdict == Verdict.PASS


def test_seed_that_diverges_in_the_head_alone_is_a_regression() -> None:
    head = [parity_record(), *learning_records([1.0] * 8)]
    head[3] = replace(
        head[3],
        metrics={**head[3].metrics, "diverged_at": 5.0},
        samples={"loss": [1.0, float("nan")]},
    )
    findings = judged_row(BASE, head)
    assert findings["seeds diverged"].verdict == Verdict.REGRESSED
    assert not findings["loss over training"].verdict.green
    assert judged_row(head, BASE)["seeds diverged"].verdict == Verdict.PASS


def test_seeds_that_no_longer_diverge_are_an_improvement() -> None:
    diverging = [
        replace(r, metrics={**r.metrics, "diverged_at": 5.0})
        for r in learning_records([1.0] * 8, [False] * 8)
    ]
    findings = judged_row([parity_record(), *diverging], BASE)
    assert findings["seeds diverged"].verdict == Verdict.IMPROVED


@pytest.mark.parametrize("name", ["NaN", "Inf"])
def test_gradients_that_are_not_finite_are_a_regression_by_themselves(name: str) -> None:
    base = [parity_record(), *gradient_records([1.0] * 8)]
    head = [parity_record(), *gradient_records([1.0] * 8, **{name.lower(): 1.0})]
    assert judged_row(base, head)[f"{name} in gradients"].verdict == Verdict.REGRESSED


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_smaller_and_larger_gradients_are_both_a_change(factor: float) -> None:
    base = [parity_record(), *gradient_records([1.0] * 8)]
    head = [parity_record(), *gradient_records([factor] * 8)]
    assert judged_row(base, head)["gradient norm over training"].verdict == Verdict.REGRESSED


def test_seed_that_the_head_lacks_or_fails_is_never_green() -> None:
    assert judged_row(BASE, BASE[:-1])["learning"].verdict == Verdict.MISSING
    failed = [*BASE[:-1], replace(BASE[-1], status="failed", reason="died", samples={})]
    assert judged_row(BASE, failed)["learning, seed 7"].verdict == Verdict.REGRESSED
    assert judged_row(failed, BASE)["learning, seed 7"].verdict == Verdict.NOT_COMPARABLE


def test_seed_that_only_one_side_can_run_is_never_green() -> None:
    unable = [*BASE[:-1], replace(BASE[-1], status="skipped", reason="not ours", samples={})]
    assert judged_row(BASE, unable)["learning, seed 7"].verdict == Verdict.MISSING
    assert judged_row(unable, BASE)["learning, seed 7"].verdict == Verdict.NOT_COMPARABLE
    assert "learning, seed 7" not in judged_row(unable, unable)
