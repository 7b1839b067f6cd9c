"""Two sides compared: what is worse is red, what cannot be told is never green."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from conftest import bench_for
from running import bench, bench_inside

from bench.compare.checks import findings, open_pairs
from bench.compare.decision import Rule, Verdict
from bench.compare.live import Half
from bench.compare.pairs import Finding, Sides, paired
from bench.compare.write import (
    conclusion,
    exit_code,
    junit,
    markdown,
    pytest_benchmark,
    smaller_is_better,
    write,
)
from bench.plan.case import Case
from bench.records.record import Record, parse_record

INJECTED = "studies/guard_rates/injected_backend.py"
RULE = Rule()
BEFORE_THE_CLOCK = ("--probes", "learning", "gradients")


HERE = {"machine": {"processor": "x"}}
STORED: Any = {"live": False, "base_info": HERE, "head_info": HERE}


# stored records, made up


def record(probe: str, *, metrics: Any = None, samples: Any = None, **more: Any) -> Record:
    """A record of the numpy backend; `more` changes its settings, or its status and reason."""
    own = {name: more.pop(name) for name in ("status", "reason") if name in more}
    case = {**bench_for("numpy", dtype="float32").case.settings, "probe": probe, "launch": None}
    if probe in ("speed", "control"):
        case |= {"launch": 0, "phase_s": 0.15}
    return Record(
        run="r",
        case={**case, **more},
        status=own.get("status", "ok"),
        reason=own.get("reason"),
        probe=probe,
        environment=None,
        started="2026-01-01T00:00:00",
        wall_s=1.0,
        metrics=metrics or {},
        samples=samples or {},
    )


def proven(**more: Any) -> Record:
    return record("parity", **{"metrics": {"first_loss": 0.5, "first_gradient_norm": 2.0}, **more})


def launches(seconds: Sequence[float], **more: Any) -> list[Record]:
    return [
        record("speed", launch=k, samples={"step": [s, 1.1 * s, 5 * s]}, **more)
        for k, s in enumerate(seconds)
    ]


def controls(seconds: Sequence[float]) -> list[Record]:
    return [
        record("control", launch=k, samples={"control": [s, 2 * s]}) for k, s in enumerate(seconds)
    ]


def seeds(
    losses: Sequence[float], solved: Sequence[bool] = (), score: float = 0.01, **more: Any
) -> list[Record]:
    solved = solved or [True] * len(losses)
    return [
        record(
            "learning",
            seed=k,
            samples={"loss": [loss, loss / 2]},
            metrics={
                "solved": float(is_solved),
                "steps_to_solve": 10.0 if is_solved else None,
                "diverged_at": None,
                "score": score,
                "chance": 1 / 6,
            },
            **more,
        )
        for k, (loss, is_solved) in enumerate(zip(losses, solved, strict=True))
    ]


def norms(values: Sequence[float], nan: float = 0, inf: float = 0) -> list[Record]:
    return [
        record(
            "gradients",
            seed=k,
            samples={"gradient_norm": [value, 2 * value]},
            metrics={"gradient_nan": nan, "gradient_inf": inf},
        )
        for k, value in enumerate(values)
    ]


NOISE = [1 + 0.01 * ((7 * k) % 5 - 2) for k in range(30)]


def times(factor: float, count: int = 20) -> list[float]:
    return [0.01 * factor * noise for noise in NOISE[:count]]


def said(base: Sequence[Record], head: Sequence[Record], **more: Any) -> dict[str, Finding]:
    """The findings by check; there is one cell. A control that stood still is beside each launch
    where none is given."""
    base, head = (watched(side) for side in (base, head))
    found = findings(Sides(base, head, **more), RULE)
    assert len({f.check for f in found}) == len(found)
    return {f.check: f for f in found}


def watched(side: Sequence[Record]) -> list[Record]:
    if any(r.probe == "control" for r in side):
        return list(side)
    count = 1 + max((r.case["launch"] for r in side if r.probe == "speed"), default=-1)
    return [*side, *controls(times(1, count))]


def test_two_sides_that_are_the_same_pass_every_check() -> None:
    same = [
        proven(),
        *launches(times(1)),
        *controls(times(1)),
        *seeds([1.0] * 8),
        *norms([1.0] * 8),
    ]
    found = said(same, same)
    assert {f.verdict for f in found.values()} == {Verdict.PASS}
    assert set(found) == {
        *("parity", "first loss", "first gradient", "speed of step", "loss over training"),
        "held-out score",
        *("seeds diverged", "seeds solved", "steps to solve", "gradient norm over training"),
        *("NaN in gradients", "Inf in gradients"),
    }
    assert exit_code(list(found.values())) == 0


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.3, Verdict.REGRESSED), (1 / 1.3, Verdict.IMPROVED)]
)
def test_a_change_of_speed_is_found_and_named(factor: float, verdict: Verdict) -> None:
    found = said([proven(), *launches(times(1))], [proven(), *launches(times(factor)[::-1])])
    speed = found["speed of step"]
    assert speed.verdict == verdict
    assert speed.ratio == pytest.approx(factor, rel=0.05)
    assert (speed.base, speed.unit, speed.pairs) == (pytest.approx(0.01, rel=0.05), "s", 20)


def test_where_the_control_moved_with_the_speed_nothing_is_concluded() -> None:
    base = [proven(), *launches(times(1)), *controls(times(1))]
    head = [proven(), *launches(times(1.3)), *controls(times(1.3))]
    found = said(base, head)["speed of step"]
    assert found.verdict == Verdict.INCONCLUSIVE
    assert "the control by +30.0%" in found.reason


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan")])
def test_a_sample_that_is_no_time_is_never_green(wrong: float) -> None:
    head = [proven(), *launches(times(1))]
    head[3] = replace(head[3], samples={"step": [0.01, wrong, 0.01]})
    assert said([proven(), *launches(times(1))], head)["speed of step"].verdict == (
        Verdict.INCONCLUSIVE
    )


@pytest.mark.parametrize(
    ("base", "head", "verdict"),
    [
        ("ok", "failed", Verdict.REGRESSED),
        ("failed", "ok", Verdict.IMPROVED),
        ("failed", "failed", Verdict.NOT_COMPARABLE),
    ],
)
def test_parity_is_compared_first_and_what_is_wrong_on_one_side_has_no_speed(
    base: str, head: str, verdict: Verdict
) -> None:
    clocks = launches(times(1))
    found = said(
        [proven(status=base, reason="off by 3"), *clocks],
        [proven(status=head, reason="off by 3"), *clocks],
    )
    assert found["parity"].verdict == verdict
    if not verdict.green:
        assert "off by 3" in found["parity"].reason
        assert "speed of step" not in found


@pytest.mark.parametrize("name", ["first_loss", "first_gradient_norm"])
@pytest.mark.parametrize("value", [0.50001, 0.6, None])
def test_another_first_loss_or_gradient_is_a_regression(name: str, value: float | None) -> None:
    numbers = {"first_loss": 0.5, "first_gradient_norm": 0.5}
    base, head = proven(metrics=numbers), proven(metrics={**numbers, name: value})
    found = said([base, *launches(times(1))], [head, *launches(times(1))])
    check = {"first_loss": "first loss", "first_gradient_norm": "first gradient"}[name]
    assert found[check].verdict == Verdict.REGRESSED
    assert "speed of step" not in found


def test_rounding_of_the_first_loss_is_none() -> None:
    base, head = proven(), proven(metrics={"first_loss": 0.5000001, "first_gradient_norm": 2.0})
    assert said([base], [head])["first loss"].verdict == Verdict.PASS


def test_slower_learning_is_found_over_paired_seeds() -> None:
    levels = [1.0, 3.0, 0.1, 2.0, 0.5, 0.9, 5.0, 1.5]
    base = [proven(), *seeds(levels)]
    worse = said(base, [proven(), *seeds([1.2 * v for v in levels])])["loss over training"]
    assert worse.verdict == Verdict.REGRESSED
    assert worse.ratio == pytest.approx(1.2)
    better = said(base, [proven(), *seeds([v / 1.2 for v in levels])])["loss over training"]
    assert better.verdict == Verdict.IMPROVED
    few = said(base[:4], [proven(), *seeds(levels[:3])])["loss over training"]
    assert few.verdict == Verdict.INCONCLUSIVE
    assert "3 seeds, it takes 8" in few.reason


def test_seeds_that_are_solved_no_more_are_counted_exactly() -> None:
    base = [proven(), *seeds([1.0] * 8)]
    none = said(base, [proven(), *seeds([1.0] * 8, [False] * 8)])
    assert none["seeds solved"].verdict == Verdict.REGRESSED
    assert (none["seeds solved"].base, none["seeds solved"].head) == (8, 0)
    assert none["steps to solve"].verdict == Verdict.REGRESSED
    assert none["steps to solve"].head is None
    for lost, verdict in ((2, Verdict.PASS), (3, Verdict.INCONCLUSIVE), (5, Verdict.INCONCLUSIVE)):
        fewer = said(base, [proven(), *seeds([1.0] * 8, [False] * lost + [True] * (8 - lost))])
        assert fewer["seeds solved"].verdict == fewer["steps to solve"].verdict == verdict
    gained = said([proven(), *seeds([1.0] * 8, [False] * 3 + [True] * 5)], base)
    assert gained["seeds solved"].verdict == Verdict.PASS


def test_of_many_cells_a_few_seeds_are_no_regression_of_one() -> None:
    cells = [{"cell": cell, "task": f"task-{k}"} for cell in ("rnn", "lstm") for k in range(10)]
    base = [r for c in cells for r in (proven(**c), *seeds([1.0] * 8, **c))]
    worse = [r for c in cells[:1] for r in (proven(**c), *seeds([1.0] * 8, [False] * 8, **c))]
    head = [*worse, *(r for r in base if (r.case["cell"], r.case["task"]) != ("rnn", "task-0"))]
    found = [f for f in findings(Sides(base, head), RULE) if f.check == "seeds solved"]
    assert [f.verdict for f in found].count(Verdict.INCONCLUSIVE) == 1
    assert Verdict.REGRESSED not in [f.verdict for f in found]


def test_a_worse_score_is_found_where_no_seed_is_solved() -> None:
    none = [False] * 8
    base, head = ([proven(), *seeds([1.0] * 8, none, score)] for score in (0.05, 0.1))
    assert said(base, head)["held-out score"].verdict == Verdict.REGRESSED
    assert said(head, base)["held-out score"].verdict == Verdict.IMPROVED
    assert said(base, base)["held-out score"].verdict == Verdict.PASS


def test_scores_near_zero_may_differ_by_a_factor() -> None:
    base, head = ([proven(), *seeds([1.0] * 8, score=score)] for score in (1e-6, 4e-6))
    assert said(base, head)["held-out score"].verdict == Verdict.PASS
    zero = [proven(), *seeds([1.0] * 8, score=0.0)]
    assert said(zero, zero)["held-out score"].verdict == Verdict.PASS


def test_curves_that_are_the_same_are_the_same_even_at_zero() -> None:
    same = [proven(), *seeds([1.0] * 8)]
    same[3] = replace(same[3], samples={"loss": [1.0, 0.0]})
    assert said(same, same)["loss over training"].verdict == Verdict.PASS


def test_a_seed_that_diverges_in_the_head_alone_is_a_regression() -> None:
    base, head = ([proven(), *seeds([1.0] * 8)] for _ in range(2))
    head[3] = replace(
        head[3],
        metrics={**head[3].metrics, "diverged_at": 5.0},
        samples={"loss": [1.0, float("nan")]},
    )
    found = said(base, head)
    assert found["seeds diverged"].verdict == Verdict.REGRESSED
    assert not found["loss over training"].verdict.green
    assert said(head, base)["seeds diverged"].verdict == Verdict.PASS


@pytest.mark.parametrize("kind", ["nan", "inf"])
def test_gradients_that_are_not_finite_are_failures_of_their_own(kind: str) -> None:
    base, head = [proven(), *norms([1.0] * 8)], [proven(), *norms([1.0] * 8, **{kind: 1.0})]
    name = {"nan": "NaN", "inf": "Inf"}[kind]
    assert said(base, head)[f"{name} in gradients"].verdict == Verdict.REGRESSED


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_gradients_of_another_size_are_a_change_either_way(factor: float) -> None:
    found = said([proven(), *norms([1.0] * 8)], [proven(), *norms([factor] * 8)])
    assert found["gradient norm over training"].verdict == Verdict.REGRESSED


def test_a_seed_that_the_head_lacks_or_that_failed_there_is_never_green() -> None:
    base = [proven(), *seeds([1.0] * 8)]
    assert said(base, base[:-1])["learning"].verdict == Verdict.MISSING
    failed = [*base[:-1], replace(base[-1], status="failed", reason="died", samples={})]
    assert said(base, failed)["learning, seed 7"].verdict == Verdict.REGRESSED
    assert said(failed, base)["learning, seed 7"].verdict == Verdict.NOT_COMPARABLE


def test_a_launch_that_failed_in_the_head_is_a_regression() -> None:
    base = [proven(), *launches(times(1))]
    head = [*base[:5], replace(base[5], status="failed", reason="died", samples={}), *base[6:]]
    assert said(base, head)["speed, launch 4"].verdict == Verdict.REGRESSED


def test_a_cell_that_one_side_lacks_is_named_and_never_green() -> None:
    both, one = [proven(), proven(cell="gru")], [proven()]
    pairs, gone = paired(Sides(both, one))
    assert len(pairs) == 1
    assert [(f.cell, f.verdict) for f in gone] == [("numpy gru adding", Verdict.MISSING)]
    _, new = paired(Sides(one, both))
    assert [f.verdict for f in new] == [Verdict.NOT_COMPARABLE]
    skipped = [proven(), proven(cell="gru", status="skipped", reason="no gru")]
    assert paired(Sides(both, skipped))[1][0].verdict == Verdict.MISSING
    assert not paired(Sides(skipped, skipped))[1]


def test_a_probe_that_the_head_lacks_altogether_is_missing() -> None:
    base = [proven(), *launches(times(1)), *seeds([1.0] * 8), *norms([1.0] * 8)]
    found = said(base, [proven()])
    assert {name: f.verdict for name, f in found.items() if not f.verdict.green} == dict.fromkeys(
        ["speed of step", "learning", "gradients"], Verdict.MISSING
    )
    more = [replace(r, samples={**r.samples, "forward": [0.01]}) for r in launches(times(1))]
    part = said([proven(), *more], [proven(), *launches(times(1))])
    assert part["speed of forward"].verdict == Verdict.MISSING
    assert part["speed of step"].verdict == Verdict.PASS


@pytest.mark.parametrize("probe", ["learning", "speed"])
def test_what_only_one_side_can_do_is_never_green(probe: str) -> None:
    able = [proven(), *(seeds([1.0] * 8) if probe == "learning" else launches(times(1)))]
    unable = [*able[:-1], replace(able[-1], status="skipped", reason="not ours", samples={})]
    check = {"learning": "learning, seed 7", "speed": "speed, launch 19"}[probe]
    assert said(able, unable)[check].verdict == Verdict.MISSING
    assert said(unable, able)[check].verdict == Verdict.NOT_COMPARABLE
    assert check not in said(unable, unable)


@pytest.mark.parametrize(("name", "value"), [("threads", 2), ("phase_s", 0.1)])
def test_launches_that_are_not_alike_cannot_be_compared(name: str, value: float) -> None:
    base, head = launches(times(1)), launches(times(2), **{name: value})
    found = said([proven(), *base], [proven(), *head])["speed"]
    assert found.verdict == Verdict.NOT_COMPARABLE
    assert found.reason == f"{name} [{base[0].case[name]}] → [{value}]"


def test_a_control_that_failed_watches_nothing() -> None:
    same = [proven(), *launches(times(1)), *controls(times(1))]
    lost = [
        r
        if r.probe != "control" or r.case["launch"] != 3
        else replace(r, status="failed", reason="died", samples={})
        for r in same
    ]
    found = said(same, lost)["speed of step"]
    assert found.verdict == Verdict.INCONCLUSIVE
    assert found.reason == "the control was not timed beside 1 launches"


def test_what_was_asked_for_and_never_timed_is_not_green() -> None:
    info = {"request": {"probes": ["speed"]}}
    found = said([proven()], [proven()], base_info=info, head_info=info)
    assert found["speed"].verdict == Verdict.NOT_COMPARABLE
    assert "speed" not in said([proven()], [proven()])


@pytest.mark.parametrize(
    ("base", "head", "request_", "verdicts"),
    [
        ([], ["torch on cpu: not installed"], {}, [Verdict.MISSING]),
        (["torch on cpu: not installed"], ["torch on cpu: not installed"], {}, []),
        (*2 * (["a on cuda: none"],), {"devices": ["cpu", "cuda"]}, [Verdict.NOT_COMPARABLE]),
        (*2 * (["a on cuda: none"],), {"devices": ["auto"]}, []),
        (["torch on cpu: not installed"], [], {}, []),
        (*2 * (["a on cpu: for GPUs"],), {"devices": ["cpu"]}, [Verdict.NOT_COMPARABLE]),
        (*2 * (["a on cpu: for GPUs"],), {"devices": ["cpu"], "backends": ["all"]}, []),
        (
            *2 * (["a on cuda:1: none"],),
            {"devices": ["cpu", "cuda:1"], "backends": ["all"]},
            [Verdict.NOT_COMPARABLE],
        ),
    ],
)
def test_a_backend_that_could_not_be_run(
    base: list[str], head: list[str], request_: Any, verdicts: list[Verdict]
) -> None:
    infos = [{"missing": gaps, "request": request_} for gaps in (base, head)]
    sides = Sides([proven()], [proven()], *infos)
    found = [f for f in findings(sides, RULE) if f.check == "cell"]
    assert [f.verdict for f in found] == verdicts


def test_parity_of_other_seeds_is_not_compared() -> None:
    base, head = proven(seed=0), proven(seed=5, metrics={"first_loss": 9.0})
    found = said([base], [head])
    assert [(f.check, f.verdict) for f in found.values()] == [("parity", Verdict.NOT_COMPARABLE)]
    both = said([base], [head, proven(seed=0)])
    assert both["first loss"].verdict == Verdict.PASS


def test_the_same_settings_make_a_pair_whatever_else_a_side_has() -> None:
    base = [proven(length=50), proven(length=99)]
    pairs, gone = paired(Sides(base, base[:1]))
    assert [p.cell for p in pairs] == ["numpy lstm adding length=50"]
    assert [f.cell for f in gone] == ["numpy lstm adding length=99"]


def test_a_setting_that_one_side_does_not_know_is_no_difference() -> None:
    base, head = ([proven(**more), *launches(times(1), **more)] for more in ({}, {"dropout": 0.0}))
    assert said(base, head)["speed of step"].verdict == Verdict.PASS


def test_of_stored_runs_too_few_launches_say_nothing_and_say_how_many_it_takes() -> None:
    base = [proven(), *launches(times(1, 3))]
    found = said(base, [proven(), *launches(times(2, 3))], **STORED)["speed of step"]
    assert found.verdict == Verdict.INCONCLUSIVE
    assert found.reason.endswith("3 launches, it takes 10")
    enough = said([proven(), *launches(times(1))], [proven(), *launches(times(2))], **STORED)
    assert enough["speed of step"].verdict == Verdict.REGRESSED


def test_a_slowdown_of_many_cells_does_not_pass_where_few_launches_hide_it() -> None:
    cells = [{"cell": cell, "task": f"task-{k}"} for cell in ("rnn", "lstm") for k in range(30)]
    base, head = (
        [r for c in cells for r in (proven(**c), *launches(times(f, 10), **c))] for f in (1, 1.08)
    )
    found = findings(Sides(base, head, **STORED), RULE)
    speeds = [f for f in found if f.check == "speed of step"]
    assert len(speeds) == len(cells)
    assert {f.verdict for f in speeds} == {Verdict.INCONCLUSIVE}


def test_stored_runs_that_do_not_say_where_they_ran_are_not_compared() -> None:
    found = said([proven()], [proven()], live=False)
    assert found["machine"].verdict == Verdict.NOT_COMPARABLE


def test_when_time_is_up_a_flag_is_still_confirmed_and_nothing_else_goes_on() -> None:
    base = watched([proven(), *launches(times(1, 10))])
    slow = watched([proven(), *launches(times(1.3, 10))])
    noisy = watched([proven(), *launches([t * 1.5 ** (k % 3) for k, t in enumerate(times(1, 10))])])
    for head, flagged in ((slow, 1), (noisy, 0)):
        sides = Sides(base, head)
        assert len(open_pairs(sides, RULE)) == 1
        assert len(open_pairs(sides, RULE, flagged=True)) == flagged


def test_a_launch_that_is_lost_leaves_the_rounds_of_the_others_as_they_were() -> None:
    """The first round is level and the second slow: nothing confirms a flag."""
    factors = [1.0] * 10 + [1.3] * 10
    head = launches([t * f for t, f in zip(times(1), factors, strict=True)])
    lost = [r for r in head if r.case["launch"] != 3]
    for some in (head, lost):
        found = said([proven(), *launches(times(1))], [proven(), *some])["speed of step"]
        assert found.verdict == Verdict.INCONCLUSIVE


def test_a_change_of_learning_that_too_few_seeds_hide_does_not_pass() -> None:
    """Over many cells a fifth more loss on every one of eight seeds is not significant."""
    cells = [{"cell": cell, "task": f"task-{k}"} for cell in ("rnn", "lstm") for k in range(10)]
    base = [r for c in cells for r in (proven(**c), *seeds([1.0] * 8, **c))]
    head = [r for c in cells for r in (proven(**c), *seeds([1.2] * 8, **c))]
    found = [f for f in findings(Sides(base, head), RULE) if f.check == "loss over training"]
    assert len(found) == len(cells)
    assert {f.verdict for f in found} == {Verdict.INCONCLUSIVE}
    assert "8 seeds, it takes 9" in found[0].reason


def test_records_from_before_the_first_loss_was_kept_are_compared_in_what_they_have() -> None:
    found = said([proven(metrics={}), *launches(times(1))], [proven(), *launches(times(1))])
    assert "first loss" not in found
    assert found["speed of step"].verdict == Verdict.PASS


def test_numbers_and_letters_that_the_formats_lack_are_written_all_the_same(
    tmp_path: Path,
) -> None:
    head = [proven(), *launches([float("nan")] * 20)]
    found = findings(Sides([proven(), *launches(times(1))], head), RULE)
    found.append(Finding("c", "x", Verdict.REGRESSED, "last words: \x1b[31m\x00"))
    write(tmp_path, found, [], Sides([], []), RULE)
    told = json.loads((tmp_path / "verdict.json").read_text())["findings"]
    assert [f["head"] for f in told if f["check"] == "speed of step"] == [None]
    assert Xml.parse(tmp_path / "junit.xml").getroot().get("failures") == "1"


def test_another_size_cannot_be_compared_but_another_learning_rate_can() -> None:
    found = said([proven()], [proven(hidden=9)])
    assert found["settings"].verdict == Verdict.NOT_COMPARABLE
    assert found["settings"].reason == "hidden 8 → 9"
    assert "settings" not in said([proven()], [proven(learning_rate=1.0)])


def test_a_case_of_a_base_that_does_not_name_its_optimiser_is_timed_too() -> None:
    """Its record, once read, names it."""
    timed = record("speed", samples={"step": [1.0]})
    older = Case({k: v for k, v in timed.case.items() if k != "optimiser"})
    half = Half(side=None, run=None, control=None, cases=[older])  # type: ignore[arg-type]
    read = parse_record(replace(timed, case=older.settings).to_json())
    found = half.of({Case(read.case).model_key}, 3)
    assert [case.launch for cases in found.values() for case in cases] == [3]
    assert "optimiser" not in next(iter(found.values()))[0].settings


def test_another_optimiser_cannot_be_compared_though_older_records_do_not_name_theirs() -> None:
    data = json.loads(proven().to_json())
    del data["case"]["optimiser"]
    older, plain = parse_record(json.dumps(data)), proven(optimiser="sgd")
    found = said([older], [plain])
    assert found["settings"].verdict == Verdict.NOT_COMPARABLE
    assert found["settings"].reason == "optimiser adam → sgd"
    assert "settings" not in said([older], [proven(optimiser="adam")])


def test_another_machine_cannot_be_compared() -> None:
    infos = {
        "base_info": {"machine": {"processor": "A", "cores": 2}},
        "head_info": {"machine": {"processor": "B", "cores": 2}},
    }
    found = said([proven()], [proven()], **infos, live=False)
    assert found["machine"].verdict == Verdict.NOT_COMPARABLE
    assert found["machine"].reason == "another machine: processor A → B"


def test_another_kernel_that_leaves_other_memory_is_the_same_machine() -> None:
    then, now = (
        {"machine": {"processor": "A", "memory_bytes": size, "system": system}}
        for size, system in ((25276514304, "Linux 1"), (25276510208, "Linux 2"))
    )
    infos = {"base_info": then, "head_info": now}
    assert "machine" not in said([proven()], [proven()], **infos, live=False)


def test_stored_runs_have_one_round_and_the_product_as_their_control() -> None:
    def rated(factor: float, rate: float) -> list[Record]:
        return [proven(), *launches(times(factor, 10), metrics={"product_gflops": rate})]

    found = said(rated(1, 50), rated(1.3, 50), **STORED)["speed of step"]
    assert found.verdict == Verdict.REGRESSED
    slower = said(rated(1, 50), rated(1.3, 40), **STORED)["speed of step"]
    assert slower.verdict == Verdict.INCONCLUSIVE
    assert "the control by +25.0%" in slower.reason
    other = [replace(r, case={**r.case, "dtype": "float64"}) for r in rated(1, 9)]
    assert said(rated(1, 50), rated(1.3, 50), **STORED)["speed of step"] == found
    both = findings(Sides([*other, *rated(1, 50)], rated(1.3, 50), **STORED), RULE)
    assert found.verdict in [f.verdict for f in both if f.check == "speed of step"]


# the exit code and the formats

PASS, RED = (
    Finding("c", "parity", Verdict.PASS),
    Finding("c", "x", Verdict.REGRESSED, "why & <how>"),
)
UNSURE = Finding("c", "speed of step", Verdict.INCONCLUSIVE, "noise", 0.01, 0.011, "s", 1.1)
STRANGE, GONE = (Finding("d", "cell", v) for v in (Verdict.NOT_COMPARABLE, Verdict.MISSING))


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([], 3),
        ([PASS], 0),
        ([PASS, Finding("c", "x", Verdict.IMPROVED)], 0),
        ([PASS, UNSURE], 3),
        ([PASS, STRANGE], 3),
        ([PASS, GONE], 1),
        ([PASS, UNSURE, RED], 1),
    ],
)
def test_only_pass_and_improved_are_green(found: list[Finding], code: int) -> None:
    assert exit_code(found) == code
    assert conclusion(found).startswith({0: "pass", 1: "regressed", 3: ("inc", "not")}[code])


def test_every_format_says_what_is_not_green() -> None:
    found = [PASS, UNSURE, STRANGE, GONE, RED]
    suite = Xml.fromstring(junit(found))
    kinds = [[child.tag for child in case] for case in suite]
    assert kinds == [[], ["skipped"], ["error"], ["failure"], ["failure"]]
    counts = [suite.get(name) for name in ("tests", "skipped", "errors", "failures")]
    assert counts == ["5", "1", "1", "2"]
    assert "why & <how>" in str(suite[4][0].get("message"))
    text = markdown(found, ["base: a", "head: b"])
    assert text.startswith("## ❌ regressed: ")
    for word in ("inconclusive", "not comparable", "missing", "why &amp; &lt;how>", "10.0 ms"):
        assert word in text
    (entry,) = smaller_is_better(found)
    assert (entry["name"], entry["value"], entry["unit"]) == ("c: speed of step", 0.011, "s")


def test_pytest_benchmark_reads_a_side(tmp_path: Path) -> None:
    for name, factor in (("base", 1.0), ("head", 1.3)):
        times_by_cell = {("numpy lstm adding", "step"): times(factor)}
        stored = pytest_benchmark(name, times_by_cell, {"commit": "abc"})
        (tmp_path / f"{name}.json").write_text(json.dumps(stored))
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", "base.json", "head.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("step[numpy lstm adding]") == 2
    assert "(1.3" in done.stdout


# for real


def python_with(folder: Path, **environment: str) -> Path:
    """An interpreter that sets variables of the environment: a side of its own."""
    path = folder / "-".join(["python", *environment.values()]).replace(" ", "-")
    sets = " ".join(f"{name}='{value}'" for name, value in environment.items())
    path.write_text(f'#!/bin/sh\n{sets} exec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


def compare(root: Path, *arguments: str | Path, **more: Any) -> Any:
    small = ("--cells", "lstm", "--threads", "1", "--pairs", "6", "--excluded", "0.5")
    return bench("compare", *small, *arguments, "--results-dir", root, "--run-id", "c", **more)


def against(root: Path, fault: str, *arguments: str | Path, **more: Any) -> Any:
    """The backend without a fault as base, with one as head."""
    sound, faulty = python_with(root, INJECT="nothing"), python_with(root, INJECT=fault)
    sides = ("--base-python", sound, "--head-python", faulty, "--backends", INJECTED)
    return compare(root, *sides, *arguments, **more)


def verdicts(root: Path) -> dict[str, str]:
    found = json.loads((root / "c" / "verdict.json").read_text())["findings"]
    return {f["check"]: f["verdict"] for f in found}


def test_a_side_against_itself_is_green(tmp_path: Path) -> None:
    task = ("--tasks", "adding:steps=30")
    summary = tmp_path / "summary.md"
    done = compare(
        tmp_path,
        "--aa",
        "--backends",
        "numpy",
        *task,
        environment={"GITHUB_STEP_SUMMARY": str(summary)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(verdicts(tmp_path).values()) == {"pass"}
    assert {"speed of step", "loss over training", "parity"} <= verdicts(tmp_path).keys()
    assert summary.read_text() == (tmp_path / "c" / "verdict.md").read_text()
    assert Xml.parse(tmp_path / "c" / "junit.xml").getroot().get("failures") == "0"
    both = [str(tmp_path / "c" / side) for side in ("base", "head")]
    stored = compare(tmp_path / "stored", *both)
    assert stored.returncode == 0, stored.stdout
    assert "the weaker comparison" in stored.stdout


def test_twice_the_time_is_red(tmp_path: Path) -> None:
    done = against(tmp_path, "work 1", "--probes", "speed")
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path)["speed of step"] == "regressed"
    assert verdicts(tmp_path)["parity"] == "pass"


def test_a_broken_gradient_is_red_and_not_timed(tmp_path: Path) -> None:
    done = against(tmp_path, "gradient")
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path)["parity"] == "regressed"
    assert "speed of step" not in verdicts(tmp_path)
    assert "d layers.0.forward.u differs by 0.5" in (tmp_path / "c" / "verdict.md").read_text()


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("forget_bias", "parity"),
        ("half_rate", "parity"),
        ("clipped_too_early", "parity"),
        ("fails", "parity"),
        ("lazy", "loss over training"),
        ("diverging", "seeds diverged"),
    ],
)
def test_a_fault_of_learning_or_gradients_is_red(fault: str, check: str, tmp_path: Path) -> None:
    task = ("--tasks", "forecasting:steps=100:clip_norm=0.1")
    done = against(tmp_path, fault, *BEFORE_THE_CLOCK, *task)
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path)[check] == "regressed"


BACKEND = """from backends.numpy_backend import *
from backends import numpy_backend
REQUIRES, SUPPORTS = numpy_backend.REQUIRES, numpy_backend.SUPPORTS
def open_session(spec, params, device, *training):
    {body}
    return numpy_backend.open_session(spec, params, device, *training)
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of somebody's own, with a backend that was right in its one commit."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "mine.py").write_text(BACKEND.format(body="pass"))
    run = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "right"]):
        subprocess.run([*run, *words], check=True)
    return folder


