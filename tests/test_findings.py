"""What `docs/learning.md` says in words holds of the records that are published."""

import math
from functools import cache
from pathlib import Path
from statistics import median

import pytest

import backends
import tasks
from bench.analysis.statistics import sign_test
from bench.plan.case import Case
from bench.records.folder import RunFolder
from bench.records.record import Record
from studies import command
from studies.agreement import LEVEL, Pair, Pairs, counted, pairs, parting
from studies.grid import score_at, step_seconds
from studies.reading import number, score, updates
from studies.table import by_row, markdown


@cache
def of_study(name: str) -> dict[str, list[Record]]:
    """What a study has recorded, by row."""
    study = command.STUDIES[name]
    planned, _ = command.plan(study, study.rows, backends, tasks)
    records = RunFolder(Path(tasks.__file__).parents[1] / "results/studies" / name).records()
    return by_row({key: rows for key, (_, rows) in planned.items()}, records)


def test_twenty_published_figures_stand_beside_ours_with_a_reason_where_they_differ() -> None:
    study, own = command.STUDIES["papers"], of_study("papers")
    found = {
        (name, r.case["cell"]) for name, rs in own.items() for r in rs if r.probe == "learning"
    }
    beside = [f for row in study.rows for f in row.published if (row.name, f.cell) in found]
    assert len(beside) >= 20
    lines = markdown(study, own).splitlines()
    apart = {line.split("|")[1].strip() for line in lines if "| outside" in line}
    assert apart and apart <= {row.name for row in study.rows if row.why or row.differs}


@pytest.mark.parametrize("study", command.STUDIES)
def test_what_is_recorded_was_held_to_the_threshold_of_today(study: str) -> None:
    """A record's key has a task's settings, not what follows from them."""
    threshold = cache(lambda task: task.threshold)
    for r in (r for own in of_study(study).values() for r in own if r.probe == "learning"):
        profiles = tasks.load(r.case["task"]).PROFILES
        task = Case(r.case).with_task(profiles["standard"])
        assert number(r, "threshold") == pytest.approx(threshold(task), rel=1e-9), task


def recorded(row: str, study: str = "papers") -> list[Record]:
    """Of the lstm, in JAX."""
    learned = [
        r for r in of_study(study)[row] if r.probe == "learning" and r.case["cell"] == "lstm"
    ]
    return [r for r in learned if r.case["backend"] == "jax"]


def sequences(row: str) -> float:
    """The median of the seeds that learn it."""
    learned = [r for r in recorded(row) if r.metrics["solved"]]
    return median(r.case["batch"] * updates(r) for r in learned)


@pytest.mark.parametrize(
    ("experiment", "adam", "least", "most"),
    [
        ("1", "1: embedded Reber grammar", 3, math.inf),
        ("2c, p = q = 50", "2c: p = q = 50", 3, math.inf),
        ("3a", "3a: two-sequence problem, T = 100, N = 3", 3, math.inf),
        ("4, T = 100", "4: adding, T = 100", 3, math.inf),
        ("6a", "6a: temporal order", 1.5, math.inf),
        ("6b", "6b: temporal order of three", 0, 0.15),
    ],
)
def test_trained_as_in_1997_takes_as_many_sequences_as_the_reasons_say(
    experiment: str, adam: str, least: float, most: float
) -> None:
    plain = f"{experiment}, trained as in 1997"
    assert all(r.case["optimiser"] == "sgd" and r.case["batch"] == 1 for r in recorded(plain))
    assert least <= sequences(plain) / sequences(adam) <= most


def test_what_else_the_reasons_of_1997_say() -> None:
    assert sequences("6a, 4 units") > 1.5 * sequences("6a: temporal order")
    assert sequences("6a, a sequence at a time") < sequences("6a: temporal order")
    lost = [
        [r for r in recorded(f"{k}, trained as in 1997") if not r.metrics["solved"]]
        for k in ("1", "4, T = 100")
    ]
    assert all(score(r) > 0.45 for r in lost[0]) and all(score(r) <= 0.004 for r in lost[1])
    assert all(lost)


def test_what_is_said_of_the_strings_that_are_not_learned() -> None:
    lost = [score(r) for r in recorded("1: embedded Reber grammar") if not r.metrics["solved"]]
    few, half = sorted(lost)[:2], sorted(lost)[2:]
    assert len(few) == 2 and max(few) <= 3 / 512
    assert len(half) == 1 and 0.45 < half[0] < 0.5


def test_what_is_said_of_cells_that_predict_every_symbol() -> None:
    """The seeds that keep the first symbol, and what they lack."""
    for row, keep, solved_ in (
        ("2a: long lag, p = 100", 1, 1),
        ("2b: no local regularity, p = 100", 3, 0),
    ):
        kept = [r for r in recorded(row) if number(r, "final.error") < 0.01]
        assert (len(kept), sum(r.metrics["solved"] for r in kept)) == (keep, solved_)
        assert len(recorded(row)) == 10


