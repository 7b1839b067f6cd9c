"""Adapters beside hand-written code: the statistics, the proof that both sides train the same
model, and one comparison from processes to table."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.native import torch_native
from tests.native.__main__ import SAMPLES, main, report
from tests.native.comparisons import FAMILIES, PARTS, comparisons, family
from tests.native.contestants import NATIVE, adapter, contestant
from tests.native.measure import in_turn
from tests.native.problem import CELLS, SHAPES, Problem, problem
from tests.native.ratio import Ratio, loss_error, paired_ratio, verdict
from tests.native.table import table


@pytest.fixture
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: more of them only wait for each other at these sizes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def logs(slower: float, launches: int = 3, rounds: int = 12, seed: int = 0) -> list[Any]:
    """Log-ratios of made-up times, both sides with noise of 5%, in a few rounds far more."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.05, (2, launches, rounds)) + rng.exponential(
        0.02, (2, launches, rounds)
    )
    return list(np.log(slower) + noise[0] - noise[1])


def records(launches: list[Any], losses: tuple[Any, Any] = ([1.0, 0.9], [1.0, 0.9])) -> Any:
    """Those of torch and of its native, with such log-ratios."""
    where = {"shape": "tiny", "cell": "rnn", "phase": "step", "flop": 1, "error": None}
    for number, launch in enumerate(launches):
        for name, seconds, own in (
            ("torch", np.exp(launch), losses[0]),
            ("native torch", np.ones(len(launch)), losses[1]),
        ):
            yield {"launch": number, "name": name, "seconds": list(seconds), "losses": own, **where}


def rows(found: Any) -> list[dict[str, str]]:
    settings = {"parts": ["a"], "shapes": ["tiny"], "cells": ["rnn"], "frameworks": ["torch"]}
    return table({"settings": settings}, list(found), np.random.default_rng(0))


def test_a_side_that_is_slower_by_a_tenth_is_told_from_an_equal_one() -> None:
    slower = paired_ratio(logs(1.1), np.random.default_rng(0))
    equal = paired_ratio(logs(1.0), np.random.default_rng(0))
    assert slower.low is not None and slower.low > 1.02 and slower.value == pytest.approx(1.1, 0.03)
    assert verdict(slower, 1.02) == "MISSED"
    assert equal.low is not None and equal.low < 1 < equal.high
    assert verdict(equal, 1.02) == "PASS"


def test_one_launch_that_went_otherwise_widens_the_interval() -> None:
    steady = paired_ratio(logs(1.0), np.random.default_rng(0))
    mixed = paired_ratio([*logs(1.0)[:2], logs(1.3)[2]], np.random.default_rng(0))
    assert mixed.high - mixed.low > 3 * (steady.high - steady.low)


def test_launches_may_have_different_numbers_of_rounds() -> None:
    found = paired_ratio([np.zeros(3), np.full(9, np.log(2))], np.random.default_rng(0))
    assert found.value == pytest.approx(2)
    assert (found.low, found.high) == pytest.approx((1, 2))


def test_few_pairs_have_no_interval_and_what_lies_between_is_unclear() -> None:
    assert paired_ratio([np.zeros(2)], np.random.default_rng(0)) == (1.0, None, None)
    assert verdict(Ratio(1.05, 1.01, 1.1), 1.02) == "unclear"
    assert verdict(Ratio(0.5, 0.4, 0.55), 0.6, at_least=True) == "MISSED"
    assert verdict(Ratio(0.7, 0.65, 0.8), 0.6, at_least=True) == "PASS"
    assert verdict(Ratio(9.0, None, None), None) == "—"


def test_a_row_says_what_the_samples_say() -> None:
    assert rows(records(logs(1.1)))[0]["verdict"] == "MISSED"
    assert rows(records(logs(1.0)))[0]["verdict"] == "PASS"
    (unlike,) = rows(records(logs(1.0), ([1.0, 0.9], [1.0, 0.9002])))
    assert unlike["verdict"] == "not comparable" and "ratio" not in unlike
    (lost,) = rows({**r, "error": "not there"} for r in records(logs(1.0)))
    assert lost["verdict"] == "torch: not there; native torch: not there"


