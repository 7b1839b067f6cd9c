"""Every figure that the page on learning quotes follows from the published records."""

import re
from collections import Counter
from collections.abc import Callable
from statistics import median

import numpy as np
from conftest import ROOT
from finding_records import (
    claim_records,
    keeps_first_symbol,
    learned,
    lstm,
    medians,
    pairs_with_jax,
    records,
    sequences,
    verdicts,
)
from published_studies import published
from quotes import Page
from statsmodels.stats.multitest import multipletests

from bench.analysis.statistics import sign_test
from bench.report.words import format_number
from studies.agreement.equivalence import (
    BOUND,
    DRAWS,
    LEVEL,
    SEED,
    count_later_and_sooner,
    equivalence,
    holm_p_values,
)
from studies.agreement.pairs import find_pairs
from studies.catalogue import STUDIES
from studies.tables.seeds import is_solved, metric

LEARNING = Page(ROOT / "docs/learning.md")
WORDS = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve"),
)
EXPERIMENTS = {
    *("1", "2a", "2b", "2c", "3a", "4", "6a", "6b", "in 1997", "as in 1997", "T = 200", "T = 600"),
    "H200",
}
"""Numbers that name experiments of a paper, their settings or a device."""


def later_and_sooner(study: str, backend: str) -> tuple[int, int]:
    """The seeds in which a backend is later than JAX, and those in which it is sooner."""
    return count_later_and_sooner([pair.updates for pair in pairs_with_jax(study)[backend]])


def holm(study: str) -> dict[str, str]:
    """The corrected p-value of each backend."""
    pairs = pairs_with_jax(study)
    p_values = [sign_test(*later_and_sooner(study, name)) for name in pairs]
    corrected = multipletests(p_values, 0.05, "holm")[1]
    return dict(zip(pairs, map(format_number, corrected), strict=True))


def test_summary_quotes_the_studies() -> None:
    counts = Counter(verdict.split(":")[0] for verdict in verdicts())
    assert set(counts) == {"within", "at chance, as published", "outside", "unclear"}
    assert LEARNING.quotes(
        "Of {} published figures, ours agrees with {}", counts.total(), WORDS[counts["within"]]
    )
    at_chance = WORDS[counts["at chance, as published"]].capitalize()
    assert LEARNING.quotes("{} more are at chance", at_chance)
    assert LEARNING.quotes("{} lie outside", counts["outside"])
    assert LEARNING.quotes("{} are unclear", WORDS[counts["unclear"]])
    assert {len(pairs) for pairs in pairs_with_jax("agreement").values()} == {6 * 20}


def test_backends_are_equivalent_within_the_bound_that_the_page_states() -> None:
    for study in ("agreement", "papers"):
        rng = np.random.default_rng(SEED)
        results = [equivalence(pairs, rng) for pairs in pairs_with_jax(study).values()]
        p_values = {format_number(p) for p, _ in holm_p_values(results)}
        assert all(float(p) <= LEVEL for p in p_values) and len(p_values) == 1
        if study == "agreement":
            assert all(r.equivalent_p == 1 / (1 + DRAWS) for r in results), "never as small"
            assert LEARNING.quotes("(p = {} for each, after Holm's correction)", *p_values)
        else:
            assert LEARNING.quotes("equivalent there as well (p = {})", *p_values)
    assert LEARNING.quotes("like JAX, within a factor of {} in the updates until solved", BOUND)
    assert LEARNING.quotes("Yes, within a factor of {}", BOUND)
    assert LEARNING.quotes("a backend that needs {} times the updates", BOUND)
    assert LEARNING.quotes("in {:,} simulations", DRAWS)
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"alike, within a factor of {BOUND} in the updates" in readme


def test_summary_of_the_claims_quotes_their_table() -> None:
    table = (published("claims").folder.path / "table.md").read_text()
    decisions = re.findall(r"\| (holds|not settled|the opposite holds) +\|\n", table + "\n")
    counts = Counter(decisions)
    assert (counts["holds"], counts["the opposite holds"], counts["not settled"]) == (5, 1, 3)
    assert LEARNING.quotes("Five of nine claims from the literature hold here, the opposite of one")
    assert LEARNING.quotes("and three are not settled")


