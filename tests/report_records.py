"""Records of a small model for the tests of analysis and report, and the tables they give."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.tables import Tables, build_tables
from bench.records.folder import RunFolder
from bench.records.record import Record
from bench.report.terminal import render

ENVIRONMENT = {
    "machine": {"cores": 2},
    "python": "3.11.7",
    "threads": 2,
    "versions": {"numpy": "2.4.6", "torch": "2.13.0"},
    "executed_path": "one_dnn",
}
INFO: dict[str, Any] = {
    "commit": "0123456789abcdef",
    "changed": False,
    "machine": {"processor": "Model_X 100%", "cores": 2, "memory_bytes": 2**34, "gpus": []},
    "environments": {"e": ENVIRONMENT},
    "sessions_s": [20.0, 10.0],
}
CELLS = ("rnn", "lstm", "gru")
STEP_S, FORWARD_S, GRADIENTS_S = 4e-3, 1e-3, 3e-3
SAMPLES = {"step": STEP_S, "forward": FORWARD_S, "gradients": GRADIENTS_S}
PARITY_FAILURE = "parity: d layers.0.forward.u differs by 0.33 (tolerance 1e-05)"


def record(probe: str, **changes: Any) -> Record:
    """A record of a small model. `changes` are fields of the record or settings of its case."""
    case = {
        "probe": probe, "backend": "torch", "device": "cpu", "task": "adding", "length": 10,
        "batch": 16, "steps": 20, "clip_norm": 1.0, "cell": "lstm", "dtype": "float32",
        "metric": "mse", "seed": 0, "launch": None, "threads": 2 if probe == "speed" else 1,
    }  # fmt: skip
    fields = {k: changes.pop(k) for k in list(changes) if k in Record.__dataclass_fields__}
    base = {"run": "r", "status": "ok", "reason": None, "environment": "e", "wall_s": 2.0}
    return Record(probe=probe, case={**case, **changes}, started="2026-01-01", **{**base, **fields})


def parity_record(**changes: Any) -> Record:
    metrics = {"parity_error": 2e-7, "parity_tolerance": 1e-5, "work_s": 1.5}
    return record("parity", metrics=metrics, **changes)


def learning_record(
    score: float | None = 0.02, solved: float | None = None, **changes: Any
) -> Record:
    """A training run that ends with this score; `solved` is the step at which it was solved."""
    metrics = {
        "score": score, "chance": 1 / 6, "threshold": 0.01, "solved": float(solved is not None),
        "steps_to_solve": solved, "final.other": 7.0, "final.mse": score,
        "baseline.persistence": 0.5,
    }  # fmt: skip
    curve = [0.5, 0.2, np.nan if score is None else score]
    samples = {"checkpoint_step": [0, 10, 20], "mse": curve, "other": [7.0, 7.0, 7.0]}
    return record("learning", metrics=metrics, samples=samples, **changes)


def gradients_record(initial: Sequence[float] = (1, 2, 4), **changes: Any) -> Record:
    """`initial` are the norms of dL/dh_t at the initial weights."""
    metrics = {
        "gradient_norm_first": 5.0,
        "gradient_norm_last": 0.5,
        "gradient_nan": 0.0,
        "gradient_inf": 3.0,
    }
    samples = {
        "checkpoint_step": [0, 10, 20],
        "gradient_norm": [5.0, 1.0, 0.5],
        "hidden_gradient_norm.initial": initial,
        "hidden_gradient_norm.trained": [4, 2, 1],
    }
    return record("gradients", metrics=metrics, samples=samples, **changes)


def speed_record(
    factor: float = 1.0,
    width: float = 0.01,
    extra_metrics: Mapping[str, float | None] | None = None,
    **changes: Any,
) -> Record:
    """Samples around `factor` times the usual times, spread evenly by ± `width`. The metrics hold
    a wrong step time, which no table may use."""
    metrics: dict[str, float | None] = {f"{phase}_warmed_up": 1.0 for phase in SAMPLES}
    metrics |= {f"first_{phase}_s": 0.25 for phase in SAMPLES}
    metrics |= {"open_s": 0.5, "flop_step": 8e6, "others_busy": 0.01, "native_calls": 1.0}
    metrics |= {"step_s": 1e-9, **(extra_metrics or {})}
    noise = np.linspace(1 - width, 1 + width, 12)
    samples = {phase: (factor * s * noise).tolist() for phase, s in SAMPLES.items()}
    return record("speed", **{"metrics": metrics, "samples": samples, "launch": 0, **changes})


def forward_only_record(**changes: Any) -> Record:
    """A launch of a backend that does not train."""
    samples = {"forward": speed_record().samples["forward"]}
    not_trained = {"first_step_s": None, "first_gradients_s": None}
    return speed_record(samples=samples, extra_metrics=not_trained, **changes)


def latency_records(backend: str, *p50: float, **changes: Any) -> list[Record]:
    """A launch for each p50, in microseconds; a call in fifty takes ten times as long."""
    made = [parity_record(backend=backend)]
    for number, middle in enumerate(p50):
        calls = np.full(2000, middle * 1e-6)
        calls[::50] *= 10
        samples = {"advance": calls, "advance_paced": 3 * calls, "window": 5 * calls}
        made.append(
            record(
                "speed",
                backend=backend,
                launch=number,
                phases="advance",
                samples={name: list(seconds) for name, seconds in samples.items()},
                **{"metrics": {"advance_warmed_up": 1.0, "first_advance_s": 0.5}, **changes},
            )
        )
    return made


def all_probes(
    factor: float = 1.0, launches: int = 3, seeds: int = 3, **changes: Any
) -> list[Record]:
    """The records of every probe of one model in one backend."""
    sizes = {"process_growth": 3 * 2**20, "device_peak": None}
    return [
        parity_record(**changes),
        *(learning_record(0.02 + 0.01 * k, seed=k, **changes) for k in range(seeds)),
        *(gradients_record(seed=k, **changes) for k in range(seeds)),
        record("memory", metrics=sizes, **changes),
        *(speed_record(factor * (1 + 0.1 * k), launch=k, **changes) for k in range(launches)),
    ]


def failed_parity(**changes: Any) -> list[Record]:
    """A failed parity case, the cases skipped because of it, and times that no table may use."""
    metrics = {"parity_error": 0.33, "parity_tolerance": 1e-5}
    failed = record("parity", status="failed", reason=PARITY_FAILURE, metrics=metrics, **changes)
    skip = {"status": "skipped", "reason": f"not proven equal: {PARITY_FAILURE}"}
    skipped = [record("learning", seed=k, **skip, **changes) for k in range(3)]
    return [failed, *skipped, speed_record(0.01, **changes)]


def three_backends() -> list[Record]:
    """Three backends with three cells each; the parity of the fastest backend has failed."""
    records = []
    for cell in CELLS:
        records += all_probes(2.0, backend="torch", cell=cell)
        records += all_probes(1.0, backend="jax", cell=cell)
        records += failed_parity(backend="swift", cell=cell)
    return records


def tables_of(records: Sequence[Record]) -> Tables:
    runs = {record.run for record in records} | {"r"}
    return build_tables(records, dict.fromkeys(runs, INFO))


def run_folder(path: Path, info: Any = None) -> RunFolder:
    """A new run named `r` below this path."""
    return RunFolder.create(path, "r", info or INFO)


def terminal_text(records: Sequence[Record], width: int = 120) -> str:
    return render("r", records, INFO, width, terminal=False)
