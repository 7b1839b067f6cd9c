"""What the guard is to achieve, beside what its records show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.guard_rates.collect import State
from studies.guard_rates.rates import Rate

MOST_FALSE_ALARMS = 0.001
"""Of all comparisons of unchanged code."""
LEAST_FOUND: Mapping[tuple[State, str], float] = {
    (State.QUIET, "+5%"): 0.80,
    (State.QUIET, "+10%"): 0.99,
    (State.BUSY, "+10%"): 0.95,
}
"""The share of slower rows that is to be found."""
LONGEST_S: Mapping[str, float] = {"torch": 180}
"""Seconds of a comparison of three cells, by backend."""


@dataclass(frozen=True)
class Goal:
    """One goal, what was measured, and whether the goal is reached."""

    goal: str
    measured: str
    answer: str


def goals(
    found: Mapping[tuple[State, str], Rate],
    false_alarms: Mapping[State, tuple[int, int]],
    durations: Sequence[Mapping[str, Any]],
) -> list[Goal]:
    """All goals for which there are records. `found` has the share of rows found by state and head,
    `false_alarms` the red comparisons and all comparisons of unchanged code by state."""
    return [
        *(
            Goal(
                f"false alarms, {state}: at most 1 comparison in 1000",
                f"{red} of {count}",
                "reached" if red <= MOST_FALSE_ALARMS * count else "missed",
            )
            for state, (red, count) in false_alarms.items()
        ),
        *(
            Goal(
                f"{head} found, {state}: in at least {100 * least:.0f}% of rows",
                f"{100 * rate.share:.3g}% [{100 * rate.low:.3g}–{100 * rate.high:.3g}]",
                _answer(rate, least),
            )
            for (state, head), least in LEAST_FOUND.items()
            if (rate := found.get((state, head)))
        ),
        *(
            Goal(
                f"three cells of {line['backend']}: in at most {LONGEST_S[line['backend']]:.0f} s",
                f"{line['seconds']:.0f} s, {line['pairs']} pairs, {line['verdict']}",
                "reached" if line["seconds"] <= LONGEST_S[line["backend"]] else "missed",
            )
            for line in durations
            if line["backend"] in LONGEST_S
        ),
    ]


def _answer(rate: Rate, least: float) -> str:
    """Reached or missed where the whole interval is on one side of the goal; else unclear."""
    if rate.low >= least:
        return "reached"
    return "missed" if rate.high < least else "unclear"