def test_summary_of_the_tasks_quotes_their_records() -> None:
    """Three seeds of some cell solve every task, but two."""
    solved: dict[str, int] = {}
    for experiment in STUDIES["tasks"].experiments:
        if ":" not in experiment.name:
            counts = (
                sum(map(is_solved, records("tasks", experiment.name, cell, backend="numpy")))
                for cell in experiment.cells
            )
            solved[experiment.name] = max(counts)
    unsolved = {name: count for name, count in solved.items() if count < 3}
    assert unsolved == {"two-sequence": 2, "reber": 2}
    for task in unsolved:
        assert sum(map(is_solved, records("tasks", task, "lstm", backend="numpy"))) == 2


def test_figures_of_the_papers_are_quoted() -> None:
    assert LEARNING.quotes("records of {:,} cases", len(published("papers").records))
    reber = lstm("1: embedded Reber grammar")
    steps = {r.case["steps"] * r.case["batch"] for r in reber}
    assert LEARNING.quotes("are not solved after {:,} sequences", *steps)
    assert sum(not is_solved(r) for r in reber) == 3
    assert LEARNING.quotes("three of the {} strings wrong", 512)
    only_last = [f"{form}, only the last symbol predicted" for form in ("2a", "2b")]
    keep = [sum(map(keeps_first_symbol, lstm(name, "agreement"))) for name in only_last]
    assert LEARNING.quotes("{} keep it in 2a and {} in 2b", *keep)
    plain = [sequences(f"{form}, trained as in 1997") for form in ("6a", "6b")]
    adam = [sequences(name) for name in ("6a: temporal order", "6b: temporal order of three")]
    assert LEARNING.quotes("more in 6a: {:,.0f} instead of {:,.0f}", plain[0], adam[0])
    assert LEARNING.quotes("needs fewer, {:,.0f} instead of {:,.0f}", plain[1], adam[1])
    (figure,) = next(e for e in STUDIES["papers"].experiments if e.name.startswith("6b:")).published
    assert LEARNING.quotes("than the {:,.0f} sequences of the paper", figure.value)


def test_figures_of_copying_are_quoted() -> None:
    (task,) = {e.task for e in STUDIES["papers"].experiments if e.name == "copy, T = 1000"}
    assert LEARNING.quotes("No cell quite reaches {}, the chance score", format_number(task.chance))
    scores = sorted(medians("copy, T = 1000", "lstm", range(3)))
    assert len(scores) == 4
    ends = format_number(scores[0]), format_number(scores[-1])
    assert LEARNING.quotes("the backends range from {} to {}", *ends)
    (gpu,) = medians("copy, T = 1000", "lstm", range(3), "papers-cuda")
    assert LEARNING.quotes("the median is {}", format_number(gpu))


def test_figures_of_the_agreement_are_quoted() -> None:
    later, sooner = later_and_sooner("agreement", "numpy")
    assert LEARNING.quotes("JAX is later than NumPy in {} seeds and sooner in {};", sooner, later)
    p = holm("papers")
    assert LEARNING.quotes("p = {} beside PyTorch", p["torch"])
    assert LEARNING.quotes("p = {} beside TensorFlow", p["tensorflow"])
    assert LEARNING.quotes("p = {} beside NumPy", p["numpy"])
    seeds = {pair.seed for pair in pairs_with_jax("agreement")["numpy"]}
    assert LEARNING.quotes("twenty seeds each, {} to {}", min(seeds), max(seeds))


def test_figures_of_every_task_are_quoted() -> None:
    solved = [
        sum(map(is_solved, records("tasks", experiment.name, cell, backend="numpy")))
        for experiment in STUDIES["tasks"].experiments
        for cell in experiment.cells
        if records("tasks", experiment.name, cell, backend="numpy")
    ]
    three, none = solved.count(3), solved.count(0)
    assert LEARNING.quotes("in {} of {} models, and none in {}", three, len(solved), none)
    pairs = find_pairs(published("tasks").by_experiment, ("numpy", "jax"), "numpy")["jax"]
    counts = count_later_and_sooner([pair.updates for pair in pairs])
    assert LEARNING.quotes("later than NumPy in {} seeds and sooner in {}", *counts)
    assert LEARNING.quotes("p = {}. ", format_number(sign_test(*counts)))
    (bias,) = {e.forget_bias for e in STUDIES["tasks"].experiments if e.name == "long-lag"}
    assert LEARNING.quotes("is trained with a forget bias of {:.0f}", bias)