def test_what_is_said_of_cells_that_are_asked_for_the_end_alone() -> None:
    for form, kept in (("2a", 19), ("2b", 17)):
        row = f"{form}, asked for the end alone"
        assert [number(r, "final.error") < 0.01 for r in recorded(row)] == 10 * [True]
        errors = sorted(number(r, "final.error") for r in recorded(row, "agreement"))
        assert len(errors) == 20 and errors[kept - 1] < 0.01
        assert all(0.45 < error < 0.55 for error in errors[kept:])


def beside_jax(study: str) -> Pairs:
    return pairs(of_study(study), ("jax", "numpy", "torch", "tensorflow"), "jax")


def test_what_is_said_of_the_seeds_that_were_added_after_a_look() -> None:
    """Six models, seeds 3 to 9: the main backend is later more often, by no test of signs beyond
    chance."""
    for seen in beside_jax("papers").values():
        added = [p for p in seen if p.seed >= 3]
        assert len({p.row for p in added}) == 6 and len(added) == 42
        later, sooner = counted([p.steps for p in added])
        assert later < sooner and sign_test(later, sooner) > 0.05


def test_what_is_said_of_the_test_that_finds_a_difference() -> None:
    """Most seeds are solved at the same look; the others beside jax are sooner, numpy only just."""
    found = {}
    for name, seen in beside_jax("papers").items():
        later, sooner = counted([p.steps for p in seen])
        assert later + sooner < len(seen) / 2 and later < sooner
        found[name] = sign_test(later, sooner)
    assert {name for name, p in found.items() if p <= LEVEL / 3} == {"torch", "tensorflow"}
    assert 0.8 * LEVEL < found["numpy"] <= LEVEL


def test_what_is_said_of_the_model_in_which_jax_is_behind() -> None:
    for study, seeds in (("papers", 10), ("agreement", 20)):
        for seen in beside_jax(study).values():
            steps = [p.steps for p in seen if p.row == "2b, asked for the end alone"]
            later, sooner = counted(steps)
            assert len(steps) == seeds and later < sooner
            assert study == "papers" or sign_test(later, sooner) > 0.05


def test_what_is_said_of_series_on_which_no_cell_beats_the_autoregression() -> None:
    for row in ("airline passengers", "CO₂", "temperatures, a day ahead"):
        learned = [r for r in of_study("papers")[row] if r.probe == "learning"]
        own = [r for r in learned if r.case["backend"] == "jax"]
        assert len(own) == 15
        assert all(score(r) >= number(r, "baseline.autoregression") for r in own)
        assert number(own[0], "baseline.autoregression") < 0.04


def test_what_is_said_of_copying() -> None:
    learned = [r for r in of_study("papers")["copy, T = 1000"] if r.probe == "learning"]
    for backend in ("jax", "numpy", "torch", "tensorflow"):
        scores = {
            cell: median(score(r) for r in learned if told(r) == (backend, cell))
            for cell in ("rnn", "lstm", "gru")
        }
        assert min(scores.values()) > 0.0204 and max(scores, key=scores.__getitem__) == "lstm"
    lstm = [
        median(score(r) for r in learned if told(r) == (backend, "lstm") and r.case["seed"] < 3)
        for backend in ("jax", "numpy", "torch", "tensorflow")
    ]
    assert max(lstm) > 1.2 * min(lstm)
    for seen in beside_jax("papers").values():
        own = [p for p in seen if (p.row, p.cell) == ("copy, T = 1000", "lstm")]
        assert 450 < median(parting(p.other, p.main) for p in own) < 550


def test_what_is_said_of_how_soon_curves_part() -> None:
    """Beside each other backend: of models that part at once and of those that never do, some are
    solved by all seeds and some by none."""
    for seen in beside_jax("papers").values():
        at: dict[tuple[str, str], list[Pair]] = {}
        for p in seen:
            at.setdefault((p.row, p.cell), []).append(p)
        parted = {model: median(parting(p.other, p.main) for p in own) for model, own in at.items()}
        assert min(parted.values()) <= 10
        for among in (
            [model for model, update in parted.items() if update < math.inf],
            [model for model, update in parted.items() if update == math.inf],
        ):
            solved = {
                tuple(bool(r.metrics["solved"]) for p in at[model] for r in (p.main, p.other))
                for model in among
            }
            assert any(all(of) for of in solved) and any(not any(of) for of in solved)


def told(record: Record) -> tuple[str, str]:
    return record.case["backend"], record.case["cell"]


# ---- what is said of them --------------------------------------------------------------------


def claimed(row: str, cell: str, probe: str = "learning") -> list[Record]:
    found = of_study("claims")[row]
    return [r for r in found if r.probe == probe and r.case["cell"] == cell]


def of_seeds(row: str, cell: str) -> tuple[int, int, float]:
    """How many seeds are solved, how many still are at the end, and the median of the updates."""
    own = claimed(row, cell)
    still = sum(score(r) < number(r, "threshold") for r in own if r.metrics["solved"])
    return sum(bool(r.metrics["solved"]) for r in own), still, median(map(updates, own))


