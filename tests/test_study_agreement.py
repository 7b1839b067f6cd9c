"""The test that backends learn alike, its errors, and where their curves diverge."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from study_records import (
    BACKENDS,
    CHECKPOINTS,
    in_every_backend,
    learning_record,
    small_experiment,
)

from bench.plan.case import Case
from bench.records.record import Record
from studies.agreement.divergence import (
    DIVERGED,
    divergence,
    divergence_table,
    loss_differences,
)
from studies.agreement.equivalence import (
    BOUND,
    LEVEL,
    equivalence,
    equivalence_text,
    holm_p_values,
)
from studies.agreement.pairs import Pair, find_pairs
from studies.agreement.plots import divergence_plot, solved_plot
from studies.experiment import SEQUENCES, Study, single_value
from studies.planning import PlannedCase, StudyPlan
from studies.study_report import study_report

NAMES = BACKENDS


def test_backends_that_learn_alike_are_equivalent_and_one_that_is_slower_is_not() -> None:
    rng = np.random.default_rng(0)
    for slowdown, shown in ((1.0, "equivalent (p = 0.00300)"), (1.5, "equivalence is not shown")):
        records = {"it": [r for k in range(20) for r in in_every_backend(k, rng, slowdown)]}
        pairs = find_pairs(records, NAMES, "a")
        assert {name: len(group) for name, group in pairs.items()} == dict.fromkeys("bcd", 20)
        text = equivalence_text(pairs, "a")
        assert text.startswith("Updates until solved, beside a: b: equivalent (p = 0.00300), ")
        assert f"; d: {shown}" in text
    assert "later in 20 and sooner in 0 of 20 seeds of 1 model (p = " in text


def test_few_seeds_show_no_equivalence() -> None:
    """No difference is found between them either."""
    rng = np.random.default_rng(0)
    records = {"it": [r for k in range(3) for r in in_every_backend(k, rng)]}
    text = equivalence_text(find_pairs(records, NAMES, "a"), "a")
    assert text.count("equivalence is not shown") == 3
    assert text.count("(p = 1.00 for a difference)") == 3


@pytest.mark.parametrize("slowdown", [BOUND, 1 / BOUND])
def test_backend_at_the_bound_is_seldom_called_equivalent(slowdown: float) -> None:
    rng, shown = np.random.default_rng(0), 0
    for _ in range(60):
        seeds = [in_every_backend(k, rng, slowdown) for k in range(30)]
        pairs = [Pair("it", "lstm", k, seed[-1], seed[0]) for k, seed in enumerate(seeds)]
        shown += equivalence(pairs, rng).equivalent_p <= LEVEL
    assert shown <= 60 * 0.12


def test_plots_show_every_backend() -> None:
    rng = np.random.default_rng(0)
    records = {"it": [r for seed in range(20) for r in in_every_backend(seed, rng)]}
    pairs = find_pairs(records, NAMES, "a")
    assert len(divergence_plot(pairs, "a").axes) == 1
    figure = solved_plot(pairs, "a")
    assert figure is not None
    (axes,) = figure.axes
    curves = {line.get_label(): line.get_xydata() for line in axes.lines}
    assert [*curves] == [*NAMES]
    last = max(r.metrics["steps_to_solve"] or 0 for r in records["it"][::4])
    assert np.asarray(curves["a"])[-2:].tolist() == [[last, 1], [1000, 1]]


def test_three_backends_that_round_alike_make_no_difference_of_the_main_one() -> None:
    """Three are solved at one checkpoint, the main backend as often before it as after it."""
    rng, differences = np.random.default_rng(0), 0
    for _ in range(30):
        records = []
        for seed in range(20):
            others_at, main_at = rng.choice(CHECKPOINTS[1:], 2)
            for name in NAMES:
                update = main_at if name == "a" else others_at
                record = learning_record(seed, None, backend=name, steps_to_solve=update)
                records.append(replace(record, samples={"checkpoint_step": CHECKPOINTS}))
        pairs = find_pairs({"it": records}, NAMES, "a")
        p_values = holm_p_values([equivalence(group, rng) for group in pairs.values()])
        differences += min(different for _, different in p_values) <= LEVEL
    assert differences <= 30 * 0.1


def test_seed_is_compared_with_the_main_backend_whatever_others_lack() -> None:
    rng = np.random.default_rng(0)
    records = {
        "it": [*in_every_backend(0, rng), *in_every_backend(1, rng)[:3]],
        "two": in_every_backend(2, rng)[:2],
    }
    pairs = find_pairs(records, NAMES, "a")
    assert {name: [pair.seed for pair in group] for name, group in pairs.items()} == {
        "b": [0, 1, 2],
        "c": [0, 1],
        "d": [0],
    }
    last = divergence_table(pairs, "a").splitlines()[-1]
    assert re.fullmatch(r"\| two +\| lstm +\| \d+ +\| +\| +\|", last)
    assert len(divergence_plot(pairs, "a").axes) == 2
    assert find_pairs({"it": in_every_backend(0, rng)[1:]}, NAMES, "a") == {}
    assert equivalence_text({}, "a") == divergence_table({}, "a") == ""


def test_curves_diverge_where_their_losses_do() -> None:
    a, b = in_every_backend(0, np.random.default_rng(0))[:2]
    loss = list(a.samples["loss"])
    far = [*loss[:70], *(value * (1 + 2 * DIVERGED) for value in loss[70:])]
    b = replace(b, samples={**b.samples, "loss": far})
    assert divergence(a, b) == 70 and math.isinf(divergence(a, a))
    assert loss_differences(a, b)[1].max() <= 1
    assert (loss_differences(a, b)[1] == loss_differences(b, a)[1]).all()
    with_nan = replace(a, samples={**a.samples, "loss": [*loss[:50], math.nan, *loss[51:]]})
    assert divergence(with_nan, a) == 50
    stopped = {"loss": loss[:300], "checkpoint_step": [0.0, 300.0]}
    assert divergence(replace(a, samples=stopped), a) == 300


def test_slowdown_is_seen_at_checkpoints_only() -> None:
    """A tenth more updates seldom reaches the next checkpoint; twice as many always does."""
    record = in_every_backend(0, np.random.default_rng(0))[0]
    record = replace(record, metrics={**record.metrics, "steps_to_solve": 100.0})
    pair = Pair("it", "lstm", 0, record, record)
    positions = np.linspace(0.01, 1, 100)
    same, later, twice = (pair.slowed_down_signs(f, positions) for f in (1.0, 1.1, 2.0))
    assert not same.any() and twice.all()
    assert set(later) == {0, 1} and 0.2 < later.mean() < 0.5
    assert pair.slowed_down_signs(99.0, positions).all()


def test_seed_that_neither_backend_solves_says_nothing() -> None:
    solved, unsolved = (learning_record(0, None, steps_to_solve=s) for s in (100.0, None))
    solved, unsolved = (
        replace(r, samples={"checkpoint_step": CHECKPOINTS}) for r in (solved, unsolved)
    )
    for other, main, sign in (
        (unsolved, unsolved, 0),
        (unsolved, solved, 1),
        (solved, unsolved, -1),
    ):
        signs = Pair("it", "lstm", 0, other, main).slowed_down_signs(1.1, np.array([0.5]))
        assert signs.tolist() == [sign]


@pytest.fixture
def any_case() -> Case:
    from study_records import SMOKE

    from bench.options import Settings
    from bench.plan.cases import Selection, plan_cases

    selection = Selection(
        settings=Settings(threads=1),
        backends=["numpy"],
        tasks=[("adding", SMOKE)],
        devices={"numpy": ["cpu"]},
    )
    return plan_cases(selection)[0]


def test_first_backend_with_records_is_the_main_one(any_case: Case) -> None:
    experiment = small_experiment(published=(single_value("lstm", SEQUENCES, 900),))
    study = Study(
        about="", experiments=(experiment,), main_backend="jax", other_backends=("numpy", *NAMES)
    )
    rng = np.random.default_rng(0)
    records: list[Record] = [r for seed in range(2) for r in in_every_backend(seed, rng)]
    plan = StudyPlan({r.key: PlannedCase(any_case, (experiment,)) for r in records}, [])
    report = study_report(study, plan, records)
    assert "b 0 (2)" not in report.tables and "nan" not in report.tables
    assert report.figures["curves"] is not None and report.figures["solved"] is None
    assert "Updates until solved, beside a: " in report.tables and "| b, a " in report.tables
