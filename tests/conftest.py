"""Which backends the suite covers, and the helpers that several test files share."""

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" not in os.environ and "--thorough" not in sys.argv:
    # Compiling takes most of the suite's time: half as long without LLVM's optimiser. The gate
    # of a run, and the thorough suite, compile as users do.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
if "PYTEST_XDIST_WORKER" in os.environ:  # read when NumPy and the frameworks are first imported
    for name in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{name}_NUM_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import backends  # noqa: E402
import tasks  # noqa: E402
from bench.options import Settings  # noqa: E402
from bench.plan.case import Case  # noqa: E402
from bench.plan.cases import Selection, plan_cases  # noqa: E402
from bench.probes.bench import ProbeContext, Stopwatch  # noqa: E402

LIMIT = "limit"
FRAMEWORKS = ("numpy", "torch", "tensorflow", "jax")
ELSEWHERE = {
    "keras-jax": "Keras takes its backend from the environment, one for each process",
    "keras-torch": "Keras takes its backend from the environment, one for each process",
    "jax-cudnn": "needs an NVIDIA GPU",
}
"""What the conformance suite cannot run in the default process, and why."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backends",
        nargs="+",
        default=list(FRAMEWORKS),
        help="the backends to test; each of them must be installed (by default the four "
        "frameworks, and for the conformance suite all that run on the CPU in one process)",
    )
    parser.addoption("--device", default="cpu", help="where the conformance suite runs")
    parser.addoption(
        "--thorough",
        action="store_true",
        help="every combination of the conformance suite for every backend, however long it takes",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Benchmarks run once, as tests, unless they are what was asked for."""
    if not config.getoption("benchmark_only", False):
        config.option.benchmark_disable = True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", metafunc.config.getoption("--backends"))


def adapters(config: pytest.Config) -> list[str]:
    """What the conformance suite covers: the chosen backends, by default all it can."""
    chosen = list(config.getoption("--backends"))
    every = [name for name in backends.names() if name not in ELSEWHERE]
    return every if chosen == list(FRAMEWORKS) else chosen


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the adapters under test declare that they cannot do, each found to be so."""
    reports = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("skipped", [])
    limits = {text for report in reports for name, text in report.user_properties if name == LIMIT}
    if limits:
        terminalreporter.section("limits, declared and found true")
        for text in sorted(limits):
            terminalreporter.line(text)


@pytest.fixture(scope="module", autouse=True)
def what_is_loaded_stays() -> None:
    """Four frameworks are a second's work for the garbage collector, which libraries call."""
    gc.freeze()


@pytest.fixture
def chosen(request: pytest.FixtureRequest) -> list[str]:
    """The backends under test. None is left out because it is missing: its tests fail."""
    return list(request.config.getoption("--backends"))


@pytest.fixture
def make_bench() -> Callable[..., ProbeContext]:
    """A probe's `Bench` for one case of a task, at a small size unless told otherwise."""
    return bench_for


def bench_for(
    backend: Any = "numpy",
    probe: str = "parity",
    *,
    task: str = "adding",
    cell: str = "lstm",
    dtype: str = "float64",
    seed: int = 0,
    device: str = "cpu",
    optimiser: str = "adam",
    forget_bias: float | None = None,
    **size: Any,
) -> ProbeContext:
    name = backend if isinstance(backend, str) else "under-test"
    module = backends.load(backend) if isinstance(backend, str) else backend
    small = _small(task, size)
    selection = Selection(
        settings=Settings(
            cells=[cell],
            dtypes=[dtype],
            probes=[probe],
            seeds=[seed],
            launches=1,
            phase_s=0.02,
            init="orthogonal",
            optimiser=optimiser,
            forget_bias=forget_bias,
            threads=1,
        ),
        backends=[name],
        tasks=[(task, small)],
        devices={name: [device]},
    )
    case: Case = next(c for c in plan_cases(selection) if c.probe == probe)
    return ProbeContext(case, small, module, backends.load("numpy"), Stopwatch(), {})


def _small(task: str, size: dict[str, Any]) -> Any:
    import dataclasses

    template = tasks.load(task).PROFILES["smoke"]
    return dataclasses.replace(template, **size)