def test_a_commit_is_compared_with_the_checkout(repository: Path, tmp_path: Path) -> None:
    mine = repository / "mine.py"
    short = ("--probes", "learning", "--seeds", "0", "--tasks", "adding:steps=2")
    same = compare(tmp_path, "--base", "HEAD", "--backends", mine, *short)
    assert verdicts(tmp_path)["parity"] == "pass", same.stderr
    assert "base: HEAD (" in same.stdout
    mine.write_text(BACKEND.format(body="params = {k: 1.1 * v for k, v in params.items()}"))
    compare(tmp_path / "again", "--base", "HEAD", "--backends", mine, *short)
    assert verdicts(tmp_path / "again")["parity"] == "regressed"
    left = subprocess.run(
        ["git", "-C", str(repository), "worktree", "list"], capture_output=True, text=True
    )
    assert left.stdout.count("\n") == 1


def test_a_base_that_does_not_build_is_an_error(repository: Path, tmp_path: Path) -> None:
    mine = repository / "mine.py"
    mine.write_text("this is no Python")
    run = ["git", "-C", str(repository), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run([*run, "commit", "-qam", "wrong"], check=True)
    mine.write_text(BACKEND.format(body="pass"))
    done = compare(tmp_path, "--base", "HEAD", "--backends", mine)
    assert done.returncode == 2
    assert "the base (HEAD (" in done.stderr
    assert "does not import: SyntaxError" in done.stderr
    assert not (tmp_path / "c").exists()


def test_a_cell_that_the_head_does_not_express_any_more_is_missing(tmp_path: Path) -> None:
    both, one = (python_with(tmp_path, MISBEHAVE_CELLS=cells) for cells in ("rnn lstm", "rnn"))
    sides = ("--base-python", both, "--head-python", one)
    done = compare(
        tmp_path, *sides, "--backends", "tests/plugins/misbehaving.py", *BEFORE_THE_CLOCK
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path) == {"cell": "missing"}


def test_an_interpreter_without_the_framework_is_an_error(tmp_path: Path) -> None:
    without = python_with(tmp_path, MISBEHAVE_REQUIRES="no-such-framework")
    plugin = ("--backends", "tests/plugins/misbehaving.py")
    done = compare(tmp_path, "--base-python", without, *plugin)
    assert done.returncode == 2
    assert "the base (the checkout under" in done.stderr
    assert "not installed: no-such-framework" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "compare what?"),
        (("one",), "two stored runs make a comparison, not 1"),
        (("one", "two"), "no run 'one'"),
        (("one", "two", "--aa"), "--aa has no meaning"),
        (("--base", "no-such-revision"), "no revision 'no-such-revision'"),
        (("--base-python", "/no/such/python"), "no such program: /no/such/python"),
        (("--head-python", "/bin/true"), "is no Python"),
        (("--aa", "--base", "HEAD"), "it takes no base"),
        (("--aa", "--budget", "soon"), "--budget must be a time"),
        (("--aa", "--pairs", "0"), "--pairs must be at least 1"),
        (("--aa", "--rounds", "0"), "--rounds must be at least 1"),
        (("--aa", "--least", "0.01"), "--least must be a share of at least 0.02, not 0.01"),
        (("--aa", "--least", "0.1"), "--excluded must be a share above 0.1, not 0.1"),
        (("--aa", "--excluded", "0.01"), "--excluded must be"),
        (("--aa", "--phases", "sideways"), "unknown phase 'sideways'"),
        (("--aa", "--backends", "nonesuch"), "unknown backend 'nonesuch'"),
    ],
)
def test_wrong_use_is_named(arguments: Sequence[str], message: str, tmp_path: Path) -> None:
    done = bench_inside("compare", *arguments, "--results-dir", tmp_path / "comparisons")
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "comparisons").exists()


def test_a_comparison_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    done = compare(tmp_path, "--aa", "--backends", "numpy")
    assert done.returncode == 2
    assert "comparison c exists" in done.stderr
    assert list((tmp_path / "c").iterdir()) == []
