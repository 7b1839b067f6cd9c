"""The tables of grids and of claims follow from the records."""

from dataclasses import replace

import pytest
from quotes import table_cells
from study_records import grouped, learning_record, seeds, small_experiment

from bench.records.record import Record
from studies.experiment import SCORE, SOLVED, UPDATES, Claim, Study
from studies.tables.markdown import markdown

GRID = Study(
    about="",
    main_backend="a",
    other_backends=(),
    grid=True,
    experiments=(small_experiment(seeds=3),),
    claims=(Claim(statement="Statement", better=("it", "lstm"), worse=("it", "gru")),),
)


def last_row(study: Study, records: list[Record]) -> str:
    """The last row of the tables, which is that of the last claim."""
    return markdown(study, grouped(records, *study.experiments)).splitlines()[-1]


@pytest.mark.parametrize(
    ("lstm", "gru", "expected"),
    [
        ([1, 2, 3, 4, 5], [6, 7, 8, None, None], "| 5, 5 | 100% | 0.00794 | holds |"),
        ([6, 7, 8, None, None], [1, 2, 3, 4, 5], "| 0% | 0.00794 | the opposite holds |"),
        ([1, 2, 3, 4, 9], [6, 7, 8, 5, None], "| 84% | 0.0952 | not settled |"),
        ([1, 2, 3], [4, 5, None], "| 100% | 0.100 | not settled |"),
    ],
)
def test_claim_holds_where_the_seeds_say_so(
    lstm: list[float | None], gru: list[float | None], expected: str
) -> None:
    row = last_row(GRID, seeds(lstm, "lstm") + seeds(gru, "gru"))
    assert expected in " ".join(row.split()), row


def claim_row(criterion: str, lstm: list[Record], gru: list[Record]) -> str:
    claim = replace(GRID.claims[0], criterion=criterion)
    return last_row(replace(GRID, claims=(claim,)), [*lstm, *gru])


def test_claim_is_decided_by_its_criterion() -> None:
    never, late = [None] * 5, [4.0, 5.0, 6.0, 7.0, 8.0]
    low, high = seeds(never, "lstm", score=0), seeds(never, "gru", score=9)
    assert " holds" in claim_row(UPDATES, low, high)
    assert " holds" in claim_row(SCORE, low, high)
    assert "| 50% " in claim_row(SOLVED, low, high)
    assert "not settled" in claim_row(SOLVED, low, high)
    solved = seeds(late, "gru", score=9)
    assert "the opposite holds" in claim_row(SOLVED, low, solved)
    equal = seeds(late, "lstm", score=0)
    assert "| 50% " in claim_row(UPDATES, equal, solved)
    assert " holds" in claim_row(SCORE, equal, solved)


def test_claim_needs_all_seeds_and_is_corrected_for_all_claims() -> None:
    records = seeds([1, 2, 3, 4], "lstm") + seeds([5, 6, 7, 8], "gru")
    assert "| 0.0286 " in last_row(GRID, records)
    unmeasured = replace(GRID.claims[0], better=("it", "rnn"))
    two_claims = replace(GRID, claims=(*GRID.claims, unmeasured))
    text = markdown(two_claims, grouped(records, *GRID.experiments))
    assert text.count("Statement") == 1 and "| 0.0571 " in text.splitlines()[-1]
    too_few = grouped(records[1:3] + records[4:], *GRID.experiments)
    assert "Statement" not in markdown(GRID, too_few)


def test_grid_has_a_row_for_each_setting_and_a_column_for_each_cell() -> None:
    records = seeds([100, 200, None], "lstm") + seeds([None, None, 70], "gru")
    scores = {"score.x1": 0.1, "chance.x1": 0.2, "score.x2": 0.25, "chance.x2": 0.25}
    lengths = learning_record(0, None, cell="gru", probe="lengths", **scores)
    text = markdown(GRID, grouped([*records, lengths], *GRID.experiments))
    row = next(line for line in text.splitlines() if line.startswith("| it"))
    assert table_cells(row) == ["it", "–", "2 of 3, 200", "1 of 3, mse 1.50; 0.500, 1.00"]


def test_slower_setting_is_scored_at_an_earlier_update() -> None:
    both = tuple(small_experiment(name, cells=("lstm",)) for name in ("one", "two"))
    records: dict[str, list[Record]] = {}
    for name, seconds in (("one", 0.00587), ("two", 0.01174)):
        record = learning_record(0, None, score=0.1)
        samples = {"checkpoint_step": [0.0, 50.0, 100.0], "mse": [0.9, 0.5, 0.1]}
        case = {**record.case, "steps": 100, "device": "cpu"}
        launches = [
            replace(
                learning_record(k, None, probe="speed"),
                case={**case, "probe": "speed"},
                samples={"step": [seconds * factor] * 3},
            )
            for k, factor in enumerate((1, 1, 9))
        ]
        records[name] = [replace(record, case=case, samples=samples), *launches]
    study = replace(GRID, experiments=both, claims=())
    rows = markdown(study, records).splitlines()
    assert "0.100, 0.100 in 0.587 s" in rows[-2]
    assert "0.100, 0.500 in 0.587 s" in rows[-1]