def test_figures_of_the_claims_are_quoted() -> None:
    assert {r.case["steps"] for r in claim_records("T = 200", "lstm")} == {2000}
    assert LEARNING.quotes("within 2,000 updates no seed of the LSTM learns 200 steps")
    assert learned("T = 200", "lstm").solved == 0
    assert LEARNING.quotes(
        "the GRU learns 400 in all {} seeds", WORDS[learned("T = 400", "gru")[0]]
    )
    assert {
        r.case["lag"] for r in claim_records("2c, p = q = 50: forget bias 5, rate 0.01", "lstm")
    }
    assert LEARNING.quotes("A lag of 50 random symbols")
    order = "temporal order: {}, rate {}"
    orthogonal, uniform = (
        sum(learned(order.format(scheme, rate), "rnn").solved for rate in ("0.001", "0.003"))
        for scheme in ("orthogonal", "uniform")
    )
    assert LEARNING.quotes("in {} of 16 seeds, uniform ones in {}", orthogonal, uniform)
    solved = learned("temporal order: 32 units each", "rnn").solved
    assert LEARNING.quotes("with 32 units it does so in {}", WORDS[solved])
    assert LEARNING.quotes("as many weights as an LSTM with 32 units learns")
    assert LEARNING.quotes("It does not learn to add over 50 steps")
    kept = learned("sunspots: as many weights", "rnn")
    assert LEARNING.quotes("still does in {} of eight seeds", WORDS[kept.at_end])
    assert {r.case["steps"] for r in claim_records("sunspots: 32 units each", "gru")} == {1000}
    assert {r.case["hidden"] for r in records("papers", "sunspots", "gru")} == {8}
    assert LEARNING.quotes("none does after 1,000 updates")
    assert LEARNING.quotes("With 32 units every seed of every cell")
    assert LEARNING.quotes("With 8 units, in the study of papers")


def test_settings_that_the_page_states_are_those_of_the_records() -> None:
    steps = {r.case["steps"] for r in records("papers", "copy, T = 1000", "lstm")}
    assert steps == {1000}
    checkpoints = {
        len(r.samples["checkpoint_step"]) - 1 for r in records("papers", "copy, T = 1000", "lstm")
    }
    assert checkpoints == {40}
    added = [pair.seed for pair in pairs_with_jax("papers")["numpy"] if pair.seed >= 3]
    assert {*added} == {*range(3, 10)}
    first = median(metric(r, "score") for r in lstm("copy, T = 1000"))
    assert first > 0.0204


def test_learning_page_has_no_table_and_no_unchecked_figure() -> None:
    checks: list[Callable[[], None]] = [
        test_summary_quotes_the_studies,
        test_backends_are_equivalent_within_the_bound_that_the_page_states,
        test_figures_of_the_papers_are_quoted,
        test_figures_of_copying_are_quoted,
        test_figures_of_the_agreement_are_quoted,
        test_figures_of_every_task_are_quoted,
        test_figures_of_the_claims_are_quoted,
    ]
    for check in checks:
        check()
    definitions = (
        "over 21 seeds",  # a first look at fewer models, whose records the study has kept
        "with 0 and 1 no seed learns, with 5 at least seven",
        "temporal order over 50 steps",
        "far above 1",
        "above 1 the LSTM is slower",
        "exact (Clopper-Pearson) 95% intervals",
        "one-sided sign tests at 5%",
        "The 95% interval of a share of seeds",
    )
    assert LEARNING.unchecked_figures(EXPERIMENTS, definitions) == []
    assert "|--" not in (ROOT / "docs/learning.md").read_text()
