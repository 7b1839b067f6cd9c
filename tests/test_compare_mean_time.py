"""Calls that are slow once in a while: the fastest samples leave them out, the mean has them."""

from collections.abc import Sequence

import pytest
from compare_records import RULE, evidence, judged_row, parity_record, record, with_control

from bench.compare.decision import Verdict
from bench.compare.finding import Finding
from bench.compare.judge import undecided_rows
from bench.compare.reasons import Cause
from bench.records.record import Record

CALLS = 10
STEADY = [1.0] * CALLS
TENTH_IS_SLOW = [*STEADY[1:], 5.0]


def launches(factors: Sequence[Sequence[float]]) -> list[Record]:
    """A launch for each list of factors, by which the calls are slower than 10 ms."""
    return [
        parity_record(),
        *(
            record("speed", launch=k, samples={"step": [0.01 * (1 + k % 3 / 100) * f for f in row]})
            for k, row in enumerate(factors)
        ),
    ]


def speed(head: Sequence[Sequence[float]], **options: bool) -> Finding:
    base = launches([STEADY] * len(head))
    info = {"machine": {"processor": "x"}}
    return judged_row(base, launches(head), info=info, **options)["speed of step"]


def test_head_whose_every_tenth_call_is_slow_has_regressed() -> None:
    finding = speed([TENTH_IS_SLOW] * 20)
    assert finding.verdict == Verdict.REGRESSED
    assert finding.ratio == pytest.approx(1)
    assert finding.reason.startswith("the mean of all calls changed by +40.0%")


def test_mean_that_one_round_shows_waits_for_the_next_round() -> None:
    head = launches([TENTH_IS_SLOW] * 10)
    both = evidence(with_control(launches([STEADY] * 10)), with_control(head))
    assert len(undecided_rows(both, RULE, flagged_only=True)) == 1
    finding = speed([TENTH_IS_SLOW] * 10)
    assert (finding.verdict, finding.cause) == (Verdict.INCONCLUSIVE, Cause.UNCONFIRMED)
    assert speed([TENTH_IS_SLOW] * 10 + [STEADY] * 10).verdict == Verdict.PASS


def test_mean_that_only_the_last_round_shows_is_never_green() -> None:
    head = [STEADY] * 10 + [TENTH_IS_SLOW] * 20
    assert speed(head[:20]).verdict == Verdict.PASS
    assert not speed(head).verdict.green


@pytest.mark.parametrize("slow", [[1.0] * 9 + [1.5], [1.0] * 9 + [1e3]])
def test_disturbances_of_single_launches_pass(slow: list[float]) -> None:
    """A few launches with a disturbed call are not significant, however long it took."""
    assert speed([slow if k % 5 == 0 else STEADY for k in range(20)]).verdict == Verdict.PASS


def test_mean_of_stored_runs_does_not_count() -> None:
    """They were measured at different times, under different disturbances."""
    assert speed([TENTH_IS_SLOW] * 20, live=False).verdict == Verdict.PASS
