"""The error rates of the parity gate in float32: `python -m studies.gate_rates`.

Correct adapters (the conformance suite holds them to 1e-9 in float64) and adapters with one fault
each pass through the gate with many weights and batches, at small and large sizes. A correct
adapter that is rejected is a false alarm; a fault that is accepted is a miss. `models.jsonl.xz` has
a line for each model, `table.md` the shares with their exact intervals.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tabulate import tabulate  # type: ignore[import-untyped]

import backends
import tasks
from bench.analysis.statistics import share_interval
from bench.gate.parity import AT_ODD_SIZES, compare
from bench.options import Settings
from bench.plan.cases import Selection, plan_cases
from bench.plan.probes import GATE
from bench.probes.context import ProbeContext, Stopwatch
from bench.records.machine import describe_machine, versions
from bench.run.status import StatusLine
from studies import faulty_backends
from studies.json_lines import JsonLines

ROOT = Path(__file__).parents[1]
MODELS, TABLE = "models.jsonl", "table.md"
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
    },
}
"""The settings of each size, whose first word names the task. `COMMON` has the other settings."""
COMMON = {"learning_rate": 1e-3, "clip_norm": 0.01}
FORGET_BIASES = {"long-lag 10 × 100 × 101 → 32": 5.0}
LARGEST, STEEPEST = "workload 256 × 100 × 2 → 128", "long-lag 10 × 100 × 101 → 32"
"""Sizes at which no faulty adapter is tried: the losses of the second say little, since its
gradients are so large."""
CELLS = ("rnn", "lstm", "gru")
CORRECT = ("numpy", "torch", "torch-loop", "torch-scan", "tensorflow", "jax")
FAULTS: Mapping[str, Any] = {
    "two gates swapped": faulty_backends.with_weights(faulty_backends.swapped_gates),
    "recurrent weights transposed": faulty_backends.with_weights(
        faulty_backends.transposed_recurrence
    ),
    "gradient of u off by 0.1%": faulty_backends.wrong_gradient("layers.0.forward.u", 1.001),
    "dL/dh_t one step late": faulty_backends.shifted_hidden_gradients(),
    "learning rate off by 1%": faulty_backends.with_rate(1.01),
    "a second trained bias": faulty_backends.second_bias(),
    "Adam's β₁ 0.8": faulty_backends.with_training(beta1=0.8),
    "Adam's β₂ 0.99": faulty_backends.with_training(beta2=0.99),
    "Adam's ε 1e-6": faulty_backends.with_training(epsilon=1e-6),
    "clipping left out": faulty_backends.with_training(clip_norm=None),
}

Model = Mapping[str, Any]
"""A line of `models.jsonl`: the adapter, its size, cell and seed, and what the gate says."""


def main(arguments: Sequence[str]) -> int:
    """Run the gate on every model. Return 0 where it was right about all of them, else 1."""
    options = _parser().parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    lines, started = JsonLines(options.output / MODELS), time.strftime("%Y-%m-%d")
    lines.clear()
    # The workers inherit these variables: a thread each.
    os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")})
    planned = list(plan_models(options.backends, options.seeds, options.large_seeds))
    with StatusLine() as status, ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        status.show(f"0 of {len(planned)} models")
        results = zip(planned, pool.map(run_gate, planned), strict=True)
        for number, (model, result) in enumerate(results, 1):
            lines.append({**model, **result})
            status.note(f"{number} of {len(planned)} models")
    lines.pack()
    models = lines.read()
    text = f"{started}, {origin()}\n\n{rates_table(models)}\n"
    (options.output / TABLE).write_text(text)
    print(text)
    return int(any(model["rejected"] != model["faulty"] for model in models))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m studies.gate_rates", description=__doc__)
    parser.add_argument("--backends", nargs="+", default=CORRECT, help="the correct adapters")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of weights and batches")
    parser.add_argument("--large-seeds", type=int, default=2, help="seeds at the largest size")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with one thread")
    parser.add_argument("--output", type=Path, default=ROOT / "results/runs/gate")
    return parser


def plan_models(names: Sequence[str], seeds: int, large_seeds: int) -> Iterator[dict[str, Any]]:
    """Every model of the correct adapters, then every model of the faulty ones."""
    for faulty, name in [*((False, n) for n in names), *((True, n) for n in FAULTS)]:
        for size in SIZES:
            for cell in CELLS:
                has_no_gates = (name, cell) == ("two gates swapped", "rnn")
                if faulty and (size in (LARGEST, STEEPEST) or has_no_gates):
                    continue
                for seed in range(large_seeds if size == LARGEST else seeds):
                    model = {"faulty": faulty, "adapter": name, "size": size, "cell": cell}
                    yield {**model, "seed": seed}


def run_gate(model: Model) -> dict[str, Any]:
    """Whether the gate rejects the model, and the array with the largest error over tolerance."""
    context = _context(model)
    spec, training = context.case.model, context.case.training
    x, y = context.task.sample(context.rng("batches"))
    differences, _ = compare(context, spec, training, context.weights(spec), x, y)
    worst = max(differences, key=lambda difference: difference.error / difference.tolerance)
    return {
        "rejected": not all(difference.accepted for difference in differences),
        "array": worst.array,
        "error": worst.error,
        "tolerance": worst.tolerance,
    }


def _context(model: Model) -> ProbeContext:
    """The context of the model's parity case."""
    task_name = model["size"].split()[0]
    smallest: Any = tasks.load(task_name).PROFILES["smoke"]
    task = replace(smallest, **COMMON | dict(SIZES[model["size"]]))
    adapter = model["adapter"]
    settings = Settings(
        cells=[model["cell"]],
        dtypes=["float32"],
        probes=[GATE],
        seeds=[model["seed"]],
        forget_bias=FORGET_BIASES.get(model["size"]),
        threads=1,
    )
    selection = Selection(
        settings=settings,
        backends=[adapter],
        tasks=[(task_name, task)],
        devices={adapter: ["cpu"]},
    )
    (case,) = plan_cases(selection)
    backend = FAULTS[adapter] if model["faulty"] else backends.load(adapter)
    reference = backends.load(backends.REFERENCE)
    return ProbeContext(case, task, backend, reference, Stopwatch(), {})


