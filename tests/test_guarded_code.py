"""What belongs to a side: its working directory, its submodules, the names of its packages."""

import shutil
from pathlib import Path

import pytest
from test_compare_sides import git

from bench.compare.guarded_code import (
    joined_folders,
    moved_files,
    project_names,
    working_folder,
)
from bench.compare.temporary import PREFIX
from bench.compare.worktree import changed_files, repository_of, worktree
from bench.spec import Unavailable


def repository_with(folder: Path, **files: str) -> Path:
    """A git repository with one commit of these files."""
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        git(folder, *words)
    return folder


def test_side_works_in_the_same_folder_of_its_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, tree = tmp_path / "head", tmp_path / "base"
    (repository / "kernels" / "new").mkdir(parents=True)
    (tree / "kernels").mkdir(parents=True)
    for here in ("kernels", "kernels/new"):
        monkeypatch.chdir(repository / here)
        assert working_folder(repository, tree) == tree / "kernels"
    monkeypatch.chdir(tmp_path)
    assert working_folder(repository, tree) is None


def test_backend_is_found_in_the_home_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    repository, name = repository_with(tmp_path / "own", mine=""), "~/own/mine.py"
    assert repository_of(Path(name)) == repository
    assert moved_files([name], repository, Path("/base")) == {name: "/base/mine.py"}


def test_folder_that_python_path_cannot_name_is_refused() -> None:
    assert joined_folders(["/a b", "/c"]) == "/a b:/c"
    with pytest.raises(Unavailable, match="cannot be imported from /a:b: PYTHONPATH"):
        joined_folders(["/a:b", "/c"])


@pytest.mark.parametrize("call", ['setup(name="kern")', 'NAME = "kern"\nsetup(name=NAME)'])
def test_package_is_known_by_the_name_in_its_setup_file(call: str, tmp_path: Path) -> None:
    folder = repository_with(tmp_path / "own", setup=f"from setuptools import setup\n{call}\n")
    assert project_names(folder, []) == {"kern"}


def test_submodules_of_a_commit_are_checked_out_as_it_names_them(tmp_path: Path) -> None:
    inner = repository_with(tmp_path / "inner", kern="OLD = 1\n")
    outer = repository_with(tmp_path / "outer", adapter="import kern\n")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "a b")
    git(outer, "commit", "-qm", "with a submodule")
    clone = outer / "a b"
    (clone / "kern.py").write_text("NEW = 1\n")
    git(clone, "commit", "-qam", "new")
    with worktree(outer, "HEAD") as (folder, _):
        assert (folder / "a b" / "kern.py").read_text() == "OLD = 1\n"
    assert not folder.exists()
    assert (clone / "kern.py").read_text() == "NEW = 1\n"
    git(outer, "update-index", "--cacheinfo", f"160000,{'1' * 40},a b")
    git(outer, "commit", "-qm", "a commit that the clone lacks")
    with (
        pytest.raises(Unavailable, match="submodule a b has no commit 111111111111: fetch it in"),
        worktree(outer, "HEAD"),
    ):
        pass
    assert git(outer, "worktree", "list").count("\n") == 1


def test_files_in_which_revisions_differ_are_told_by_pattern(tmp_path: Path) -> None:
    repository = repository_with(tmp_path / "own", kern="OLD = 1\n")
    assert changed_files(repository, "HEAD", None) == []
    (repository / "kern.py").write_text("NEW = 1\n")
    (repository / "new.h").write_text("")
    assert changed_files(repository, "HEAD", None) == ["kern.py", "new.h"]
    assert changed_files(repository, "HEAD", None, "*.c", "*.h") == ["new.h"]
    assert changed_files(repository, "HEAD", "HEAD") == []


def test_worktree_of_the_user_that_is_missing_for_now_is_not_forgotten(tmp_path: Path) -> None:
    repository = repository_with(tmp_path / "own", kern="OLD = 1\n")
    users, moved = tmp_path / "users", tmp_path / "moved"
    git(repository, "worktree", "add", "-q", "--detach", str(users), "HEAD")
    killed = tmp_path / f"{PREFIX}killed" / "tree"
    git(repository, "worktree", "add", "-q", "--detach", str(killed), "HEAD")
    shutil.rmtree(killed.parent)
    users.rename(moved)
    with worktree(repository, "HEAD"):
        pass
    moved.rename(users)
    assert git(users, "status", "--porcelain") == ""
    assert git(repository, "worktree", "list").count("\n") == 2
