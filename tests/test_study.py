"""Studies: what they ask for can be run, and what they say of a figure follows from the records."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from running import bench_inside

import backends
import tasks
from bench.records import Record
from bench.select import select
from bench.study import command
from bench.study.rows import SCORE, SEQUENCES, SOLVED, Figure, Row, Study, about, between
from bench.study.table import markdown, verdict


@pytest.mark.parametrize("name", command.STUDIES)
def test_every_row_can_be_asked_for_and_has_a_name_of_its_own(name: str) -> None:
    study = command.STUDIES[name]
    keys = [(row.group, row.name) for row in study.rows]
    assert len(set(keys)) == len(keys)
    for row in study.rows:
        assert {figure.cell for figure in row.published} <= set(row.cells)
        for request in row.requests(study.main, study.others):
            selection, _ = select(request, backends, tasks)
            assert selection.probes == ["learning"] and selection.threads == 1


def test_twenty_published_figures_stand_beside_ours() -> None:
    figures = [f for row in command.STUDIES["papers"].rows for f in row.published]
    assert len(figures) >= 20
    assert all(f.low <= f.value <= f.high for f in figures)


def learned(seed: int, solved_at: float | None, backend: str = "a", **more: Any) -> Record:
    case: Mapping[str, Any] = {
        "backend": backend,
        "cell": "lstm",
        "metric": "mse",
        "probe": "learning",
        "seed": seed,
    }
    metrics = {"solved": float(solved_at is not None), "sequences_to_solve": solved_at, **more}
    return Record(
        run="r",
        case=case,
        status="ok",
        reason=None,
        probe="learning",
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
        (about("lstm", SEQUENCES, 1000), math.inf, "outside: not solved"),
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


def rows_of(records: Sequence[Record], row: Row) -> dict[str, Row]:
    return {record.key: row for record in records}


def test_the_table_has_the_median_the_range_the_share_and_the_other_backends() -> None:
    row = Row(name="it", group="Some paper", task="t", published=(about("lstm", SEQUENCES, 900),))
    study = Study(about="", rows=(row,), main="a", others=("b",))
    own = [learned(k, s) for k, s in enumerate([400, 800, 1200, None])]
    other = [learned(k, 500, backend="b") for k in range(3)]
    text = markdown(study, rows_of([*own, *other], row), [*own, *other])
    cells = [cell.strip() for cell in text.splitlines()[-1].split("|")[1:-1]]
    assert cells == [
        *("it", "lstm", "sequences", "900", "1,000 (400–1,200)", "3 of 4 (19–99%)"),
        *("b 500 (3)", "within"),
    ]


def test_a_median_of_seeds_most_of_which_are_not_solved_is_none() -> None:
    row = Row(name="it", group="Some paper", task="t", published=(about("lstm", SEQUENCES, 900),))
    study = Study(about="", rows=(row,), main="a", others=())
    own = [learned(k, s) for k, s in enumerate([400, None, None])]
    text = markdown(study, rows_of(own, row), own)
    assert "– (400–400)" in text and "outside: not solved" in text


SMALL = Study(
    about="for the test",
    main="numpy",
    others=(),
    rows=(
        Row(name="first", group="g", task="adding:smoke", cells=("rnn",), seeds=2),
        Row(name="second", group="g", task="adding:smoke:length=4", cells=("gru",), seeds=1),
    ),
)


def small(root: Path, *words: str, dry_run: bool = False) -> int:
    return command.study_command(
        "small",
        words,
        backends=backends,
        tasks=tasks,
        entry=Path(tasks.__file__).parents[1] / "run_bench.py",
        root=root,
        jobs=2,
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


def test_a_reason_stands_where_ours_is_outside_and_nowhere_else() -> None:
    figure = about("lstm", SEQUENCES, 900)
    row = Row(name="it", group="p", task="t", published=(figure,), why="Because of that.")
    study = Study(about="", rows=(row,), main="a", others=())
    for sequences, told in ((800, False), (100, True)):
        own = [learned(k, sequences) for k in range(3)]
        assert ("Because of that." in markdown(study, rows_of(own, row), own)) == told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("study", "novels"), "unknown study 'novels'. Known: papers"),
        (("study", "papers", "zebra"), "no row of papers has zebra in its name: 1: embedded"),
    ],
)
def test_a_wrong_word_is_refused_with_the_choices(
    words: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = bench_inside(*words, "--results-dir", tmp_path)
    assert done.returncode == 2 and message in done.stderr
    assert not list(tmp_path.iterdir())
