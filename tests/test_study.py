"""Studies: what they ask for can be run, and what they say of a figure follows from the records."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import bench_inside

import backends
import tasks
from bench.plan.case import Case
from bench.plan.cases import plan_cases
from bench.plan.request import Request
from bench.plan.selection import select
from bench.records.folder import RunFolder
from bench.records.record import Record
from bench.spec import ModelSpec
from bench.weights import weight_shapes
from studies import agreement as agreed
from studies import command
from studies.agreement import (
    APART,
    Pair,
    agreement,
    curves,
    distance,
    pairs,
    parted,
    parting,
    power,
    solved,
)
from studies.claims import as_many, weights
from studies.rows import SCORE, SEQUENCES, SOLVED, Claim, Experiment, Figure, Study, about, between
from studies.table import by_row, failures, markdown, verdict


@pytest.mark.parametrize("name", command.STUDIES)
def test_every_row_can_be_asked_for_and_has_a_name_of_its_own(name: str) -> None:
    study = command.STUDIES[name]
    names = [row.name for row in study.rows]
    assert len(set(names)) == len(names)
    for row in study.rows:
        assert {figure.cell for figure in row.published} <= set(row.cells)
        for request in row.requests(study.main, study.others):
            selection, _ = select(request, backends, tasks)
            assert selection.threads == 1 and "learning" in selection.probes


def test_every_task_is_in_the_study_of_tasks() -> None:
    rows = command.STUDIES["tasks"].rows
    assert {row.task.partition(":")[0] for row in rows} == {*tasks.names()} - {"workload"}


def test_the_study_of_agreement_takes_seeds_that_no_other_has_looked_at() -> None:
    own, papers = (command.STUDIES[name] for name in ("agreement", "papers"))
    by_name = {row.name: row for row in papers.rows}
    for row in own.rows:
        assert (row.task, row.cells) == (by_name[row.name].task, by_name[row.name].cells)
        asked = [request.seeds for request in row.requests(own.main, own.others)]
        assert asked == 2 * [list(range(30, 50))]
        assert max(by_name[row.name].seeds, by_name[row.name].other_seeds) <= 10


def test_on_a_gpu_every_row_has_seeds_in_every_backend_and_a_folder_of_its_own() -> None:
    def asked(device: str, others: Mapping[str, Sequence[str]] | None) -> list[tuple[Any, ...]]:
        row = Experiment(name="it", task="adding:smoke", seeds=5, others=others)
        requests = row.requests("jax", ("numpy", "torch"), device)
        return [(r.backends, r.cells, r.seeds, r.devices) for r in requests]

    cells, three = ["rnn", "lstm", "gru"], [0, 1, 2]
    first = (["jax"], cells, [0, 1, 2, 3, 4], ["cpu"])
    assert asked("cpu", {}) == [first]
    assert asked("cpu", {"torch": ("gru",)}) == [first, (["torch"], ["gru"], three, ["cpu"])]
    assert asked("cpu", None) == [first, (["numpy", "torch"], cells, three, ["cpu"])]
    everywhere = [(b, c, s, ["cuda:1"]) for b, c, s, _ in asked("cpu", None)]
    assert asked("cuda:1", {}) == asked("cuda:1", {"torch": ("gru",)}) == everywhere
    assert command.folder_name("papers", "cpu") == "papers"
    assert command.folder_name("papers", "cuda:1") == "papers-cuda-1"


@pytest.mark.parametrize("device", ["gpu", "auto", "cuda:x"])
def test_a_study_runs_on_one_known_device(device: str) -> None:
    done = bench_inside("study", "papers", "--device", device)
    assert done.returncode == 2 and f"unknown device '{device}'. Known: cpu, cuda" in done.stderr


def test_the_first_gpu_is_one_device_by_both_of_its_names() -> None:
    said = [
        bench_inside("study", "papers", "--device", device, "--dry-run").stderr
        for device in ("cuda", "cuda:0")
    ]
    assert said[0] == said[1] and "cuda:0" not in said[0]


def learned(
    seed: int,
    solved_at: float | None,
    backend: str = "a",
    cell: str = "lstm",
    probe: str = "learning",
    **more: Any,
) -> Record:
    case: Mapping[str, Any] = {
        "backend": backend,
        "cell": cell,
        "metric": "mse",
        "probe": probe,
        "seed": seed,
    }
    metrics = {
        "solved": float(solved_at is not None),
        "sequences_to_solve": solved_at,
        "score": 0.5,
        "threshold": 100.0,
        **more,
    }
    return Record(
        run="r",
        case=case,
        status="ok",
        reason=None,
        probe=probe,
        environment=None,
        started="2026-01-01T00:00:00+00:00",
        wall_s=1.0,
        metrics=metrics,
    )


@pytest.mark.parametrize(
    ("figure", "ours", "said"),
    [
        (about("lstm", SEQUENCES, 1000), 1000, "within"),
        (about("lstm", SEQUENCES, 1000), 500, "within"),
        (about("lstm", SEQUENCES, 1000), 499, "outside: fewer"),
        (about("lstm", SEQUENCES, 1000), 2001, "outside: more"),
        (about("lstm", SEQUENCES, 1000), math.inf, "outside: no more than half solved"),
        (about("lstm", SCORE, 0.1), 0.04, "outside: lower"),
        (between("lstm", SEQUENCES, 10, 20), 21, "outside: more"),
        (Figure("rnn", SOLVED, 0.0, 0.0, 0.0), 0.0, "within"),
        (Figure("rnn", SOLVED, 0.0, 0.0, 0.0), 1.0, "outside: higher"),
        (Figure("rnn", SOLVED, 1.0, 1.0, 1.0), 0.5, "outside: lower"),
        (Figure("lstm", SOLVED, 0.985, 0.97, 1.0), 0.9, "within"),
        (Figure("lstm", SCORE, math.nan, math.nan, math.nan), 0.1, "–"),
    ],
)
def test_on_which_side_of_the_published_range_ours_lies(
    figure: Figure, ours: float, said: str
) -> None:
    assert verdict(figure, ours, [learned(k, 1.0) for k in range(10)]) == said


def of(records: Sequence[Record], *rows: Experiment) -> dict[str, list[Record]]:
    return by_row({record.key: rows for record in records}, records)


def test_the_table_has_the_median_the_range_the_share_and_the_other_backends() -> None:
    row = Experiment(
        name="it", group="Some paper", task="t", published=(about("lstm", SEQUENCES, 900),)
    )
    study = Study(about="", rows=(row,), main="a", others=("b",))
    own = [learned(k, s, steps_to_solve=s and s / 10) for k, s in enumerate([400, 800, 1200, None])]
    other = [learned(k, s, backend="b") for k, s in enumerate([500, 700, 600])]
    text = markdown(study, of([*own, *other], row))
    cells = [cell.strip() for cell in text.splitlines()[-1].split("|")[1:-1]]
    assert cells == [
        *("it", "lstm", "sequences", "900", "1,000 (400–∞)", "100", "3 of 4 (19–99%)"),
        *("b 600 (3 of 3); a 800 (3 of 3)", "within"),
    ]


def test_seeds_that_were_solved_and_are_so_no_longer_are_told() -> None:
    row = Experiment(name="it", group="g", task="t", cells=("lstm",))
    own = [learned(k, 5, steps_to_solve=5, score=k, threshold=1.5) for k in range(3)]
    lost = [learned(3, 5, steps_to_solve=5, score=None, threshold=1.5), learned(4, None, score=9)]
    text = markdown(Study(about="", rows=(row,), main="a"), of([*own, *lost], row))
    assert "| 4 of 5 (28–99%), 2 at the end |" in text
    grid = markdown(Study(about="", rows=(row,), main="a", grid=True), of([*own, *lost], row))
    assert "| 4 of 5, 2 at the end, 5 " in grid
    assert "at the end" not in markdown(Study(about="", rows=(row,), main="a"), of(own[:2], row))


def test_a_median_lies_in_the_range_beside_it() -> None:
    row = Experiment(name="it", group="g", task="t")
    own = [learned(k, s) for k, s in enumerate([187_240, 182_000, 187_200])]
    text = markdown(Study(about="", rows=(row,), main="a"), of(own, row))
    assert "187,200 (182,000–187,240)" in text
    lost = [learned(k, None, score=s) for k, s in enumerate([0.1, None, 0.2])]
    text = markdown(Study(about="", rows=(row,), main="a"), of(lost, row))
    assert "0.200 (0.100–∞)" in text


def test_the_first_backend_that_has_records_is_the_main_one(tmp_path: Path) -> None:
    row = Experiment(name="it", group="g", task="t", published=(about("lstm", SEQUENCES, 900),))
    study = Study(about="", rows=(row,), main="jax", others=("numpy", *NAMES))
    rng, folder = np.random.default_rng(0), RunFolder.create(tmp_path, "s", {})
    for record in (r for seed in range(2) for r in everywhere(seed, rng)):
        folder.append(record)
    planned = {r.key: (Case(r.case), [row]) for r in folder.records()}
    text, drawn = command.report(folder, study, planned)
    assert "b 0 (2)" not in text and "nan" not in text
    assert drawn["curves"] is not None and drawn["solved"] is None
    assert "between a and the others" in text and "| b, a " in text


def test_a_table_of_what_no_paper_reports_has_no_column_for_it() -> None:
    row = Experiment(name="it", group="Some group", task="t")
    text = markdown(Study(about="", rows=(row,), main="a"), of([learned(0, 500)], row))
    assert "published" not in text and "verdict" not in text
    assert "| it | lstm | sequences | 500 |" in re.sub(" +", " ", text)


def test_series_have_a_line_each_with_the_classical_methods_and_all_cells() -> None:
    rows = [
        Experiment(name="rise", line="rise", group="g", task="t"),
        Experiment(name="rise at once", line="rise", group="g", task="u", cells=("feedforward",)),
        Experiment(name="fall", line="fall", group="g", task="v"),
    ]
    study = Study(about="", rows=rows, main="a", others=("b",))

    def scored(
        row: Experiment, cell: str, score: float | None, seed: int, backend: str = "a"
    ) -> Record:
        known = {"baseline.flat": 4.0}
        if row.line == "rise":
            known = {"baseline.persistence": 2.0, "baseline.persistence.far": 20.0}
            known["final.far"] = 10 * (score or 0.0)
        found = learned(seed, None, cell=cell, backend=backend, score=score)
        return replace(found, metrics={**found.metrics, **known})

    own = {
        "rise": [
            *(scored(rows[0], "rnn", score, seed) for seed, score in enumerate([1.0, 3.0, 2.0])),
            scored(rows[0], "rnn", 1.5, 0, "b"),
            scored(rows[0], "rnn", 3.3, 1, "b"),
        ],
        "rise at once": [scored(rows[1], "feedforward", 9.0, 0)],
        "fall": [
            *(scored(rows[2], "gru", score, k) for k, score in enumerate([0.0, None, 0.5])),
            *(scored(rows[2], "gru", score, k, "b") for k, score in enumerate([0.0, None, 0.5])),
        ],
    }
    lines = [line.split("|")[1:-1] for line in markdown(study, own).splitlines() if "|" in line]
    heads, _, rise, fall, more, _, far = ([cell.strip() for cell in line] for line in lines)
    last = ("feedforward", "others")
    assert heads == ["series", "persistence", "flat", "rnn", "lstm", "gru", *last]
    once = "9.00 (9.00–9.00)"
    assert rise == ["rise", "2.00", "–", "2.00 (1.00–3.00)", "–", "–", once, "b 30.0% (2)"]
    assert fall == ["fall", "–", "4.00", "–", "–", "0.500 (0–∞)", "–", "b 0.0% (3)"]
    assert more == ["series", "measure", *heads[1:-1]]
    assert far == ["rise", "far", "20.0", "–", "20.0", "–", "–", "90.0"]


def test_the_seeds_that_beat_the_autoregression_at_the_end_are_counted() -> None:
    row = Experiment(name="rise", line="rise", group="g", task="t", cells=("gru", "lstm"))
    baseline = {"baseline.autoregression": 0.2}
    own = [learned(k, 5, cell="gru", score=s, **baseline) for k, s in enumerate([0.1, 0.2, None])]
    text = markdown(Study(about="", rows=(row,), main="a"), of(own, row))
    assert "| rise | 1 of 3 (1–91%) | – |" in re.sub(" +", " ", text)


def test_a_median_of_seeds_most_of_which_are_not_solved_is_none() -> None:
    row = Experiment(
        name="it", group="Some paper", task="t", published=(about("lstm", SEQUENCES, 900),)
    )
    study = Study(about="", rows=(row,), main="a", others=())
    own = [learned(k, s) for k, s in enumerate([400, None, None])]
    text = markdown(study, of(own, row))
    assert "– (400–∞)" in text and "outside: no more than half solved" in text


def solved_at(steps: Sequence[float | None], cell: str, score: float = 0.5) -> list[Record]:
    return [
        learned(k, s, cell=cell, steps_to_solve=s, score=score + k) for k, s in enumerate(steps)
    ]


GRID = Study(
    about="",
    main="a",
    others=(),
    grid=True,
    rows=(Experiment(name="it", group="g", task="t", seeds=3),),
    claims=(Claim(says="Said", better=("it", "lstm"), worse=("it", "gru")),),
)


@pytest.mark.parametrize(
    ("lstm", "gru", "here"),
    [
        ([1, 2, 3, 4, 5], [6, 7, 8, None, None], "| 5, 5 | 100% | 0.00794 | holds |"),
        ([6, 7, 8, None, None], [1, 2, 3, 4, 5], "| 0% | 0.00794 | the opposite holds |"),
        ([1, 2, 3, 4, 9], [6, 7, 8, 5, None], "| 84% | 0.0952 | not settled |"),
        ([1, 2, 3], [4, 5, None], "| 100% | 0.100 | not settled |"),
    ],
)
def test_a_claim_holds_where_the_seeds_say_so(
    lstm: list[float | None], gru: list[float | None], here: str
) -> None:
    own = solved_at(lstm, "lstm") + solved_at(gru, "gru")
    text = markdown(GRID, of(own, *GRID.rows))
    assert here in " ".join(text.split()), text


def claimed(by: str, lstm: list[Record], gru: list[Record]) -> str:
    study = replace(GRID, claims=(replace(GRID.claims[0], by=by),))
    return markdown(study, of([*lstm, *gru], *GRID.rows)).splitlines()[-1]


def test_what_decides_a_claim_decides_it() -> None:
    never, late = [None] * 5, [4.0, 5.0, 6.0, 7.0, 8.0]
    low, high = solved_at(never, "lstm", score=0), solved_at(never, "gru", score=9)
    assert " holds" in claimed("updates", low, high) and " holds" in claimed("score", low, high)
    assert "| 50% " in claimed("solved", low, high) and "not settled" in claimed(
        "solved", low, high
    )
    solved = solved_at(late, "gru", score=9)
    assert "the opposite holds" in claimed("solved", low, solved)
    alike = solved_at(late, "lstm", score=0)
    assert "| 50% " in claimed("updates", alike, solved) and " holds" in claimed(
        "score", alike, solved
    )


def test_a_claim_waits_for_all_seeds_and_is_one_of_all_claims() -> None:
    own = solved_at([1, 2, 3, 4], "lstm") + solved_at([5, 6, 7, 8], "gru")
    assert "| 0.0286 " in markdown(GRID, of(own, *GRID.rows)).splitlines()[-1]
    two = replace(GRID, claims=(*GRID.claims, replace(GRID.claims[0], better=("it", "rnn"))))
    text = markdown(two, of(own, *GRID.rows))
    assert text.count("Said") == 1 and "| 0.0571 " in text.splitlines()[-1]
    assert "Said" not in markdown(GRID, of(own[1:3] + own[4:], *GRID.rows))


def test_a_grid_has_a_line_a_setting_and_a_column_a_cell() -> None:
    own = solved_at([100, 200, None], "lstm") + solved_at([None, None, 70], "gru")
    scores = {"score.x1": 0.1, "chance.x1": 0.2, "score.x2": 0.25, "chance.x2": 0.25}
    longer = learned(0, None, cell="gru", probe="lengths", **scores)
    text = markdown(GRID, of([*own, longer], *GRID.rows))
    line = next(line for line in text.splitlines() if line.startswith("| it"))
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells == ["it", "–", "2 of 3, 200", "1 of 3, mse 1.50; 0.500, 1.00"]


def test_what_is_slower_is_judged_at_an_earlier_update() -> None:
    rows = tuple(
        Experiment(name=name, group="g", task="t", cells=("lstm",)) for name in ("one", "two")
    )
    own: dict[str, list[Record]] = {}
    for name, seconds in (("one", 0.00587), ("two", 0.01174)):
        record = learned(0, None, score=0.1)
        samples = {"checkpoint_step": [0.0, 50.0, 100.0], "mse": [0.9, 0.5, 0.1]}
        case = {**record.case, "steps": 100}
        timed = [learned(k, None, probe="speed", step_s=seconds * f) for k, f in enumerate((1, 9))]
        own[name] = [replace(record, case=case, samples=samples), timed[0], timed[0], timed[1]]
    lines = markdown(Study(about="", rows=rows, main="a", grid=True), own).splitlines()
    assert "0.100, 0.100 in 0.587 s" in lines[-2] and "0.100, 0.500 in 0.587 s" in lines[-1]


def test_what_is_timed_has_the_machine_to_itself() -> None:
    request = Request(backends=["numpy"], tasks=["adding:smoke"], launches=2, cells=["rnn"])
    left = plan_cases(select(request, backends, tasks)[0])
    pieces = command._pieces(left)
    assert [[c.probe for c in unit.cases] for unit in pieces if unit.timed] == [["speed"]] * 2
    assert "speed" not in {c.probe for unit in pieces if not unit.timed for c in unit.cases}


def test_what_failed_is_told() -> None:
    lost = replace(learned(3, None), status="failed", reason="time-out")
    lost = replace(lost, case={**lost.case, "task": "adding"})
    assert failures([learned(0, 1.0), lost]).strip().endswith("learning, seed 3: time-out")
    assert failures([learned(0, 1.0)]) == ""


def test_a_case_that_two_rows_share_counts_in_both() -> None:
    rows = tuple(
        Experiment(name=name, group="g", task="t", cells=("lstm",)) for name in ("one", "two")
    )
    own = solved_at([1, 2, 3], "lstm")
    text = markdown(Study(about="", rows=rows, main="a", grid=True), of(own, *rows))
    assert text.count("3 of 3, 2") == 2


NAMES = ("a", "b", "c", "d")
LOOKS = [float(k) for k in range(0, 1001, 25)]


def everywhere(seed: int, rng: np.random.Generator, slow: float = 1.0) -> list[Record]:
    """One seed in four backends, whose curves rounding drives apart: solved at about the same look,
    the last backend at `slow` times as many updates."""
    at = rng.uniform(200, 600)
    found = []
    for name in NAMES:
        late = at * rng.uniform(0.97, 1.03) * (slow if name == NAMES[-1] else 1)
        steps = next(k for k in LOOKS if k >= late)
        record = learned(seed, None, backend=name, steps_to_solve=steps)
        loss = np.exp(-np.arange(1000) / 300) * (1 + 1e-7 * rng.uniform() * 1.02 ** np.arange(1000))
        samples = {"loss": loss.tolist(), "checkpoint_step": LOOKS}
        case = {**record.case, "steps": 1000}
        found.append(replace(record, case=case, samples=samples))
    return found


def test_backends_that_learn_alike_are_told_from_one_that_is_slower() -> None:
    rng = np.random.default_rng(0)
    said = {}
    for slow in (1.5, 1.0):
        own = {"it": [r for seed in range(20) for r in everywhere(seed, rng, slow)]}
        found = pairs(own, NAMES, "a")
        assert {name: len(seen) for name, seen in found.items()} == dict.fromkeys("bcd", 20)
        said[slow] = agreement(found, "a")
    assert said[1.0].startswith("No difference was found")
    assert said[1.5].startswith("A difference was found")
    assert "d is later in 20 and sooner in 0 of 20 seeds of 1 model, p = " in said[1.5]
    assert "by 50%, 100%" in said[1.0]
    assert power(found, 1.5, rng)[0] > 90
    assert len(curves(found, "a").axes) == 1
    drawn = solved(found, "a")
    assert drawn is not None
    (axis,) = drawn.axes
    shares = {line.get_label(): line.get_xydata() for line in axis.lines}
    assert [*shares] == [*NAMES]
    last = max(r.metrics["steps_to_solve"] for r in own["it"][::4])
    assert shares["a"][-2:].tolist() == [[last, 1], [1000, 1]]


def test_the_power_of_no_slowdown_is_the_level_shared_by_the_backends() -> None:
    """Of three backends that are compared each is found in five thirds of a hundred at most."""
    rng = np.random.default_rng(0)
    own = {"it": [r for seed in range(40) for r in everywhere(seed, rng)]}
    for seed, r in enumerate(own["it"]):
        own["it"][seed] = replace(r, metrics={**r.metrics, "steps_to_solve": rng.choice(LOOKS[1:])})
    found = pairs(own, NAMES, "a")
    shares = [power(found, 1.0, np.random.default_rng(k))[1] for k in range(5)]
    assert 0 < np.mean(shares) <= 3


def test_three_that_round_alike_make_no_difference_of_the_fourth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are solved at the same look, the main one as often before it as after it."""
    monkeypatch.setattr(agreed, "power", lambda *_: (0.0, 0.0))
    rng, found = np.random.default_rng(0), 0
    for _ in range(30):
        own = []
        for seed in range(20):
            together, alone = rng.choice(LOOKS[1:], 2)
            for name in NAMES:
                at = alone if name == "a" else together
                own.append(learned(seed, None, backend=name, steps_to_solve=at))
        said = agreement(pairs({"it": own}, NAMES, "a"), "a")
        found += said.startswith("A difference was found")
    assert found <= 30 * 0.1


