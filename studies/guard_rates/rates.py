"""Error rates of a rule, from comparisons that are drawn from recorded trials.

A trial is one fresh process of each side. A comparison sees a sequence of trials: runs of `RUN`
successive trials, each from a random place, because the state of a machine lasts longer than one
trial. Rates are given for rows and for whole comparisons, which are red where any row is. Their
intervals are bootstrap intervals over such runs of trials (Künsch 1989, Ann. Statist. 17): the
trials are drawn anew, then comparisons are drawn from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.compare.decision import Rule, Verdict
from bench.compare.paired_tests import pseudomedian
from bench.spec import Array
from studies.guard_rates.pair_ratios import guard_ratio
from studies.guard_rates.rules import MEANS, Outcome, Replay, compare, ratio_arrays
from studies.guard_rates.streams import Stream

RUN = 5
"""Successive trials that are drawn together."""
LONGEST = 40
"""Trials that the longest comparison of any rule sees."""
COMPARISONS = 400
"""Comparisons from which a rate is estimated."""
RESAMPLES, COMPARISONS_A_RESAMPLE = 100, 10
LEVEL = 0.95


@dataclass(frozen=True)
class Rate:
    """A share with its interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Rates:
    """How often a rule gives a verdict, by row and by comparison."""

    row: Rate
    comparison: Rate


def red_rates(stream: Stream, replay: Replay, rng: np.random.Generator) -> Rates:
    """How often a rule calls a row of this stream slower, and any row of a comparison."""
    every_trial = np.arange(stream.trials)
    row, comparison = _shares(_draw(stream, replay, every_trial, COMPARISONS, rng))
    resampled = np.array(
        [
            _shares(_draw(stream, replay, _runs(every_trial, rng), COMPARISONS_A_RESAMPLE, rng))
            for _ in range(RESAMPLES)
        ]
    )
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Rates(
        Rate(row, min(row, low[0]), max(row, high[0])),
        Rate(comparison, min(comparison, low[1]), max(comparison, high[1])),
    )


def drawn_outcomes(
    stream: Stream, replay: Replay, comparisons: int, rng: np.random.Generator
) -> list[Outcome]:
    """The outcomes of this number of comparisons."""
    return _draw(stream, replay, np.arange(stream.trials), comparisons, rng)


def swapped_false_alarms(
    stream: Stream, rule: Rule, comparisons: int, rng: np.random.Generator
) -> int:
    """The number of comparisons, among this many, that are red although both sides are
    the same code.

    Which process of a trial is called the base is drawn anew for each comparison: the two are the
    same code in a random order, so that this changes nothing but gives many more comparisons.
    """
    ratios, means = ratio_arrays(stream, guard_ratio), ratio_arrays(stream, MEANS)
    alarms = 0
    trials = np.arange(stream.trials)
    for _ in range(comparisons):
        signs = rng.choice((-1, 1), len(trials))
        swapped, swapped_means = (
            {model: signs * log_ratios for model, log_ratios in values.items()}
            for values in (ratios, means)
        )
        drawn = _runs(trials, rng, LONGEST).tolist()
        if _could_flag(swapped, swapped_means, stream.models, drawn, rule):
            verdicts = compare(swapped, stream.models, drawn, rule, swapped_means).verdicts
            alarms += Verdict.REGRESSED.value in verdicts
    return alarms


def _could_flag(
    ratios: Mapping[str, Array],
    means: Mapping[str, Array],
    models: Sequence[str],
    trials: Sequence[int],
    rule: Rule,
) -> bool:
    """Whether the pseudomedian of any row is large enough after a round that can flag."""
    return any(
        pseudomedian(values[model][trials[: round_ * rule.pairs]]) >= np.log1p(bound)
        for values, bound in ((ratios, rule.least), (means, rule.excluded))
        for model in models
        for round_ in range(1, rule.interim_analyses + 1)
    )


def _draw(
    stream: Stream, replay: Replay, trials: Array, comparisons: int, rng: np.random.Generator
) -> list[Outcome]:
    return [replay(stream.models, _runs(trials, rng, LONGEST).tolist()) for _ in range(comparisons)]


def _runs(trials: Array, rng: np.random.Generator, count: int | None = None) -> Array:
    """This many trials, by default as many as there are: runs that wrap around at the end."""
    count = len(trials) if count is None else count
    starts = rng.integers(len(trials), size=-(-count // RUN))
    indices = (starts[:, None] + np.arange(RUN)).ravel()[:count]
    drawn: Array = trials[indices % len(trials)]
    return drawn


def _shares(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """The share of red rows, and that of comparisons with a red row."""
    red = [[verdict == Verdict.REGRESSED.value for verdict in o.verdicts] for o in outcomes]
    return float(np.mean(red)), float(np.mean([any(rows) for rows in red]))
