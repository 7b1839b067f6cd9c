"""A record survives being written and read; a line that is no record is rejected by name."""

import json
import math
import string
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning import changed_case, example_record

from bench.records.kinds import MOST, STATUSES
from bench.records.parse_record import parse_record
from bench.records.record import SCHEMA, Record

numbers = st.floats() | st.integers(-(2**60), 2**60)
words = st.text(max_size=8)
settings = st.none() | st.booleans() | st.integers(-MOST, MOST) | st.floats(allow_nan=False) | words
names = words.filter(lambda name: not name.endswith("_s"))
LEARNING = changed_case(probe="learning").flat()
made_up_records = st.builds(
    Record,
    run=words,
    case=st.dictionaries(words, settings).map(lambda case: {**case, **LEARNING}),
    status=st.sampled_from(STATUSES),
    reason=st.none() | words,
    probe=st.just("learning"),
    environment=st.none() | words,
    started=st.datetimes().map(str),
    wall_s=st.floats(0, 1e6),
    metrics=st.dictionaries(names, st.none() | numbers),
    samples=st.dictionaries(words, st.lists(numbers)),
)
records = made_up_records.filter(
    lambda record: record.status != "ok" or record.environment is not None
)


def finite_or(replacement: Any, values: Iterable[Any]) -> list[Any]:
    """The values, with a replacement for every number that is not finite."""
    return [replacement if isinstance(v, float) and not math.isfinite(v) else v for v in values]


@given(records)
def test_record_that_is_read_back_is_the_one_written(written: Record) -> None:
    line = written.to_json()
    assert "\n" not in line
    again = parse_record(line)
    metrics = finite_or(None, written.metrics.values())
    assert again.metrics == dict(zip(written.metrics, metrics, strict=True))
    assert again.samples.keys() == written.samples.keys()
    for name, samples in written.samples.items():
        # Compared as text: NaN is not equal to itself.
        assert list(map(str, again.samples[name])) == list(map(str, finite_or(math.nan, samples)))
    case = dict(zip(written.case, finite_or(None, written.case.values()), strict=True))
    bare = {"metrics": {}, "samples": {}}
    assert replace(again, **bare) == replace(written, **bare, case=case)


def test_number_that_is_not_finite_is_written_as_null() -> None:
    record = example_record(metrics={"a": math.inf, "b": math.nan}, samples={"c": [-math.inf]})
    data = json.loads(record.to_json(), parse_constant=pytest.fail)
    assert data["metrics"] == {"a": None, "b": None}
    assert data["samples"] == {"c": [None]}


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda data: {key: value for key, value in data.items() if key != name}


def having(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda data: {**data, **changes}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (having(schema=SCHEMA + 1), f"schema {SCHEMA + 1}; this version reads schema {SCHEMA}"),
        (without("schema"), "schema None"),
        (without("status"), "status"),
        (without("wall_s"), "wall_s"),
        (having(colour="red"), "colour"),
        (having(status="fine"), "status is 'fine'; accepted: ok, failed, skipped"),
        (having(case=[]), r"case is \[\]"),
        (having(probe="memory"), "probe is 'memory' in a case of 'speed'"),
        (having(run=1), "run is 1"),
        (having(reason=0), "reason is 0"),
        (having(environment=None), "status is 'ok', but environment is null; accepted: the name"),
        (having(started=None), "started is None"),
        (having(started="yesterday"), "started is 'yesterday'; accepted: a time in ISO 8601"),
        (having(started="99999-01-01"), "started is '99999-01-01'"),
        (having(wall_s="1"), "wall_s is '1'"),
        (having(metrics=None), "metrics is None"),
        (having(metrics={"a": "1"}), "metrics.a is '1'"),
        (having(metrics={"a": True}), "metrics.a is True; accepted: a finite number or null"),
        (having(samples=[]), r"samples is \[\]"),
        (having(samples={"a": 1}), "samples.a is 1"),
        (having(samples={"a": ["1"]}), r"samples.a\[0\] is '1'"),
        (having(samples={"a": [[1]]}), r"samples.a\[0\] is \[1\]"),
        (lambda data: [data], "not a JSON object"),
    ],
)
def test_line_that_is_no_record_is_rejected_with_the_wrong_field(
    change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    data = json.loads(example_record().to_json())
    assert parse_record(json.dumps(data)) is not None
    with pytest.raises(ValueError, match=message):
        parse_record(json.dumps(change(data)))


@given(st.data())
def test_line_that_is_cut_anywhere_is_no_record(data: st.DataObject) -> None:
    line = example_record().to_json()
    with pytest.raises(ValueError, match=r"."):
        parse_record(line[: data.draw(st.integers(0, len(line) - 1))])


# ---- the checksum ------------------------------------------------------------------------------


def other_character(character: str) -> str:
    """Another digit for a digit, another letter for a letter, a digit for anything else."""
    kind = next((k for k in (string.digits, string.ascii_letters) if character in k), "#0")
    return kind[(kind.find(character) + 1) % len(kind)]


def test_any_changed_character_is_noticed() -> None:
    """Even the last digit of a time, which may stand for the same number."""
    samples = {"step": [0.1 + 0.2, 9.000000000000001e-05], "forward": [math.nan]}
    line = example_record(samples=samples, traceback="line 7").to_json()
    assert parse_record(line).samples["step"] == samples["step"]
    for place, character in enumerate(line):
        with pytest.raises(ValueError, match=r"."):
            parse_record(line[:place] + other_character(character) + line[place + 1 :])


def test_changed_number_is_reported_with_both_checksums() -> None:
    line = example_record(samples={"step": [0.0025]}).to_json()
    with pytest.raises(ValueError, match=r"their checksum is \w{8}, not \w{8}"):
        parse_record(line.replace("0.0025", "0.0024"))


@pytest.mark.parametrize("indent", [None, 1])
def test_layout_of_a_record_may_change_and_its_values_may_not(indent: int | None) -> None:
    written = example_record(samples={"step": [1e-7, 2.5]}, reason="ü")
    data = json.loads(written.to_json())
    for ascii_only in (True, False):
        line = json.dumps(data, indent=indent, ensure_ascii=ascii_only)
        assert parse_record(line) == written
    data["samples"]["step"][1] = 2.4
    with pytest.raises(ValueError, match="their checksum is"):
        parse_record(json.dumps(data, indent=indent))
    del data["checksum"]
    assert parse_record(json.dumps(data, indent=indent)).samples["step"] == [1e-7, 2.4]
