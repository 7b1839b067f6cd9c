"""The rules that are replayed: this guard, variants of it, and the rules of other tools."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, median
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu  # type: ignore[import-untyped]

from bench.compare.decision import Rule, Verdict, decide
from bench.compare.mean_time import judge_mean
from bench.compare.slow_launches import judge_launches
from bench.spec import Array
from studies.guard_rates.collect import CONTROL
from studies.guard_rates.pair_ratios import (
    Launch,
    PairRatio,
    guard_ratio,
    launches_by,
    samples,
    turns_by,
)
from studies.guard_rates.streams import Stream

IsSlower = Callable[[Sequence[Launch], Sequence[Launch]], bool]
"""Whether a rule calls the head slower, from the launches of the base and of the head."""


@dataclass(frozen=True)
class Outcome:
    """What a comparison said: the verdict on each row, and the launches of a side that it took."""

    verdicts: Sequence[str]
    launches: int


MEANS = launches_by(np.mean)
"""The ratio of the means of all samples of a launch."""

Replay = Callable[[Sequence[str], Sequence[int]], Outcome]
"""Replays one comparison: its models, and the numbers of the trials whose pairs it sees in turn."""
Replayed = Callable[[Stream], Replay]
"""A rule, applied to the pairs of one stream."""


def guard(rule: Rule, pair_ratio: PairRatio, with_means: bool = False) -> Replayed:
    """This guard with these bounds and this ratio of a pair, and perhaps its test of the mean."""

    def replayed(stream: Stream) -> Replay:
        ratios = ratio_arrays(stream, pair_ratio)
        means = ratio_arrays(stream, MEANS) if with_means else None
        return lambda models, trials: compare(ratios, models, trials, rule, means)

    return replayed


def ratio_arrays(stream: Stream, pair_ratio: PairRatio) -> dict[str, Array]:
    """The log-ratios of all pairs, by model."""
    return {model: np.asarray(values) for model, values in stream.ratios(pair_ratio).items()}


def compare(
    ratios: Mapping[str, Array],
    models: Sequence[str],
    trials: Sequence[int],
    rule: Rule,
    means: Mapping[str, Array] | None = None,
) -> Outcome:
    """One comparison of the guard, round by round: it takes a new round only where one could
    decide. `means` holds the log-ratios of the means, which are tested where they are given."""
    rounds: dict[str, list[Any]] = {name: [] for name in (*models, CONTROL)}
    mean_rounds: dict[str, list[Any]] = {name: [] for name in models}
    undecided, decisions = list(models), {}
    for first in range(0, rule.rounds * rule.pairs, rule.pairs):
        pairs = list(trials[first : first + rule.pairs])
        for name in (*undecided, CONTROL):
            rounds[name].append(ratios[name][pairs].tolist())
        decisions = decide({m: rounds[m] for m in models}, rule, rounds[CONTROL])
        if means is not None:
            for name in undecided:
                mean_rounds[name].append(means[name][pairs].tolist())
            decisions = {
                name: judge_launches(
                    judge_mean(decision, mean_rounds[name], rule, len(models)),
                    rounds[name],
                    rule,
                    len(models),
                )
                for name, decision in decisions.items()
            }
        undecided = [name for name, decision in decisions.items() if decision.open]
        if not undecided:
            break
    verdicts = [decisions[name].verdict.value for name in models]
    return Outcome(verdicts, rule.pairs * len(rounds[CONTROL]))


def other_rule(is_slower: IsSlower, launches: int, base_first: bool) -> Replayed:
    """The rule of another tool with this number of launches on each side.

    With `base_first`, all launches of the base come before all launches of the head, as people run
    such tools; otherwise the two sides alternate.
    """

    def replayed(stream: Stream) -> Replay:
        def replay(models: Sequence[str], trials: Sequence[int]) -> Outcome:
            before = trials[:launches]
            after = trials[launches : 2 * launches] if base_first else before
            flags = [
                is_slower(
                    [stream.base[model][k] for k in before], [stream.head[model][k] for k in after]
                )
                for model in models
            ]
            verdicts = [(Verdict.REGRESSED if flag else Verdict.PASS).value for flag in flags]
            return Outcome(verdicts, launches)

        return replay

    return replayed


def over_five_percent(statistic: Callable[..., Any]) -> IsSlower:
    """pytest-benchmark's `--benchmark-compare-fail=…:5%`, on all samples."""

    def is_slower(base: Sequence[Launch], head: Sequence[Launch]) -> bool:
        before, after = (statistic(np.concatenate([*map(samples, s)])) for s in (base, head))
        return bool(after > 1.05 * before)

    return is_slower


def benchstat(base: Sequence[Launch], head: Sequence[Launch]) -> bool:
    """Mann-Whitney at 5% of the mean of each launch."""
    before, after = ([mean(samples(launch)) for launch in side] for side in (base, head))
    return bool(mannwhitneyu(before, after).pvalue < 0.05 and median(after) > median(before))


def asv(base: Sequence[Launch], head: Sequence[Launch]) -> bool:
    """On all samples: p < 0.002, and a factor of 1.1 between the medians."""
    before, after = (np.concatenate([*map(samples, side)]) for side in (base, head))
    factor = float(np.median(after) / np.median(before))
    return bool(factor > 1.1 and mannwhitneyu(before, after).pvalue < 0.002)


def _this_guard(pair_ratio: PairRatio = guard_ratio, **changes: Any) -> Replayed:
    return guard(replace(Rule(), **changes), pair_ratio)


GUARD = "this guard"
FORMER: Mapping[str, Any] = {"tolerated": 0.03, "least": 0.05, "excluded": 0.1}
"""The bounds of the guard before its sides took turns."""


def all_rules() -> Mapping[str, Replayed]:
    """The rules by their name in the table."""
    rules = {
        GUARD: guard(Rule(), guard_ratio, with_means=True),
        "on the lower quartile of a turn": _this_guard(turns_by(_lower_quartile)),
        "on the median of a turn": _this_guard(turns_by(np.median)),
        "on the minimum of a launch": _this_guard(launches_by(np.min)),
        "on the median of a launch": _this_guard(launches_by(np.median)),
        "former bounds: 3%, 5%, 10%": _this_guard(**FORMER),
        "former bounds, minimum of a launch": _this_guard(launches_by(np.min), **FORMER),
        "rounds of 8 pairs": _this_guard(pairs=8),
        "20 pairs, nothing confirmed": _this_guard(pairs=20, rounds=1),
    }
    for count, words in ((1, "1 launch"), (20, "20 launches")):
        for name, statistic in (("mean", np.mean), ("min", np.min)):
            title = f"pytest-benchmark {name}:5%, {words}"
            rules[title] = other_rule(over_five_percent(statistic), count, True)
    rules["benchstat-like, 20 launches"] = other_rule(benchstat, 20, True)
    rules["asv-like, 20 launches, alternating"] = other_rule(asv, 20, False)
    return rules


def _lower_quartile(values: Sequence[float]) -> float:
    return float(np.quantile(values, 0.25))