def test_a_seed_is_compared_with_the_main_one_whatever_the_others_lack() -> None:
    rng = np.random.default_rng(0)
    own = {"it": [*everywhere(0, rng), *everywhere(1, rng)[:3]], "two": everywhere(2, rng)[:2]}
    found = pairs(own, NAMES, "a")
    assert {name: [p.seed for p in seen] for name, seen in found.items()} == {
        "b": [0, 1, 2],
        "c": [0, 1],
        "d": [0],
    }
    last = parted(found, "a").splitlines()[-1]
    assert re.fullmatch(r"\| two +\| lstm +\| \d+ +\| +\| +\|", last)
    assert len(curves(found, "a").axes) == 2
    assert pairs({"it": everywhere(0, rng)[1:]}, NAMES, "a") == {}
    assert agreement({}, "a") == parted({}, "a") == ""


def test_curves_part_where_their_losses_do() -> None:
    a, b = everywhere(0, np.random.default_rng(0))[:2]
    loss = list(a.samples["loss"])
    b = replace(
        b, samples={**b.samples, "loss": [*loss[:70], *(x * (1 + 2 * APART) for x in loss[70:])]}
    )
    assert parting(a, b) == 70 and math.isinf(parting(a, a))
    assert distance(a, b)[1].max() <= 1 and (distance(a, b)[1] == distance(b, a)[1]).all()
    lost = replace(a, samples={**a.samples, "loss": [*loss[:50], math.nan, *loss[51:]]})
    assert parting(lost, a) == 50
    ended = {"loss": loss[:300], "checkpoint_step": [0.0, 300.0]}
    assert parting(replace(a, samples=ended), a) == 300


