"""The passes of every cell, by name."""

from collections.abc import Mapping
from typing import Any

from backends._numpy.gru import Gru, GruResetBefore
from backends._numpy.lstm import Lstm
from backends._numpy.rnn import Feedforward, Rnn

PASSES: Mapping[str, Any] = {
    "rnn": Rnn,
    "feedforward": Feedforward,
    "lstm": Lstm,
    "gru": Gru,
    "gru_reset_before": GruResetBefore,
}
