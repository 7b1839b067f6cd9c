"""The figure of a launch follows the named rule."""

import math

import pytest

from bench.analysis.launch import LaunchRule, launch_time, rule_for

SAMPLES = [5.0, 1.0, 4.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("rule", "seconds"), [("lower quartile", 2.0), ("median", 3.0), ("minimum", 1.0)]
)
def test_each_rule_gives_its_statistic(rule: str, seconds: float) -> None:
    assert launch_time(SAMPLES, LaunchRule(rule)) == seconds


def test_cpu_uses_the_lower_quartile_and_other_devices_the_median() -> None:
    assert rule_for("cpu") == "lower quartile"
    assert {rule_for(device) for device in ("cuda", "cuda:1")} == {"median"}


@pytest.mark.parametrize("rule", LaunchRule)
@pytest.mark.parametrize("wrong", [0.0, -1.0, math.inf, math.nan])
def test_launch_with_a_sample_that_is_not_a_time_has_no_figure(
    rule: LaunchRule, wrong: float
) -> None:
    assert math.isnan(launch_time([*SAMPLES, wrong], rule))


@pytest.mark.parametrize("rule", LaunchRule)
def test_launch_without_samples_has_no_figure(rule: LaunchRule) -> None:
    assert math.isnan(launch_time([], rule))
