"""The figures that the guard's page quotes are those of its published tables."""

import re

from conftest import ROOT
from quotes import Page, table_cells

from studies.guard_rates.collect import State
from studies.guard_rates.rules import GUARD
from studies.guard_rates.streams import read_streams

FOLDER = ROOT / "results" / "guard-cpu"
TABLES = (FOLDER / "table.md").read_text()
PAGE = Page(ROOT / "docs" / "guard.md")


def table(title: str) -> list[dict[str, str]]:
    """The rows of the table with this title."""
    section = TABLES.split(f"## {title}\n")[1].split("\n## ")[0]
    head, _, *body = [table_cells(line) for line in section.splitlines() if line.startswith("|")]
    return [dict(zip(head, cells, strict=True)) for cells in body]


FOUND = {
    (row["machine"], row["head"]): row["rows found"].split(" [")[0]
    for row in table("How often this guard finds a slowdown")
}
ALARMS = {row["machine"]: row for row in table("How often it is wrong about unchanged code")}
SCATTER = {
    (row["machine"], row["model"], row["injected"]): row
    for row in table("What was injected, and how far pairs scatter")
}
OTHERS = {row["rule"]: row for row in table("Other rules on the same launches, by row")}


def test_page_quotes_how_often_slower_rows_are_found() -> None:
    quiet = [FOUND["quiet", head] for head in ("+3%", "+5%", "+7%", "+10%", "+20%")]
    assert PAGE.quotes(
        "it calls {} of rows regressed that are 3% slower, which is less than what it flags, {} of "
        "those 5% slower, {} at 7%, {} at 10% and {} at 20%.",
        *quiet,
    )
    for machine, words in (
        ("busy", "busy it is {} at 5% and {} at 10%"),
        ("bimodal", "it is {} and {}."),
    ):
        assert PAGE.quotes(words, FOUND[machine, "+5%"], FOUND[machine, "+10%"])
    assert PAGE.quotes(
        "It found {} of rows that were 5% slower on a quiet machine and {} of those that were 10% "
        "slower, and beside a busy process {}.",
        FOUND["quiet", "+5%"],
        FOUND["quiet", "+10%"],
        FOUND["busy", "+10%"],
    )


def test_page_quotes_the_false_alarms() -> None:
    (count,) = {row["comparisons with swapped sides"] for row in ALARMS.values()}
    red = [ALARMS[machine]["red"] for machine in ("quiet", "busy", "bimodal")]
    words = "In {} comparisons in each state, {}, {} and {} were red"
    assert PAGE.quotes(words, f"{int(count):,}", *red)
    total = f"{int(count) * len(ALARMS):,}"
    assert PAGE.quotes(
        "In {} comparisons of unchanged code, {} were red", total, sum(map(int, red))
    )


def test_page_quotes_other_figures_of_a_pair() -> None:
    rules = ("on the median of a turn", "on the minimum of a launch")
    found = [OTHERS[rule]["+5%, bimodal"] for rule in rules]
    assert PAGE.quotes(
        "With the median of a turn, {} of rows that are 5% slower are found on the bimodal "
        "machine; with the fastest sample of a whole launch {}.",
        *found,
    )
    both = [OTHERS[rule]["+5%, bimodal"] for rule in ("on the lower quartile of a turn", GUARD)]
    words = "The lower quartile of a turn would do as well: it finds {}, the fastest sample {}."
    assert PAGE.quotes(words, *both)


def test_page_says_on_how_many_trials_its_figures_rest() -> None:
    trials = {stream.state: stream.trials for stream in read_streams(FOLDER)}
    assert trials[State.BUSY] == trials[State.BIMODAL]
    words = "They rest on {} trials on the quiet machine and on {} in each other state"
    assert PAGE.quotes(words, trials[State.QUIET], trials[State.BUSY])


def test_page_quotes_the_rules_of_other_tools() -> None:
    mean, ranks = (
        OTHERS["pytest-benchmark mean:5%, 1 launch"],
        OTHERS["benchstat-like, 20 launches"],
    )
    words = "unchanged rows slower in {} on the quiet machine and in {} on the bimodal one"
    assert PAGE.quotes(words, mean["same, quiet"], mean["same, bimodal"])
    assert PAGE.quotes("is wrong in {} and {}.", ranks["same, quiet"], ranks["same, bimodal"])
    asv = OTHERS["asv-like, 20 launches, alternating"]["+5%, quiet"]
    assert PAGE.quotes("finds {} of rows that are 5% slower on the quiet machine", asv)


def test_injected_work_has_the_effect_that_the_page_says() -> None:
    """On the quiet machine, up to 10%: the largest distance of a measured effect from its name."""
    distances = [
        abs(float(row["measured"].rstrip("%")) - float(row["injected"].rstrip("%")))
        for (machine, _, head), row in SCATTER.items()
        if machine == "quiet" and head not in ("same", "+20%")
    ]
    words = r"on the quiet machine it is within ([\d.]+) percentage points of what was meant"
    (said,) = re.findall(words, PAGE.text)
    assert max(distances) <= float(said) <= max(distances) + 0.1
