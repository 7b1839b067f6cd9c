"""What the user said in so many words, before any default is filled in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.options import Settings, checked, is_of_kind
from bench.plan.probes import PROFILES
from bench.spec import Unavailable


@dataclass(frozen=True)
class Request:
    """The options that were given, by name; an option that is missing is open. Kept in
    `run.json`, so that a resumed run plans the same cases."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """The value that was given, or None."""
        return self.values.get(name)

    def replacing(self, **values: Any) -> "Request":
        """This request with these options given instead."""
        return Request({**self.values, **values})

    def with_defaults(self, **values: Any) -> "Request":
        """This request with these values for the options that are open."""
        return Request({**values, **self.values})

    def over(self, earlier: Mapping[str, Any]) -> "Request":
        """This request with what is open taken from an earlier one, as it was read from a file."""
        for name, value in earlier.items():
            if not is_of_kind(Settings, name, value):
                raise Unavailable(f"run.json is damaged: {name} cannot be {value!r:.60}")
        return self.with_defaults(**earlier)

    def settings(self) -> Settings:
        """Every option with its value; `Unavailable` where one is not a value of its option."""
        profile = PROFILES[
            checked(Settings, {"profile": self.get("profile") or "standard"}).profile
        ]
        by_profile = {
            "seeds": profile.seeds,
            "launches": profile.launches,
            "phase_s": profile.phase_s,
        }
        return checked(Settings, {**by_profile, **self.values})
