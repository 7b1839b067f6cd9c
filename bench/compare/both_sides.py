"""Pairs of values: one for the base and one for the head."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)
Result = TypeVar("Result")
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True)
class BothSides(Generic[T_co]):
    """A value for each side: the base is the reference, the head is judged against it."""

    base: T_co
    head: T_co

    def __iter__(self) -> Iterator[T_co]:
        yield self.base
        yield self.head

    def map(self, function: Callable[[T_co], Result]) -> "BothSides[Result]":
        """The result of the function for each side."""
        return BothSides(function(self.base), function(self.head))


def in_common(mappings: BothSides[Mapping[Key, Value]]) -> dict[Key, BothSides[Value]]:
    """The entries that both sides have, by key, in the order of the base."""
    base, head = mappings
    return {key: BothSides(base[key], head[key]) for key in base if key in head}