def test_the_power_is_that_of_looks_and_not_of_the_updates_between_them() -> None:
    """Solved anywhere between two looks, a tenth more is seldom seen, and twice as many always."""
    record = everywhere(0, np.random.default_rng(0))[0]
    record = replace(record, metrics={**record.metrics, "steps_to_solve": 100.0})
    pair = Pair("it", "lstm", 0, record, record)
    within = np.linspace(0.01, 1, 100)
    seen = [[pair.slower(f, w)[0] for w in within] for f in (1.0, 1.1, 2.0)]
    assert set(seen[0]) == {100.0} and set(seen[1]) == {100.0, 125.0}
    assert 0.2 < np.mean(np.array(seen[1]) > 100) < 0.5 and min(seen[2]) > 100
    assert pair.slower(99.0, 0.5) == (math.inf, 100.0)


def test_every_cell_of_a_row_is_trained_whatever_sizes_they_share() -> None:
    for hidden in (None, {"rnn": 4, "lstm": 4, "gru": 5}):
        row = Experiment(name="it", group="g", task="adding:smoke", hidden=hidden)
        requests = list(row.requests("numpy", ("torch",)))
        for backend in ("numpy", "torch"):
            mine = [r for r in requests if r.backends == [backend]]
            assert [cell for r in mine for cell in r.cells or ()] == ["rnn", "lstm", "gru"]