def test_losses_that_are_no_numbers_never_agree() -> None:
    assert loss_error([1.0, float("nan")], [1.0, float("nan")]) == float("inf")
    assert loss_error([1.0, 2.0], [1.0, 2.0]) == 0
    assert loss_error([1.0], []) == 0


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("cell", CELLS)
def test_the_native_model_is_the_adapters_and_another_is_not(cell: str) -> None:
    given = problem("tiny", cell, 1)
    ours = contestant("torch", "step", given).losses
    assert loss_error(ours, contestant("native torch", "step", given).losses) < 1e-5
    doubled = replace(given, weights={n: 2 * v for n, v in given.weights.items()})
    call = torch_native.step(doubled)
    losses = [call.loss(), call.loss()]
    (row,) = rows(records(logs(1.0), (ours, losses)))
    assert row["verdict"] == "not comparable"


@pytest.mark.usefixtures("one_thread")
def test_a_native_model_that_learns_otherwise_is_told_by_its_second_loss() -> None:
    given = problem("tiny", "lstm", 1)
    faster = replace(given, training=replace(given.training, learning_rate=2e-3))
    ours, other = (contestant("native torch", "step", g).losses for g in (given, faster))
    assert ours[0] == other[0]
    assert loss_error(ours, other) > 1e-4


def test_gradients_and_forward_of_an_adapter_look_at_the_same_loss() -> None:
    given: Problem = problem("tiny", "gru", 1)
    first = contestant("numpy", "step", given).losses[0]
    for phase in ("gradients", "forward"):
        assert adapter("numpy", phase, given).loss() == pytest.approx(first, rel=1e-5)


def test_everyone_who_is_compared_has_a_process_and_the_parts_are_those_described() -> None:
    found = [c for s in SHAPES for k in CELLS for c in comparisons(s, k, [*PARTS], [*FAMILIES])]
    assert {c.part for c in found} == set(PARTS)
    known = {name for names in FAMILIES.values() for name in names}
    assert {name for c in found for name in (*c.ours, *c.base)} == known
    assert set(NATIVE) < known


def test_a_round_keeps_a_family_together_and_an_adapter_beside_its_native() -> None:
    import random

    names = ("torch", "torch-scan", "numpy", "native torch")
    for seed in range(20):
        order = [n for n, _ in in_turn([(n, "step") for n in names], random.Random(seed))]
        assert sorted(order) == sorted(names)
        assert abs(order.index("torch") - order.index("native torch")) == 1
        families = [family(name) for name in order]
        assert abs(families.index("numpy") - 1.5) == 1.5


def test_a_comparison_from_processes_to_table(tmp_path: Path, capsys: Any) -> None:
    small = ["--shapes", "tiny", "--cells", "rnn", "--launches", "1", "--seconds", "0.1"]
    code = main(
        [
            *small,
            "--parts",
            "a",
            "--frameworks",
            "torch",
            "--threads",
            "1",
            "--output",
            str(tmp_path),
        ]
    )
    text = capsys.readouterr().out
    assert code in (0, 1)
    environment, *found = map(json.loads, (tmp_path / SAMPLES).read_text().splitlines())
    assert environment["versions"]["torch"] and environment["settings"]["threads"] == 1
    assert [r["error"] for r in found] == [None] * 2
    assert all(len(r["seconds"]) >= 2 and min(r["seconds"]) > 0 for r in found)
    assert "| torch" in text and "native torch" in text
    assert (report(tmp_path), capsys.readouterr().out) == (code, text)


def test_nothing_measured_is_said(tmp_path: Path, capsys: Any) -> None:
    only = ["--parts", "e", "--frameworks", "numpy", "--shapes", "tiny", "--output", str(tmp_path)]
    assert main(only) == 3
    assert "PASS" not in capsys.readouterr().out