def test_what_is_said_of_longer_sequences() -> None:
    lengths = (25, 50, 100, 200, 400)
    later = {cell: [of_seeds(f"T = {n}", cell)[2] for n in lengths] for cell in ("lstm", "gru")}
    assert all(later[cell] == sorted(later[cell]) for cell in later)
    assert of_seeds("T = 100", "lstm")[0] == 5 and of_seeds("T = 200", "lstm")[0] == 0
    assert of_seeds("T = 400", "gru")[0] == 5


def test_what_is_said_of_longer_sequences_than_trained_on() -> None:
    def carried(row: str, cell: str, times: int) -> list[bool]:
        own = claimed(row, cell, "lengths")
        return [number(r, f"score.x{times}") < number(r, f"threshold.x{times}") for r in own]

    for row in ("adding, T = 50, 100, 200", "temporal order, 50, 100, 200"):
        for cell in ("rnn", "lstm", "gru"):
            assert carried(row, cell, 2) == [False] * 5
    memory = "memory, lag 10, 40, 100"
    assert [of_seeds(memory, cell)[0] for cell in ("rnn", "lstm", "gru")] == [0, 0, 5]
    assert sum(carried(memory, "gru", 4)) == 4


def test_what_is_said_of_forget_biases() -> None:
    lag = "2c, p = q = 50: forget bias {}, rate {}"
    for rate in ("0.003", "0.01"):
        assert [of_seeds(lag.format(bias, rate), "lstm")[0] for bias in (0, 1)] == [0, 0]
        assert of_seeds(lag.format(5, rate), "lstm")[0] >= 7
    add = "adding, T = 50: forget bias {}, rate {}"
    for rate in ("0.003", "0.01"):
        later = [of_seeds(add.format(bias, rate), "lstm")[2] for bias in (1, 3, 5)]
        assert later == sorted(later) and later[0] < later[1]
    scores = [median(map(score, claimed(add.format(bias, "0.001"), "lstm"))) for bias in (1, 3, 5)]
    assert scores == sorted(scores)


def test_what_is_said_of_first_weights() -> None:
    order = "temporal order: {}, rate {}"
    sooner = [of_seeds(order.format("orthogonal", rate), "rnn") for rate in ("0.001", "0.003")]
    identity = [of_seeds(order.format("identity", rate), "rnn") for rate in ("0.001", "0.003")]
    assert sum(solved for solved, *_ in sooner) == 15
    uniform = [of_seeds(order.format("uniform", rate), "rnn") for rate in ("0.001", "0.003")]
    assert sum(solved for solved, *_ in uniform) == 2
    assert identity[0][2] > 2 * sooner[0][2] and identity[1][0] == 4
    for rate in ("0.001", "0.003"):
        plain, ones = (
            claimed(f"adding, T = 50: {scheme}, rate {rate}", "rnn")
            for scheme in ("uniform", "identity")
        )
        assert not any(r.metrics["solved"] for r in [*plain, *ones])
        assert median(map(score, ones)) == pytest.approx(median(map(score, plain)), rel=0.01)


def test_what_is_said_of_as_many_weights() -> None:
    rnn = [of_seeds(f"temporal order: {n}", "rnn")[0] for n in ("32 units each", "as many weights")]
    assert rnn[0] < 4 and rnn[1] == 8
    for size in ("32 units each", "as many weights"):
        assert of_seeds(f"adding, T = 50: {size}", "rnn")[0] == 0
    of = {cell: of_seeds("adding, T = 50: as many weights", cell)[2] for cell in ("lstm", "gru")}
    assert of["gru"] < of["lstm"]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_what_is_said_of_depth(cell: str) -> None:
    assert of_seeds("2 layers", cell)[2] < of_seeds("1 layer", cell)[2]
    took = {
        row: step_seconds(claimed(row, cell, "speed"))
        for row in ("1 layer", "2 layers", "3 layers")
    }
    at = {
        row: median(
            score_at(r, r.case["steps"] * min(took.values()) / seconds) for r in claimed(row, cell)
        )
        for row, seconds in took.items()
    }
    assert min(at, key=at.__getitem__) == "1 layer"


def test_what_is_said_of_clipping() -> None:
    found = [of_seeds(f"clipped at {norm}, rate 0.005", "rnn")[:2] for norm in ("none", "1", "0.1")]
    assert found == [(5, 2), (5, 5), (6, 4)]
    assert all(of_seeds(f"clipped at {n}, rate 0.001", "rnn")[0] == 8 for n in ("none", "1", "0.1"))


def test_what_is_said_of_the_sunspots() -> None:
    """How many seeds are solved and how many still are at the end."""
    for cell in ("rnn", "lstm", "gru"):
        assert of_seeds("sunspots: 32 units each", cell)[:2] == (8, 0)
    assert of_seeds("sunspots: as many weights", "rnn")[:2] == (8, 3)
    still = [
        score(r) < number(r, "baseline.autoregression")
        for r in of_study("papers")["sunspots"]
        if r.probe == "learning" and r.case["backend"] == "jax" and r.case["cell"] != "feedforward"
    ]
    assert len(still) == 15 and sum(still) > 7
