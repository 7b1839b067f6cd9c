"""The rules that are replayed: this guard, variants of it, and the rules of other tools."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import mean, median
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu  # type: ignore[import-untyped]

from bench.compare.decision import Rule, Verdict, decide
from studies.guard_rates.collect import CONTROL
from studies.guard_rates.streams import (
    LaunchTime,
    Ratios,
    Stream,
    models_by_comparison,
    stream_ratios,
)

Outcomes = Sequence[tuple[str, float]]
"""The verdict on each model of all comparisons, and the launches of a side that it took."""
IsSlower = Callable[[Any, Any], bool]
"""Whether a rule calls the head slower, from the samples of the base's and the head's launches."""
STRIDE = 10
"""Launches between the starts of two comparisons by the rule of another tool."""


def guard(ratios: Ratios, rule: Rule) -> Outcomes:
    """The outcomes of this guard. A comparison of each task starts at every round of pairs; its
    later rounds take the pairs that follow."""
    outcomes: list[tuple[str, float]] = []
    last = len(ratios[CONTROL]) - rule.rounds * rule.pairs
    for start in range(0, last + 1, rule.pairs):
        for models in models_by_comparison(ratios):
            outcomes += _compare(ratios, start, models, rule)
    return outcomes


def _compare(ratios: Ratios, start: int, models: Sequence[str], rule: Rule) -> Outcomes:
    """One comparison, from the pair `start` on."""
    rounds: dict[str, list[Sequence[float]]] = {name: [] for name in (*models, CONTROL)}
    undecided = list(models)
    for first in range(start, start + rule.rounds * rule.pairs, rule.pairs):
        for name in (*undecided, CONTROL):
            rounds[name].append(ratios[name][first : first + rule.pairs])
        decisions = decide({name: rounds[name] for name in models}, rule, rounds[CONTROL])
        undecided = [name for name, decision in decisions.items() if decision.open]
        if not undecided:
            break
    return [(d.verdict.value, rule.pairs * len(rounds[name])) for name, d in decisions.items()]


def other_rule(is_slower: IsSlower, launches: int, base_first: bool, stream: Stream) -> Outcomes:
    """The outcomes of another tool's rule with this number of launches on each side.

    With `base_first`, all launches of the base come before all launches of the head, as people run
    such tools; otherwise the two sides alternate.
    """
    base, head = stream
    verdicts = []
    last = len(base[CONTROL]) - (1 + base_first) * launches
    for start in range(0, last + 1, STRIDE):
        before = slice(start, start + launches)
        after = slice(start + base_first * launches, start + (1 + base_first) * launches)
        for models in models_by_comparison(base):
            flags = (is_slower(base[model][before], head[model][after]) for model in models)
            verdicts += [(Verdict.REGRESSED if flag else Verdict.PASS).value for flag in flags]
    return [(verdict, launches) for verdict in verdicts]


def over_five_percent(statistic: Callable[..., float], base: Any, head: Any) -> bool:
    """pytest-benchmark's `--benchmark-compare-fail=…:5%`, on all samples."""
    return statistic(np.concatenate(head)) > 1.05 * statistic(np.concatenate(base))


def benchstat(base: Any, head: Any) -> bool:
    """Mann-Whitney at 5% of the mean of each launch."""
    before, after = ([mean(launch) for launch in side] for side in (base, head))
    return bool(mannwhitneyu(before, after).pvalue < 0.05 and median(after) > median(before))


def asv(base: Any, head: Any) -> bool:
    """On all samples: p < 0.002, and a factor of 1.1 between the medians."""
    before, after = (np.concatenate(side) for side in (base, head))
    factor = float(np.median(after) / np.median(before))
    return bool(factor > 1.1 and mannwhitneyu(before, after).pvalue < 0.002)


def _this_guard(launch_time: LaunchTime = min, **changes: Any) -> Callable[[Stream], Outcomes]:
    rule = replace(Rule(), **changes)
    return lambda stream: guard(stream_ratios(stream, launch_time), rule)


def all_rules() -> Mapping[str, Callable[[Stream], Outcomes]]:
    """The rules by their name in the table."""
    rules = {
        "this guard": _this_guard(),
        "on the lower quartile of a launch": _this_guard(partial(np.quantile, q=0.25)),
        "on the median of a launch": _this_guard(np.median),
        "passing at ±8%": _this_guard(excluded=0.08),
        "passing at ±15%": _this_guard(excluded=0.15),
        "flagging from 3%, tolerating 1%": _this_guard(tolerated=0.01, least=0.03),
        "rounds of 8 pairs": _this_guard(pairs=8),
        "20 pairs, nothing confirmed": _this_guard(pairs=20, rounds=1),
    }
    for count, words in ((1, "1 launch"), (20, "20 launches")):
        for name, statistic in (("mean", np.mean), ("min", np.min)):
            rule = partial(over_five_percent, statistic)
            title = f"pytest-benchmark {name}:5%, {words}"
            rules[title] = partial(other_rule, rule, count, True)
    rules["benchstat-like, 20 launches"] = partial(other_rule, benchstat, 20, True)
    rules["asv-like, 20 launches, alternating"] = partial(other_rule, asv, 20, False)
    return rules
