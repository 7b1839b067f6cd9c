"""Data that ship in packages: what is missing is named, other data are refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tasks
from bench.spec import Unavailable
from tasks import _packaged_data
from tasks._packaged_data import verify
from tasks._series.catalogue import SERIES, load_values
from tasks._series.packaged import read_sunspots
from tasks.forecasting import Forecasting


@pytest.mark.parametrize("name", ["classification", "char-lm", "autoencoder", "forecasting"])
def test_task_without_its_package_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task: Any = tasks.load(name).PROFILES["standard"]
    assert task.unavailable() is None
    monkeypatch.setattr(_packaged_data, "find_spec", lambda module: None)
    assert "pip install" in task.unavailable()


def test_series_names_the_package_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Forecasting().unavailable() is None
    monkeypatch.setattr(_packaged_data, "find_spec", lambda name: None)
    assert "pip install statsmodels" in str(Forecasting().unavailable())
    assert Forecasting(series="mackey-glass").unavailable() is None
    with pytest.raises(Unavailable, match="statsmodels"):
        read_sunspots()


def test_other_data_than_expected_are_refused() -> None:
    with pytest.raises(Unavailable, match="not the ones described: their sha256 is"):
        verify("a test", "0" * 64, np.zeros(3))


def test_other_series_than_expected_is_refused() -> None:
    other = replace(SERIES["sunspots"], read=lambda: np.zeros(309))
    with pytest.raises(Unavailable, match="sunspots are not the ones described: their sha256"):
        load_values(other)
