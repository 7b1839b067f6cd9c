"""Forecasts of eight series, beside classical methods."""

from dataclasses import replace

from studies.experiment import Experiment
from tasks.forecasting import PROFILES

GROUP = (
    "Forecasts: mean squared error over variance, the median (least–largest) over seeds. Beside "
    "the cells: the last value (persistence); the value a season ago (seasonal); an "
    "autoregression; an autoregression on the values 0, 6, 12 and 18 steps ago (taps); and the "
    "median of five perceptrons of scikit-learn that differ in their seeds. The cell feedforward "
    "reads the whole window at once. Others: the median difference between a seed's score and the "
    "score of the same seed in JAX"
)
SERIES = {
    "sunspots": PROFILES["standard"],
    "airline passengers": PROFILES["airline"],
    "CO₂": PROFILES["co2"],
    "electricity demand": PROFILES["demand"],
    "laser": PROFILES["laser"],
    "temperatures, a day ahead": PROFILES["temperatures"],
    "Mackey-Glass, 6 ahead": replace(PROFILES["paper"], horizon=6),
    "Mackey-Glass, 84 ahead": PROFILES["paper"],
}

EXPERIMENTS = tuple(
    Experiment(
        name=name,
        group=GROUP,
        task_name="forecasting",
        task=task,
        cells=cells,
        series=series,
        seeds=5,
    )
    for series, recurrent_task in SERIES.items()
    for name, task, cells in (
        (series, recurrent_task, ("rnn", "lstm", "gru")),
        (
            f"{series}, the window as one input",
            replace(recurrent_task, reads="window"),
            ("feedforward",),
        ),
    )
)
