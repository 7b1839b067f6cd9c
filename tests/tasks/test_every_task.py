"""What every task promises, at every profile."""

import re
from dataclasses import FrozenInstanceError, asdict, replace
from typing import Any

import numpy as np
import pytest
from task_samples import logits_of_legal_successors, rng, with_few

import tasks
from bench.spec import LOSSES, READOUTS, Array, ModelSpec
from tasks._packaged_data import digest
from tasks.adding import Adding
from tasks.adding_1997 import Adding1997
from tasks.fill_blank import FillBlank
from tasks.forecasting import Forecasting
from tasks.long_lag import LongLag
from tasks.memory import Memory
from tasks.reber import Reber
from tasks.seq2seq import Seq2Seq
from tasks.temporal_order import TemporalOrder
from tasks.two_sequence import TwoSequence

PROFILES = [
    pytest.param(tasks.load(name).PROFILES[profile], id=f"{name}-{profile}")
    for name in tasks.names()
    for profile in ("smoke", "standard", "paper")
]
every_profile = pytest.mark.parametrize("task", PROFILES)
FEW = 500
"""Enough sequences for what holds for each of them: the long profiles evaluate 10,000."""

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
"""The sha256 of 16 training and 16 held-out sequences drawn with seed 0. Published learning results
are comparable as long as these do not change."""


def perfect_predictions(task: Any, y: Array) -> Array:
    """The best predictions; steps without a target (NaN, −1) get any answer."""
    if isinstance(task, Reber):
        return logits_of_legal_successors(y)
    return np.nan_to_num(y) if task.loss == "mse" else 50 * np.eye(task.outputs)[y]


def test_generated_tasks_draw_the_same_sequences_as_ever() -> None:
    profiles = {
        f"{name}:{profile}": task
        for name in tasks.names()
        if not tasks.load(name).REQUIRES and name != "workload"
        for profile, task in tasks.load(name).PROFILES.items()
    }
    assert profiles.keys() == DRAWN.keys()
    for name, task in profiles.items():
        few = replace(task, **{k: 16 for k in ("batch", "held_out") if k in asdict(task)})
        generator = rng()
        drawn = digest(*few.sample(generator), *few.evaluation(generator))
        assert drawn.startswith(DRAWN[name]), name


@pytest.mark.parametrize("name", tasks.names())
def test_task_file_names_its_packages_and_has_the_three_profiles(name: str) -> None:
    assert set(tasks.load(name).PROFILES) >= {"smoke", "standard", "paper"}
    assert all(isinstance(package, str) for package in tasks.load(name).REQUIRES)


@every_profile
def test_batches_have_the_shapes_and_types_of_the_settings(task: Any) -> None:
    assert task.batch < getattr(task, "held_out", np.inf)
    task = replace(with_few(task, FEW), batch=task.batch)
    batch, held_out = task.sample(rng()), task.evaluation(rng())
    assert len(batch[0]) == task.batch < len(held_out[0])
    for x, y in (batch, held_out):
        count = len(x)
        target_steps = getattr(task, "decoder", 0) or task.time
        steps = (target_steps,) if task.readout == "every" else ()
        assert x.shape == (count, task.time, task.inputs) and x.dtype == np.float64
        if task.loss == "mse":
            assert y.shape == (count, *steps, task.outputs) and y.dtype == np.float64
            labelled = np.isfinite(y)
        else:
            assert y.shape == (count, *steps) and y.dtype == np.int64
            labelled = y >= 0
            assert y.min() >= -1 and y.max() < task.outputs
        assert np.isfinite(x).all()
        if steps:
            assert labelled.reshape(count, -1).any(axis=1).all()
        else:
            assert labelled.all()


@every_profile
def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(task: Any) -> None:
    task = with_few(task, 2)
    for draw in (task.sample, task.evaluation):
        assert [a.tobytes() for a in draw(rng(3))] == [a.tobytes() for a in draw(rng(3))]
    assert task.sample(rng(3))[0].tobytes() != task.sample(rng(4))[0].tobytes()


@every_profile
def test_perfect_predictor_solves_the_task_and_chance_does_not(task: Any) -> None:
    _, y = with_few(task, FEW).evaluation(rng())
    score = task.scores(perfect_predictions(task, y), y)[task.metric]
    assert 0 <= score < task.threshold < task.chance
    assert all(np.isfinite(score) for score in task.baselines.values())


@every_profile
def test_task_describes_a_model_and_is_immutable(task: Any) -> None:
    assert task.readout in READOUTS and task.loss in LOSSES
    ModelSpec(cell="gru", inputs=task.inputs, hidden=task.hidden, outputs=task.outputs)
    assert hash(task) == hash(replace(task))
    with pytest.raises(FrozenInstanceError):
        task.batch = 1


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        (Adding, {"length": 1}, "length must be a whole number of at least 2, not 1"),
        (
            Adding,
            {"length": 10, "marks": "thirds"},
            "marks must be one of halves, anywhere, not 'thirds'",
        ),
        (
            Adding,
            {"length": 10, "batch": 2.5},
            "batch must be a whole number of at least 1, not 2.5",
        ),
        (Adding, {"length": 10, "learning_rate": 0}, "learning_rate must be a positive number"),
        (Memory, {"lag": 0}, "lag must be a whole number of at least 1, not 0"),
        (Memory, {"lag": True}, "lag must be a whole number of at least 1, not True"),
        (Memory, {"lag": 5, "clip_norm": -1.0}, "clip_norm must be a positive number"),
        (Forecasting, {"series": "tides"}, "series must be one of sunspots, mackey-glass, airline"),
        (Forecasting, {"length": 8}, "order must be at most length, 8, not 9"),
        (Forecasting, {"length": 100, "horizon": 20}, "must be at most 110, not "),
        (Forecasting, {"horizon": 0}, "horizon must be a whole number of at least 1, not 0"),
        (Adding1997, {"length": 19}, "length must be a whole number of at least 20"),
        (LongLag, {"form": "2d"}, "form must be one of 2a, 2b, 2c, 2a-end, 2b-end"),
        (LongLag, {"symbols": 1}, "symbols must be a whole number of at least 2"),
        (TwoSequence, {"signal": 100}, "signal must be less than length"),
        (TwoSequence, {"learning_rate": -1.0}, "learning_rate must be a positive number"),
        (TemporalOrder, {"form": "7"}, "form must be one of 6a, 6b, pascanu"),
        (TemporalOrder, {"length": 9}, "length must be a whole number of at least 10"),
        (Reber, {"strings": 501}, "strings must be at most 500"),
        (Reber, {"batch": True}, "batch must be a whole number"),
        (FillBlank, {"needs": "luck"}, "needs must be one of future, past, not 'luck'"),
        (FillBlank, {"length": 2}, "length must be a whole number of at least 3"),
        (Seq2Seq, {"kind": "sort"}, "kind must be one of copy, reverse, dates, not 'sort'"),
        (Seq2Seq, {"symbols": 1}, "symbols must be a whole number of at least 2"),
    ],
)
def test_wrong_setting_is_refused_with_what_is_accepted(
    task: type, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        task(**settings)
