"""Every option follows from one table: its argument, its help, its checks."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import pytest
from running import bench_inside

import run_bench
from bench.compare.options import CompareOptions
from bench.options import (
    Kind,
    Option,
    RunOptions,
    Settings,
    WorkerOptions,
    add_options,
    check_words,
    checked,
    explicit,
    flag_of,
    is_of_kind,
    option,
    option_table,
    processor_count,
)
from bench.plan.request import Request
from bench.spec import Unavailable

TABLES = (Settings, WorkerOptions, RunOptions, CompareOptions)


def parsed(parser: argparse.ArgumentParser, *words: str) -> argparse.Namespace:
    return parser.parse_args(words)


def help_of(parser: argparse.ArgumentParser) -> str:
    """The help of a parser without line breaks."""
    return " ".join(parser.format_help().split())


@pytest.mark.parametrize("options", TABLES)
def test_every_field_of_the_tables_is_an_option(options: Any) -> None:
    assert all(isinstance(field.metadata.get("option"), Option) for field in fields(options))
    assert option_table(options).keys() == {field.name for field in fields(options)}


def test_defaults_are_values_that_their_options_accept() -> None:
    for options in TABLES:
        defaults = {
            name: value for name, value in vars(options()).items() if value not in (None, ())
        }
        values = vars(checked(options, defaults))
        assert {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()} == vars(
            options()
        )


@pytest.mark.parametrize(
    ("parser", "tables", "omitted"),
    [
        (run_bench.run_parser, (Settings, WorkerOptions, RunOptions), []),
        (run_bench.compare_parser, (Settings, WorkerOptions, CompareOptions), ["launches"]),
    ],
)
def test_help_lists_every_option_with_its_choices(
    parser: Any, tables: Sequence[Any], omitted: list[str]
) -> None:
    text = help_of(parser())
    for name, entry in (item for options in tables for item in option_table(options).items()):
        listed = entry.on_command_line and name not in omitted
        assert (f" {flag_of(name)} " in f"{text} ") == listed, name
        if listed:
            assert entry.help in text
            assert entry.group + ":" in text
            for choice in entry.choices:
                assert str(choice) in text, (name, choice)


def test_options_of_several_tables_share_the_heading_of_a_group() -> None:
    text = help_of(run_bench.run_parser())
    assert text.count("how to run it:") == 1
    assert text.index("how to run it:") < text.index("--jobs N worker") < text.index("--dry-run s")


def test_default_in_the_help_is_replaced_by_that_of_the_command() -> None:
    assert "--threads N processors for the speed probe (default: 1)" in help_of(
        run_bench.compare_parser()
    )


def test_open_options_are_not_explicit() -> None:
    arguments = parsed(run_bench.run_parser(), "--cells", "lstm,gru", "rnn", "--forget-bias", "1")
    assert explicit(arguments, Settings) == {"cells": ["lstm", "gru", "rnn"], "forget_bias": 1.0}
    assert explicit(arguments, RunOptions) == {}
    dry = parsed(run_bench.run_parser(), "--dry-run", "--seeds", "1,", "2")
    assert explicit(dry, RunOptions) == {"dry_run": True}
    assert explicit(dry, Settings) == {"seeds": [1, 2]}


def test_option_without_choices_or_bounds_accepts_any_value() -> None:
    assert checked(Settings, {"data": "x.csv", "forget_bias": -3.0}).data == "x.csv"


def test_list_with_repeats_holds_each_value_once_in_order() -> None:
    settings = checked(Settings, {"cells": ["gru", "rnn", "gru"], "seeds": [3, 1, 3]})
    assert (settings.cells, settings.seeds) == (["gru", "rnn"], [3, 1])


@pytest.mark.parametrize(
    ("options", "name", "value", "message"),
    [
        (Settings, "cells", ["lsmt"], "unknown cell 'lsmt'; did you mean lstm"),
        (Settings, "profile", "quick", "unknown profile 'quick'. Known: smoke, standard, paper"),
        (Settings, "directions", [1, 3], "--directions must be 1 or 2, not 3"),
        (Settings, "layers", [0], "--layers must be a whole number from 1 up, not 0"),
        (Settings, "phase_s", 0.0, "phase_s must be a positive number, not 0"),
        (Settings, "forget_bias", float("inf"), "--forget-bias must be a number, not inf"),
        (WorkerOptions, "time_limit", -1.0, "--time-limit must be a positive number, not -1"),
        (CompareOptions, "pairs", 0, "--pairs must be a whole number from 1 to 1000, not 0"),
        (Settings, "seeds", [2**63], f"--seeds must be a whole number from 0 to {2**63 - 1}, not "),
        (Settings, "layers", [10**5000], "--layers must be a whole number from 1 to 92"),
    ],
)
def test_value_that_an_option_does_not_accept_is_named(
    options: Any, name: str, value: Any, message: str
) -> None:
    with pytest.raises(Unavailable) as raised:
        checked(options, {name: value})
    assert str(raised.value).startswith(message)


def test_threads_are_limited_to_the_processors_of_this_process() -> None:
    count = processor_count()
    assert Settings().threads == count
    assert checked(Settings, {"threads": count}).threads == count
    with pytest.raises(Unavailable, match=f"from 1 to {count}, not {count + 1}"):
        checked(Settings, {"threads": count + 1})


@dataclass(frozen=True)
class Ratios:
    """A table with a bound that no other option has."""

    ratio: float = option(Kind.NUMBER, "a ratio", default=2.0, above=1.5)
    strict: bool = option(Kind.FLAG, "check more", default=False)
    internal: int = option(Kind.WHOLE, default=1, least=1, on_command_line=False)


def test_number_may_have_any_lower_bound() -> None:
    assert checked(Ratios, {"ratio": 1.6}) == Ratios(ratio=1.6)
    with pytest.raises(Unavailable, match=r"--ratio must be a number above 1\.5, not 1\.5"):
        checked(Ratios, {"ratio": 1.5})


def test_new_table_has_arguments_and_help_without_other_code() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, Ratios)
    text = help_of(parser)
    assert "--ratio N a ratio (default: 2.0) --strict check more" in text
    assert "internal" not in text
    assert explicit(parsed(parser, "--strict", "--ratio", "3"), Ratios) == {
        "ratio": 3.0,
        "strict": True,
    }


def test_wrong_word_is_reported_with_similar_and_all_choices() -> None:
    assert check_words("cell", ["gru", "rnn", "gru"], ("rnn", "gru")) == ["gru", "rnn"]
    with pytest.raises(
        Unavailable, match=r"unknown cell 'grv'; did you mean gru\? Known: rnn, gru"
    ):
        check_words("cell", ["rnn", "grv"], ("rnn", "gru"))
    with pytest.raises(Unavailable, match=r"unknown cell 'xyz'\. Known: rnn, gru"):
        check_words("cell", ["xyz"], ("rnn", "gru"))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cells", ["lstm"], True),
        ("cells", "lstm", False),
        ("cells", [], False),
        ("cells", [1], False),
        ("seeds", [1, 2], True),
        ("seeds", [True], False),
        ("seeds", [1.0], False),
        ("threads", 2, True),
        ("threads", "2", False),
        ("threads", None, False),
        ("forget_bias", 1, True),
        ("forget_bias", 1.5, True),
        ("forget_bias", True, False),
        ("profile", ["smoke"], False),
        ("no_such_option", 1, False),
    ],
)
def test_value_from_a_file_is_accepted_only_if_it_is_of_the_kind_of_its_option(
    name: str, value: Any, expected: bool
) -> None:
    assert is_of_kind(Settings, name, value) == expected


# ---- requests ---------------------------------------------------------------------------------


def test_profile_sets_the_options_that_the_user_left_open() -> None:
    settings = Request({"profile": "smoke", "seeds": [7]}).settings()
    assert (settings.seeds, settings.launches, settings.phase_s) == ([7], 1, 0.1)
    with pytest.raises(Unavailable, match="unknown profile 'smok'"):
        Request({"profile": "smok"}).settings()


def test_resumed_request_keeps_earlier_values_that_are_not_given_again() -> None:
    request = Request({"seeds": [1]}).over({"seeds": [0], "cells": ["gru"]})
    assert request == Request({"seeds": [1], "cells": ["gru"]})
    assert request.replacing(cells=["rnn"]).get("cells") == ["rnn"]
    assert request.with_defaults(cells=["rnn"], gru=["reset_before"]) == Request(
        {"seeds": [1], "cells": ["gru"], "gru": ["reset_before"]}
    )


@pytest.mark.parametrize(
    "earlier", [{"cells": "lstm"}, {"seeds": []}, {"threads": 1.5}, {"cell": ["lstm"]}]
)
def test_damaged_request_is_refused(earlier: dict[str, Any]) -> None:
    (name,) = earlier
    with pytest.raises(Unavailable, match=f"run.json is damaged: {name} cannot be "):
        Request().over(earlier)


@pytest.mark.parametrize(
    "words",
    [("compare", "--build", ""), ("compare", "--budget="), ("run", "--where", ""), ("--gru", "")],
)
def test_empty_word_is_refused_by_its_option(words: tuple[str, ...]) -> None:
    done = bench_inside(*words)
    assert done.returncode == 2
    flag = next(word for word in words if word.startswith("--")).rstrip("=")
    assert f"{flag} is empty" in done.stderr
