"""The options that `compare` has and a run has not."""

from dataclasses import dataclass

from bench.options import EXECUTION, InvocationOptions, Kind, option

SIDES = "the sides"
MOST_PAIRS, MOST_ROUNDS = 1000, 20
"""The exact test of more pairs takes hours."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions(InvocationOptions):
    """Which two sides are compared, and what counts as a change."""

    base: str | None = option(
        Kind.WORD,
        "commit of the base; the head is the checkout as it is",
        metavar="REV",
        group=SIDES,
    )
    head: str | None = option(
        Kind.WORD, "commit of the head, in place of the checkout", metavar="REV", group=SIDES
    )
    base_python: str | None = option(
        Kind.WORD, "Python interpreter of the base", metavar="PATH", group=SIDES
    )
    head_python: str | None = option(
        Kind.WORD, "Python interpreter of the head", metavar="PATH", group=SIDES
    )
    build: str | None = option(
        Kind.WORD,
        "shell command that builds each side's code, in an environment of its own",
        metavar="COMMAND",
        group=SIDES,
    )
    aa: bool = option(
        Kind.FLAG,
        "compare the head with itself: any red verdict is a false alarm",
        default=False,
        group=SIDES,
    )
    pairs: int = option(
        Kind.WHOLE,
        "launches of each side in a round",
        default=10,
        least=1,
        most=lambda: MOST_PAIRS,
        group=EXECUTION,
    )
    rounds: int = option(
        Kind.WHOLE, "most rounds", default=3, least=1, most=lambda: MOST_ROUNDS, group=EXECUTION
    )
    least: float = option(
        Kind.NUMBER,
        "smallest change that is flagged",
        default=0.04,
        metavar="SHARE",
        group=EXECUTION,
    )
    excluded: float = option(
        Kind.NUMBER,
        "change that a pass excludes",
        default=0.07,
        metavar="SHARE",
        group=EXECUTION,
    )