def test_claims_speak_of_rows_that_there_are() -> None:
    study = command.STUDIES["claims"]
    cells = {(row.name, cell) for row in study.rows for cell in row.cells}
    for claim in study.claims:
        assert {claim.better, claim.worse} <= cells and claim.better != claim.worse


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_as_many_weights_are_those_of_the_model(cell: str, layers: int) -> None:
    hidden = as_many(cell, 2, 4000, layers)
    assert weights(cell, 2, hidden, layers) <= 4000 < weights(cell, 2, hidden + 1, layers)
    spec = ModelSpec(cell=cell, inputs=2, hidden=hidden, outputs=1, layers=layers)
    sizes = {n: math.prod(s) for n, s in weight_shapes(spec).items() if not n.startswith("readout")}
    assert sum(sizes.values()) == weights(cell, 2, hidden, layers)


SMALL = Study(
    about="for the test",
    main="numpy",
    others=(),
    rows=(
        Experiment(name="first", group="g", task="adding:smoke", cells=("rnn",), seeds=2),
        Experiment(name="second", group="g", task="adding:smoke:length=4", cells=("gru",), seeds=1),
    ),
)


def small(root: Path, *words: str, dry_run: bool = False, again: bool = False) -> int:
    return command.study_command(
        "small",
        words,
        backends=backends,
        tasks=tasks,
        entry=Path(tasks.__file__).parents[1] / "run_bench.py",
        root=root,
        only=None,
        device="cpu",
        jobs=2,
        again=again,
        dry_run=dry_run,
    )


