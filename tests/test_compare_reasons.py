"""What a verdict says follows from the figures that its row shows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from compare_records import evidence, noisy_times, parity_record, speed_records, with_control
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.compare.decision import Decision, Rule, Verdict, decide
from bench.compare.finding import Finding, decision_finding, require_enough
from bench.compare.judge import judge
from bench.compare.outputs.table import describe
from bench.compare.paired_tests import sign_flip, signed_rank
from bench.compare.reasons import Cause, Figures, percent, undecided_reason

RULE = Rule(tolerated=0.03, least=0.05, excluded=0.10)
SHOWN = {
    "no change": (-inf, 1, 1, inf),
    "an increase": (1, inf, 1, inf),
    "a decrease": (-inf, 1) * 2,
}
"""Between which limits the lower and the upper end of the interval lie, by what is shown."""


def contradictions(decision: Decision, rule: Rule) -> list[str]:
    """What the reason says and the figures beside it do not show."""
    figures, reason = decision.figures, decision.reason
    if not figures:
        return []
    low, high, wrong = figures.low, figures.high, []
    if not figures.scatter_low <= low <= figures.ratio <= high <= figures.scatter_high:
        wrong += ["interval"] if figures.has_interval else []
    for words, (low_from, low_to, high_from, high_to) in SHOWN.items():
        if f"{words} is shown" in reason and not (
            low_from <= low <= low_to and high_from <= high <= high_to
        ):
            wrong.append(words)
    said = set(re.findall(r"[-+][\d.]+%", "".join(re.findall("and ([^;]*) be excluded", reason))))
    limits = (1 + rule.excluded, 1 / (1 + rule.excluded))
    inside = {percent(limit) for limit in limits if low <= limit <= high}
    if "is shown" in reason and said != inside:
        wrong.append("excluded")
    scatter = f"{percent(figures.scatter_low)} … {percent(figures.scatter_high)}"
    if "scatter" in reason and f"pairs scatter {scatter}" not in reason:
        wrong.append("scatter")
    if "are needed" in reason and figures.has_interval:
        wrong.append("too few pairs")
    return wrong


# ---- one sentence for each cause -------------------------------------------------------------


def rounds(*centres: float, noise: float = 0.01, pairs: int = 10) -> list[list[float]]:
    """A round for each centre, which is a change; the pairs of a round lie evenly around it."""
    steps = np.linspace(-1, 1, pairs)
    return [list(np.log1p(centre) + noise * steps) for centre in centres]


SENTENCES: Mapping[str, tuple[Sequence[Sequence[float]], Cause, str]] = {
    "flagged, not confirmed": (
        rounds(0.15, -0.15, 0.15, noise=0.02),
        Cause.UNCONFIRMED,
        r"flagged at \+15\.0% after round 1, not confirmed in round 2 \(-15\.0%\): "
        r"pairs scatter -16\.7% … \+17\.3%",
    ),
    "flagged, to be confirmed": (
        rounds(-0.3),
        Cause.UNCONFIRMED,
        r"flagged at -30\.0% after round 1, not confirmed yet: pairs scatter -30\.7% … -29\.3%",
    ),
    "scattered widely": (
        rounds(0, 0, 0, noise=0.6),
        Cause.NOISE,
        r"pairs scatter -45\.1% … \+82\.2%, too far for 30 pairs: no change is shown, and neither "
        r"\+10\.0% nor -9\.1% can be excluded",
    ),
    "between the changes": (
        [*rounds(0.05, 0.05, noise=0.1), *rounds(0.12)],
        Cause.BETWEEN,
        r"an increase is shown, and \+10\.0% cannot be excluded; "
        r"not flagged: a round must show at least \+5\.0%",
    ),
    "too few": (rounds(0, pairs=3), Cause.FEW_PAIRS, "too few pairs for an interval: 6 are needed"),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_each_cause_is_told_from_the_figures_of_its_row(case: str) -> None:
    log_ratios, cause, sentence = SENTENCES[case]
    decision = decide({"row": log_ratios}, RULE)["row"]
    assert (decision.verdict, decision.cause) == (Verdict.INCONCLUSIVE, cause)
    assert re.fullmatch(sentence, decision.reason), decision.reason


def test_reason_names_the_rows_that_share_the_level() -> None:
    log_ratios, cause, _ = SENTENCES["between the changes"]
    figures = Figures.from_log_ratios([d for r in log_ratios for d in r], RULE.confidence(1))
    assert undecided_reason(figures, RULE, None, rows=2) == (
        cause,
        "an increase is shown, and +10.0% cannot be excluded; not flagged: a round must show at "
        "least +5.0%, at a level that 2 rows share",
    )


def test_noise_is_told_apart_from_a_change_of_the_control() -> None:
    row = SENTENCES["scattered widely"][0]
    changed = decide({"row": row}, RULE, control=rounds(0.2, 0.2))["row"]
    assert changed.cause == Cause.CONTROL
    assert changed.reason == "the machine itself changed: the control changed by +20.0%"
    assert decide({"row": row}, RULE, control=rounds(0, 0))["row"].cause == Cause.NOISE
    factors = [1.5 ** (k % 3 - 1) for k in range(30)]
    times = [t * f for t, f in zip(noisy_times(1, 30), factors, strict=True)]
    base, head = (
        with_control([parity_record(), *speed_records(seconds)])
        for seconds in (noisy_times(1, 30), times)
    )
    (finding,) = (f for f in judge(evidence(base, head), RULE) if f.check == "speed of step")
    assert finding.reason.startswith("the machine is noisy: pairs scatter ")
    assert finding.cause == Cause.NOISE


def test_comparison_that_stopped_early_says_that_a_round_could_decide() -> None:
    for head, stopped in ((noisy_times(1.3, 10), True), (noisy_times(1, 10), False)):
        sides = (
            with_control([parity_record(), *speed_records(t)]) for t in (noisy_times(1, 10), head)
        )
        (finding,) = (f for f in judge(evidence(*sides), RULE) if f.check == "speed of step")
        assert ("stopped before the next round" in finding.reason) == stopped


def test_pass_that_few_pairs_cannot_carry_says_so() -> None:
    passed = decide({"row": rounds(0.06)}, replace(RULE, least=0.09, rounds=1))["row"]
    assert passed.verdict == Verdict.PASS
    decision = require_enough(passed, RULE, 10, 18, "launches")
    assert decision.cause == Cause.FEW_PAIRS
    assert decision.reason == (
        "+6.0% is too large to pass with few pairs: 10 launches, 18 are needed"
    )


# ---- any evidence ----------------------------------------------------------------------------

centres = st.floats(-0.4, 0.4)
noise = st.sampled_from([0.003, 0.02, 0.05, 0.1, 0.5])


@st.composite
def row_rounds(draw: st.DrawFn) -> list[list[float]]:
    """Up to three rounds, each with its centre, and one amount of noise."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread, pairs = draw(noise), draw(st.sampled_from([1, 3, 8, 10, 10, 10]))
    row_centres = draw(st.lists(centres, min_size=1, max_size=3))
    return [list(centre + spread * rng.standard_t(3, pairs)) for centre in row_centres]


