"""What a task promises, for every task and profile, and the definitions of each one."""

import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, replace
from importlib import import_module
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tasks_1997 import what_may_come

import tasks
from bench.spec import LOSSES, READOUTS, Array, ModelSpec, Unavailable
from tasks import _data, _series
from tasks._forecasts import autoregression
from tasks.adding import MARKS, Adding
from tasks.forecasting import Forecasting
from tasks.memory import Memory
from tasks.reber import Reber

seeds = st.integers(0, 2**32 - 1)
PROFILES = [
    pytest.param(tasks.load(name).PROFILES[profile], id=f"{name}-{profile}")
    for name in tasks.names()
    for profile in ("smoke", "standard", "paper")
]
every_profile = pytest.mark.parametrize("task", PROFILES)


DRAWN = {
    "adding:smoke": "f61847e3c5420260",
    "adding:standard": "285e7755c52b5eba",
    "adding:paper": "0b9f51e27390c8b6",
    "adding:short": "f61847e3c5420260",
    "adding-1997:smoke": "2a1c188c9fad454d",
    "adding-1997:standard": "8db41805bf162200",
    "adding-1997:paper": "8f0d1163daf54a71",
    "fill-blank:smoke": "0d43755e57c04f94",
    "fill-blank:standard": "cb1939f20ab8e51b",
    "fill-blank:paper": "49f2fa911f28aa1e",
    "long-lag:smoke": "b0bd167d0d362ef5",
    "long-lag:standard": "d418462eb7c768d8",
    "long-lag:paper": "c40e97e4bb27e8fa",
    "long-lag:2a": "1881544fc53ba851",
    "long-lag:2b": "5900928cde5040d5",
    "long-lag:2c": "c40e97e4bb27e8fa",
    "memory:smoke": "404c5c0cb8612aee",
    "memory:standard": "3e314f80ea009304",
    "memory:paper": "2a857e17d02d7b25",
    "multiplication:smoke": "974ace80def61542",
    "multiplication:standard": "87f5daa8905d69fa",
    "multiplication:paper": "a6048e9efad53524",
    "reber:smoke": "e33fefe20471c69c",
    "reber:standard": "9dee5c037a333d90",
    "reber:paper": "9dee5c037a333d90",
    "seq2seq:smoke": "4ba6c60777f79755",
    "seq2seq:standard": "2553e3bce3f89c4c",
    "seq2seq:paper": "e025a6c6567ea765",
    "seq2seq:reverse": "2553e3bce3f89c4c",
    "seq2seq:copy": "49bdc60b92e705db",
    "seq2seq:dates": "107d3821dc1ca5ae",
    "temporal-order:smoke": "b24cf97320144a8c",
    "temporal-order:standard": "757f67c247a52c04",
    "temporal-order:paper": "f78ce5c06295d16c",
    "temporal-order:6a": "962012d0cef0127d",
    "temporal-order:6b": "850b6853def3f618",
    "two-sequence:smoke": "0ff5dd9cebfab497",
    "two-sequence:standard": "40b5e302a33df9dc",
    "two-sequence:paper": "1874ec25972bdafa",
    "two-sequence:3a": "1874ec25972bdafa",
    "two-sequence:3b": "3de1868e900a9cd8",
    "two-sequence:3c": "734c672a73f9dcee",
}
"""The sha256 of a batch and of what is held out, 16 sequences each, by seed 0: records of learning
are comparable for as long as these are the same."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def small(task: Any) -> Any:
    """The same task with few sequences, so that long profiles stay cheap to draw."""
    return replace(task, **{k: 2 for k in ("batch", "held_out") if k in asdict(task)})


def perfect(task: Any, y: Array) -> Array:
    """The best predictions: what is not asked for, NaN or −1, is answered by anything."""
    if isinstance(task, Reber):
        return what_may_come(y)
    return np.nan_to_num(y) if task.loss == "mse" else 50 * np.eye(task.outputs)[y]


def blanks_and_guesses(y: Array) -> Array:
    """Logits sure of the blanks, and even between the symbols when it is time to recall."""
    logits = np.where(np.arange(9) == 0, 50.0, 0.0) + np.zeros((*y.shape, 9))
    logits[:, -10:, 0] = -50
    return logits


def test_every_generated_task_draws_what_it_drew() -> None:
    profiles = {
        f"{name}:{profile}": task
        for name in tasks.names()
        if not tasks.load(name).REQUIRES and name != "workload"
        for profile, task in tasks.load(name).PROFILES.items()
    }
    assert profiles.keys() == DRAWN.keys()
    for name, task in profiles.items():
        few = replace(task, **{k: 16 for k in ("batch", "held_out") if k in asdict(task)})
        drawn = rng()
        found = _data.digest(*few.sample(drawn), *few.evaluation(drawn))
        assert found.startswith(DRAWN[name]), name


@pytest.mark.parametrize("name", tasks.names())
def test_a_task_file_names_its_packages_and_the_three_profiles(name: str) -> None:
    assert set(tasks.load(name).PROFILES) >= {"smoke", "standard", "paper"}
    assert all(isinstance(package, str) for package in tasks.load(name).REQUIRES)


@every_profile
def test_a_batch_has_the_shapes_and_types_that_the_settings_say(task: Any) -> None:
    batch, held_out = task.sample(rng()), task.evaluation(rng())
    assert len(batch[0]) == task.batch < len(held_out[0])
    for x, y in (batch, held_out):
        count = len(x)
        written = getattr(task, "decoder", 0) or task.time
        steps = (written,) if task.readout == "every" else ()
        assert x.shape == (count, task.time, task.inputs) and x.dtype == np.float64
        if task.loss == "mse":
            assert y.shape == (count, *steps, task.outputs) and y.dtype == np.float64
            asked = np.isfinite(y)
        else:
            assert y.shape == (count, *steps) and y.dtype == np.int64
            asked = y >= 0
            assert y.min() >= -1 and y.max() < task.outputs
        assert np.isfinite(x).all()
        if steps:
            assert asked.reshape(count, -1).any(axis=1).all()
        else:
            assert asked.all()


@every_profile
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(task: Any) -> None:
    task = small(task)
    for draw in (task.sample, task.evaluation):
        assert [a.tobytes() for a in draw(rng(3))] == [a.tobytes() for a in draw(rng(3))]
    assert task.sample(rng(3))[0].tobytes() != task.sample(rng(4))[0].tobytes()


@every_profile
def test_a_perfect_predictor_solves_the_task_and_chance_does_not(task: Any) -> None:
    _, y = task.evaluation(rng())
    assert 0 <= task.scores(perfect(task, y), y)[task.metric] < task.threshold < task.chance
    assert all(np.isfinite(score) for score in task.baselines.values())


@every_profile
def test_a_task_describes_a_model_and_cannot_be_changed(task: Any) -> None:
    assert task.readout in READOUTS and task.loss in LOSSES
    ModelSpec(cell="gru", inputs=task.inputs, hidden=task.hidden, outputs=task.outputs)
    assert hash(task) == hash(replace(task))
    with pytest.raises(FrozenInstanceError):
        task.batch = 1


@given(seeds, st.integers(2, 40), st.sampled_from(MARKS))
def test_adding_marks_two_numbers_and_asks_for_their_sum(
    seed: int, length: int, marks: str
) -> None:
    x, y = Adding(length=length, marks=marks, batch=20).sample(rng(seed))
    numbers, marked = x[..., 0], x[..., 1]
    assert set(np.unique(marked)) <= {0, 1} and (marked.sum(axis=1) == 2).all()
    if marks == "halves":
        assert (marked[:, : length // 2].sum(axis=1) == 1).all()
    assert (numbers >= 0).all() and (numbers < 1).all()
    np.testing.assert_allclose(y[:, 0], (numbers * marked).sum(axis=1))


@pytest.mark.parametrize("marks", MARKS)
def test_adding_marks_every_step_that_it_may_equally_often(marks: str) -> None:
    x, _ = Adding(length=9, marks=marks, batch=20_000).sample(rng())
    expected = [1 / 4] * 4 + [1 / 5] * 5 if marks == "halves" else [2 / 9] * 9
    np.testing.assert_allclose(x[..., 1].mean(axis=0), expected, atol=0.015)


@pytest.mark.parametrize("marks", MARKS)
def test_one_is_the_best_constant_answer_to_adding(marks: str) -> None:
    task = Adding(length=6, marks=marks, held_out=200_000)
    _, y = task.evaluation(rng())
    mse = {answer: task.scores(np.full_like(y, answer), y)["mse"] for answer in (0.95, 1, 1.05)}
    assert mse[1] == pytest.approx(task.chance, abs=0.002)
    assert min(mse, key=mse.__getitem__) == 1 and mse[1] > task.threshold


@given(seeds, st.integers(1, 30))
def test_memory_shows_ten_symbols_waits_and_asks_for_them_again(seed: int, lag: int) -> None:
    x, y = Memory(lag=lag, batch=20).sample(rng(seed))
    assert (x.sum(axis=-1) == 1).all()
    shown = x.argmax(axis=-1)
    assert x.shape[1] == lag + 20 and ((shown[:, :10] >= 1) & (shown[:, :10] <= 8)).all()
    assert (shown[:, 10 : 10 + lag - 1] == 0).all()
    assert (shown[:, 9 + lag] == 9).all() and (shown[:, 10 + lag :] == 0).all()
    assert (y[:, :-10] == 0).all() and (y[:, -10:] == shown[:, :10]).all()


@pytest.mark.parametrize(("lag", "chance"), [(20, 0.5199), (100, 0.1733), (1000, 0.02039)])
def test_memory_without_memory_scores_the_published_chance(lag: int, chance: float) -> None:
    task = Memory(lag=lag, held_out=100)
    _, y = task.evaluation(rng())
    assert task.chance == pytest.approx(10 * log(8) / (lag + 20)) == pytest.approx(chance, rel=1e-3)
    score = task.scores(blanks_and_guesses(y), y)["cross_entropy"]
    assert score == pytest.approx(task.chance) and score > task.threshold


def test_memory_draws_its_symbols_evenly_and_independently() -> None:
    _, y = Memory(lag=1, held_out=40_000).evaluation(rng())
    pairs = np.histogram2d(y[:, -10], y[:, -9], bins=8)[0] / len(y)
    np.testing.assert_allclose(pairs, 1 / 64, atol=0.004)


def test_recall_error_counts_the_last_ten_symbols_alone() -> None:
    task = Memory(lag=500, held_out=20)
    _, y = task.evaluation(rng())
    assert task.scores(np.broadcast_to(np.eye(9)[0], (*y.shape, 9)), y)["recall_error"] == 1
    half = perfect(task, y).copy()
    half[:, :-5] = 1 - half[:, :-5]
    assert task.scores(half, y)["recall_error"] == 0.5
    guesses = rng().integers(1, 9, size=(2000, 520))
    _, truth = replace(task, held_out=2000).evaluation(rng(1))
    assert task.scores(perfect(task, guesses), truth)["recall_error"] == pytest.approx(
        7 / 8, abs=0.01
    )


def test_large_logits_keep_the_cross_entropy_finite() -> None:
    task = Memory(lag=1, held_out=3)
    _, y = task.evaluation(rng())
    assert task.scores(np.full((*y.shape, 9), 1e4, np.float32), y)["cross_entropy"] == (
        pytest.approx(log(9))
    )


def test_the_sunspot_forecasts_that_need_no_network_score_as_published() -> None:
    every = Forecasting(order=9).baselines
    found = {k: v for k, v in every.items() if "." not in k and k != "perceptron"}
    expected = {"persistence": 0.416, "seasonal": 0.411, "autoregression": 0.123}
    assert found == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("horizon", "persistence", "linear"), [(6, 0.819, 0.425), (84, 1.626, 0.556)]
)
def test_the_mackey_glass_forecasts_that_need_no_network_score_as_expected(
    horizon: int, persistence: float, linear: float
) -> None:
    task = Forecasting(series="mackey-glass", horizon=horizon)
    nrmse = {name: nmse**0.5 for name, nmse in task.baselines.items()}
    assert nrmse["persistence"] == pytest.approx(persistence, abs=0.004)
    assert nrmse["taps"] == pytest.approx(linear, abs=0.004)
    assert task.chance == pytest.approx(1, abs=0.01)


def test_mackey_glass_follows_the_solution_known_for_the_first_delay() -> None:
    time = np.arange(18)
    rest = 0.2 * 1.2 / (1 + 1.2**10) / 0.1
    expected = rest + (1.2 - rest) * np.exp(-0.1 * time)
    np.testing.assert_allclose(_series.mackey_glass(18, washout=0), expected, rtol=1e-7)


def test_the_autoregression_agrees_with_statsmodels() -> None:
    statsmodels: Any = import_module("statsmodels.tsa.ar_model")
    series, targets = _series.values("sunspots"), np.arange(221, 256)
    fitted = statsmodels.AutoReg(series[:221], lags=9, trend="c").fit().params
    expected = fitted[0] + sum(fitted[lag] * series[targets - lag] for lag in range(1, 10))
    np.testing.assert_allclose(autoregression(series, 221, targets, range(1, 10)), expected)


@given(seeds, st.sampled_from(["sunspots", "mackey-glass"]), st.integers(1, 9), st.integers(9, 30))
@settings(max_examples=30)
def test_windows_for_training_and_their_targets_lie_in_the_training_part(
    seed: int, series: str, horizon: int, length: int
) -> None:
    task = Forecasting(series=series, horizon=horizon, length=length, batch=8)
    part = _series.values(series)[: _series.SERIES[series].train]
    known = np.lib.stride_tricks.sliding_window_view(
        (part - part.mean()) / part.std(), length + horizon
    )
    for window, target in zip(*task.sample(rng(seed)), strict=True):
        same = (known[:, :length] == window[:, 0]).all(axis=1) & (known[:, -1] == target[0])
        assert same.any()


def test_the_evaluation_asks_for_every_test_value_in_order_from_past_values_alone() -> None:
    task = Forecasting(horizon=3, length=12)
    series = _series.values("sunspots")
    x, y = task.evaluation(rng())
    x, y = (a * series[:221].std() + series[:221].mean() for a in (x, y))
    np.testing.assert_allclose(y[:, 0], series[221:256])
    for step, window in zip(range(221, 256), x[..., 0], strict=True):
        np.testing.assert_allclose(window, series[step - 14 : step - 2])


def test_forecast_scores_are_in_the_units_they_say() -> None:
    task = Forecasting()
    series = _series.values("sunspots")
    _, y = task.evaluation(rng())
    scores = task.scores(y + 10 / series[:221].std(), y)
    assert scores["rmse"] == pytest.approx(10)
    assert scores["nmse"] == pytest.approx(100 / 1535) == pytest.approx(scores["nrmse"] ** 2)
    assert scores["mase"] == pytest.approx(10 / np.abs(np.diff(series[:221])).mean())
    actual = series[221:256]
    assert scores["smape"] == pytest.approx(np.mean(200 * 10 / (2 * actual + 10)))
    constant = task.scores(np.zeros_like(y), y)["nmse"]
    assert constant == pytest.approx(task.chance) and constant > task.threshold


def test_a_season_is_never_taken_from_the_future() -> None:
    series, targets = _series.values("sunspots"), np.arange(221, 256)
    error = series[targets] - series[targets - 22]
    assert Forecasting(horizon=12).baselines["seasonal"] == pytest.approx(np.mean(error**2) / 1535)


def test_other_data_than_the_one_described_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(_series.SERIES["sunspots"], read=lambda: np.zeros(309))
    monkeypatch.setattr(_series, "SERIES", {"sunspots": other})
    with pytest.raises(Unavailable, match="sunspots is not the one described: its sha256"):
        _series.values.__wrapped__("sunspots")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Forecasting().unavailable() is None
    monkeypatch.setattr(_data, "find_spec", lambda name: None)
    assert "pip install statsmodels" in str(Forecasting().unavailable())
    assert Forecasting(series="mackey-glass").unavailable() is None
    with pytest.raises(Unavailable, match="statsmodels"):
        _series.read_sunspots()


REJECTED = [
    (Adding, {"length": 1}, "length must be a whole number of at least 2, not 1"),
    (
        Adding,
        {"length": 10, "marks": "thirds"},
        "marks must be one of halves, anywhere, not 'thirds'",
    ),
    (Adding, {"length": 10, "batch": 2.5}, "batch must be a whole number of at least 1, not 2.5"),
    (Adding, {"length": 10, "learning_rate": 0}, "learning_rate must be a positive number"),
    (Memory, {"lag": 0}, "lag must be a whole number of at least 1, not 0"),
    (Memory, {"lag": True}, "lag must be a whole number of at least 1, not True"),
    (Memory, {"lag": 5, "clip_norm": -1.0}, "clip_norm must be a positive number"),
    (Forecasting, {"series": "tides"}, "series must be one of sunspots, mackey-glass, airline"),
    (Forecasting, {"length": 8}, "order must be at most length, 8, not 9"),
    (Forecasting, {"length": 100, "horizon": 20}, "must be at most 110, not "),
    (Forecasting, {"horizon": 0}, "horizon must be a whole number of at least 1, not 0"),
]


@pytest.mark.parametrize(("task", "wrong", "message"), REJECTED)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    task: type, wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        task(**wrong)


def test_names_are_listed_without_importing_a_task() -> None:
    code = (
        "import sys, tasks; print(*tasks.names()); "
        "print(*(m for m in sys.modules if m[:6] == 'tasks.'))"
    )
    root = Path(tasks.__file__).parents[1]
    shown = subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True)
    listed, imported = shown.splitlines()
    assert listed.split() == tasks.names()
    assert {"adding", "forecasting", "memory"} <= set(tasks.names())
    assert imported == ""


def test_an_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(
        Unavailable, match=r"no task 'memroy'. Did you mean memory\? Tasks: adding, "
    ):
        tasks.load("memroy")


MINE = """
from __future__ import annotations
from dataclasses import dataclass
from tasks.adding import Adding
@dataclass(frozen=True, kw_only=True)
class Mine(Adding):
    bonus: int = 0
