"""Differences between two observations, and the message of a failure."""

import math

import numpy as np

from bench.gate.allowance import Allowance
from bench.gate.difference import Difference
from bench.gate.judge import failure, judge, worst_first
from bench.gate.observe import Observation


def test_missing_array_and_one_that_the_reference_lacks_are_infinitely_far_off() -> None:
    reference = Observation({"output": np.ones(2), "loss": np.ones(1)})
    backend = Observation({"output": np.array([1.0, 1.5]), "d y": np.full(3, np.nan)})
    allowances = {name: Allowance(name, 0.1, 0.0, "") for name in reference.arrays}
    output, loss, unknown = judge(backend, reference, allowances)
    assert (output.array, output.error, output.tolerance) == ("output", 0.5, 0.1)
    assert (loss.array, loss.error, loss.accepted) == ("loss", math.inf, False)
    assert unknown.array == "d y (no such array in this model)"
    assert not unknown.accepted


def test_absolute_allowances_are_added_element_by_element() -> None:
    reference = Observation({"w": np.ones(2)})
    allowances = {"w": Allowance("w", 0.0, np.array([0.2, 0.01]), "")}
    for array, accepted in (([1.1, 1.0], True), ([1.0, 1.1], False)):
        [difference] = judge(Observation({"w": np.array(array)}), reference, allowances)
        assert difference.accepted == accepted


def test_the_worst_array_comes_first_and_nan_is_worse_than_any_error() -> None:
    differences = [
        Difference("small", 1.0, 10.0),
        Difference("large", 5.0, 1.0),
        Difference("nan", math.nan, 1.0),
    ]
    assert [d.array for d in worst_first(differences)] == ["nan", "large", "small"]


def test_a_failure_lists_the_three_worst_arrays_and_counts_the_others() -> None:
    differences = [Difference(f"a{k}", 0.5 + k, 0.1) for k in range(5)]
    message = failure([*differences, Difference("accepted", 0.0, 0.1)])
    assert message == (
        "parity: a4 differs by 4.5 (tolerance 0.1); a3 differs by 3.5 (tolerance 0.1); "
        "a2 differs by 2.5 (tolerance 0.1), and 2 more"
    )
    assert failure(differences[:1]) == "parity: a0 differs by 0.5 (tolerance 0.1)"
    assert failure([Difference("accepted", 0.0, 0.1)]) is None
