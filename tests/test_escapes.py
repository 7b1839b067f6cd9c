"""Text from elsewhere is shown as it is and steers nothing: terminal, Markdown, LaTeX, CSV, XML."""

import csv
import re
from dataclasses import replace
from html import escape
from pathlib import Path
from xml.etree import ElementTree as Xml

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_records import INFO, all_probes, record, run_folder, tables_of, terminal_text

from bench.compare.decision import Verdict
from bench.compare.finding import Finding
from bench.compare.outputs.junit import junit
from bench.records.inert import inert, inert_lines
from bench.records.record import Record
from bench.report.escapes import escape_csv, escape_latex, escape_markdown
from bench.report.files import write_report
from bench.report.markup import markdown_table
from bench.report.plots import _file_names, plots

HOSTILE = (
    "=1+1 \x1b[2J\x07\u202e\x9b31m\r\n[x](http://a.b) ![i](//c.d) <script> www.e.f `| $\\frac{ "
    "@all #1 ../../up [red]x[/red] :bug: %s {0} \\input{x} __y__ ~~z~~ \u200b"
)
"""Marks of everything that text is shown in."""
MARKS = "\\`*_{}[]()<>#+-=.!|~$&@:;\"'^%/ \tab1wx\n\x1b\u202eé日"
RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def steering(text: str) -> set[str]:
    """The characters that may steer a terminal."""
    return {c for c in text if not c.isprintable()} - {"\n"}


def test_control_characters_are_shown_as_escapes_and_other_text_is_left() -> None:
    assert inert("\x1b[2Jgone\r\n\tx \x9b\u202e\ud800") == r"\x1b[2Jgone x \x9b\u202e\ud800"
    assert inert("latency 3 µs → ∞, 日本, é") == "latency 3 µs → ∞, 日本, é"
    assert inert_lines("a\n  b\x07") == "a\n  b\\x07"
    assert steering(inert(HOSTILE)) == set() != steering(HOSTILE)
    assert inert("::set-output name=a::b") == r"\::set-output name=a::b"
    assert inert_lines("a::b\n  ##[group]c") == "a::b\n  \\##[group]c"


def rendered(markdown: str) -> str:
    """The first paragraph, list or table cell of Markdown as HTML, without marks of width zero."""
    html = RENDERER.render(markdown).replace("\u200b", "")
    blocks = re.findall(r"<(?:p|li|td)>(.*?)</(?:p|li|td)>", html, re.DOTALL)
    return blocks[0] if blocks else html


@given(st.text(MARKS, min_size=1).filter(lambda text: inert(text)))
def test_markdown_shows_any_text_as_it_is(text: str) -> None:
    shown, escaped = escape(inert(text)).replace("&#x27;", "'"), escape_markdown(text)
    for markdown in (escaped, f"- {escaped}", f"| a |\n|---|\n| {escaped} |"):
        assert rendered(markdown) == shown


@pytest.mark.parametrize(
    "text", ["[x](y)", "*x*", "# x", "1. x", "<b>x</b>", "`x`", "~~x~~", "> x"]
)
def test_text_that_is_not_escaped_is_noticed_by_the_check(text: str) -> None:
    assert rendered(text) != escape(text)


def test_addresses_and_mentions_are_no_links() -> None:
    assert escape_markdown("http://a.b www.c.d") == r"http\://a.b www\.c.d"
    assert escape_markdown("@all fixes #1") == "@&#8203;all fixes #&#8203;1"


def test_brackets_and_numbers_in_tables_are_left() -> None:
    assert escape_markdown("4.38 [3.98–4.78]") == "4.38 [3.98–4.78]"
    assert escape_markdown("-39.0 … +70.0%") == "-39.0 … +70.0%"


@given(st.text(MARKS))
def test_latex_has_no_mark_that_is_not_escaped(text: str) -> None:
    latex = escape_latex(text)
    assert latex.isascii() and latex.isprintable()
    plain = re.sub(r"\\[a-z]+\{\}|\\'\{e\}|\\[&%$#_{}]|\$[-\\][a-z|]*\$", "", latex)
    assert not set(plain) & set("\\&%$#_{}~^<>|")


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("ä.py ö.py", r"\"{a}.py \"{o}.py"),
        ("a\N{COMBINING DIAERESIS}", r"\"{a}"),
        ("Škoda, ça", r"\v{S}koda, \c{c}a"),
        ("p50 (µs) …", r"p50 ($\mu$s) \dots{}"),
        ("日ß≠", "U+65E5U+00DFU+2260"),
    ],
)
def test_letters_beyond_ascii_stay_different_in_latex(text: str, latex: str) -> None:
    assert escape_latex(text) == latex


