"""The options that the user gave, before any default is filled in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.options import Settings, checked, is_of_kind
from bench.plan.probes import PROFILES
from bench.records.inert import inert
from bench.spec import Unavailable


@dataclass(frozen=True)
class Request:
    """The values of the options that the user gave, by name.

    It is kept in `run.json`, so that a resumed run plans the same cases.
    """

    values: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """The value of an option, or None where the user left it open."""
        return self.values.get(name)

    def replacing(self, **values: Any) -> "Request":
        """This request, with these values instead of its own."""
        return Request({**self.values, **values})

    def with_defaults(self, **values: Any) -> "Request":
        """This request, with these values for options that the user left open."""
        return Request({**values, **self.values})

    def over(self, earlier: Mapping[str, Any], source: str = "run.json") -> "Request":
        """This request, with the values of an earlier one for options that the user left open.

        `earlier` comes from `source`: raises `Unavailable` if it is damaged.
        """
        for name, value in earlier.items():
            if not is_of_kind(Settings, name, value):
                raise Unavailable(f"{source} is damaged: {name} cannot be {value!r:.60}")
        return self.with_defaults(**earlier)

    def settings(self) -> Settings:
        """Every option with its value; `Unavailable` if an option does not accept its value, or has
        a text that is not UTF-8, as the name of a file can be: `run.json` cannot hold it."""
        for name, value in self.values.items():
            for text in value if isinstance(value, list) else [value]:
                if any("\ud800" <= character <= "\udfff" for character in str(text)):
                    flag = name.replace("_", "-")
                    raise Unavailable(
                        f"--{flag}: {inert(text)} is not UTF-8, which run.json needs: "
                        "rename the file or its folder"
                    )
        name = self.get("profile") or "standard"
        profile = PROFILES[checked(Settings, {"profile": name}).profile]
        by_profile = {
            "seeds": profile.seeds,
            "launches": profile.launches,
            "phase_s": profile.phase_s,
        }
        return checked(Settings, {**by_profile, **self.values})
