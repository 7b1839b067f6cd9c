"""Which backends the suite covers, and the helpers that several test files share."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import backends  # noqa: E402
import tasks  # noqa: E402
from bench.plan import Case, Selection, cases  # noqa: E402
from bench.probes.bench import Bench, Stopwatch  # noqa: E402

FRAMEWORKS = ("numpy", "torch", "tensorflow", "jax")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backends",
        nargs="+",
        default=list(FRAMEWORKS),
        help="the backends to test; each of them must be installed",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", metafunc.config.getoption("--backends"))


@pytest.fixture
def chosen(request: pytest.FixtureRequest) -> list[str]:
    """The backends under test. None is left out because it is missing: its tests fail."""
    return list(request.config.getoption("--backends"))


@pytest.fixture
def make_bench() -> Callable[..., Bench]:
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
    **size: Any,
) -> Bench:
    name = backend if isinstance(backend, str) else "under-test"
    module = backends.load(backend) if isinstance(backend, str) else backend
    small = _small(task, size)
    selection = Selection(
        backends=[name],
        tasks=[(task, small)],
        cells=[cell],
        devices={name: [device]},
        dtypes=[dtype],
        probes=[probe],
        seeds=[seed],
        launches=1,
        phase_s=0.02,
        init="orthogonal",
        threads=1,
    )
    case: Case = next(c for c in cases(selection) if c.probe == probe)
    return Bench(case, small, module, backends.load("numpy"), Stopwatch(), {})


def _small(task: str, size: dict[str, Any]) -> Any:
    import dataclasses

    template = tasks.load(task).PROFILES["smoke"]
    return dataclasses.replace(template, **size)