REQUIRES = ()
PROFILES = {"smoke": Mine(length=4)}
"""


def test_a_file_elsewhere_is_a_task_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    for path in ("./mine.py", "mine.py", str(tmp_path / "mine.py")):
        assert tasks.load(path).PROFILES["smoke"].time == 4
    assert "mine" not in tasks.names()


def test_an_installed_package_adds_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_tasks.py").write_text(MINE)
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{tasks.GROUP}]\ntheir_task = their_tasks\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "their-task" in tasks.names()
    assert tasks.load("their-task").PROFILES["smoke"].time == 4


BROKEN = [
    (
        "import nowhere_at_all\n",
        r"mine\.py:1: ModuleNotFoundError: No module named 'nowhere_at_all'",
    ),
    ("x = 1\ny = (\n", r"mine\.py:2: SyntaxError: "),
    ("x = 1\n\ny = x / 0\n", r"mine\.py:3: ZeroDivisionError: division by zero"),
    (
        "from tasks.adding import Adding\nAdding(length=1)\n",
        r"mine\.py:2: ValueError: length must be a whole number of at least 2",
    ),
    ("REQUIRES = ()\n", r"lacks PROFILES: .*mine\.py"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_a_broken_file_is_reported_by_file_line_and_error(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(Unavailable, match=message):
        tasks.load(str(tmp_path / "mine.py"))
    assert str(tmp_path / "mine.py") not in sys.modules or "lacks" in message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"there is no file .*gone\.py"):
        tasks.load(str(tmp_path / "gone.py"))
