"""The backends that the suite covers, and the fixtures that several test files share."""

import dataclasses
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

if "PYTEST_XDIST_WORKER" not in os.environ and "--thorough" not in sys.argv:
    # Compiling takes most of the suite's time, and half as long without LLVM's optimiser. Parallel
    # runs of the suite and the thorough suite compile as users do.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
if "PYTEST_XDIST_WORKER" in os.environ:
    # NumPy and the frameworks read these variables when they are first imported.
    for name in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{name}_NUM_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")  # jax-split needs them; JAX reads it once
hypothesis_settings.register_profile("shared machine", deadline=None)
hypothesis_settings.load_profile("shared machine")

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import backends  # noqa: E402
import tasks  # noqa: E402
from bench.options import Settings  # noqa: E402
from bench.plan.case import Case  # noqa: E402
from bench.plan.cases import Selection, plan_cases  # noqa: E402
from bench.probes.context import ProbeContext, Stopwatch  # noqa: E402

LIMIT = "limit"
FRAMEWORKS = ("numpy", "torch", "tensorflow", "jax")
COMPILED = ("tensorflow", "jax")
"""Frameworks that compile each function, which takes most of the time of a test."""
ELSEWHERE = {
    "keras-jax": "Keras takes its backend from the environment, one for each process",
    "keras-torch": "Keras takes its backend from the environment, one for each process",
    "jax-cudnn": "needs an NVIDIA GPU",
}
"""Backends that the conformance suite cannot run in the default process, and why."""


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
    """Run benchmarks once, as tests, unless `--benchmark-only` is given."""
    if not config.getoption("benchmark_only", False):
        config.option.benchmark_disable = True


def skip_unless_thorough(request: pytest.FixtureRequest) -> None:
    """Skip a test that takes long, unless the thorough suite runs."""
    if not request.config.getoption("--thorough"):
        pytest.skip("takes long; run it with --thorough")


@pytest.fixture(autouse=True)
def thorough_tests_are_asked_for(request: pytest.FixtureRequest) -> None:
    """Skip tests with the mark `thorough` unless the thorough suite runs."""
    if request.node.get_closest_marker("thorough"):
        skip_unless_thorough(request)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", metafunc.config.getoption("--backends"))


def adapters(config: pytest.Config) -> list[str]:
    """The backends of the conformance suite: the chosen ones, by default all that it can run."""
    chosen = list(config.getoption("--backends"))
    if chosen != list(FRAMEWORKS):
        return chosen
    return [name for name in backends.names() if name not in ELSEWHERE]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the limits that the tested adapters declare, each of which a test confirmed."""
    reports = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("skipped", [])
    limits = {text for report in reports for name, text in report.user_properties if name == LIMIT}
    if limits:
        terminalreporter.section("limits, declared and confirmed")
        for text in sorted(limits):
            terminalreporter.line(text)


@pytest.fixture(scope="module", autouse=True)
def loaded_objects_are_not_collected() -> None:
    """Spare the garbage collector the objects of four frameworks: a second for each collection."""
    gc.freeze()


@pytest.fixture
def chosen(request: pytest.FixtureRequest) -> list[str]:
    """The backends under test; the tests of a backend that is not installed fail."""
    return list(request.config.getoption("--backends"))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the run `r`: parity, learning and gradients of the numpy rnn.

    Tests copy it with `copy_run` and leave the original alone.
    """
    from running import tiny_run_inside

    root = tmp_path_factory.mktemp("finished")
    done = tiny_run_inside(root, "--cells", "rnn", "--probes", "learning,gradients")
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture
def make_bench() -> Callable[..., ProbeContext]:
    """The function `bench_for`, as a fixture."""
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
    """The context of a probe for one case of a task at its smoke size.

    `backend` is a name or an adapter; `size` changes options of the task.
    """
    name = backend if isinstance(backend, str) else "under-test"
    module = backends.load(backend) if isinstance(backend, str) else backend
    small: Any = dataclasses.replace(tasks.load(task).PROFILES["smoke"], **size)
    settings = Settings(
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
    )
    selection = Selection(
        settings=settings, backends=[name], tasks=[(task, small)], devices={name: [device]}
    )
    case: Case = next(c for c in plan_cases(selection) if c.probe == probe)
    return ProbeContext(case, small, module, backends.load("numpy"), Stopwatch(), {})
