"""Text from records in Markdown, LaTeX, CSV and JSON, without what is taken for a mark."""

import json
import re
import unicodedata
from collections.abc import Mapping

from bench.records.inert import inert

LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "→": r"$\to$",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "µ": r"$\mu$",
    "…": r"\dots{}",
    "‖": r"$\|$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
LATEX_ACCENTS: Mapping[str, str] = {
    "\N{COMBINING GRAVE ACCENT}": "`",
    "\N{COMBINING ACUTE ACCENT}": "'",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~",
    "\N{COMBINING DIAERESIS}": '"',
    "\N{COMBINING RING ABOVE}": "r",
    "\N{COMBINING CARON}": "v",
    "\N{COMBINING CEDILLA}": "c",
}
MARKDOWN = re.compile(
    r"""[\\|*`~$] | (?<![A-Za-z0-9])_ | _(?![A-Za-z0-9])   # cells, emphasis, code, mathematics
    | \](?=[(\[:]) | ^\[(?=[ xX]\])                        # links, boxes to tick
    | :(?=//) | (?<=[Ww]{3})\.                             # addresses, which become links
    | ^\#(?=\#{0,5}(?:[ ]|$)) | ^[+-](?=[ -]|$) | ^>       # headings, lists, quotations""",
    re.VERBOSE,
)
NUMBERED = re.compile(r"^([0-9]{1,9})(?=[.)](?: |$))")
MENTION = re.compile(r"[@#](?=\w)")
"""GitHub notifies whom it names, and links what it numbers."""
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""How formulas begin, also in the wide letters of East Asian spreadsheets."""


def escape_markdown(value: object) -> str:
    """The value on one line, with the marks of Markdown and HTML escaped."""
    text = inert(value).replace("&", "&amp;").replace("<", "&lt;")
    text = NUMBERED.sub(r"\1\\", MARKDOWN.sub(r"\\\g<0>", text))
    return MENTION.sub(r"\g<0>&#8203;", text)


def escape_latex(value: object) -> str:
    """The value on one line in ASCII, with the marks of TeX escaped, and with the numbers of
    letters that TeX may lack."""
    return "".join(map(_latex_letter, unicodedata.normalize("NFC", inert(value))))


def _latex_letter(letter: str) -> str:
    """A letter in ASCII: as it is, with its accent, or by its number in Unicode."""
    if letter in LATEX:
        return LATEX[letter]
    if letter.isascii():
        return letter
    decomposed = unicodedata.normalize("NFD", letter)
    base, accent = decomposed[0], LATEX_ACCENTS.get(decomposed[1:])
    if accent and base.isascii() and base.isalpha():
        return f"\\{accent}{{{base}}}"
    return f"U+{ord(letter):04X}"


def escape_csv(value: str) -> str:
    """The text on one line, with an apostrophe before what a spreadsheet would compute."""
    line = inert(value)
    return f"'{line}" if line.startswith(FORMULA) else line


def escape_json(document: str) -> str:
    """A JSON document with an escape for each character that does not print: such characters steer
    a terminal, or turn the direction of writing."""
    if document.isascii() and "\x7f" not in document:
        return document
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in document)