def rates_table(models: Sequence[Model]) -> str:
    """A row for each adapter: the share of models rejected with its exact 95% interval, and the
    closest call, the model whose error over tolerance is closest to the other verdict."""
    rows: dict[str, list[Model]] = {}
    for model in models:
        rows.setdefault(model["adapter"], []).append(model)
        total = "all faults" if model["faulty"] else "all correct adapters"
        rows.setdefault(total, []).append(model)
    in_order = sorted(rows.items(), key=lambda r: (r[1][0]["faulty"], r[0].startswith("all ")))
    columns = ["adapter", "models", "rejected", "95% interval", "closest call", "error / tolerance"]
    alignment = ("left", "right", "right", "right", "left", "right")
    return str(tabulate([_row(*row) for row in in_order], columns, "pipe", colalign=alignment))


def _row(name: str, models: Sequence[Model]) -> list[Any]:
    rejected = sum(model["rejected"] for model in models)
    low, high = share_interval(rejected, len(models)) or (0, 1)
    closest = (min if models[0]["faulty"] else max)(models, key=_error_over_tolerance)
    call = f"{closest['array']}; {closest['cell']}, {closest['size']}"
    interval = f"{100 * low:.2g}–{100 * high:.3g}%"
    return [name, len(models), rejected, interval, call, f"{_error_over_tolerance(closest):.2g}"]


def _error_over_tolerance(model: Model) -> float:
    return float(model["error"] / model["tolerance"])


def origin() -> str:
    """The processor and the versions of the frameworks."""
    names = ("numpy", "torch", "tensorflow-cpu", "keras", "jax", "optax", "flax", "equinox")
    installed = ", ".join(f"{name} {v}" for name, v in versions(names).items() if v)
    return f"{describe_machine()['processor']}; {installed}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
