"""Made-up records of two sides, and what the guard says about them."""

from collections.abc import Iterable, Sequence
from typing import Any

from conftest import bench_for

from bench.compare.both_sides import BothSides
from bench.compare.build_evidence import build_evidence
from bench.compare.decision import Rule
from bench.compare.evidence import Evidence
from bench.compare.finding import Finding
from bench.compare.judge import judge
from bench.compare.matching import SideRecords
from bench.records.record import Record

RULE = Rule()
STORED: Any = {"live": False, "info": {"machine": {"processor": "x"}}}
NOISE = [1 + 0.01 * ((7 * k) % 5 - 2) for k in range(30)]
MANY_ROWS = [{"cell": cell, "task": f"task-{k}"} for cell in ("rnn", "lstm") for k in range(10)]


def record(
    probe: str,
    *,
    metrics: Any = None,
    samples: Any = None,
    status: str = "ok",
    reason: str | None = None,
    **settings: Any,
) -> Record:
    """A record of the numpy backend; `settings` replace those of its case."""
    case = {**bench_for("numpy", dtype="float32").case.flat(), "probe": probe, "launch": None}
    if probe in ("speed", "control"):
        case |= {"launch": 0, "phase_s": 0.15}
    return Record(
        run="r",
        case={**case, **settings},
        status=status,
        reason=reason,
        probe=probe,
        environment="e",
        started="2026-01-01T00:00:00",
        wall_s=1.0,
        metrics=metrics or {},
        samples=samples or {},
    )


def parity_record(**settings: Any) -> Record:
    metrics = {"parity_error": 1e-7, "parity_tolerance": 1e-5}
    metrics |= {"first_loss": 0.5, "first_gradient_norm": 2.0}
    return record("parity", **{"metrics": metrics, **settings})


def speed_records(seconds: Sequence[float], **settings: Any) -> list[Record]:
    """A launch for each time, which is that of its fastest step."""
    return [
        record("speed", launch=k, samples={"step": [s, 1.1 * s, 5 * s]}, **settings)
        for k, s in enumerate(seconds)
    ]


def control_records(seconds: Sequence[float]) -> list[Record]:
    return [
        record("control", launch=k, samples={"control": [s, 2 * s]}) for k, s in enumerate(seconds)
    ]


def learning_records(
    losses: Sequence[float], solved: Sequence[bool] = (), score: float = 0.01, **settings: Any
) -> list[Record]:
    """A seed for each loss; all are solved unless `solved` says otherwise."""
    solved = solved or [True] * len(losses)
    return [
        record(
            "learning",
            seed=k,
            samples={"loss": [loss, loss / 2]},
            metrics={
                "solved": float(is_solved),
                "steps_to_solve": 10.0 if is_solved else None,
                "diverged_at": None,
                "score": score,
                "chance": 1 / 6,
            },
            **settings,
        )
        for k, (loss, is_solved) in enumerate(zip(losses, solved, strict=True))
    ]


def gradient_records(norms: Sequence[float], nan: float = 0, inf: float = 0) -> list[Record]:
    """A seed for each norm."""
    return [
        record(
            "gradients",
            seed=k,
            samples={"gradient_norm": [norm, 2 * norm]},
            metrics={"gradient_nan": nan, "gradient_inf": inf},
        )
        for k, norm in enumerate(norms)
    ]


def noisy_times(factor: float, count: int = 20) -> list[float]:
    """Seconds of launches that are `factor` times as slow as 10 ms, give or take 2%."""
    return [0.01 * factor * noise for noise in NOISE[:count]]


def with_control(records: Sequence[Record]) -> list[Record]:
    """The records, with a control that did not change beside each launch where they have none."""
    if any(r.probe == "control" for r in records):
        return list(records)
    launches = [r.case["launch"] for r in records if r.probe == "speed"]
    return [*records, *control_records(noisy_times(1, 1 + max(launches, default=-1)))]


def evidence(
    base: Iterable[Record],
    head: Iterable[Record],
    *,
    live: bool = True,
    info: Any = None,
    base_info: Any = None,
) -> Evidence:
    """The evidence of two sides; `info` is the `run.json` of the head, and of the base as well
    unless it has another."""
    head_side = SideRecords(list(head), info or {})
    base_side = SideRecords(list(base), head_side.info if base_info is None else base_info)
    return build_evidence(BothSides(base_side, head_side), live=live)


def judged(base: Iterable[Record], head: Iterable[Record], **options: Any) -> list[Finding]:
    return judge(evidence(base, head, **options), RULE)


def judged_row(
    base: Sequence[Record], head: Sequence[Record], **options: Any
) -> dict[str, Finding]:
    """The findings on the only row, by check, with a control that did not change."""
    findings = judged(with_control(base), with_control(head), **options)
    assert len({finding.check for finding in findings}) == len(findings)
    return {finding.check: finding for finding in findings}
