"""What the page on learning says about the agreement of the backends holds for the records."""

import math
from statistics import median

from finding_records import BACKENDS, pairs_with_jax

from bench.analysis.statistics import sign_test
from studies.agreement.divergence import divergence
from studies.agreement.equivalence import LEVEL, count_later_and_sooner
from studies.agreement.pairs import Model, Pair
from studies.tables.seeds import is_solved


def test_added_seeds_alone_do_not_show_that_jax_is_later() -> None:
    """Six models, seeds 3 to 9: JAX is later more often, but against no backend beyond chance."""
    for pairs in pairs_with_jax("papers").values():
        added = [pair for pair in pairs if pair.seed >= 3]
        assert len({pair.experiment for pair in added}) == 6 and len(added) == 42
        later, sooner = count_later_and_sooner([pair.updates for pair in added])
        assert later < sooner and sign_test(later, sooner) > 0.05


def test_most_seeds_of_the_papers_are_solved_at_the_same_checkpoint() -> None:
    """The other backends are solved sooner than JAX where they differ, NumPy only just so."""
    p_values = {}
    for name, pairs in pairs_with_jax("papers").items():
        later, sooner = count_later_and_sooner([pair.updates for pair in pairs])
        assert later + sooner < len(pairs) / 2 and later < sooner
        p_values[name] = sign_test(later, sooner)
    assert {name for name, p in p_values.items() if p <= LEVEL / 3} == {"torch", "tensorflow"}
    assert 0.8 * LEVEL < p_values["numpy"] <= LEVEL


def test_jax_is_behind_in_2b_but_not_beyond_chance() -> None:
    for study, seeds in (("papers", 10), ("agreement", 20)):
        for pairs in pairs_with_jax(study).values():
            updates = [
                pair.updates for pair in pairs if pair.experiment.startswith("2b, only the last")
            ]
            later, sooner = count_later_and_sooner(updates)
            assert len(updates) == seeds and later < sooner
            assert study == "papers" or sign_test(later, sooner) > 0.05


def test_models_that_diverge_and_models_that_do_not_are_solved_or_not() -> None:
    """Some models diverge within ten updates. Both those that diverge and those that never do have
    a model that all seeds solve and a model that no seed solves."""
    for pairs in pairs_with_jax("papers").values():
        by_model: dict[Model, list[Pair]] = {}
        for pair in pairs:
            by_model.setdefault(pair.model, []).append(pair)
        updates = {
            model: median(divergence(pair.other, pair.main) for pair in group)
            for model, group in by_model.items()
        }
        assert min(updates.values()) <= 10
        for group in (
            [model for model, update in updates.items() if update < math.inf],
            [model for model, update in updates.items() if update == math.inf],
        ):
            solved = [
                [is_solved(r) for pair in by_model[model] for r in (pair.main, pair.other)]
                for model in group
            ]
            assert any(map(all, solved)) and any(not any(seeds) for seeds in solved)


def test_pairs_cover_every_other_backend() -> None:
    assert [*pairs_with_jax("agreement")] == [*BACKENDS[1:]]
