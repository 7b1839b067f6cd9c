"""Read documents: the cells of their tables, and the figures that they quote from records."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

NUMBER = re.compile(r"(?<![A-Za-z\d])(?:\d[\d,.]*\d|\d)")


def table_cells(line: str) -> list[str]:
    """The texts in a row of a Markdown table."""
    return [cell.strip() for cell in line.split("|")[1:-1]]


class Page:
    """The text of a document, in which figures are ticked off as they are checked."""

    def __init__(self, path: Path) -> None:
        text = re.sub(r"```.*?```", " ", path.read_text(), flags=re.DOTALL)
        text = re.sub(r"`[^`]*`|\]\([^)]*\)", " ", text)
        self.text = " ".join(text.split())
        self._unchecked = self.text

    def quotes(self, template: str, *values: object) -> bool:
        """Whether the page has this sentence with these values, which then count as checked."""
        sentence = template.format(*values)
        if sentence not in self.text:
            return False
        self._unchecked = self._unchecked.replace(sentence, re.sub(r"\d", "", sentence))
        return True

    def unchecked_figures(self, names: Iterable[str], definitions: Sequence[str]) -> list[str]:
        """The numbers that no quote has checked, except names of experiments and sentences that
        define the method."""
        text = self._unchecked
        for definition in definitions:
            assert definition in text, definition
            text = text.replace(definition, " ")
        for name in sorted(names, key=len, reverse=True):
            text = re.sub(rf"(?<![\w.,]){re.escape(name)}(?![\w])", " ", text)
        return NUMBER.findall(text)
