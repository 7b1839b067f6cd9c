"""A native model is the model of its adapter, and a different model is recognised."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from test_native_tables import log_ratios, native_records, only_row

import backends
from studies.native import torch_native
from studies.native.candidates import NATIVE, adapter_call, open_candidate
from studies.native.comparisons import FAMILIES, PARTS, SINGLE_STEPS, comparisons, family
from studies.native.problem import CELLS, SHAPES, build_problem
from studies.native.ratio import loss_error
from studies.native.rounds import round_order


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: at these sizes several threads only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("cell", CELLS)
def test_native_model_has_the_losses_of_the_adapter_and_another_has_not(cell: str) -> None:
    problem = build_problem("tiny", cell, 1)
    adapter_losses = open_candidate("torch", "step", problem).losses
    assert loss_error(adapter_losses, open_candidate("native torch", "step", problem).losses) < 1e-5
    doubled = {name: 2 * value for name, value in problem.weights.items()}
    call = torch_native.step(replace(problem, weights=doubled))
    assert call.loss
    losses = [call.loss(), call.loss()]
    row = only_row(native_records(log_ratios(1.0), (adapter_losses, losses)))
    assert row["verdict"] == "not comparable"


@pytest.mark.usefixtures("one_thread")
def test_native_model_with_another_learning_rate_differs_in_its_second_loss() -> None:
    problem = build_problem("tiny", "lstm", 1)
    faster = replace(problem, training=replace(problem.training, learning_rate=2e-3))
    adapter_losses, other = (
        open_candidate("native torch", "step", p).losses for p in (problem, faster)
    )
    assert adapter_losses[0] == other[0]
    assert loss_error(adapter_losses, other) > 1e-4


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", SINGLE_STEPS)
def test_native_steps_carry_the_state_of_the_adapter(name: str, cell: str) -> None:
    if reason := backends.load(name).unavailable("cpu"):
        pytest.skip(reason)
    problem = build_problem("single-step", cell, 1)
    doubled = replace(problem, weights={name: 2 * v for name, v in problem.weights.items()})
    adapter, native, other = (
        open_candidate(candidate, "advance", p).losses
        for candidate, p in ((name, problem), (f"native {name}", problem), (name, doubled))
    )
    assert adapter[0] != adapter[1]
    assert loss_error(native, adapter) < 1e-5
    assert loss_error(other, adapter) > 1e-3


def test_gradients_and_forward_of_an_adapter_have_the_same_loss() -> None:
    problem = build_problem("tiny", "gru", 1)
    first = open_candidate("numpy", "step", problem).losses[0]
    for phase in ("gradients", "forward"):
        call = adapter_call("numpy", phase, problem)
        assert call.loss
        assert call.loss() == pytest.approx(first, rel=1e-5)


def test_every_compared_candidate_belongs_to_a_family_and_every_part_is_described() -> None:
    everything = [
        c for s in SHAPES for cell in CELLS for c in comparisons(s, cell, [*PARTS], [*FAMILIES])
    ]
    assert {c.part for c in everything} == set(PARTS)
    candidates = {name for names in FAMILIES.values() for name in names}
    assert {name for c in everything for name in (*c.tested, *c.base)} == candidates
    entries = {(name, c.phase) for c in everything for name in (*c.tested, *c.base)}
    assert set(NATIVE) < entries


def test_round_keeps_a_family_together_and_an_adapter_beside_its_native() -> None:
    names = ("torch", "torch-scan", "numpy", "native torch")
    for seed in range(20):
        entries = [(name, "step") for name in names]
        order = [name for name, _ in round_order(entries, random.Random(seed))]
        assert sorted(order) == sorted(names)
        assert abs(order.index("torch") - order.index("native torch")) == 1
        families = [family(name) for name in order]
        assert abs(families.index("numpy") - 1.5) == 1.5
