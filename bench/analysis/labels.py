"""Labels that differ wherever what they name differs."""

import json
import re
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)


def distinct_labels(plain: Mapping[Key, str], exact: Mapping[Key, str]) -> dict[Key, str]:
    """The plain label of each key, or its exact one where another key has the same label. The exact
    labels must differ."""
    exact_keys: set[Key] = set()
    while True:
        labels = {key: exact[key] if key in exact_keys else label for key, label in plain.items()}
        counts = Counter(labels.values())
        shared = {key for key, label in labels.items() if counts[label] > 1} - exact_keys
        if not shared:
            return labels
        exact_keys |= shared


def exact_name(name: str) -> str:
    """A name as it stands if it is one word, and otherwise in quotation marks."""
    return name if re.fullmatch(r"[\w.-]+", name) else exact_value(name)


def exact_value(value: Any) -> str:
    """A value as JSON, which tells `"10"` from `10`."""
    return json.dumps(value, ensure_ascii=False)