def test_a_study_runs_by_pieces_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "STUDIES", {"small": SMALL})
    assert small(tmp_path, dry_run=True) == 0
    assert "5 of 5 cases left" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert small(tmp_path, "first") == 0
    assert small(tmp_path, dry_run=True) == 0
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "first 0 of 3 0 s" in told and any(line.startswith("second 2 of 2 ") for line in told)
    first = (tmp_path / "small" / "records.jsonl").read_text()
    assert "second" not in (tmp_path / "small" / "table.md").read_text()
    assert small(tmp_path) == 0
    whole = (tmp_path / "small" / "records.jsonl").read_text()
    assert whole.startswith(first)
    assert [json.loads(line)["case"]["cell"] for line in whole.splitlines()] == ["rnn"] * 3 + [
        "gru"
    ] * 2
    assert "second" in (tmp_path / "small" / "table.md").read_text()
    assert small(tmp_path) == 0
    assert (tmp_path / "small" / "records.jsonl").read_text() == whole
    monkeypatch.setattr(command, "STUDIES", {"small": replace(SMALL, rows=SMALL.rows[1:])})
    assert small(tmp_path) == 0
    assert "3 records are of no row as it is planned here" in capsys.readouterr().err


def test_what_failed_runs_again_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "STUDIES", {"small": SMALL})
    assert small(tmp_path, "second") == 0
    file = tmp_path / "small" / "records.jsonl"
    proof, learning = map(json.loads, file.read_text().splitlines())
    proof |= {"status": "failed", "reason": "parity: all of it", "metrics": {}, "samples": {}}
    learning |= {"status": "skipped", "reason": "not proven", "metrics": {}, "samples": {}}
    file.write_text(f"{json.dumps(proof)}\n{json.dumps(learning)}\n")
    assert small(tmp_path, "second") == 1
    told = capsys.readouterr()
    assert "0 of 2 cases left" in told.err and "- failed: numpy gru adding, parity" in told.out
    assert small(tmp_path, "second", again=True) == 0
    told = capsys.readouterr()
    assert "2 of 2 cases left" in told.err and "- failed" not in told.out
    assert small(tmp_path, "second", again=True) == 0
    assert len(file.read_text().splitlines()) == 4


