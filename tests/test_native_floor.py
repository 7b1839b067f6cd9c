"""A training step beside the matrix products that it cannot avoid."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_native_tables import log_ratios

from bench.probes.products import operations, training_products
from bench.spec import Unsupported
from studies.json_lines import JsonLines
from studies.native.__main__ import SAMPLES, main
from studies.native.comparisons import FAMILIES, comparisons
from studies.native.floor import FLOORS, OURS, SMALLEST, floor_target, numpy_products
from studies.native.problem import CELLS, SHAPES, build_problem, flops
from studies.native.tables import comparison_rows


def floor_rows(times_floor: float, name: str = "numpy", cell: str = "lstm") -> dict[str, str]:
    """The verdict of each row of one model whose step takes so many times the floor."""
    records = []
    for number, logs in enumerate(log_ratios(times_floor)):
        model = {"launch": number, "shape": "small", "cell": cell, "phase": "step", "flop": 1}
        ours = {"name": name, "seconds": list(np.exp(logs)), "losses": [1.0, 0.9]}
        floor = {"name": "floor numpy", "seconds": [1.0] * len(logs), "losses": []}
        records += [{**model, **candidate, "error": None} for candidate in (ours, floor)]
    settings = {"parts": ["g"], "shapes": ["small"], "cells": [cell]}
    settings["frameworks"] = ["numpy", "onednn"]
    rows = comparison_rows({"settings": settings}, records, np.random.default_rng(0))
    return {row["ours"]: row["verdict"] for row in rows}


def test_step_passes_only_where_its_whole_interval_is_near_the_floor() -> None:
    assert floor_rows(1.1)["numpy (fastest of 1)"] == "PASS"
    assert floor_rows(1.25)["numpy (fastest of 1)"] == "unclear"
    assert floor_rows(1.4)["numpy (fastest of 1)"] == "MISSED"
    assert floor_rows(1.4, cell="rnn")["numpy (fastest of 1)"] == "PASS"


def test_backend_that_is_not_there_is_a_row_and_no_failure() -> None:
    rows = floor_rows(1.1)
    assert rows["numpy"] == "—" and rows["onednn"] == "onednn: not measured"


@pytest.mark.parametrize("cell", CELLS)
def test_every_shape_of_training_compares_with_the_floor(cell: str) -> None:
    for shape in (name for name in SHAPES if name not in ("products", "single-step")):
        first, *others = comparisons(shape, cell, ["g"], [*FAMILIES])
        assert set(first.tested) == set(OURS) and first.target == floor_target(shape, cell)
        assert all(c.target is None and set(c.base) == set(FLOORS) for c in others)
    assert floor_target(SMALLEST, cell) > floor_target("small", cell)


def test_floor_multiplies_what_the_step_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, multiply, counted = build_problem("tiny", "gru", 1), np.matmul, []

    def matmul(a: Any, b: Any, out: Any) -> Any:
        counted.append(2 * len(a) * a.shape[1] * b.shape[1])
        return multiply(a, b, out=out)

    call = numpy_products(problem)
    call.run()
    monkeypatch.setattr(np, "matmul", matmul)
    call.run()
    assert sum(counted) == flops(problem) == operations(training_products(problem.spec, 50, 50))


def test_floor_of_numpy_is_for_the_cpu() -> None:
    with pytest.raises(Unsupported, match="CPU only"):
        numpy_products(build_problem("tiny", "rnn", 1, "cuda"))


def test_step_is_compared_with_the_floor(tmp_path: Path, capsys: Any) -> None:
    options = ("--parts", "g", "--cells", "rnn", "--shapes", "tiny", "--frameworks", "numpy")
    limits = ("--launches", "1", "--seconds", "0.1", "--threads", "1", "--output", str(tmp_path))
    assert main([*options, *limits]) in (0, 1)
    text = capsys.readouterr().out
    _, *records = JsonLines(tmp_path / SAMPLES).read()
    seconds = {r["name"]: r["seconds"] for r in records if not r["error"]}
    assert len(seconds["floor numpy"]) == len(seconds["numpy"]) >= 4
    assert min(seconds["floor numpy"]) < min(seconds["numpy"])
    assert "## g: " in text and "| floor numpy" in text
