"""The guard's decision, replayed on recorded launches: log-ratios of the minimum of each launch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log1p

import pytest
from conftest import ROOT

from bench.compare.decision import Rule, Verdict
from studies.guard_rates.rules import guard
from studies.guard_rates.streams import read_streams, stream_ratios

RECORDED = {
    head: stream_ratios(stream) for head, stream in read_streams(ROOT / "results/guard-cpu").items()
}
SAME = [name for name in RECORDED if name.startswith("same")]
RULE = Rule()
EAGER = Rule(tolerated=0.0, least=0.0, level=0.4, rounds=1)


def verdicts(ratios: Mapping[str, Sequence[float]], rule: Rule = RULE) -> Counter[str]:
    return Counter(verdict for verdict, _ in guard(ratios, rule))


def test_launches_of_the_same_code_were_recorded_on_a_quiet_and_on_a_busy_machine() -> None:
    assert SAME == ["same", "same, busy"]
    assert all(sum(verdicts(RECORDED[name]).values()) >= 300 for name in SAME)


@pytest.mark.parametrize("name", SAME)
def test_same_code_is_never_slower_nor_faster(name: str) -> None:
    counts = verdicts(RECORDED[name])
    assert not counts[Verdict.REGRESSED] and not counts[Verdict.IMPROVED]


@pytest.mark.parametrize("name", SAME)
def test_rule_that_is_too_eager_is_wrong_about_the_same_code(name: str) -> None:
    counts = verdicts(RECORDED[name], EAGER)
    assert counts[Verdict.REGRESSED] > 0
    assert counts[Verdict.REGRESSED] + counts[Verdict.IMPROVED] > 10


@pytest.mark.parametrize(("name", "least"), [("10%", 0.8), ("20%", 0.95)])
def test_extra_work_regresses_and_less_work_improves(name: str, least: float) -> None:
    counts = verdicts(RECORDED[name])
    assert counts[Verdict.REGRESSED] >= least * sum(counts.values())
    mirrored = {model: [-ratio for ratio in ratios] for model, ratios in RECORDED[name].items()}
    assert verdicts(mirrored)[Verdict.IMPROVED] == counts[Verdict.REGRESSED]


@pytest.mark.parametrize("name", list(RECORDED))
def test_nothing_is_concluded_where_the_machine_itself_changed(name: str) -> None:
    control = [ratio + log1p(0.25) for ratio in RECORDED[name]["control"]]
    counts = verdicts({**RECORDED[name], "control": control})
    assert counts[Verdict.INCONCLUSIVE] == sum(counts.values())


def test_noise_ten_times_as_large_is_not_called_a_change() -> None:
    noisy = {model: [10 * ratio for ratio in ratios] for model, ratios in RECORDED["same"].items()}
    counts = verdicts({**noisy, "control": RECORDED["same"]["control"]})
    assert counts[Verdict.REGRESSED] + counts[Verdict.IMPROVED] <= 0.01 * sum(counts.values())
    assert counts[Verdict.INCONCLUSIVE] > counts[Verdict.PASS]
