"""The ratio of a pair of launches, from blocks that alternate and without them."""

from math import exp, isnan, log

import numpy as np
import pytest
from compare_records import record

from bench.compare.both_sides import BothSides
from bench.compare.launch_times import LaunchTimes, pair_log_ratio


def launch(*samples: float, block: int | None = None) -> LaunchTimes:
    metrics = {"step_block": block} if block else {}
    return LaunchTimes.from_record(
        record("speed", metrics=metrics, samples={"step": list(samples)}), "step"
    )


def test_block_is_its_fastest_sample_and_a_launch_the_median_of_its_blocks() -> None:
    assert launch(3, 1, 2, 5, 9, 4, block=2) == LaunchTimes(2, (1, 2, 4), mean=4)
    assert launch(3, 1, 2) == LaunchTimes(1, mean=2)


def test_drift_that_both_sides_share_leaves_their_ratio_alone() -> None:
    drift = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.3, 20)))
    base, head = launch(*drift, block=1), launch(*(1.05 * drift), block=1)
    assert pair_log_ratio(BothSides(base, head)) == pytest.approx(log(1.05))
    alone = LaunchTimes(min(drift[:10])), LaunchTimes(1.05 * min(drift[10:]))
    assert abs(exp(pair_log_ratio(BothSides(*alone))) - 1.05) > 0.1


def test_sides_with_different_numbers_of_blocks_are_compared_as_launches() -> None:
    pair = BothSides(launch(2, 2, block=1), launch(3, 3, 3, block=1))
    assert pair_log_ratio(pair) == pytest.approx(log(1.5))


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_time_that_is_not_positive_and_finite_gives_no_ratio(wrong: float) -> None:
    assert isnan(pair_log_ratio(BothSides(launch(1, wrong, block=1), launch(1, 1, block=1))))
    assert isnan(pair_log_ratio(BothSides(launch(1), launch(wrong))))
