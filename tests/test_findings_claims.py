"""What the page on learning says about the claims holds for the published records."""

from statistics import median

import pytest
from finding_records import claim_records, learned, records

from studies.tables.grid import score_at, step_seconds
from studies.tables.seeds import final_score, is_solved, metric

CELLS = ("rnn", "lstm", "gru")


def test_longer_sequences_are_learned_later_and_the_lstm_fails_first() -> None:
    lengths = (25, 50, 100, 200, 400)
    for cell in ("lstm", "gru"):
        updates = [learned(f"T = {length}", cell).updates for length in lengths]
        assert updates == sorted(updates)
    assert learned("T = 100", "lstm").solved == 5 and learned("T = 200", "lstm").solved == 0
    assert learned("T = 400", "gru").solved == 5


def test_only_the_gru_solves_longer_sequences_than_in_training() -> None:
    def solved_at(experiment: str, cell: str, times: int) -> list[bool]:
        return [
            metric(r, f"score.x{times}") < metric(r, f"threshold.x{times}")
            for r in claim_records(experiment, cell, "lengths")
        ]

    for experiment in ("adding, T = 50, 100, 200", "temporal order, 50, 100, 200"):
        for cell in CELLS:
            assert solved_at(experiment, cell, 2) == [False] * 5
    memory = "memory, lag 10, 40, 100"
    assert [learned(memory, cell).solved for cell in CELLS] == [0, 0, 5]
    assert sum(solved_at(memory, "gru", 4)) == 4


def test_long_lag_needs_a_large_forget_bias_and_adding_does_not() -> None:
    lag = "2c, p = q = 50: forget bias {}, rate {}"
    add = "adding, T = 50: forget bias {}, rate {}"
    for rate in ("0.003", "0.01"):
        assert [learned(lag.format(bias, rate), "lstm").solved for bias in (0, 1)] == [0, 0]
        assert learned(lag.format(5, rate), "lstm").solved >= 7
        updates = [learned(add.format(bias, rate), "lstm").updates for bias in (1, 3, 5)]
        assert updates == sorted(updates) and updates[0] < updates[1]
    scores = [
        median(map(final_score, claim_records(add.format(bias, "0.001"), "lstm")))
        for bias in (1, 3, 5)
    ]
    assert scores == sorted(scores)


def test_orthogonal_weights_help_temporal_order_and_identity_weights_do_not_help_adding() -> None:
    order = "temporal order: {}, rate {}"
    orthogonal, identity, uniform = (
        [learned(order.format(scheme, rate), "rnn") for rate in ("0.001", "0.003")]
        for scheme in ("orthogonal", "identity", "uniform")
    )
    assert sum(result.solved for result in orthogonal) == 15
    assert sum(result.solved for result in uniform) == 2
    assert identity[0].updates > 2 * orthogonal[0].updates and identity[1].solved == 4
    for rate in ("0.001", "0.003"):
        plain, ones = (
            claim_records(f"adding, T = 50: {scheme}, rate {rate}", "rnn")
            for scheme in ("uniform", "identity")
        )
        assert not any(map(is_solved, [*plain, *ones]))
        scores = [median(map(final_score, seeds)) for seeds in (ones, plain)]
        assert scores[0] == pytest.approx(scores[1], rel=0.01)


def test_rnn_with_as_many_weights_learns_temporal_order_but_not_adding() -> None:
    sizes = ("32 units each", "as many weights")
    rnn = [learned(f"temporal order: {size}", "rnn").solved for size in sizes]
    assert rnn[0] < 4 and rnn[1] == 8
    assert [learned(f"adding, T = 50: {size}", "rnn").solved for size in sizes] == [0, 0]
    updates = {c: learned("adding, T = 50: as many weights", c).updates for c in ("lstm", "gru")}
    assert updates["gru"] < updates["lstm"]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_two_layers_need_fewer_updates_and_one_layer_less_time(cell: str) -> None:
    assert learned("2 layers", cell).updates < learned("1 layer", cell).updates
    seconds = {
        name: step_seconds(claim_records(name, cell, "speed"))
        for name in ("1 layer", "2 layers", "3 layers")
    }
    fastest = min(seconds.values())
    in_time = {
        name: median(
            score_at(r, r.case["steps"] * fastest / step_s) for r in claim_records(name, cell)
        )
        for name, step_s in seconds.items()
    }
    assert min(in_time, key=in_time.__getitem__) == "1 layer"


def test_clipping_helps_to_keep_what_was_learned_but_not_to_learn_it() -> None:
    titles = ("not clipped", "clipped at 1", "clipped at 0.1")
    results = [learned(f"{title}, rate 0.005", "rnn")[:2] for title in titles]
    assert results == [(5, 2), (5, 5), (6, 4)]
    assert [learned(f"{title}, rate 0.001", "rnn").solved for title in titles] == [8, 8, 8]


def test_forecast_of_the_sunspots_is_lost_again_by_large_models() -> None:
    for cell in CELLS:
        assert learned("sunspots: 32 units each", cell)[:2] == (8, 0)
    assert learned("sunspots: as many weights", "rnn")[:2] == (8, 3)
    seeds = [r for r in records("papers", "sunspots") if r.case["cell"] != "feedforward"]
    better = [final_score(r) < metric(r, "baseline.autoregression") for r in seeds]
    assert len(better) == 15 and sum(better) > 7
