"""The correction of the extra work that the heads of the guard's study do."""

import pytest

from studies.guard_rates.calibrate import corrected_products

EFFECTS = {"+5%": 0.05, "+20%": 0.2}


def _trial(counts: dict[str, int], share: float) -> dict[str, list[list[float]]]:
    """Launches of two turns, in which each product adds this share to the time of an update."""
    heads = {name: [[1 + count * share], [1 + count * share]] for name, count in counts.items()}
    return {"base": [[1.0], [1.0]], "same": [[1.0], [1.0]], **heads}


@pytest.mark.parametrize(("share", "right"), [(0.001, (50, 200)), (0.002, (25, 100))])
def test_products_are_corrected_to_the_measured_effect(
    share: float, right: tuple[int, int]
) -> None:
    first = {"+5%": 40, "+20%": 160}
    products = corrected_products(first, EFFECTS, [_trial(first, share)] * 3, ("base", "same"))
    assert (products["+5%"], products["+20%"]) == right