def test_a_row_whose_data_are_not_installed_is_left_out_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tasks.forecasting.missing", lambda *_: "pmdarima is not installed")
    airline = Experiment(name="planes", task="forecasting:airline", cells=("rnn",))
    study = replace(SMALL, rows=(*SMALL.rows, airline))
    monkeypatch.setattr(command, "STUDIES", {"small": study})
    assert small(tmp_path, dry_run=True) == 0
    said = capsys.readouterr().err
    assert "not run: planes: task forecasting: pmdarima is not installed" in said
    assert "5 of 5 cases left" in said


def test_of_a_study_one_backend_may_go_ahead(tmp_path: Path) -> None:
    words = ("study", "papers", "--dry-run", "--results-dir", tmp_path, "mnist")
    for only, count in ((("--backends", "jax"), 6), (("--backends", "torch,numpy"), 8), ((), 18)):
        assert f"{count} of {count} cases left" in bench_inside(*words, *only).stderr


def test_a_study_that_was_killed_while_writing_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "STUDIES", {"small": SMALL})
    assert small(tmp_path, "second") == 0
    file = tmp_path / "small" / "records.jsonl"
    whole = file.read_text()
    file.write_text(whole[:-40])
    assert small(tmp_path, "second") == 0
    said = capsys.readouterr().err
    assert "set aside" in said and "1 of 2 cases left" in said
    assert len(file.read_text().splitlines()) == len(whole.splitlines())


