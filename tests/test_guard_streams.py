"""The guard's decision, replayed on recorded pairs of launches."""

from collections import Counter
from collections.abc import Mapping
from math import log1p

import numpy as np
import pytest
from conftest import ROOT

from bench.compare.decision import Rule, Verdict
from bench.spec import Array
from studies.guard_rates.collect import EFFECTS, SAME, State
from studies.guard_rates.pair_ratios import guard_ratio
from studies.guard_rates.rates import drawn_outcomes, red_rates, swapped_false_alarms
from studies.guard_rates.rules import Outcome, compare, ratio_arrays
from studies.guard_rates.streams import Stream, read_streams

STREAMS = {
    (stream.state, stream.head_name): stream for stream in read_streams(ROOT / "results/guard-cpu")
}
COMPARISONS = 30
EAGER = Rule(tolerated=0.0, least=0.0, level=0.4, rounds=1)


def verdicts(stream: Stream, rule: Rule, ratios: Mapping[str, Array] | None = None) -> Counter[str]:
    """The verdicts on all rows of comparisons that are drawn from this stream."""
    chosen = ratios or ratio_arrays(stream, guard_ratio)
    outcomes: list[Outcome] = drawn_outcomes(
        stream,
        lambda models, trials: compare(chosen, models, trials, rule),
        COMPARISONS,
        np.random.default_rng(0),
    )
    return Counter(verdict for outcome in outcomes for verdict in outcome.verdicts)


def test_every_head_was_recorded_in_every_state_of_the_machine() -> None:
    assert set(STREAMS) == {(state, head) for state in State for head in (SAME, *EFFECTS)}
    assert all(stream.trials >= 10 for stream in STREAMS.values())


@pytest.mark.parametrize("state", list(State))
def test_same_code_is_neither_slower_nor_faster(state: State) -> None:
    counts = verdicts(STREAMS[state, SAME], Rule())
    assert not counts[Verdict.REGRESSED] and not counts[Verdict.IMPROVED]


@pytest.mark.parametrize("state", list(State))
def test_rule_that_is_too_eager_is_wrong_about_the_same_code(state: State) -> None:
    """With a calm control, because an eager rule would find that it changed, too."""
    ratios = ratio_arrays(STREAMS[state, SAME], guard_ratio)
    calm = {**ratios, "control": 0 * ratios["control"]}
    counts = verdicts(STREAMS[state, SAME], EAGER, calm)
    assert counts[Verdict.REGRESSED] + counts[Verdict.IMPROVED] > 0


@pytest.mark.parametrize("head", ["+10%", "+20%"])
def test_extra_work_regresses_and_less_work_improves(head: str) -> None:
    stream = STREAMS[State.QUIET, head]
    counts = verdicts(stream, Rule())
    assert counts[Verdict.REGRESSED] >= 0.9 * sum(counts.values())
    mirrored = {model: -ratios for model, ratios in ratio_arrays(stream, guard_ratio).items()}
    assert verdicts(stream, Rule(), mirrored)[Verdict.IMPROVED] == counts[Verdict.REGRESSED]


def test_nothing_is_concluded_where_the_machine_itself_changed() -> None:
    stream = STREAMS[State.QUIET, SAME]
    ratios = ratio_arrays(stream, guard_ratio)
    ratios["control"] = ratios["control"] + log1p(0.25)
    counts = verdicts(stream, Rule(), ratios)
    assert counts[Verdict.INCONCLUSIVE] == sum(counts.values())


def test_noise_twenty_times_as_large_is_not_called_a_change() -> None:
    stream = STREAMS[State.QUIET, SAME]
    ratios = ratio_arrays(stream, guard_ratio)
    noisy = {name: 20 * values if name != "control" else values for name, values in ratios.items()}
    counts = verdicts(stream, Rule(), noisy)
    assert counts[Verdict.REGRESSED] + counts[Verdict.IMPROVED] <= 0.05 * sum(counts.values())
    assert counts[Verdict.INCONCLUSIVE] > counts[Verdict.PASS]


# ---- rates ---------------------------------------------------------------------------------------


def made_up(shift: float, noise: float, trials: int = 40) -> Stream:
    """A stream whose head is slower by `shift`; each launch is one turn of one sample."""
    rng = np.random.default_rng(0)

    def launches(factor: float) -> dict[str, list[list[list[float]]]]:
        return {
            model: [[[factor * float(np.exp(noise * rng.normal()))]] for _ in range(trials)]
            for model in ("rnn", "lstm", "control")
        }

    head = launches(1 + shift)
    base = launches(1)
    return Stream(State.QUIET, "made up", base, {**head, "control": base["control"]})


def rule_of_guard(stream: Stream) -> Array:
    ratios = ratio_arrays(stream, guard_ratio)
    rates = red_rates(
        stream,
        lambda models, trials: compare(ratios, models, trials, Rule()),
        np.random.default_rng(0),
    )
    return np.array([rates.row.share, rates.comparison.share, rates.row.low, rates.row.high])


def test_rates_are_those_of_streams_whose_answer_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.guard_rates.rates.COMPARISONS", 40)
    monkeypatch.setattr("studies.guard_rates.rates.RESAMPLES", 10)
    assert rule_of_guard(made_up(0.3, 0.01)).tolist() == [1, 1, 1, 1]
    assert rule_of_guard(made_up(0, 0.01)).tolist() == [0, 0, 0, 0]
    row, comparison, low, high = rule_of_guard(made_up(0.045, 0.02))
    assert 0 < row <= comparison < 1
    assert low <= row <= high and low < high


def test_swapped_sides_of_a_changed_head_are_seldom_red() -> None:
    rng = np.random.default_rng(0)
    assert swapped_false_alarms(made_up(0.3, 0.01), Rule(), 200, rng) == 0
    assert swapped_false_alarms(made_up(0.3, 0.01), EAGER, 50, rng) > 0