def test_formulas_are_text_in_csv_and_numbers_stay_numbers(tmp_path: Path) -> None:
    for text in ("=1+1", "+1", "-1", "@x", "\t=1", "\r\n=1", "＝1+1", "＠x"):
        assert escape_csv(text).startswith(("'", "\\"))
    assert escape_csv("a=1") == "a=1"
    metrics = {"parity_error": 1e-7, "parity_tolerance": 1e-5}
    first, *others = all_probes(backend="=cmd", task="@x")
    records = [replace(first, metrics=metrics), *others]
    records.append(record("memory", backend="=cmd", task="@x", status="failed", reason="-2+3"))
    paths = write_report([run_folder(tmp_path)], records, ["csv"], tmp_path)
    for path in paths:
        with path.open(newline="") as lines:
            for row in csv.reader(lines):
                assert all(not re.match(r"[=@+]|-(?![\d.]+(e|$))", entry) for entry in row), row
    learning = pd.read_csv(paths[0])
    assert learning["backend"].tolist() == ["'=cmd"] and learning["task"].tolist() == ["'@x"]
    assert learning["parity_error"].dtype == float


def hostile_records() -> list[Record]:
    """Records with `HOSTILE` wherever a record can hold text, in results and in failures."""
    names = {"backend": HOSTILE, "task": HOSTILE, "metric": "mse", HOSTILE: HOSTILE}
    records = all_probes(run=HOSTILE, **names)
    for k, one in enumerate(records):
        if one.probe == "learning":
            scores = {f"{prefix}.{HOSTILE}": 0.1 for prefix in ("final", "baseline")}
            scores["baseline.*[x"] = 0.1
            codes = [float(ord(c)) for c in HOSTILE] + [-1.0, 2e9, float("nan")]
            records[k] = replace(
                one,
                metrics={**one.metrics, **scores},
                samples={**one.samples, "prompt": codes, "written": codes},
            )
    failed = record(
        "parity", run=HOSTILE, status="failed", reason=HOSTILE, **{**names, "cell": "gru"}
    )
    return [*records, failed]


HOSTILE_INFO = {
    **INFO,
    "commit": HOSTILE,
    "machine": {"processor": HOSTILE, "gpus": [HOSTILE], "system": HOSTILE, "cores": 2},
    "variables": {HOSTILE: HOSTILE},
    "environments": {
        "e": {
            "python": HOSTILE,
            "versions": {HOSTILE: HOSTILE, "none": None},
            "executed_path": HOSTILE,
            "expected_path": "aten",
            "instruction_sets": {HOSTILE: HOSTILE},
            "machine": None,
        }
    },
}


def test_hostile_records_are_inert_in_every_file(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, HOSTILE_INFO)
    folder.id = HOSTILE
    paths = write_report([folder], hostile_records(), ["markdown", "csv", "latex"], tmp_path / "o")
    texts = {path.suffix: path.read_text() for path in paths}
    assert {steering(text) == set() for text in texts.values()} == {True}
    html = RENDERER.render(texts[".md"])
    assert "frac" in html and not re.search(r"<(?:a|img|script|em|s|code)\b", html)
    latex = texts[".tex"].split(r"\begin{document}")[1].rpartition(r"\end{longtable}")[0]
    assert "\\input" not in latex and "\n{}*" in latex
    assert not re.search(r"^[\[*]", latex, re.MULTILINE)


def test_hostile_records_are_inert_in_the_terminal() -> None:
    records = [replace(one, run="r") for one in hostile_records()]
    assert steering(terminal_text(records)) == set()
    assert "[red]x[/red] :bug:" in re.sub(r"\s+", " ", terminal_text(records, 4000))


def test_wrapped_text_is_no_command_of_continuous_integration() -> None:
    reason = " ".join(["::error::x"] * 40)
    failed = record("parity", backend="::notice::y", status="failed", reason=reason)
    out = terminal_text([failed, *all_probes(cell="::group::z")], 60)
    assert "::error::x" in out and not re.search(r"^\s*(::|##\[)", out, re.MULTILINE)


def test_hostile_records_are_drawn_into_files_of_plain_names(tmp_path: Path) -> None:
    records = [replace(one, run="r") for one in hostile_records()]
    drawn = plots(tables_of(records), tmp_path)
    paths = [path for group in drawn.values() for path in group]
    assert len(paths) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,120}\.png", path.name) for path in paths)
    assert {path.parent for path in paths} == {tmp_path}


def test_figures_of_like_titles_do_not_overwrite_each_other() -> None:
    titles = ["a b", "a-b", "A/b, cpu", "a/b", "../../", "x" * 500]
    assert _file_names(titles) == ["a-b", "a-b_2", "A-b-cpu", "a-b_3", "", "x" * 80]


def test_hostile_findings_are_inert_in_a_junit_file() -> None:
    finding = Finding(HOSTILE, HOSTILE, Verdict.REGRESSED, HOSTILE)
    (case,) = Xml.fromstring(junit([finding]).encode())
    assert case.get("classname") == case.get("name") == inert(HOSTILE)
    assert inert(HOSTILE) in str(case[0].get("message"))


def test_table_with_hostile_headings_keeps_its_columns() -> None:
    frame = pd.DataFrame([[HOSTILE, "1"]], columns=[HOSTILE, "b|"])
    html = RENDERER.render(markdown_table(frame))
    assert (html.count("<th"), html.count("<td")) == (2 + 1, 2)
