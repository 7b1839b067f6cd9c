"""The code that a comparison guards: where each side has it, and what its packages are called."""

import ast
import os
import tomllib
from collections.abc import Iterable, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from contextlib import suppress
from pathlib import Path

from bench.compare.worktree import tracked_files
from bench.spec import Unavailable, path_of

PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py")


def moved_files(backends: Sequence[str], repository: Path, tree: Path) -> dict[str, str]:
    """The files in a tree of the backends that the user named as files in its repository."""
    moved, root = {}, repository.resolve()
    for name in backends:
        path = path_of(name)
        if name.endswith(".py") and path.is_relative_to(root):
            moved[name] = str(tree / path.relative_to(root))
    return moved


def import_folders(adapters: Iterable[str], named: Iterable[str], tree: Path) -> list[str]:
    """The folders of a tree from which its adapters import: their own folders, those that the user
    named, and `src` in each folder above an adapter and that folder itself, up to the tree."""
    files = [Path(adapter) for adapter in adapters]
    beside = [file.parent for file in files]
    above = [folder for file in files for folder in _folders_above(file, tree)]
    roots = [root for folder in above for root in (folder / "src", folder)]
    folders = dict.fromkeys([*map(str, beside), *named, *map(str, roots)])
    return [folder for folder in folders if os.path.isdir(folder)]


def _folders_above(adapter: Path, tree: Path) -> list[Path]:
    """The folders that hold a file, from its own up to the tree."""
    return [folder for folder in adapter.parents if folder.is_relative_to(tree)]


def python_path(repository: Path, tree: Path) -> tuple[list[str], list[str]]:
    """The folders that the user's PYTHONPATH names: those of the repository, as this tree has
    them, and the others."""
    entries = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    inside: list[str] = []
    outside: list[str] = []
    for folder in (Path(entry).resolve() for entry in entries):
        if folder.is_relative_to(repository):
            inside.append(str(tree / folder.relative_to(repository)))
        else:
            outside.append(str(folder))
    return inside, outside


def joined_folders(folders: Sequence[str]) -> str:
    """The value of PYTHONPATH for these folders; `Unavailable` where it cannot name one of them."""
    for folder in folders:
        if os.pathsep in folder:
            raise Unavailable(
                f"modules cannot be imported from {folder}: PYTHONPATH separates folders by "
                f"{os.pathsep!r}. Rename it, or compare in a clone elsewhere"
            )
    return os.pathsep.join(folders)


def working_folder(repository: Path, tree: Path) -> Path | None:
    """The folder of a tree in the place of this process's working directory, or the nearest folder
    above it that the tree has. None where this process works outside of the repository."""
    here = Path.cwd().resolve()
    if not here.is_relative_to(repository):
        return None
    folder = tree / here.relative_to(repository)
    return next(f for f in (folder, *folder.parents) if f.is_dir())


def project_names(tree: Path, adapters: Iterable[str]) -> set[str]:
    """The names of the packages that are built from a tree.

    Their files are looked for in the tree, one folder below, and around the adapters; deeper down
    are the packages of others.
    """
    above = {folder for adapter in adapters for folder in _folders_above(Path(adapter), tree)}
    files = tracked_files(tree, *(f"*{name}" for name in PROJECT_FILES))
    near = (
        file
        for file in files
        if file.name in PROJECT_FILES
        and (file.parent == tree or file.parent.parent == tree or file.parent in above)
    )
    return {name for file in near if (name := _project_name(file))}


def _project_name(file: Path) -> str | None:
    """The name in a file of the packaging tools; None where it has none that can be read."""
    with suppress(OSError, ValueError, SyntaxError, ConfigError):
        text = file.read_text(encoding="utf-8")
        if file.name == "pyproject.toml":
            return _named_in_toml(text)
        if file.name == "setup.cfg":
            settings = ConfigParser(interpolation=None)
            settings.read_string(text)
            return settings.get("metadata", "name", fallback=None)
        return _named_in_setup(text)
    return None


def _named_in_toml(text: str) -> str | None:
    content = tomllib.loads(text)
    tools = content.get("tool", {})
    sections = (content.get("project", {}), tools.get("poetry", {}))
    return next((section["name"] for section in sections if "name" in section), None)


def _named_in_setup(text: str) -> str | None:
    """The constant that is given as `name` to a call of `setup`, by itself or in a variable."""
    nodes = list(ast.walk(ast.parse(text)))
    constants = {
        target.id: node.value
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "setup":
            for keyword in node.keywords:
                value = keyword.value
                if isinstance(value, ast.Name):
                    value = constants.get(value.id, value)
                if keyword.arg == "name" and isinstance(value, ast.Constant):
                    return str(value.value)
    return None