def test_the_folder_of_a_study_is_no_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = bench_inside("study", "papers", "--dry-run", "--results-dir", file)
    assert (done.returncode, done.stdout) == (2, "") and f"{file} is no folder" in done.stderr


def test_a_reason_stands_where_ours_is_outside_and_nowhere_else() -> None:
    figure = about("lstm", SEQUENCES, 900)
    reasons: Any = {"why": ("Because of that.",), "differs": ("Ours is shorter.",)}
    row = Experiment(name="it", group="p", task="t", published=(figure,), **reasons)
    study = Study(about="", rows=(row,), main="a", others=())
    for sequences, told in ((800, False), (100, True)):
        text = markdown(study, of([learned(k, sequences) for k in range(3)], row))
        assert ("Because of that." in text) == told and "- it: Ours is shorter." in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("study", "novels"), "unknown study 'novels'. Known: papers, claims, tasks"),
        (
            ("study", "papers", "--backends", "jxa"),
            "unknown backend of the study 'jxa'; did you mean jax. Known: jax, numpy, torch",
        ),
        (("study", "papers", "zebra"), "no row of papers has zebra in its name: 1: embedded"),
    ],
)
def test_a_wrong_word_is_refused_with_the_choices(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = bench_inside(*words, "--results-dir", tmp_path)
    assert done.returncode == 2 and message in done.stderr
    assert not list(tmp_path.iterdir())
