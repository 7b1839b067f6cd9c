"""How often the parity gate is wrong, in float32: `python tests/gate.py`.

Adapters that are right (the conformance suite holds them to 1e-9 in float64) and adapters with one
fault each pass through the gate with many weights and batches, small and large. A right one that
is rejected is a false alarm, a fault that is accepted a miss. A line for each model goes to
`models.jsonl`, the shares with their exact intervals to `table.md`.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from conftest import ROOT, bench_for
from tabulate import tabulate

from bench.analysis.statistics import share_interval
from bench.gate.parity import AT_ODD_SIZES, compare
from bench.records.machine import describe_machine, versions
from studies import faults

SIZES: Mapping[str, Mapping[str, Any]] = {
    "workload 4 × 7 × 2 → 5": {
        "batch": 4,
        "length": 7,
        "hidden": 5,
        "learning_rate": AT_ODD_SIZES.learning_rate,
        "clip_norm": AT_ODD_SIZES.clip_norm,
    },
    "workload 50 × 50 × 2 → 32": {"batch": 50, "length": 50, "hidden": 32},
    "workload 16 × 100 × 2 → 128": {"batch": 16, "length": 100, "hidden": 128},
    "workload 256 × 100 × 2 → 128": {"batch": 256, "length": 100, "hidden": 128},
    "workload 512 × 200 × 2 → 16": {"batch": 512, "length": 200, "hidden": 16},
    "adding 50 × 50 × 2 → 32": {"batch": 50, "length": 50, "hidden": 32},
    "memory 32 × 40 → 48": {"batch": 32, "hidden": 48},
    "memory 32 × 1020 → 4": {"batch": 32, "lag": 1000, "hidden": 4, "clip_norm": 1.0},
    "long-lag 10 × 100 × 101 → 32": {
        "form": "2b-end",
        "symbols": 100,
        "batch": 10,
        "hidden": 32,
        "held_out": 100,
        "learning_rate": 3e-3,
        "clip_norm": 1.0,
        "forget_bias": 5.0,
    },
}
LARGE, STEEP = "workload 256 × 100 × 2 → 128", "long-lag 10 × 100 × 101 → 32"
"""Sizes for right adapters alone: of the latter the losses say little, gradients being so large."""
CELLS = ("rnn", "lstm", "gru")
RIGHT = ("numpy", "torch", "torch-loop", "torch-scan", "tensorflow", "jax")
FAULTS: Mapping[str, Any] = {
    "two gates swapped": faults.with_weights(faults.swapped_gates),
    "recurrent weights transposed": faults.with_weights(faults.transposed_recurrence),
    "gradient of u off by 0.1%": faults.wrong_gradient("layers.0.forward.u", 1.001),
    "dL/dh_t one step late": faults.shifted_hidden_gradients(),
    "learning rate off by 1%": faults.with_rate(1.01),
    "a second trained bias": faults.second_bias(),
    "Adam's β₁ 0.8": faults.with_training(beta1=0.8),
    "Adam's β₂ 0.99": faults.with_training(beta2=0.99),
    "Adam's ε 1e-6": faults.with_training(epsilon=1e-6),
    "clipping left out": faults.with_training(clip_norm=None),
}


def main(arguments: Sequence[str]) -> int:
    """0 where every right adapter was accepted and every fault found, else 1."""
    parser = argparse.ArgumentParser("tests/gate.py", description=__doc__)
    parser.add_argument("--backends", nargs="+", default=RIGHT, help="those that are right")
    parser.add_argument("--seeds", type=int, default=5, help="of weights and batches")
    parser.add_argument("--large-seeds", type=int, default=2, help="the same at the largest size")
    parser.add_argument("--jobs", type=int, default=1, help="processes, a thread each")
    parser.add_argument("--output", type=Path, default=ROOT / "results/runs/gate")
    chosen = parser.parse_args(arguments)
    chosen.output.mkdir(parents=True, exist_ok=True)
    found, began = [], time.strftime("%Y-%m-%d")
    os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")})
    todo = list(models(chosen.backends, chosen.seeds, chosen.large_seeds))
    with (
        (chosen.output / "models.jsonl").open("w") as out,
        ProcessPoolExecutor(chosen.jobs, get_context("spawn")) as pool,
    ):
        for model, judged in zip(todo, pool.map(judge, todo), strict=True):
            found.append({**model, **judged})
            out.write(json.dumps(found[-1], ensure_ascii=False) + "\n")
            out.flush()
    text = f"{began}, {origin()}\n\n{table(found)}\n"
    (chosen.output / "table.md").write_text(text)
    print(text)
    return int(any(model["rejected"] != model["faulty"] for model in found))


def models(names: Sequence[str], seeds: int, large: int) -> Iterator[dict[str, Any]]:
    """Each model of each right adapter, then of each faulty one at its sizes."""
    for faulty, name in [*((False, n) for n in names), *((True, n) for n in FAULTS)]:
        for size in SIZES:
            for cell in CELLS:
                gateless = (name, cell) == ("two gates swapped", "rnn")
                if faulty and (size in (LARGE, STEEP) or gateless):
                    continue
                for seed in range(large if size == LARGE else seeds):
                    told = {"faulty": faulty, "adapter": name, "size": size, "cell": cell}
                    yield {**told, "seed": seed}


def judge(model: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the gate rejects an adapter's own model, and the array nearest to a rejection."""
    adapter = FAULTS[model["adapter"]] if model["faulty"] else model["adapter"]
    settings = {"learning_rate": 1e-3, "clip_norm": 0.01, **SIZES[model["size"]]}
    chosen = {"task": model["size"].split()[0], "cell": model["cell"], "seed": model["seed"]}
    bench = bench_for(adapter, dtype="float32", **chosen, **settings)
    spec, x, y = bench.case.model, *bench.task.sample(bench.rng("batches"))
    found, _ = compare(bench, spec, bench.case.training, bench.weights(spec), x, y)
    worst = max(found, key=lambda d: d.error / d.tolerance)
    return {
        "rejected": not all(d.accepted for d in found),
        "array": worst.array,
        "error": worst.error,
        "tolerance": worst.tolerance,
    }


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """A row an adapter: the share rejected, exact 95% interval, and the nearest call."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for model in found:
        rows.setdefault(model["adapter"], []).append(model)
        rows.setdefault("all right ones" if not model["faulty"] else "all faults", []).append(model)
    order = sorted(rows.items(), key=lambda row: (row[1][0]["faulty"], row[0].startswith("all ")))
    head = ["adapter", "models", "rejected", "95% interval", "nearest call", "error / tolerance"]
    right = ("left", "right", "right", "right", "left", "right")
    return tabulate([_row(*row) for row in order], head, "pipe", colalign=right)


def _row(name: str, models: Sequence[Mapping[str, Any]]) -> list[Any]:
    rejected = sum(model["rejected"] for model in models)
    low, high = share_interval(rejected, len(models)) or (0, 1)
    nearest = (min if models[0]["faulty"] else max)(models, key=_excess)
    call = f"{nearest['array']}; {nearest['cell']}, {nearest['size']}"
    interval = f"{100 * low:.2g}–{100 * high:.3g}%"
    return [name, len(models), rejected, interval, call, f"{_excess(nearest):.2g}"]


def _excess(model: Mapping[str, Any]) -> float:
    return float(model["error"] / model["tolerance"])


def origin() -> str:
    names = ("numpy", "torch", "tensorflow-cpu", "keras", "jax", "optax", "flax", "equinox")
    known = ", ".join(f"{name} {v}" for name, v in versions(names).items() if v)
    return f"{describe_machine()['processor']}; {known}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
