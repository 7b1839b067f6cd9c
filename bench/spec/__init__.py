"""The vocabulary of the harness: frozen data and Protocols that everything else rests on.

Adapters (`backends/`) and tasks (`tasks/`) import this package of `bench` and no other.
"""

from bench.spec.added_settings import added_setting
from bench.spec.batch import ArrayFacts, check_batch, facts_of
from bench.spec.cells import CELLS, GRU_VARIANTS, Cell
from bench.spec.checked import CheckedSession
from bench.spec.checked_backend import CheckedBackend
from bench.spec.installed import installed_version
from bench.spec.installed_plugins import EntryPoint, installed_entry_points
from bench.spec.model import (
    DTYPES,
    LOSSES,
    OPTIMISERS,
    READOUTS,
    Array,
    ModelSpec,
    Params,
    Training,
    check_choice,
)
from bench.spec.plugins import (
    called,
    error_text,
    folders_of,
    import_checked,
    import_file,
    path_of,
    place_of,
    reason_text,
)
from bench.spec.protocols import (
    Backend,
    Operands,
    RestartedSession,
    Session,
    Task,
    TimedSession,
)
from bench.spec.supports import (
    NOT_WRITTEN,
    ONE_DIRECTION,
    WHOSE,
    Limit,
    Supports,
    Unavailable,
    Unsupported,
    check_one_direction,
)

__all__ = [
    "CELLS",
    "DTYPES",
    "GRU_VARIANTS",
    "LOSSES",
    "NOT_WRITTEN",
    "ONE_DIRECTION",
    "OPTIMISERS",
    "READOUTS",
    "WHOSE",
    "Array",
    "ArrayFacts",
    "Backend",
    "Cell",
    "CheckedBackend",
    "CheckedSession",
    "EntryPoint",
    "Limit",
    "ModelSpec",
    "Operands",
    "Params",
    "RestartedSession",
    "Session",
    "Supports",
    "Task",
    "TimedSession",
    "Training",
    "Unavailable",
    "Unsupported",
    "added_setting",
    "called",
    "check_batch",
    "check_choice",
    "check_one_direction",
    "error_text",
    "facts_of",
    "folders_of",
    "import_checked",
    "import_file",
    "installed_entry_points",
    "installed_version",
    "path_of",
    "place_of",
    "reason_text",
]
