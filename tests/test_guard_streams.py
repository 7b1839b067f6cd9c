"""The decision replayed on launches that a real machine gave: log-ratios of a minimum a launch."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from math import log1p

import pytest
from guard_rates import STREAMS, guard

from bench.compare.decision import Rule, Verdict

RECORDED: Mapping[str, Mapping[str, Sequence[float]]]
RECORDED = json.loads(STREAMS.read_text())["log_ratios"]
SAME = [name for name in RECORDED if name.startswith("same")]
RULE = Rule()
EAGER = Rule(tolerated=0.0, least=0.0, level=0.4, rounds=1)


def verdicts(stream: Mapping[str, Sequence[float]], rule: Rule = RULE) -> Counter[str]:
    return Counter(verdict for verdict, _ in guard(stream, rule))


def test_quiet_and_busy_launches_of_the_same_code_are_there() -> None:
    assert SAME == ["same", "same, busy"]
    assert all(sum(verdicts(RECORDED[name]).values()) >= 300 for name in SAME)


@pytest.mark.parametrize("name", SAME)
def test_the_same_code_is_never_slower_nor_faster(name: str) -> None:
    found = verdicts(RECORDED[name])
    assert not found[Verdict.REGRESSED] and not found[Verdict.IMPROVED]


@pytest.mark.parametrize("name", SAME)
def test_a_rule_that_is_too_eager_would_have_been_wrong_on_them(name: str) -> None:
    found = verdicts(RECORDED[name], EAGER)
    assert found[Verdict.REGRESSED] > 0 and found[Verdict.REGRESSED] + found[Verdict.IMPROVED] > 10


@pytest.mark.parametrize(("name", "least"), [("10%", 0.8), ("20%", 0.95)])
def test_real_extra_work_is_found_and_called_an_improvement_the_other_way_round(
    name: str, least: float
) -> None:
    found = verdicts(RECORDED[name])
    assert found[Verdict.REGRESSED] >= least * sum(found.values())
    mirrored = {cell: [-d for d in ratios] for cell, ratios in RECORDED[name].items()}
    assert verdicts(mirrored)[Verdict.IMPROVED] == found[Verdict.REGRESSED]


@pytest.mark.parametrize("name", list(RECORDED))
def test_where_the_machine_itself_moved_nothing_is_concluded(name: str) -> None:
    moved = {**RECORDED[name]}
    moved["control"] = [d + log1p(0.25) for d in moved["control"]]
    found = verdicts(moved)
    assert found[Verdict.INCONCLUSIVE] == sum(found.values())


def test_noise_ten_times_as_large_is_not_called_a_change() -> None:
    noisy = {cell: [10 * d for d in ratios] for cell, ratios in RECORDED["same"].items()}
    found = verdicts({**noisy, "control": RECORDED["same"]["control"]})
    assert found[Verdict.REGRESSED] + found[Verdict.IMPROVED] <= 0.01 * sum(found.values())
    assert found[Verdict.INCONCLUSIVE] > found[Verdict.PASS]