rules = st.builds(
    Rule,
    tolerated=st.sampled_from([0.0, 0.03]),
    least=st.just(0.05),
    excluded=st.sampled_from([0.08, 0.1, 0.25]),
    rounds=st.integers(1, 3),
)


@given(st.lists(row_rounds(), min_size=1, max_size=4), rules, st.booleans())
@settings(deadline=None, max_examples=150)
def test_no_sentence_contradicts_its_row(
    rows: list[list[list[float]]], rule: Rule, seeds: bool
) -> None:
    if seeds:
        rule = replace(rule, rounds=1)
    numbered = {k: row[: rule.rounds] for k, row in enumerate(rows)}
    decisions = decide(numbered, rule, test=sign_flip if seeds else signed_rank).values()
    for decision in decisions:
        assert contradictions(decision, rule) == []
        inconclusive = decision.verdict == Verdict.INCONCLUSIVE
        assert bool(decision.reason) == bool(decision.cause) == inconclusive


@given(st.lists(row_rounds(), min_size=1, max_size=2), rules)
@settings(deadline=None)
def test_interval_is_the_one_by_which_a_row_passes(
    rows: list[list[list[float]]], rule: Rule
) -> None:
    for decision in decide({k: r[: rule.rounds] for k, r in enumerate(rows)}, rule).values():
        figures = decision.figures
        assert figures
        inside = 1 / (1 + rule.excluded) < figures.low and figures.high < 1 + rule.excluded
        if decision.verdict == Verdict.PASS:
            assert inside
        elif decision.cause in (Cause.NOISE, Cause.BETWEEN):
            assert not inside


def test_sentence_that_contradicts_its_row_is_found() -> None:
    """The words that once stood beside this row, and others that are as wrong."""
    figures = Figures(1.171, 1.109, 1.31, 0.95, 0.61, 1.7, 20)
    row = Decision(Verdict.INCONCLUSIVE, "", figures)
    for reason, wrong in {
        "no change is shown, and neither +10.0% nor -9.1% can be excluded": [
            *("no change", "excluded"),
        ],
        "an increase is shown, and +10.0% cannot be excluded": ["excluded"],
        "pairs scatter -39.0% … +60.0%": ["scatter"],
        "too few pairs for an interval: 6 are needed": ["too few pairs"],
        "an increase is shown": [],
        "flagged at +15.0% after round 1: pairs scatter -39.0% … +70.0%": [],
    }.items():
        assert contradictions(replace(row, reason=reason), RULE) == wrong
    outside = replace(row, figures=replace(figures, ratio=1.05))
    assert contradictions(outside, RULE) == ["interval"]


def test_line_of_a_finding_has_all_its_figures() -> None:
    (decision,) = decide({0: SENTENCES["scattered widely"][0]}, RULE).values()
    line = describe(decision_finding(decision, "row", "speed of step", 30))
    assert line.startswith("inconclusive, +0.0%, interval ")
    assert "(97%), scatter -45.1 … +82.2% of 30 pairs: pairs scatter" in line
    assert describe(Finding("row", "speed of step", Verdict.PASS)) == "pass"
