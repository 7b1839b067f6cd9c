"""The folder of a comparison."""

from pathlib import Path

from bench.records.folder import RecordsError, storage_errors


def create_folder(path: Path) -> None:
    """Create the folder of a comparison; `RecordsError` where it exists, because another comparison
    of this name may have begun meanwhile."""
    with storage_errors(f"cannot write to {path}"):
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            raise folder_exists(path) from None


def folder_exists(path: Path) -> RecordsError:
    """The error for a name that is taken."""
    return RecordsError(f"comparison {path.name} exists in {path.parent}; choose another --run-id")
