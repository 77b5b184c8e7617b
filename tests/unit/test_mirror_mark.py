"""The mark of a mirror: which folders are one, which become one, and which are refused."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jwmirror.cli import app
from jwmirror.core.errors import StoreError
from jwmirror.core.failpoints import VARIABLE
from jwmirror.core.mirror import MARK, check_mirror, is_mirror, mark_mirror
from jwmirror.store.lock import mirror_lock
from jwmirror.store.runs import add_events
from tests.setup.mirrors import RUN

HEAD = "generations/000007/generation.json"


def make(folder: Path, *paths: str) -> None:
    """Make files (folders where a path ends with a slash) below a folder."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).mkdir() if path.endswith("/") else (folder / path).touch()


def tree(folder: Path) -> list[str]:
    """Return the paths below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("paths", [[], ["mirror/"], [f"mirror/.{MARK}.3xyz"]])
def test_a_new_or_empty_folder_becomes_a_mirror(paths, tmp_path):
    """So does one in which a first run was killed while it wrote the mark."""
    mirror = tmp_path / "mirror"
    make(tmp_path, *paths)

    assert not is_mirror(mirror)
    assert mark_mirror(mirror)

    assert is_mirror(mirror)
    assert not mark_mirror(mirror)


@pytest.mark.parametrize("point", ["written", "durable", "named"])
@pytest.mark.parametrize("action", ["exit", "ENOSPC"])
def test_a_first_run_that_stops_at_the_mark_can_be_repeated(point, action, tmp_path):
    """The folder is empty, has an unfinished mark, or is marked."""
    code = (
        "from pathlib import Path; from jwmirror.core.mirror import mark_mirror\n"
        "mark_mirror(Path('mirror'))"
    )
    armed = os.environ | {VARIABLE: f"file: {point}={action}"}

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=armed, capture_output=True
    )

    assert done.returncode and os.listdir(tmp_path) == ["mirror"]
    with mirror_lock(tmp_path / "mirror", "test"):
        assert is_mirror(tmp_path / "mirror")


@pytest.mark.parametrize(
    "path",
    [
        MARK,
        HEAD,
        f"receipts/runs/{RUN}/",
        "locks/run/free",
        "locks/publishing/h~m~b~s~7~1~0123456789ab",
    ],
)
def test_a_mirror_of_an_earlier_version_needs_no_mark(path, tmp_path):
    """It has a generation, the records of a run or a lock; nothing is written into it."""
    make(tmp_path, path, "work/thesis.txt")
    before = tree(tmp_path)

    assert not mark_mirror(tmp_path)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "path",
    ["notes.txt", "work/", "work/thesis.txt", f"work/{RUN}/", ".git/", "objects/ab/", "CURRENT",
     "generations/7/generation.json", "generations/000007/", "receipts/runs/mine/", "locks/run/x"],
)  # fmt: skip
def test_a_folder_with_other_files_is_refused(path, tmp_path):
    """By everything that writes to a mirror; nothing in it is changed."""
    make(tmp_path, path)
    before, found = tree(tmp_path), path.partition("/")[0]

    for use in (check_mirror, mark_mirror, lambda folder: add_events(folder, [])):
        with pytest.raises(StoreError, match=f"{tmp_path}: expected .* found {found}; nothing was"):
            use(tmp_path)
    with pytest.raises(StoreError, match=f"found {found}"), mirror_lock(tmp_path, "test"):
        pass

    assert tree(tmp_path) == before


def test_a_file_is_no_mirror(tmp_path):
    """It is refused in words."""
    (tmp_path / "mirror").touch()

    with pytest.raises(StoreError, match="expected a folder that can be listed"):
        mark_mirror(tmp_path / "mirror")


def test_first_runs_that_begin_together_make_one_mirror(tmp_path):
    """No process takes the half-made mirror of another for a folder of the user's."""
    mirror, processes = tmp_path / "mirror", 8
    start = multiprocessing.Barrier(processes)
    workers = [
        multiprocessing.Process(target=_lock_together, args=(mirror, start))
        for _ in range(processes)
    ]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert {worker.exitcode for worker in workers} == {0}
    assert tree(mirror) == sorted([MARK, "locks", "locks/publishing", "locks/publishing/free"])


def _lock_together(mirror: Path, start) -> None:
    start.wait()
    with mirror_lock(mirror, "test", wait_s=None):
        os.listdir(mirror)


def run(*words: object, code: int = 0) -> str:
    """Return the output of a command."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output


def test_init_makes_a_mirror(tmp_path):
    """Also beside other files; a second time it changes nothing."""
    make(tmp_path, "mirror/README")

    first = run("init", "--mirror", tmp_path / "mirror", "--json")
    second = run("init", "--mirror", tmp_path / "mirror")

    assert json.loads(first) == {"mirror": str(tmp_path / "mirror"), "is_new": True}
    assert "is a mirror already" in second
    assert tree(tmp_path / "mirror") == [MARK, "README"]


def test_init_refuses_a_folder_that_has_names_of_a_mirror(tmp_path):
    """A run would write to the user's files of that name."""
    make(tmp_path, "work/thesis.txt")

    output = run("init", "--mirror", tmp_path, code=1)

    assert "found work; nothing was changed" in " ".join(output.split())
    assert tree(tmp_path) == ["work", "work/thesis.txt"]


@pytest.mark.parametrize(
    "words", [["status"], ["log"], ["verify"], ["pin", "a"], ["prune", "--keep-last", "1"]]
)
def test_a_command_refuses_a_folder_that_is_no_mirror(words, tmp_path):
    """Whether it reads or writes."""
    make(tmp_path, "notes.txt")

    output = run(*words, "--mirror", tmp_path, code=1)

    assert "found notes.txt; nothing was changed" in " ".join(output.split())
    assert tree(tmp_path) == ["notes.txt"]


def test_check_names_a_folder_that_a_run_would_refuse(tmp_path):
    """It is a mistake of the config; a folder that does not exist yet is none."""
    make(tmp_path, "mine/notes.txt")
    for name, code in (("mine", 2), ("new", 0)):
        (tmp_path / "config.yaml").write_text(f"programs: [1345]\nmirror: {tmp_path / name}\n")
        run("check", "--config", tmp_path / "config.yaml", code=code)
